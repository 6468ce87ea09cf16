"""``api/dags/.../tasks/...``: one task instance's decision, what it knew, what it chose and what it rejected."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from airflow_carbon.core.moment import parse_moment
from airflow_carbon.core.record import DecisionRecord, ImpactRecord
from airflow_carbon.core.record_wait import WaitRecord
from airflow_carbon.exceptions import InvalidRequestError, LedgerError
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.plugin import hints, models, told
from airflow_carbon.plugin.books import WAITS_STILL, BooksDep, TaskKey, key_of, states_of
from airflow_carbon.plugin.security import ViewerDep, reads_dag

router = APIRouter()

Id = Annotated[str, Path(min_length=1, max_length=250)]


@router.get("/api/dags/{dag_id}/runs/{run_id}/tasks/{task_id}", dependencies=[reads_dag])
def task(
    dag_id: Id,
    run_id: Id,
    task_id: Id,
    viewer: ViewerDep,
    books: BooksDep,
    map_index: Annotated[int, Query(ge=-1, le=1_000_000)] = -1,
) -> models.TaskPage:
    """Give what the task instance's tab shows."""
    key: TaskKey = dag_id, run_id, task_id, map_index
    state = states_of([key]).get(key)
    missing: list[models.Hint] = []
    wait, decision, impact = None, None, None
    try:
        hook = books.hook
        wait = next(iter(hook.waits(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index, limit=1)), None)
        decision, impact = _decided(hook, key)
    except LedgerError:
        missing = hints.of_failure(books.is_off)
    if wait is None and decision is None and not missing:
        missing.append(hints.NOT_A_CARBON_TASK)
    page = _page(_Named(*key), state, wait, decision, impact)
    page.can_release = page.waiting and viewer.may_release(dag_id)
    if page.series is None and not missing:
        missing.append(hints.NO_FORECAST)
    page.hints = missing
    return page


class _Named:
    def __init__(self, dag_id: str, run_id: str, task_id: str, map_index: int) -> None:
        self.dag_id, self.run_id, self.task_id, self.map_index = dag_id, run_id, task_id, map_index


def _decided(hook: LedgerHook, key: TaskKey) -> tuple[DecisionRecord | None, ImpactRecord | None]:
    """Give the task instance's newest decision, and what came of it."""
    dag_id, run_id, task_id, _ = key
    decision = None
    for one in hook.read(DecisionRecord, dag_id=dag_id, run_id=run_id, task_id=task_id):
        decision = one if key_of(one) == key else decision
    if decision is None:
        return None, None
    # A decision that governs nothing claims nothing.
    found = hook.read(ImpactRecord, decision_ids=(decision.decision_id,)) if decision.governs else iter(())
    return decision, next(found, None)


def _page(
    named: _Named,
    state: str | None,
    wait: WaitRecord | None,
    decision: DecisionRecord | None,
    impact: ImpactRecord | None,
) -> models.TaskPage:
    now = datetime.now(UTC)
    record: Mapping[str, Any] = {} if decision is None else decision.raw
    waits = wait is not None and wait.is_waiting and wait.latest_start >= now and state in WAITS_STILL
    # While it waits again, after a clear, the decision of the first time is past.
    of_now = decision is not None and not waits

    def known(name: str) -> Any:
        """Take a field of the decision, or else of the wait."""
        first, then = (decision, wait) if of_now else (wait, decision)
        value = getattr(first, name, None)
        return value if value not in (None, "") else getattr(then, name, None)

    return models.TaskPage(
        now=now,
        task=told.link(named),
        state=state,
        waiting=waits,
        decision_id=known("decision_id") or "",
        sort="wait" if decision is None else decision.sort,
        reason=_reason(wait, record, waits=waits),
        series=None if wait is None else told.kept_series(wait),
        baseline=None
        if wait is None
        else told.band(wait.baseline_start, wait.baseline_end, wait.baseline_intensity_g_per_kwh),
        chosen=_chosen(wait, decision, waits=waits),
        ready_at=known("ready_at"),
        planned_start=known("start"),
        latest_start=wait.latest_start if wait else _moment(record, "latest_start"),
        started_at=None if waits else (_moment(record, "started_at") or (wait.started_at if wait else None)),
        deadline=_moment(record, "deadline"),
        location=known("location") or "",
        zone=known("zone") or "",
        signal=known("signal") or "",
        accounting=str(known("accounting") or ""),
        source=(wait.source if wait else "") or (decision.intensity_source if decision else ""),
        promised_saving_percent=known("promised_saving_percent"),
        saving_percent=impact.saving_percent if impact else None,
        reduction_g=impact.reduction_g if impact else None,
        reduction_label=told.label(impact.signal) if impact else "",
        replans=_replans(wait, record),
        regions=[_region(one) for one in _rows(record, "regions")],
        record=dict(record) if record and of_now else None,
        can_release=False,
        hints=[],
    )


def _reason(wait: WaitRecord | None, record: Mapping[str, Any], *, waits: bool) -> str:
    if wait is not None and (waits or not record):
        return wait.reason
    return str(record.get("reason") or (wait.reason if wait else ""))


def _chosen(wait: WaitRecord | None, decision: DecisionRecord | None, *, waits: bool) -> list[models.Band]:
    """Give the windows that were recommended; of a wait that goes on, the one that stands."""
    if decision is not None and not waits:
        rows = _rows(decision.recommended, "windows")
        bands = [told.band(_moment(one, "start"), _moment(one, "end"), one.get("intensity_g_per_kwh")) for one in rows]
        if found := [one for one in bands if one is not None]:
            return found
    own = told.band(wait.start, wait.end, wait.intensity_g_per_kwh) if wait else None
    return [own] if own else []


def _replans(wait: WaitRecord | None, record: Mapping[str, Any]) -> list[models.Replan]:
    if wait is not None and wait.replans:
        return [
            models.Replan(at=_moment(one, "at"), said=str(one.get("reason") or "planned anew")) for one in wait.replans
        ]
    notes = record.get("notes")
    return [models.Replan(at=None, said=str(one)) for one in notes] if isinstance(notes, list) else []


def _region(one: Mapping[str, Any]) -> models.RegionChoice:
    return models.RegionChoice(
        region=str(one.get("region") or ""),
        zone=str(one.get("zone") or ""),
        rank=one.get("rank"),
        intensity_g_per_kwh=one.get("intensity_g_per_kwh"),
        effective_g_per_kwh=one.get("effective_g_per_kwh"),
        rejected=str(one.get("rejected") or ""),
    )


def _rows(record: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Take a list of rows out of a record, which may be of another version."""
    rows = record.get(name)
    return [one for one in rows if isinstance(one, Mapping)] if isinstance(rows, list) else []


def _moment(record: Mapping[str, Any], name: str) -> datetime | None:
    try:
        return parse_moment(record[name], name) if record.get(name) else None
    except InvalidRequestError:
        return None
