"""Waits as the ledger knows them: those that go on, those of a DAG, the one of a task instance."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import null, select

from airflow_carbon.core.record_wait import WAITING, WaitRecord
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.ledger.rows import from_row
from airflow_carbon.ledger.tables import WAIT

if TYPE_CHECKING:
    from airflow_carbon.ledger.sql import SqlLedger

#: Rows of one answer where nothing is said.
MOST = 1000


def waits(
    ledger: SqlLedger,
    *,
    waiting: bool | None = None,
    at: datetime | None = None,
    dag_id: str | None = None,
    dag_ids: Collection[str] | None = None,
    run_id: str | None = None,
    task_id: str | None = None,
    map_index: int | None = None,
    decision_id: str | None = None,
    zone: str | None = None,
    forecasts: bool = True,
    limit: int = MOST,
) -> list[WaitRecord]:
    """Give waits: those that go on in the order of their start, any others the newest first.

    :param waiting: those that go on, or those that have ended; None gives both.
    :param at: the time of the question. What should have started before it and never told of its end (a process that
        was killed, a run that was deleted) does not count as waiting; None counts it.
    :param dag_ids: of these DAGs alone; an empty collection gives none.
    :param forecasts: whether to read the forecasts too, which are long.
    :param limit: rows at the most.
    :raises InvalidRequestError: if the limit is not positive.
    :raises LedgerError: if the ledger does not answer.
    """
    if limit < 1:
        raise InvalidRequestError(f"limit: {limit} must be 1 or larger")
    of = WAIT.c
    named = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index, "zone": zone}
    named["decision_id"] = decision_id
    wanted = [of[name] == value for name, value in named.items() if value is not None]
    wanted += [] if dag_ids is None else [of.dag_id.in_(list(dag_ids))]
    if waiting is not None:
        goes_on = of.state == WAITING
        if at is not None:
            goes_on &= of.latest_start >= at
        wanted.append(goes_on if waiting else ~goes_on)
    order = [of.start.is_(None), of.start, of.latest_start] if waiting else [of.ready_at.desc()]
    columns = [null().label("forecast") if column is of.forecast and not forecasts else column for column in of]
    query = select(*columns).where(*wanted).order_by(*order, of.decision_id).limit(limit)
    with ledger.asked() as connection:
        return [from_row(WaitRecord, cast("Any", row)) for row in connection.execute(query).mappings()]
