"""The version of the ledger's schema: what a database has, what this package knows, and the way between."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError

from airflow_carbon.exceptions import LedgerError
from airflow_carbon.ledger.columns import VERSION_TABLE
from airflow_carbon.ledger.dialects import lock_schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Every version, from the first to the newest; each has its file in ``migrations/versions``.
REVISIONS = ("0001", "0002", "0003")
NEWEST = REVISIONS[-1]

_ASK = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 (a name of our own)


def is_plainly_current(cursor: Any) -> bool:
    """Tell whether a driver's own cursor finds the newest schema; where it does not, :func:`is_current` tells why."""
    cursor.execute(_ASK)
    return bool(cursor.fetchone() == (NEWEST,))


def is_current(connection: Connection) -> bool:
    """Tell whether a database has the newest schema that this package knows; ends the transaction.

    :raises LedgerError: if its schema is newer than that.
    """
    try:
        found = connection.exec_driver_sql(_ASK).scalar()
    except DBAPIError:
        connection.rollback()
        if inspect(connection).has_table(VERSION_TABLE):
            raise
        found = None
    connection.rollback()
    return _checked(found) == NEWEST


def migrate(connection: Connection) -> None:
    """Bring a database to the newest schema, within a transaction that writes; one process does it, others wait.

    :raises LedgerError: if its schema is newer than this package knows.
    """
    lock_schema(connection)
    found = None
    if inspect(connection).has_table(VERSION_TABLE):
        found = connection.exec_driver_sql(_ASK).scalar()
    if _checked(found) == NEWEST:
        return
    # Imported here: alembic costs more than the write of a task, and is needed once in the life of a database.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, NEWEST)


def _checked(found: str | None) -> str | None:
    if found is not None and found not in REVISIONS:
        raise LedgerError(
            f"the ledger has schema {found}, and this version of airflow-provider-carbon knows {NEWEST} at the newest; "
            f"upgrade the package here (records wait in their outboxes until then), or name another ledger in "
            f"[carbon] ledger_conn_id"
        )
    return found
