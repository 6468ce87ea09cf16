"""Make the tables of emissions, decisions and impacts.

A migration stands as it was written: it knows nothing of the tables as the package describes them today.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "carbon_emission",
        *ids("dag_id", "run_id", "task_id", key=True),
        sa.Column("map_index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("try_number", sa.Integer, primary_key=True, autoincrement=False),
        *moments("started_at", "ended_at"),
        *words("state"),
        *texts("tags", "owner", "location", "zone"),
        *numbers("energy_kwh"),
        *words("energy_how"),
        *texts("energy_note"),
        *numbers("intensity_g_per_kwh"),
        *words("kind", "signal"),
        *ids("accounting"),
        *texts("intensity_source"),
        *numbers("operational_g", "embodied_g"),
        *texts("functional_unit"),
        *numbers("functional_units"),
        *texts("fault"),
        *flags("faulty"),
        *kept(),
    )
    op.create_index(
        "carbon_emission_totals",
        "carbon_emission",
        ["dag_id", "month", "signal", "accounting", "final", "faulty", "energy_kwh", "operational_g", "embodied_g"],
    )
    op.create_index("carbon_emission_time", "carbon_emission", ["started_at"])
    op.create_table(
        "carbon_decision",
        *ids("decision_id", key=True),
        *ids("dag_id", "run_id", "task_id"),
        sa.Column("map_index", sa.Integer, nullable=False),
        *words("sort"),
        *moments("decided_at"),
        *texts("recommended"),
        *words("action"),
        *texts("why", "governs", "tags", "owner", "location", "zone", "home"),
        *moments("ready_at", "start", nullable=True),
        *numbers("promised_saving_percent", "baseline_intensity_g_per_kwh"),
        *words("kind", "signal"),
        *ids("accounting"),
        *texts("intensity_source"),
        *kept(),
    )
    op.create_index("carbon_decision_run", "carbon_decision", ["dag_id", "run_id"])
    op.create_index("carbon_decision_time", "carbon_decision", ["decided_at"])
    op.create_table(
        "carbon_impact",
        *ids("decision_id", key=True),
        *moments("started_at", "ended_at"),
        *texts("zone", "home_zone"),
        *numbers(
            "energy_kwh",
            "intensity_g_per_kwh",
            "baseline_intensity_g_per_kwh",
            "emitted_g",
            "baseline_g",
            "reduction_g",
            "oracle_g",
            "saving_percent",
            "promised_saving_percent",
            "forecast_error_percent",
        ),
        *words("signal"),
        *ids("accounting"),
        *flags("measured"),
        *kept(),
    )
    op.create_index("carbon_impact_time", "carbon_impact", ["started_at"])


def downgrade() -> None:
    """Remove the tables and all that is in them."""
    for table in ("carbon_impact", "carbon_decision", "carbon_emission"):
        op.drop_table(table)


def ids(*names: str, key: bool = False) -> list[sa.Column[Any]]:
    """Give columns of ids."""
    return [sa.Column(name, sa.String(250), nullable=False, primary_key=key) for name in names]


def texts(*names: str) -> list[sa.Column[Any]]:
    """Give columns of any text."""
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def words(*names: str) -> list[sa.Column[Any]]:
    """Give columns of one word out of a few."""
    return [sa.Column(name, sa.String(20), nullable=False) for name in names]


def numbers(*names: str) -> list[sa.Column[Any]]:
    """Give columns of doubles that may be unknown."""
    return [sa.Column(name, sa.Float(53)) for name in names]


def flags(*names: str) -> list[sa.Column[Any]]:
    """Give columns of truths."""
    return [sa.Column(name, sa.Boolean, nullable=False) for name in names]


def moments(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    """Give columns of moments in UTC."""
    return [sa.Column(name, WHEN, nullable=nullable) for name in names]


def kept() -> list[sa.Column[Any]]:
    """Give the columns that every table ends with."""
    return [
        sa.Column("month", sa.String(7), nullable=False),
        *flags("final"),
        *moments("made_at"),
        sa.Column("digest", sa.String(32), nullable=False),
        *texts("raw"),
    ]
