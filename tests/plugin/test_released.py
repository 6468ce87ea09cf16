"""A waiting task is released, in Airflow's own database: what is woken, and what is refused by name."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes.sensors import deferral, sensor
from fakes.task_context import StateStore, TaskInstance, task_context

from airflow_carbon.core.record import DecisionRecord
from airflow_carbon.exceptions import InvalidRequestError, NotWaitingError, UnknownTaskError

pytestmark = pytest.mark.airflow

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path))


@pytest.fixture
def session(metadata_database: None) -> Iterator[Any]:
    """Give a session whose work is undone at the end."""
    from airflow.utils.session import create_session

    with create_session() as one:
        yield one
        one.rollback()


def put(
    session: Any,
    state: str | None,
    *,
    classpath: str = "",
    operator: str = "CarbonAwareSensor",
    waited: timedelta = timedelta(hours=1),
) -> dict[str, str]:
    """Put a run of "mine" with one task, ``wait``, into the database; a classpath makes it wait on a trigger."""
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance as Ti
    from airflow.models.trigger import Trigger
    from airflow.sdk import DAG
    from airflow.serialization.serialized_objects import DagSerialization

    with DAG("mine", schedule=None) as dag:
        sensor()
    task = DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task("wait")
    run_id = f"run-{uuid.uuid4()}"
    session.add(DagRun(dag_id="mine", run_id=run_id, run_type="manual", run_after=datetime.now(UTC), state="running"))
    session.flush()
    ti = Ti(task, None, run_id=run_id, state=state)
    ti.state, ti.operator = state, operator
    if classpath:
        trigger = Trigger(classpath=classpath, kwargs={}, created_date=datetime.now(UTC) - waited)
        session.add(trigger)
        session.flush()
        ti.trigger_id, ti.next_method = trigger.id, "execute_complete"
    session.add(ti)
    session.flush()
    return {"dag_id": "mine", "run_id": run_id, "task_id": "wait"}


def found(session: Any, key: dict[str, str]) -> Any:
    from airflow.models.taskinstance import TaskInstance as Ti
    from sqlalchemy import select

    return session.scalar(select(Ti).filter_by(**key).execution_options(populate_existing=True))


def release(session: Any, key: dict[str, Any], **changed: Any) -> str:
    from airflow_carbon.plugin.release import release

    return release(session, **{**key, "by": "ann", "reason": "a deploy is due", **changed})


WINDOW = "airflow_carbon.triggers.carbon_window.CarbonWindowTrigger"
CLOCK = "airflow.providers.standard.triggers.temporal.DateTimeTrigger"


@pytest.mark.parametrize(
    ("classpath", "operator"), [(WINDOW, "CarbonAwareSensor"), (WINDOW, "MySensor"), (CLOCK, "PlannedWindowSensor")]
)
def test_a_deferred_task_is_woken_with_who_and_why(session: Any, classpath: str, operator: str) -> None:
    from airflow.models.trigger import _decode_next_kwargs

    key = put(session, "deferred", classpath=classpath, operator=operator)
    assert release(session, key) == f"mine.wait of {key['run_id']} starts as soon as a worker takes it up"
    ti = found(session, key)
    assert (ti.state, ti.trigger_id, ti.next_method) == ("scheduled", None, "execute_complete")
    event = _decode_next_kwargs(ti.next_kwargs)["event"]
    assert event == {"released": {"by": "ann", "reason": "a deploy is due"}, "plan": {}}


def test_a_task_that_has_only_just_begun_to_wait_is_not_woken_yet(session: Any) -> None:
    key = put(session, "deferred", classpath=WINDOW, waited=timedelta(seconds=2))
    with pytest.raises(NotWaitingError, match=r"only just begun to wait.* say it again in 2[78] s$"):
        release(session, key)
    assert found(session, key).state == "deferred"


def test_a_task_that_was_only_just_rescheduled_is_called_back_a_little_later(session: Any) -> None:
    from airflow.models.taskreschedule import TaskReschedule

    key = put(session, "up_for_reschedule")
    now, ti = datetime.now(UTC), found(session, key)
    session.add(TaskReschedule(ti.id, now, now, now + 5 * HOUR))
    session.flush()
    release(session, key)
    assert session.scalar(TaskReschedule.stmt_for_task_instance(ti)).reschedule_date == now + timedelta(seconds=30)


def test_a_rescheduled_task_is_called_back_and_finds_the_release(session: Any) -> None:
    from airflow._shared.state import TaskScope
    from airflow.models.taskreschedule import TaskReschedule
    from airflow.state import get_state_backend

    key = put(session, "up_for_reschedule")
    now, ti = datetime.now(UTC), found(session, key)
    session.add(TaskReschedule(ti.id, now - HOUR, now - HOUR, now + 5 * HOUR))
    session.flush()
    assert release(session, key).endswith("starts as soon as the scheduler calls it back")
    assert session.scalar(TaskReschedule.stmt_for_task_instance(ti)).reschedule_date <= datetime.now(UTC)
    kept = get_state_backend().get(TaskScope(**key), "carbon_release", session=session)
    assert json.loads(kept) == {"by": "ann", "reason": "a deploy is due"}


@pytest.mark.parametrize(
    ("state", "classpath", "operator", "said"),
    [
        ("running", "", "CarbonAwareSensor", "is not waiting: its state is running"),
        (None, "", "CarbonAwareSensor", "is not waiting: its state is none"),
        ("deferred", CLOCK, "DateTimeSensorAsync", "not for clean power: it is a DateTimeSensorAsync"),
    ],
)
def test_what_does_not_wait_is_refused_by_its_state(
    session: Any, state: str | None, classpath: str, operator: str, said: str
) -> None:
    key = put(session, state, classpath=classpath, operator=operator)
    with pytest.raises(NotWaitingError, match=said):
        release(session, key)
    assert found(session, key).state == state


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"dag_id": "mime"}, "DAG: there is no 'mime'$"),
        ({"run_id": "run"}, "run: there is no 'run'; there is run-"),
        ({"task_id": "wiat"}, "task: there is no 'wiat'; there is wait$"),
        ({"map_index": 3}, "map index: wait has no 3 in this run; there is -1"),
    ],
)
def test_a_typo_is_answered_with_what_there_is(session: Any, changed: dict[str, Any], said: str) -> None:
    key = put(session, "deferred", classpath=WINDOW)
    with pytest.raises(UnknownTaskError, match=said):
        release(session, {**key, **changed})


def test_a_release_without_a_reason_is_refused(session: Any) -> None:
    with pytest.raises(InvalidRequestError, match="reason: say why"):
        release(session, put(session, "deferred", classpath=WINDOW), reason="  ")


# -- what the task makes of it ---------------------------------------------------------------------------------------


def ledger() -> Any:
    from airflow_carbon.hooks.ledger import LedgerHook

    return LedgerHook()


RELEASED = {"by": "ann", "reason": "a deploy is due"}


def test_a_released_wait_is_an_override_with_who_and_why_and_keeps_what_was_planned() -> None:
    one, context = sensor(), task_context(store=StateStore())
    deferral(one, context)
    start = (datetime.now(UTC) + 3 * HOUR).isoformat()
    plan = {"start": start, "promised_saving_percent": 40.0, "signal": "average", "decision_id": "of another"}
    record = one.execute_complete(context, {"released": RELEASED, "plan": plan})
    assert record["released"] == RELEASED
    assert record["reason"] == "released by ann: a deploy is due"
    (kept,) = ledger().read(DecisionRecord)
    assert (kept.action, kept.why) == ("overridden", "released by ann: a deploy is due")
    assert (kept.start, kept.promised_saving_percent) == (datetime.fromisoformat(start), 40.0)
    assert kept.decision_id == record["decision_id"] != "of another"
    (wait,) = ledger().waits(waiting=False)
    assert (wait.state, wait.decision_id) == ("released", record["decision_id"])


def test_a_rescheduled_wait_finds_its_release_at_the_next_look() -> None:
    store = StateStore({"carbon_release": RELEASED})
    record = sensor(deferrable=False).execute(task_context(store=store))
    assert record["reason"] == "released by ann: a deploy is due"
    assert "carbon_release" not in store.values
    (kept,) = ledger().read(DecisionRecord)
    assert kept.action == "overridden"


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_planned_window_that_is_released_claims_nothing_in_the_ledger(deferrable: bool) -> None:
    from airflow_carbon import PlannedWindowSensor

    start = (datetime.now(UTC) + 3 * HOUR).isoformat()
    one = PlannedWindowSensor(task_id="wait", window={"start": start}, deferrable=deferrable)
    context = task_context(store=StateStore({"carbon_release": RELEASED}), ti=TaskInstance(task_id="wait"))
    record = one.execute_complete(context, {"released": RELEASED}) if deferrable else one.execute(context)
    assert (record["released"], record["reason"]) == (RELEASED, "released by ann: a deploy is due")
    (kept,) = ledger().read(DecisionRecord)
    assert (kept.action, kept.governs, kept.task_id) == ("overridden", (), "wait")
