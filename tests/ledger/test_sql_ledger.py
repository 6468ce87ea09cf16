"""Records into a real database and out of it, on SQLite and on PostgreSQL."""

from __future__ import annotations

import math
import socket
import subprocess
import sys
from datetime import timedelta, timezone
from itertools import permutations
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from fakes.records import START, decision, emission, impact
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

import airflow_carbon.ledger
from airflow_carbon.core.record import DecisionRecord, EmissionRecord, ImpactRecord, Record
from airflow_carbon.core.record_document import field_names, key_names
from airflow_carbon.exceptions import LedgerError
from airflow_carbon.ledger import dialects
from airflow_carbon.ledger.base import Ledger, Selection
from airflow_carbon.ledger.columns import COLUMNS, VERSION_TABLE
from airflow_carbon.ledger.dialects import Database
from airflow_carbon.ledger.schema import REVISIONS
from airflow_carbon.ledger.sql import SqlLedger
from airflow_carbon.ledger.tables import METADATA

LATER = START + timedelta(days=1)


def only(ledger: SqlLedger, kind: type[Record] = EmissionRecord) -> Record:
    (record,) = ledger.read(kind)
    return record


def raw_engine(url: str):  # type: ignore[no-untyped-def]
    return create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)


@pytest.mark.parametrize(
    "record",
    [
        emission(made_at=LATER, tags=("x", "a b"), raw={"energy": "two", "text": "\0 \ud800 ü", "n": math.nan}),
        emission(made_at=LATER, owner='a "quote" and a \\, \'s; DROP TABLE x; %s ?', functional_units=0.0),
        EmissionRecord.faulty(dag_id="d", run_id="r", task_id="t", at=START, fault="energy_kwh: -1", raw={"e": -1},
                              made_at=LATER),
        decision(made_at=LATER, recommended={"start": "06:00"}, ready_at=START, start=LATER, why="a deploy was due"),
        impact(made_at=LATER, emitted_g=700.0, oracle_g=150.5, promised_saving_percent=-1.0),
    ],
)  # fmt: skip
def test_a_record_comes_back_as_it_was_written(ledger: SqlLedger, record: Record) -> None:
    assert ledger.write([record]) == 1
    assert only(ledger, type(record)) == record


def test_a_ledger_is_a_ledger(ledger: SqlLedger) -> None:
    assert isinstance(ledger, Ledger)


def test_what_is_written_twice_is_there_once_and_changes_no_row(ledger: SqlLedger) -> None:
    records = [emission(try_number=number) for number in (1, 2)] + [decision(), impact()]
    assert ledger.write(records + records) == 4
    assert ledger.write(records) == 0
    assert [one.try_number for one in ledger.read(EmissionRecord)] == [1, 2]


def test_the_same_record_made_anew_is_not_written_again(ledger: SqlLedger) -> None:
    ledger.write([emission(made_at=START)])
    assert ledger.write([emission(made_at=LATER)]) == 0


def test_in_whatever_order_versions_come_the_same_one_is_left(ledger: SqlLedger, url: str) -> None:
    versions = [
        emission(energy_kwh=1.0, made_at=LATER),
        emission(energy_kwh=3.0, made_at=LATER, final=True),
        emission(energy_kwh=4.0, made_at=LATER, final=True),
    ]
    left = set()
    for order in permutations(versions):
        for version in order:
            ledger.write([version])
        left.add(only(ledger).energy_kwh)
        with raw_engine(url).begin() as connection:
            connection.execute(text("DELETE FROM carbon_emission"))
    assert len(left) == 1
    assert left <= {3.0, 4.0}


def test_a_final_emission_is_not_replaced_by_a_provisional_one_that_is_newer(ledger: SqlLedger) -> None:
    ledger.write([emission(final=True, made_at=START)])
    assert ledger.write([emission(energy_kwh=9.0, made_at=LATER)]) == 0
    assert ledger.write([emission(energy_kwh=8.0, final=True, made_at=LATER)]) == 1
    assert only(ledger).energy_kwh == 8.0


def test_a_decision_whose_end_is_known_is_not_replaced_by_one_that_waits(ledger: SqlLedger) -> None:
    ledger.write([decision(action="overridden", why="an operator", made_at=START)])
    assert ledger.write([decision(action="", made_at=LATER)]) == 0
    assert only(ledger, DecisionRecord).why == "an operator"


def test_a_measured_impact_is_not_replaced_by_a_foreseen_one(ledger: SqlLedger) -> None:
    ledger.write([impact(measured=False, emitted_g=1.0, made_at=START)])
    ledger.write([impact(made_at=START)])
    assert ledger.write([impact(measured=False, emitted_g=5.0, made_at=LATER)]) == 0
    assert only(ledger, ImpactRecord).reduction_g == 400.0


def test_moments_of_any_timezone_come_back_in_utc(ledger: SqlLedger) -> None:
    there = START.astimezone(timezone(timedelta(hours=5, minutes=45))) + timedelta(microseconds=1)
    ledger.write([emission(started_at=there)])
    assert only(ledger).started_at.isoformat() == "2026-11-22T06:00:00.000001+00:00"


