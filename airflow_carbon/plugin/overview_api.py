"""``api/overview`` and ``api/waiting``: what waits, and what shifting has brought, of DAGs that the viewer may read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from airflow_carbon.exceptions import LedgerError
from airflow_carbon.plugin import hints, models, told
from airflow_carbon.plugin.books import Books, BooksDep, Waits, key_of
from airflow_carbon.plugin.security import Viewer, ViewerDep, only_readable

#: Waiting tasks in the overview, and locations to choose from.
MOST_WAITING, MOST_LOCATIONS = 100, 50

router = APIRouter()


@router.get("/api/overview")
def overview(viewer: ViewerDep, books: BooksDep) -> models.Overview:
    """Give the counters, the weeks, the uptake and the next starts."""
    now = datetime.now(UTC)
    try:
        sums, waits = books.snapshot(), books.waits()
    except LedgerError:
        return models.Overview(
            now=now, periods=[], weeks=[], waiting=[], waiting_total=0, done=[], locations=[], all_dags=True,
            hints=hints.of_failure(books.is_off),
        )  # fmt: skip
    readable = viewer.readable(sums.dag_ids)
    waiting, total = _waiting(viewer, waits, 0, MOST_WAITING)
    periods = sums.periods(readable)
    seen = sums.locations(readable, MOST_LOCATIONS)
    wait_at = (one.task.dag_id for one in waiting)
    locations = list(dict.fromkeys([*seen, *(one.location for one in waiting if one.location)]))[:MOST_LOCATIONS]
    missing = []
    if not readable and not any(wait_at):
        missing.append(hints.NO_DECISION)
    elif not periods[-1].reductions:
        missing.append(hints.NO_IMPACT)
    elif all(one.reduction_g is None for one in periods[-1].reductions):
        missing.append(hints.NO_ENERGY)
    return models.Overview(
        now=now,
        periods=[
            models.Period(
                period=one.name,
                since=one.since,
                until=one.until,
                tasks_shifted=one.tasks_shifted,
                owners_shifted=one.owners_shifted,
                reductions=told.reductions(one.reductions),
            )
            for one in periods
        ],
        weeks=[
            models.Week(
                week=one.week,
                signal=one.reduction.signal,
                accounting=one.reduction.accounting,
                reduction_label=one.reduction.label,
                decisions=one.reduction.decisions,
                reduction_g=one.reduction.reduction_g,
            )
            for one in sums.weeks(readable)
        ],
        waiting=waiting,
        waiting_total=total,
        done=[
            models.Done(sort=sort, action=action, decisions=count)
            for (sort, action), count in sorted(sums.done(readable).items())
        ],
        locations=locations,
        all_dags=readable == sums.dag_ids,
        hints=missing,
    )


@router.get("/api/waiting")
def waiting(
    viewer: ViewerDep,
    books: BooksDep,
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> models.Waiting:
    """Give the tasks that wait, in the order of their planned starts."""
    now = datetime.now(UTC)
    try:
        rows, total = _waiting(viewer, books.waits(), offset, limit)
        missing = [] if total else [hints.NO_DECISION]
    except LedgerError:
        rows, total, missing = [], 0, hints.of_failure(books.is_off)
    return models.Waiting(now=now, total=total, offset=offset, limit=limit, waiting=rows, hints=missing)


def of_dag(viewer: Viewer, books: Books, dag_id: str) -> list[models.WaitingTask]:
    """Give the tasks of one DAG that wait.

    :raises LedgerError: if the ledger does not answer.
    """
    waits = books.waits()
    return [
        told.waiting_task(one, waits.states.get(key_of(one)), viewer.may_release)
        for one in waits.records
        if one.dag_id == dag_id
    ][:MOST_WAITING]


def _waiting(viewer: Viewer, waits: Waits, offset: int, limit: int) -> tuple[list[models.WaitingTask], int]:
    mine = only_readable(viewer, waits.records)
    shown = mine[offset : offset + limit]
    return [told.waiting_task(one, waits.states.get(key_of(one)), viewer.may_release) for one in shown], len(mine)
