"""What a selection asks for, in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from airflow_carbon.core.record_wait import WAITING
from airflow_carbon.exceptions import LedgerError
from airflow_carbon.ledger.tables import DECISION, TABLES, TIME

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select

    from airflow_carbon.ledger.base import Selection


def rows(kind: type[Any], which: Selection) -> Select[Any]:
    """Ask for the rows of a sort of record, in the order of their time, then of their key."""
    table = TABLES[kind]
    return select(table).where(*_wanted(kind, which)).order_by(TIME[kind], *table.primary_key)


def keys(kind: type[Any], which: Selection) -> Select[Any]:
    """Ask for what makes each of them one and the same."""
    return select(*TABLES[kind].primary_key).where(*_wanted(kind, which))


def _wanted(kind: type[Any], which: Selection) -> list[ColumnElement[bool]]:
    """Say a selection; an impact is found by the DAG, run and task of its decision."""
    table, time = TABLES[kind], TIME[kind]
    final = table.c.final if "final" in table.c else table.c.state != WAITING
    said = [] if which.final is None else [final == which.final]
    said += [] if which.since is None else [time >= which.since]
    said += [] if which.until is None else [time < which.until]
    if which.decision_ids:
        if "decision_id" not in table.c:
            raise LedgerError("decision_ids: an emission belongs to no decision; ask for its DAG, run and task")
        said.append(table.c.decision_id.in_(which.decision_ids))
    named = {name: getattr(which, name) for name in ("dag_id", "run_id", "task_id")}
    ids = {name: value for name, value in named.items() if value is not None}
    if ids and "dag_id" not in table.c:
        of_decision = select(DECISION.c.decision_id).where(*(DECISION.c[name] == ids[name] for name in ids))
        return [*said, table.c.decision_id.in_(of_decision)]
    return [*said, *(table.c[name] == value for name, value in ids.items())]