def test_records_are_found_by_what_a_selection_names(ledger: SqlLedger) -> None:
    ledger.write([emission(task_id=f"t{hour}", started_at=START + timedelta(hours=hour)) for hour in range(4)])
    ledger.write([emission(dag_id="other", final=True), decision("one"), decision("two", dag_id="other")])
    ledger.write([impact("one"), impact("two"), impact("of nothing")])

    def tasks(**which: object) -> list[str]:
        return [one.task_id for one in ledger.read(EmissionRecord, Selection(**which))]  # type: ignore[arg-type]

    hour = timedelta(hours=1)
    assert tasks(dag_id="a_dag", since=START + hour, until=START + 3 * hour) == ["t1", "t2"]
    assert tasks(final=True) == ["a_task"]
    assert tasks(task_id="t3", run_id="a_run") == ["t3"]
    assert [one.decision_id for one in ledger.read(DecisionRecord, Selection(decision_ids=("two",)))] == ["two"]
    assert [one.decision_id for one in ledger.read(ImpactRecord, Selection(dag_id="other"))] == ["two"]
    assert ledger.keys(DecisionRecord) == {("one",), ("two",)}
    with pytest.raises(LedgerError, match="decision_ids: an emission belongs to no decision"):
        list(ledger.read(EmissionRecord, Selection(decision_ids=("two",))))


def test_more_than_one_batch_is_written_and_read_whole(ledger: SqlLedger) -> None:
    records = [emission(task_id=f"t{number:04}") for number in range(2500)]
    assert ledger.write(reversed(records)) == 2500
    assert [one.task_id for one in ledger.read(EmissionRecord)] == [one.task_id for one in records]


# -- the schema ------------------------------------------------------------------------------------------------------


def test_the_migrations_make_what_the_package_believes(ledger: SqlLedger, url: str) -> None:
    ledger.init()
    ledger.init()
    with raw_engine(url).connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, METADATA) == []


def test_the_package_knows_every_migration_in_their_order() -> None:
    script = ScriptDirectory(str(Path(airflow_carbon.ledger.__file__).parent / "migrations"))
    assert tuple(one.revision for one in reversed(list(script.walk_revisions()))) == REVISIONS


def test_a_newer_schema_is_refused_with_what_to_do(ledger: SqlLedger, url: str) -> None:
    ledger.write([emission()])
    with raw_engine(url).begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    for call in (lambda one: one.write([emission()]), lambda one: list(one.read(EmissionRecord)), SqlLedger.init):
        with pytest.raises(LedgerError, match=r"schema 9999.*knows 0003.*upgrade the package"):
            call(SqlLedger(url))


def test_four_processes_that_find_no_schema_make_it_once(url: str) -> None:
    code = (
        "import sys; from datetime import *; from airflow_carbon.ledger.sql import SqlLedger;"
        "from airflow_carbon.core.record import EmissionRecord as E; at = datetime(2026, 1, 1, tzinfo=UTC);"
        "print(SqlLedger(sys.argv[1], patience_seconds=60).write("
        "[E(dag_id='d', run_id='r', task_id=sys.argv[2], started_at=at, ended_at=at)]))"
    )
    running = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", code, url, str(number)], stdout=-1, stderr=-1, text=True)
        for number in range(4)
    ]
    said = [process.communicate(timeout=120) for process in running]
    assert [out.strip() for out, _ in said] == ["1"] * 4, said
    assert len(list(SqlLedger(url).read(EmissionRecord))) == 4


# -- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_server_that_is_not_there_is_a_ledger_error_without_the_password() -> None:
    pytest.importorskip("psycopg")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ledger = SqlLedger(f"postgresql://carbon:hunter22@127.0.0.1:{port}/postgres", name="the ledger behind 'x'")
    with pytest.raises(LedgerError, match=r"the ledger behind 'x': connection") as caught:
        ledger.write([emission()])
    assert "hunter22" not in str(caught.value)
    assert "hunter22" not in repr(ledger)


def test_a_wrong_password_is_a_ledger_error_without_it(postgres) -> None:  # type: ignore[no-untyped-def]
    head, _, tail = postgres.url.partition("//")
    wrong = f"{head}//carbon:hunter22@{tail.partition('@')[2]}"
    with pytest.raises(LedgerError, match="password authentication failed") as caught:
        SqlLedger(wrong).write([emission()])
    assert "hunter22" not in str(caught.value)


def test_a_database_that_another_one_holds_is_a_ledger_error_in_time(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger = SqlLedger(url, patience_seconds=0.2)
    ledger.init()
    with raw_engine(url).connect() as holder:
        holder.exec_driver_sql("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerError, match="database is locked"):
            ledger.write([emission()])
        holder.rollback()
    assert ledger.write([emission()]) == 1


def test_a_file_that_is_no_database_is_a_ledger_error(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("no database at all, but a text that is long enough to be read as one" * 20)
    with pytest.raises(LedgerError, match="not a database"):
        SqlLedger(f"sqlite:///{tmp_path}/ledger.db").write([emission()])


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("mysql://h/x", "cannot live in mysql"),
        ("sqlite://", "must be a file"),
        ("no url", "is no URL"),
        ("sqlite:////proc/none/ledger.db", "folder cannot be made"),
    ],
)
def test_an_address_that_cannot_be_meant_is_a_ledger_error(address: str, said: str) -> None:
    with pytest.raises(LedgerError, match=said):
        SqlLedger(address)


def test_the_columns_are_the_fields_of_the_records_and_what_the_ledger_adds() -> None:
    added = {"month", "final", "made_at", "digest", "raw", "faulty"}
    for kind, columns in COLUMNS.items():
        assert set(field_names(kind)) <= set(columns.sorts) <= set(field_names(kind)) | added
        assert set(key_names(kind)) == set(columns.key)
        assert columns.remembered <= set(columns.sorts)


def test_a_driver_that_is_imported_already_is_taken_before_one_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    address = "postgresql://user@host/name"
    assert Database(address, 5.0).url.drivername == "postgresql+psycopg"
    # Airflow's own database may be reached by the other one; a module of any sort stands for it here.
    monkeypatch.setattr(dialects, "POSTGRES_DRIVERS", ("psycopg", "json"))
    monkeypatch.delitem(sys.modules, "psycopg")
    assert Database(address, 5.0).url.drivername == "postgresql+json"
