"""Note since when the teller of a wait has a say: a worker's last word counts for more than a late one of a trigger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; who waits meanwhile has a say from now on, whichever version tells it."""
    op.add_column("carbon_wait", sa.Column("since", sa.DateTime(timezone=True)))
    op.execute("UPDATE carbon_wait SET since = ready_at")


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("carbon_wait", "since")
