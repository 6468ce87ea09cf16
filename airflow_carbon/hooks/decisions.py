"""A decision on its way into the ledger: what was recommended to a task, what was done, and which work it governs."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.configuration import conf

from airflow_carbon.core.moment import parse_moment
from airflow_carbon.core.record import DecisionRecord
from airflow_carbon.hooks import metrics
from airflow_carbon.hooks.settings import SECTION, Mode

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.record import Record
    from airflow_carbon.core.record_wait import WaitRecord

log = logging.getLogger(__name__)

#: Tasks that only wait: what a decision governs lies behind them.
WAITS = ("CarbonAwareSensor", "CarbonIntensitySensor", "CarbonScheduleSensor", "PlannedWindowSensor")
#: A start this much later than planned is another one, as for the wait itself (``core.wait``, which brings numpy).
MISSED = timedelta(minutes=2)


def keep_decision(
    decision: Mapping[str, Any],
    context: Context,
    *,
    sort: str,
    home: str = "",
    timed_out: bool = False,
    forecast: Forecast | None = None,
    replans: Sequence[Mapping[str, Any]] | None = None,
) -> bool:
    """Write a decision to the ledger; whatever goes wrong, the task goes on.

    Where the carbon mode is off nothing was decided, and nothing is kept, unless the run itself asked for that: then
    what the DAG asks for was overridden.

    :param decision: its JSON record, as it lies in the task's XCom; ``governs`` names the tasks whose emissions it
        changes, and where it does not, they are those directly downstream.
    :param sort: ``wait``, ``region``, ``schedule`` or ``fleet``.
    :param home: where the baseline runs; the decision's own location where not given.
    :param timed_out: that the wait was ended by its time-out, and not by a decision.
    :param forecast: of a wait, what it was decided on, where that is known here.
    :param replans: of a wait, the plans that were given up, where they are known here.
    :return: True once the ledger has it.
    """
    try:
        metrics.decided(decision, dag_id=context["ti"].dag_id, task_id=context["ti"].task_id)
        asked = (context["dag_run"].conf or {}).get("carbon")
        if (decision.get("mode") == Mode.OFF and asked is None) or conf.get(
            SECTION, "ledger_conn_id", fallback=""
        ) == "off":
            return False
        # Here, not above: who keeps nothing needs no ledger.
        from airflow_carbon.hooks.ledger import LedgerHook

        record = decision_record(decision, context, sort=sort, home=home, timed_out=timed_out)
        records: list[Record] = [record]
        if sort == "wait" and decision.get("duration_seconds") and decision.get("mode") != Mode.OFF:
            try:
                records.append(_wait(decision, record, context, forecast, replans))
            except Exception:
                # A page shows less then; the decision itself counts.
                log.warning("the wait's own record is not in the ledger", exc_info=True)
        return LedgerHook().write(*records, context=context)
    except Exception:
        log.warning("the decision is not in the ledger; the task goes on", exc_info=True)
        return False


def keep_wait(made: Callable[[], WaitRecord]) -> bool:
    """Write a wait that goes on to the ledger; whatever goes wrong, the wait goes on.

    :param made: makes its record.
    :return: True once the ledger has it.
    """
    try:
        if conf.get(SECTION, "ledger_conn_id", fallback="") == "off":
            return False
        from airflow_carbon.hooks.ledger import LedgerHook, without_secrets

        # Not through an outbox: the next news of it, or its end, say all of it again.
        LedgerHook().ledger.write([without_secrets(made())])
    except Exception as error:
        log.warning("the wait is not in the ledger, and goes on: %s", error)
        return False
    return True


def _wait(
    decision: Mapping[str, Any],
    record: DecisionRecord,
    context: Context,
    forecast: Forecast | None,
    replans: Sequence[Mapping[str, Any]] | None,
) -> WaitRecord:
    """Make the record of a wait that is over."""
    from airflow_carbon.hooks.wait_record import TaskKey, end_of, wait_record

    return wait_record(
        {**decision, "decision_id": record.decision_id},
        TaskKey.of(context["ti"]),
        at=parse_moment(decision.get("started_at") or datetime.now(UTC), "started_at"),
        state=end_of(record.action),
        forecast=forecast,
        replans=replans,
    )


def decision_record(
    decision: Mapping[str, Any], context: Context, *, sort: str, home: str = "", timed_out: bool = False
) -> DecisionRecord:
    """Make the ledger's record of a decision; for the arguments see :func:`keep_decision`.

    :raises InvalidRequestError: naming the field that is wrong.
    """
    ti, task, dag = context["ti"], context.get("task"), context.get("dag")
    now = datetime.now(UTC)
    decided_at = decision.get("decided_at") or decision.get("started_at") or now
    location = decision.get("location") or decision.get("chosen") or ""
    home = home or str(location)
    foreseen = _foreseen(decision, home)
    action, why = _done(decision, context, timed_out)
    return DecisionRecord(
        decision_id=decision.get("decision_id") or decision_id(context, sort),
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
        sort=sort,
        decided_at=decided_at,
        recommended=_recommended(decision),
        action=action,
        why=why,
        governs=governed(task, decision.get("governs")),
        tags=tuple(getattr(dag, "tags", ()) or ()),
        owner=getattr(task, "owner", "") or "",
        location=location,
        zone=decision.get("zone") or "",
        home=home,
        ready_at=decision.get("ready_at") or decided_at,
        start=_first(decision).get("start"),
        promised_saving_percent=foreseen["promised_saving_percent"],
        baseline_intensity_g_per_kwh=foreseen["baseline_intensity_g_per_kwh"],
        kind=decision.get("kind") or "",
        signal=decision.get("signal") or "",
        accounting=decision.get("accounting") or "",
        intensity_source=decision.get("source") or "",
        made_at=now,
        raw=decision,
    )


def decision_id(context: Context, sort: str) -> str:
    """Give the identity of a task instance's decision: a retry or a clear keeps it."""
    ti = context["ti"]
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{sort}|{ti.dag_id}|{ti.run_id}|{ti.task_id}|{ti.map_index}"))


