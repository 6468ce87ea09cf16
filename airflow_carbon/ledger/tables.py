"""The tables of the ledger, as SQLAlchemy knows them; the migrations make them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, Column, DateTime, Float, Index, Integer, MetaData, String, Table, Text, TypeDecorator

from airflow_carbon.core.record import DecisionRecord, EmissionRecord, ImpactRecord
from airflow_carbon.core.record_wait import WaitRecord
from airflow_carbon.ledger.columns import COLUMNS

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

    from airflow_carbon.ledger.columns import Columns

METADATA = MetaData()


class Moment(TypeDecorator[datetime]):
    """Store an aware datetime in UTC, also where the database knows no timezones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the database UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give UTC back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


#: What SQLAlchemy calls the sorts of column.
_TYPES: dict[str, TypeEngine[Any]] = {
    "id": String(250),
    "text": Text(),
    "word": String(20),
    "whole": Integer(),
    "number": Float(53),
    "flag": Boolean(),
    "moment": Moment(),
    "month": String(7),
    "digest": String(32),
}


def _table(columns: Columns) -> Table:
    listed = (
        Column(
            name,
            _TYPES[sort.rstrip("?")],
            primary_key=name in columns.key,
            autoincrement=False,
            nullable=sort.endswith("?"),
        )
        for name, sort in columns.sorts.items()
    )
    return Table(columns.table, METADATA, *listed)


TABLES: dict[type[Any], Table] = {kind: _table(columns) for kind, columns in COLUMNS.items()}
EMISSION, DECISION = TABLES[EmissionRecord], TABLES[DecisionRecord]
IMPACT, WAIT = TABLES[ImpactRecord], TABLES[WaitRecord]

# Holds all that totals by DAG and month ask for, in their order: the rows, with their long texts, are not touched.
Index(
    "carbon_emission_totals",
    *(EMISSION.c[name] for name in ("dag_id", "month", "signal", "accounting", "final", "faulty", "energy_kwh",
                                    "operational_g", "embodied_g")),
)  # fmt: skip
Index("carbon_emission_time", EMISSION.c.started_at)
Index("carbon_decision_run", DECISION.c.dag_id, DECISION.c.run_id)
Index("carbon_decision_time", DECISION.c.decided_at)
Index("carbon_impact_time", IMPACT.c.started_at)
Index("carbon_wait_state", WAIT.c.state, WAIT.c.latest_start)
Index("carbon_wait_run", WAIT.c.dag_id, WAIT.c.run_id)

#: The column that tells when the work of a record began, or its decision was made.
TIME: dict[type[Any], Column[datetime]] = {
    EmissionRecord: EMISSION.c.started_at,
    DecisionRecord: DECISION.c.decided_at,
    ImpactRecord: IMPACT.c.started_at,
    WaitRecord: WAIT.c.ready_at,
}
