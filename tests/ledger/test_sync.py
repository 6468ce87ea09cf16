"""What waits in Airflow comes into the ledger: once, and only what it lacks."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fakes.outbox_server import KnownTask, outbox_server
from fakes.records import START, decision, emission, impact
from fakes.task_context import StateStore, TaskInstance

from airflow_carbon.cli.ledger_sync import Synced, sync
from airflow_carbon.core.record import DecisionRecord, EmissionRecord, Record
from airflow_carbon.core.record_document import document_of
from airflow_carbon.ledger.outbox import EMISSION, OUTBOX, keep, kept_in

if TYPE_CHECKING:
    from airflow_carbon.ledger.sql import SqlLedger


def synced(tasks: list[KnownTask], ledger: SqlLedger, **options: Any) -> tuple[Synced, list[str]]:
    with outbox_server(tasks) as server:
        told = sync(server.api, ledger, since=START, until=START + timedelta(days=1), **options)
        return told, server.asked


def test_an_outbox_is_found_by_its_xcom_and_by_the_state_of_a_task_that_did_not_succeed_at_once(
    sqlite_ledger: SqlLedger,
) -> None:
    waiting = [document_of(record) for record in (emission(), decision(), impact())]
    tasks = [
        KnownTask(task_id="with an xcom", xcoms={OUTBOX: waiting[:1]}),
        KnownTask(task_id="failed", state="failed", states={OUTBOX: waiting[1:2]}),
        KnownTask(task_id="second/try +1", map_index=3, try_number=2, states={OUTBOX: waiting[2:]}),
        KnownTask(task_id="nothing waits", state="failed"),
    ]
    told, _ = synced(tasks, sqlite_ledger)
    assert (told.tasks, told.records, told.written) == (4, 3, 3)
    assert next(sqlite_ledger.read(EmissionRecord)).operational_g == 200.0
    assert next(sqlite_ledger.read(DecisionRecord)).governs == ("a_task",)


def test_a_second_sync_writes_nothing(sqlite_ledger: SqlLedger) -> None:
    tasks = [
        KnownTask(task_id=f"t{number}", xcoms={OUTBOX: [document_of(emission(task_id=f"t{number}"))]})
        for number in range(90)
    ]
    assert synced(tasks, sqlite_ledger)[0].written == 90
    assert synced(tasks, sqlite_ledger)[0].written == 0


def test_a_report_that_the_ledger_never_got_is_read_from_its_own_xcom(sqlite_ledger: SqlLedger) -> None:
    report = {**document_of(emission()), "sci_g_per_unit": 12.0, "a field of": "a later version"}
    told, _ = synced([KnownTask(xcoms={EMISSION: report})], sqlite_ledger)
    assert told.written == 1
    told, asked = synced([KnownTask(xcoms={EMISSION: report})], sqlite_ledger)
    assert (told.records, told.written) == (0, 0)
    # Known by its key: its value is not even asked for.
    assert not any(path.endswith(EMISSION) for path in asked)


def test_a_provisional_record_from_an_outbox_does_not_undo_a_final_one(sqlite_ledger: SqlLedger) -> None:
    sqlite_ledger.write([emission(final=True, intensity_g_per_kwh=90.0, made_at=START)])
    told, _ = synced(
        [KnownTask(xcoms={OUTBOX: [document_of(emission(made_at=START + timedelta(days=9)))]})], sqlite_ledger
    )
    assert (told.records, told.written) == (1, 0)


def test_what_is_no_record_is_passed_over(sqlite_ledger: SqlLedger) -> None:
    spoilt: list[Any] = [
        None, "text", 7, [], {"record": "emission"}, {"record": "unknown"}, [{"record": "decision", "decision_id": 1}],
        {**document_of(emission()), "energy_kwh": -1.0},
    ]  # fmt: skip
    tasks = [KnownTask(task_id=f"t{number}", xcoms={EMISSION: one, OUTBOX: one}) for number, one in enumerate(spoilt)]
    told, _ = synced(tasks, sqlite_ledger)
    assert (told.tasks, told.records, told.written) == (8, 0, 0)


def test_the_state_of_tasks_that_succeeded_at_once_is_read_only_when_asked_for(sqlite_ledger: SqlLedger) -> None:
    tasks = [KnownTask(states={OUTBOX: [document_of(emission())]})]
    assert synced(tasks, sqlite_ledger)[0].written == 0
    assert synced(tasks, sqlite_ledger, thorough=True)[0].written == 1


def test_one_dag_alone_is_read_where_one_is_named(sqlite_ledger: SqlLedger) -> None:
    tasks = [KnownTask(dag_id=dag, xcoms={OUTBOX: [document_of(emission(dag_id=dag))]}) for dag in ("mine", "another")]
    assert synced(tasks, sqlite_ledger, dag_id="mine")[0].written == 1
    assert next(sqlite_ledger.read(EmissionRecord)).dag_id == "mine"


def test_an_outbox_keeps_the_records_of_every_try_in_both_places() -> None:
    store, first_try, second_try = StateStore(), TaskInstance(), TaskInstance()
    one, two = emission(try_number=1), emission(try_number=2)
    assert keep([one], store, first_try) == []
    # A retry wipes XComs, and what the first try could not write goes along with the second's.
    assert keep([two, two], store, second_try) == []
    expected: list[Record] = [one, two]
    assert kept_in(store.get(OUTBOX)) == kept_in(second_try.xcoms[OUTBOX]) == expected


def test_an_outbox_that_fails_is_told_and_the_other_place_is_used() -> None:
    class Away:
        def get(self, key: str, default: Any = None) -> Any:
            raise RuntimeError("the api-server does not answer")

        def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
            raise AssertionError("what could not be read must not be overwritten")

    ti = TaskInstance()
    assert keep([emission()], Away(), ti) == [f"state {OUTBOX}: RuntimeError: the api-server does not answer"]
    assert kept_in(ti.xcoms[OUTBOX]) == [emission()]
