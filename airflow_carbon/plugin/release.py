"""Start a waiting task now, from within the api-server: wake what is deferred, call back what is rescheduled."""

from __future__ import annotations

import json
from contextlib import nullcontext, suppress
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from airflow_carbon.exceptions import InvalidRequestError, NotWaitingError, UnknownTaskError
from airflow_carbon.hooks.settings import min_defer
from airflow_carbon.triggers.release import LONGEST, RELEASE, Release

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import Trigger
    from sqlalchemy.orm import Session

#: Operators that wait; one of a class of the user's own is known by its trigger, or by what it has pinned.
WAITS = ("CarbonAwareSensor", "PlannedWindowSensor")
#: Names that are listed where none is near.
MOST_NAMES = 10
#: Fields of a wait that say what it had planned.
PLAN = (
    "start", "end", "intensity_g_per_kwh", "baseline_intensity_g_per_kwh", "promised_saving_percent", "zone", "kind",
    "signal", "accounting", "source", "source_url",
)  # fmt: skip
#: How long a rescheduled task may take to find that it was released.
KEPT = timedelta(days=1)


def release(
    session: Session | None = None,
    *,
    dag_id: str,
    run_id: str,
    task_id: str,
    map_index: int = -1,
    by: str,
    reason: str,
) -> str:
    """Start a waiting task now, and say in one sentence what follows.

    :param session: of Airflow's metadata database, whose transaction is the caller's; None opens and commits one.
    :param by: the user's name; kept with the decision, as is the reason.
    :raises UnknownTaskError: naming what there is instead.
    :raises NotWaitingError: if that task instance is not waiting for clean power, with the state that it is in; or has
        only just begun to.
    :raises InvalidRequestError: if no reason is given, or too long a one.
    """
    if not reason.strip():
        raise InvalidRequestError("reason: say why the task is to start now; it is kept with the decision")
    if len(reason) > LONGEST:
        raise InvalidRequestError(f"reason: {len(reason)} characters; {LONGEST} is the most")
    # Airflow's own, and its database: only the api-server has them.
    from airflow.utils.session import create_session

    told = Release.of({"by": by, "reason": reason})
    with create_session() if session is None else nullcontext(session) as open_session:
        ti = _found(open_session, dag_id, run_id, task_id, map_index)
        return _woken(open_session, ti, told)


def _woken(session: Session, ti: TaskInstance, told: Release) -> str:
    from airflow.models.trigger import Trigger
    from airflow.triggers.base import TriggerEvent
    from airflow.utils.state import TaskInstanceState

    name = _name(ti)
    if ti.state == TaskInstanceState.DEFERRED and ti.trigger_id is not None and _is_wait(session, ti):
        trigger = session.get(Trigger, ti.trigger_id)
        assert trigger is not None
        _refuse_too_early(name, trigger)
        Trigger.submit_event(
            trigger.id, TriggerEvent({"released": told.document(), "plan": _plan(ti)}), session=session
        )
        return f"{name} starts as soon as a worker takes it up"
    if ti.state == TaskInstanceState.UP_FOR_RESCHEDULE and _is_wait(session, ti):
        _call_back(session, ti, told)
        return f"{name} starts as soon as the scheduler calls it back"
    state = str(ti.state or "none")
    if ti.state in (TaskInstanceState.DEFERRED, TaskInstanceState.UP_FOR_RESCHEDULE):
        raise NotWaitingError(f"{name} is {state}, but not for clean power: it is a {ti.operator}")
    raise NotWaitingError(f"{name} is not waiting: its state is {state}")


def _refuse_too_early(name: str, trigger: Trigger) -> None:
    """Refuse to wake a task that has only just let go of its worker: Airflow would take the event for a failure."""
    from airflow._shared.timezones import timezone

    left = min_defer() - (timezone.utcnow() - trigger.created_date)
    if left > timedelta(0):
        raise NotWaitingError(
            f"{name} has only just begun to wait, and Airflow would lose what comes so early; say it again in "
            f"{left.total_seconds():.0f} s"
        )


