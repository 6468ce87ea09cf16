"""``api/dags/{dag_id}``: a DAG's decisions, its SCI over time, and what was promised against what it became."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from sqlalchemy import func, select

from airflow_carbon.exceptions import LedgerError
from airflow_carbon.ledger.sql import SqlLedger
from airflow_carbon.ledger.tables import DECISION, IMPACT
from airflow_carbon.ledger.uptake import OPEN
from airflow_carbon.plugin import flexibility, hints, models, told
from airflow_carbon.plugin.books import BooksDep
from airflow_carbon.plugin.overview_api import of_dag
from airflow_carbon.plugin.sci_trend import trends
from airflow_carbon.plugin.security import ViewerDep, reads_dag

router = APIRouter()

Id = Annotated[str, Path(min_length=1, max_length=250)]


@router.get("/api/dags/{dag_id}", dependencies=[reads_dag])
def dag(
    dag_id: Id,
    viewer: ViewerDep,
    books: BooksDep,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> models.DagPage:
    """Give what the DAG's tab shows."""
    page = models.DagPage(
        now=datetime.now(UTC), dag_id=dag_id, reductions=[], decisions=[], total=0, offset=offset, limit=limit,
        done=[], promises=[], trends=[], flexibility=[], flexibility_method=flexibility.METHOD, waiting=[], hints=[],
    )  # fmt: skip
    try:
        hook, sums = books.hook, books.snapshot()
        page.waiting = of_dag(viewer, books, dag_id)
        page.decisions, page.total = _decisions(hook.ledger, dag_id, offset, limit)
        page.promises = _promises(hook.ledger, dag_id)
        page.trends = trends(hook.ledger, dag_id)
        page.flexibility = flexibility.gained(hook.waits(dag_id=dag_id, limit=flexibility.WAITS))
    except LedgerError:
        page.hints = hints.of_failure(books.is_off)
        return page
    page.reductions = told.reductions(sums.periods([dag_id])[-1].reductions)
    page.done = [
        models.Done(sort=sort, action=action, decisions=count)
        for (sort, action), count in sorted(sums.done([dag_id]).items())
    ]
    if not page.total and not page.waiting:
        page.hints.append(hints.NO_DECISION)
    elif not page.reductions:
        page.hints.append(hints.NO_IMPACT)
    elif all(one.reduction_g is None for one in page.reductions):
        page.hints.append(hints.NO_ENERGY)
    return page


def _decisions(ledger: SqlLedger, dag_id: str, offset: int, limit: int) -> tuple[list[models.DecisionRow], int]:
    """Give some decisions, newest first, and how many there are."""
    of, came = DECISION.c, IMPACT.c
    newest = (
        select(of.dag_id, of.run_id, of.task_id, of.map_index, of.decision_id, of.sort, of.decided_at, of.action,
               of.why, of.location, of.zone, of.ready_at, of.start, of.signal, of.accounting,
               of.promised_saving_percent, of.governs, came.saving_percent, came.reduction_g, came.measured,
               came.signal.label("came_signal"))
        .outerjoin_from(DECISION, IMPACT, came.decision_id == of.decision_id)
        .where(of.dag_id == dag_id)
        .order_by(of.decided_at.desc(), of.decision_id)
        .offset(offset)
        .limit(limit)
    )  # fmt: skip
    count = select(func.count()).select_from(DECISION).where(of.dag_id == dag_id)
    with ledger.asked() as connection:
        rows = connection.execute(newest).all()
        total = connection.execute(count).scalar_one()
    return [_row(one) for one in rows], total


def _row(one: Any) -> models.DecisionRow:
    # A decision that governs nothing claims nothing.
    claims = one.governs != "[]"
    return models.DecisionRow(
        task=told.link(one),
        decision_id=one.decision_id,
        sort=one.sort,
        decided_at=one.decided_at,
        action=one.action or OPEN,
        why=one.why,
        location=one.location,
        zone=one.zone,
        ready_at=one.ready_at,
        start=one.start,
        signal=one.signal,
        accounting=one.accounting,
        promised_saving_percent=one.promised_saving_percent,
        saving_percent=one.saving_percent if claims else None,
        reduction_g=one.reduction_g if claims else None,
        reduction_label=told.label(one.came_signal),
        measured=bool(one.measured),
    )


def _promises(ledger: SqlLedger, dag_id: str) -> list[models.PromiseKept]:
    """Compare promised with realised savings, over the decisions of which both are known and that were taken."""
    of, came = DECISION.c, IMPACT.c
    query = (
        select(came.signal, came.accounting, func.count(), func.avg(of.promised_saving_percent),
               func.avg(came.saving_percent))
        .join_from(IMPACT, DECISION, came.decision_id == of.decision_id)
        .where(of.dag_id == dag_id, of.governs != "[]", of.action == "taken",
               of.promised_saving_percent.is_not(None), came.saving_percent.is_not(None))
        .group_by(came.signal, came.accounting)
        .order_by(came.signal, came.accounting)
    )  # fmt: skip
    with ledger.asked() as connection:
        rows = connection.execute(query).all()
    return [
        models.PromiseKept(
            signal=signal, accounting=accounting, decisions=count, promised_saving_percent=promised,
            saving_percent=became,
        )
        for signal, accounting, count, promised, became in rows
    ]  # fmt: skip
