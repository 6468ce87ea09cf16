"""Run by alembic: migrate over the connection that the ledger holds, in its transaction."""

from __future__ import annotations

from alembic import context

from airflow_carbon.ledger.columns import VERSION_TABLE
from airflow_carbon.ledger.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
)
context.run_migrations()
