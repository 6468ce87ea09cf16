"""The tables of the ledger, as SQLAlchemy knows them; the migrations make them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, Column, DateTime, Float, Index, Integer, MetaData, String, Table, Text, TypeDecorator

from airflow_carbon.core.record import DecisionRecord, EmissionRecord, ImpactRecord
from airflow_carbon.core.record_wait import REMEMBERED, WaitRecord

if TYPE_CHECKING:
    from sqlalchemy import Dialect

#: Where alembic keeps the version of the schema; a name of its own, as Airflow may live in the same database.
VERSION_TABLE = "carbon_ledger_version"

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


def _id(name: str, **options: Any) -> Column[str]:
    return Column(name, String(250), nullable=False, **options)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _word(name: str) -> Column[str]:
    return Column(name, String(20), nullable=False)


def _number(name: str) -> Column[float]:
    return Column(name, Float(53))


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def _moment(name: str, *, needed: bool = True) -> Column[datetime]:
    return Column(name, Moment, nullable=not needed)


def _kept() -> list[Column[Any]]:
    """Give what every table ends with: its month in UTC, what decides between two records, and all the rest as JSON."""
    return [
        Column("month", String(7), nullable=False),
        _flag("final"),
        _moment("made_at"),
        Column("digest", String(32), nullable=False),
        _text("raw"),
    ]


EMISSION = Table(
    "carbon_emission",
    METADATA,
    _id("dag_id", primary_key=True),
    _id("run_id", primary_key=True),
    _id("task_id", primary_key=True),
    Column("map_index", Integer, primary_key=True, autoincrement=False),
    Column("try_number", Integer, primary_key=True, autoincrement=False),
    _moment("started_at"),
    _moment("ended_at"),
    _word("state"),
    _text("tags"),
    _text("owner"),
    _text("location"),
    _text("zone"),
    _number("energy_kwh"),
    _word("energy_how"),
    _text("energy_note"),
    _number("intensity_g_per_kwh"),
    _word("kind"),
    _word("signal"),
    _id("accounting"),
    _text("intensity_source"),
    _number("operational_g"),
    _number("embodied_g"),
    _text("functional_unit"),
    _number("functional_units"),
    _text("fault"),
    _flag("faulty"),
    *_kept(),
)
# Holds all that totals by DAG and month ask for, in their order: the rows, with their long texts, are not touched.
Index(
    "carbon_emission_totals",
    *(EMISSION.c[name] for name in ("dag_id", "month", "signal", "accounting", "final", "faulty", "energy_kwh",
                                    "operational_g", "embodied_g")),
)  # fmt: skip
Index("carbon_emission_time", EMISSION.c.started_at)

DECISION = Table(
    "carbon_decision",
    METADATA,
    _id("decision_id", primary_key=True),
    _id("dag_id"),
    _id("run_id"),
    _id("task_id"),
    Column("map_index", Integer, nullable=False),
    _word("sort"),
    _moment("decided_at"),
    _text("recommended"),
    _word("action"),
    _text("why"),
    _text("governs"),
    _text("tags"),
    _text("owner"),
    _text("location"),
    _text("zone"),
    _text("home"),
    _moment("ready_at", needed=False),
    _moment("start", needed=False),
    _number("promised_saving_percent"),
    _number("baseline_intensity_g_per_kwh"),
    _word("kind"),
    _word("signal"),
    _id("accounting"),
    _text("intensity_source"),
    *_kept(),
)
Index("carbon_decision_run", DECISION.c.dag_id, DECISION.c.run_id)
Index("carbon_decision_time", DECISION.c.decided_at)

IMPACT = Table(
    "carbon_impact",
    METADATA,
    _id("decision_id", primary_key=True),
    _moment("started_at"),
    _moment("ended_at"),
    _text("zone"),
    _text("home_zone"),
    _number("energy_kwh"),
    _number("intensity_g_per_kwh"),
    _number("baseline_intensity_g_per_kwh"),
    _number("emitted_g"),
    _number("baseline_g"),
    _number("reduction_g"),
    _number("oracle_g"),
    _number("saving_percent"),
    _number("promised_saving_percent"),
    _number("forecast_error_percent"),
    _word("signal"),
    _id("accounting"),
    _flag("measured"),
    *_kept(),
)
Index("carbon_impact_time", IMPACT.c.started_at)

#: A wait has a row for as long as the ledger lives, and is only ever what it was last: nothing of it is final.
WAIT = Table(
    "carbon_wait",
    METADATA,
    _id("decision_id", primary_key=True),
    _id("dag_id"),
    _id("run_id"),
    _id("task_id"),
    Column("map_index", Integer, nullable=False),
    _text("location"),
    _text("zone"),
    _moment("ready_at"),
    _moment("earliest_start"),
    _moment("latest_start"),
    Column("duration_seconds", Float(53), nullable=False),
    _word("state"),
    _text("reason"),
    _moment("start", needed=False),
    _moment("end", needed=False),
    _number("intensity_g_per_kwh"),
    _moment("baseline_start", needed=False),
    _moment("baseline_end", needed=False),
    _number("baseline_intensity_g_per_kwh"),
    _number("promised_saving_percent"),
    _word("kind"),
    _word("signal"),
    _id("accounting"),
    _text("source"),
    _text("source_url"),
    _moment("started_at", needed=False),
    Column("forecast", Text),
    _moment("forecast_made_at", needed=False),
    Column("replans", Text),
    _moment("updated_at"),
    Column("digest", String(32), nullable=False),
)
Index("carbon_wait_state", WAIT.c.state, WAIT.c.latest_start)
Index("carbon_wait_run", WAIT.c.dag_id, WAIT.c.run_id)

TABLES: dict[type[Any], Table] = {
    EmissionRecord: EMISSION,
    DecisionRecord: DECISION,
    ImpactRecord: IMPACT,
    WaitRecord: WAIT,
}
#: Columns that a newer row without them leaves as they are.
REMEMBERS: dict[str, frozenset[str]] = {WAIT.name: frozenset(REMEMBERED)}
#: The column that tells when the work of a record began, or its decision was made.
TIME: dict[type[Any], Column[datetime]] = {
    EmissionRecord: EMISSION.c.started_at,
    DecisionRecord: DECISION.c.decided_at,
    ImpactRecord: IMPACT.c.started_at,
    WaitRecord: WAIT.c.ready_at,
}