def governed(task: Any, asked: Sequence[str] | str | None = None) -> tuple[str, ...]:
    """Name the tasks whose emissions a task's decision changes.

    :param task: None where there is none to look at.
    :param asked: their ids, as the user wrote them; None takes the tasks directly downstream, and behind those of them
        that only wait.
    """
    if isinstance(asked, str):
        asked = asked.split(",")
    if asked is not None:
        return tuple(sorted({name for one in asked if (name := str(getattr(one, "task_id", one)).strip())}))
    known: Mapping[str, Any] = task.dag.task_dict if task is not None and task.has_dag() else {}
    found: set[str] = set()
    looked: set[str] = set()
    ahead: list[str] = list(_downstream(task))
    while ahead:
        name = ahead.pop()
        if name in looked:
            continue
        looked.add(name)
        if getattr(known.get(name), "task_type", "") in WAITS:
            ahead.extend(_downstream(known[name]))
        else:
            found.add(name)
    return tuple(sorted(found))


def _downstream(task: Any) -> Iterable[str]:
    names: Iterable[str] = getattr(task, "downstream_task_ids", None) or ()
    return names


def _first(decision: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the window with which the recommended run begins."""
    plan: Sequence[Mapping[str, Any]] = decision.get("plan") or ()
    return plan[0] if plan else decision


def _recommended(decision: Mapping[str, Any]) -> dict[str, Any]:
    """Put together what was recommended, in the same words for every sort of decision."""
    windows = [
        {name: one.get(name) for name in ("start", "end", "intensity_g_per_kwh")}
        for one in decision.get("plan") or [decision]
        if one.get("start")
    ]
    regions = [one["region"] for one in decision.get("regions") or () if not one.get("rejected")]
    told = {"windows": windows, "region": decision.get("chosen"), "regions": list(dict.fromkeys(regions))}
    return {name: value for name, value in told.items() if value}


def _foreseen(decision: Mapping[str, Any], home: str) -> dict[str, Any]:
    """Tell what was promised against the baseline; of a choice of region, against a run at home at the same moment."""
    names = ("promised_saving_percent", "baseline_intensity_g_per_kwh")
    told = {name: decision.get(name) for name in names}
    rows = [one for one in decision.get("regions") or () if one.get("region") == home]
    if told[names[0]] is not None or "chosen" not in decision or not rows:
        return told
    chosen, at_home = decision.get("intensity_g_per_kwh"), rows[0].get("intensity_g_per_kwh")
    start = rows[0].get("start")
    # With a deadline each region is ranked at its own best time, and a run at home at once is not among them.
    if not chosen or not at_home or not start or parse_moment(start, "start") - _now_of(decision) > MISSED:
        return told
    return {names[0]: 100.0 * (1.0 - chosen / at_home), names[1]: at_home}


def _now_of(decision: Mapping[str, Any]) -> datetime:
    return parse_moment(decision.get("decided_at") or datetime.now(UTC), "decided_at")


def _done(decision: Mapping[str, Any], context: Context, timed_out: bool) -> tuple[str, str]:
    """Tell what was done with a decision, and why."""
    mode, why = decision.get("mode"), str(decision.get("reason") or "")
    if mode == Mode.OFF:
        return "overridden", f"the run asked for carbon mode off: {why}"
    if mode == Mode.SHADOW:
        return "shadow", why
    if decision.get("released"):
        return "overridden", why
    start, started = decision.get("start"), decision.get("started_at")
    if timed_out:
        return "timed out", why
    if start and started and parse_moment(started, "started_at") - parse_moment(start, "start") > MISSED:
        return "timed out", why
    return "taken", why
