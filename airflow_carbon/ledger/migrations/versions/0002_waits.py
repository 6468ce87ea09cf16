"""Make the table of waits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "carbon_wait",
        sa.Column("decision_id", sa.String(250), nullable=False, primary_key=True),
        *(sa.Column(name, sa.String(250), nullable=False) for name in ("dag_id", "run_id", "task_id")),
        sa.Column("map_index", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("location", "zone")),
        *(sa.Column(name, WHEN, nullable=False) for name in ("ready_at", "earliest_start", "latest_start")),
        sa.Column("duration_seconds", sa.Float(53), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        *(sa.Column(name, WHEN) for name in ("start", "end")),
        sa.Column("intensity_g_per_kwh", sa.Float(53)),
        *(sa.Column(name, WHEN) for name in ("baseline_start", "baseline_end")),
        *(sa.Column(name, sa.Float(53)) for name in ("baseline_intensity_g_per_kwh", "promised_saving_percent")),
        *(sa.Column(name, sa.String(20), nullable=False) for name in ("kind", "signal")),
        sa.Column("accounting", sa.String(250), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("source", "source_url")),
        sa.Column("started_at", WHEN),
        sa.Column("forecast", sa.Text),
        sa.Column("forecast_made_at", WHEN),
        sa.Column("replans", sa.Text),
        sa.Column("updated_at", WHEN, nullable=False),
        sa.Column("digest", sa.String(32), nullable=False),
    )
    op.create_index("carbon_wait_state", "carbon_wait", ["state", "latest_start"])
    op.create_index("carbon_wait_run", "carbon_wait", ["dag_id", "run_id"])


def downgrade() -> None:
    """Remove the table and all that is in it."""
    op.drop_table("carbon_wait")