def _is_wait(session: Session, ti: TaskInstance) -> bool:
    from airflow.models.trigger import Trigger

    if ti.operator in WAITS:
        return True
    trigger = session.get(Trigger, ti.trigger_id) if ti.trigger_id is not None else None
    if trigger is not None and trigger.classpath.rpartition(".")[2] == "CarbonWindowTrigger":
        return True
    from airflow_carbon.triggers.pinned import PINNED

    # A class of the user's own that is rescheduled: a promise was pinned for it, and stands.
    return trigger is None and _state(session, ti, PINNED) is not None


def _call_back(session: Session, ti: TaskInstance, told: Release) -> None:
    """Leave word for the next look of a rescheduled task, and let that come at once."""
    from airflow._shared.timezones import timezone
    from airflow.models.taskreschedule import TaskReschedule
    from airflow.state import get_state_backend

    now = timezone.utcnow()
    get_state_backend().set(_scope(ti), RELEASE, json.dumps(told.document()), expires_at=now + KEPT, session=session)
    latest = session.scalar(TaskReschedule.stmt_for_task_instance(ti, descending=True).limit(1))
    if latest is not None:
        # Not before Airflow has noted that the task let go of its worker.
        soonest = max(now, latest.end_date + min_defer())
        latest.reschedule_date = min(latest.reschedule_date, soonest)
    session.flush()


def _state(session: Session, ti: TaskInstance, key: str) -> str | None:
    from airflow.state import get_state_backend

    return get_state_backend().get(_scope(ti), key, session=session)


def _scope(ti: TaskInstance) -> Any:
    from airflow._shared.state import TaskScope

    return TaskScope(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)


def _plan(ti: TaskInstance) -> dict[str, Any]:
    """Give what the wait had planned, as far as the ledger knows: the task starts without it just as well."""
    with suppress(Exception):
        from airflow_carbon.core.record_document import document_of
        from airflow_carbon.hooks.ledger import LedgerHook

        key = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "map_index": ti.map_index}
        for one in LedgerHook().waits(**key, forecasts=False, limit=1):
            told = document_of(one)
            return {name: value for name, value in told.items() if name in PLAN and value is not None}
    return {}


def _found(session: Session, dag_id: str, run_id: str, task_id: str, map_index: int) -> TaskInstance:
    from airflow.models.taskinstance import TaskInstance as Ti
    from sqlalchemy import select

    query = select(Ti).where(Ti.dag_id == dag_id, Ti.run_id == run_id, Ti.task_id == task_id, Ti.map_index == map_index)
    # Locked, so that its own trigger does not wake it in the same moment.
    ti: TaskInstance | None = session.scalar(query.with_for_update(of=Ti))
    if ti is not None:
        return ti
    steps: tuple[tuple[str, str, Any], ...] = (
        ("DAG", dag_id, select(Ti.dag_id)),
        ("run", run_id, select(Ti.run_id).where(Ti.dag_id == dag_id).order_by(Ti.run_id.desc())),
        ("task", task_id, select(Ti.task_id).where(Ti.dag_id == dag_id, Ti.run_id == run_id)),
    )
    for kind, name, asked in steps:
        known = list(dict.fromkeys(session.scalars(asked.distinct())))
        if name not in known:
            # Only within what was named rightly: that the DAG may be seen was checked by its name.
            raise UnknownTaskError(f"{kind}: there is no {name!r}{'' if kind == 'DAG' else _nearest(name, known)}")
    mapped = select(Ti.map_index).where(Ti.dag_id == dag_id, Ti.run_id == run_id, Ti.task_id == task_id)
    indexes = ", ".join(map(str, sorted(session.scalars(mapped))[:MOST_NAMES]))
    raise UnknownTaskError(f"map index: {task_id} has no {map_index} in this run; there is {indexes}")


def _nearest(name: str, known: Iterable[str]) -> str:
    listed = list(known)
    near = get_close_matches(name, listed, n=3, cutoff=0.5) or listed[:MOST_NAMES]
    return f"; there is {', '.join(near)}" if near else "; there is none"


def _name(ti: TaskInstance) -> str:
    mapped = f"[{ti.map_index}]" if ti.map_index >= 0 else ""
    return f"{ti.dag_id}.{ti.task_id}{mapped} of {ti.run_id}"
