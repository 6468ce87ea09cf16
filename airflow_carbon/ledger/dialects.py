"""What SQLite and PostgreSQL say each in its own words; nothing else here speaks to one of them alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from airflow_carbon.exceptions import LedgerError
from airflow_carbon.ledger.tables import REMEMBERS
from airflow_carbon.web.private_folder import private_folder

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table

#: Execution option of a transaction that will write.
WRITES = "carbon_writes"
#: Drivers of PostgreSQL that are known to work, the preferred one first.
POSTGRES_DRIVERS = ("psycopg", "psycopg2")
#: What decides between two records with one key, the first before the next.
_RANKS = ("final", "made_at", "updated_at", "digest")
#: Any number, as long as nobody else locks with it: the letters "carbon".
_LOCK = 0x636172626F6E


def engine_of(url: str | URL, patience_seconds: float) -> Engine:
    """Make an engine without a pool: a task writes once, and must leave no connection behind.

    :param url: in SQLAlchemy's words: ``sqlite:////folder/ledger.db`` or ``postgresql://user:password@host/name``.
    :param patience_seconds: how long to wait for a connection, or for another writer.
    :raises LedgerError: if the URL names another sort of database, or no driver for it is installed.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise LedgerError("the ledger's address is no URL; write for example postgresql://host/name") from None
    sort = parsed.get_backend_name()
    if sort == "sqlite":
        return _sqlite(parsed, patience_seconds)
    if sort in ("postgresql", "postgres"):
        return _postgres(parsed, patience_seconds)
    raise LedgerError(f"the ledger cannot live in {sort}; use SQLite or PostgreSQL")


@lru_cache
def upsert(table: Table, dialect: str) -> str:
    """Insert rows; where a row with that key is there, replace it only by one that counts for more.

    A final record counts for more than one that is not, then the one that was made later; of two that were made at the
    same moment one is taken by its digest, so that the order of delivery makes no difference. A row that says the same
    is not written again. What a newer row does not know of :data:`~airflow_carbon.ledger.tables.REMEMBERS` stays.

    Both databases read the same words; they are put together here because SQLAlchemy takes as long to compile them as
    the write itself takes, and a task writes but once.

    :param dialect: SQLAlchemy's name of it; the driver's mark for a value depends on it.
    """
    columns, keys = [column.name for column in table.c], [column.name for column in table.primary_key]
    marks = ", ".join(["?" if dialect == "sqlite" else "%s"] * len(columns))
    kept = REMEMBERS.get(table.name, frozenset())
    replaced = ", ".join(
        f"{_quoted(name)} = "
        + (f"COALESCE(excluded.{name}, {table.name}.{name})" if name in kept else f"excluded.{_quoted(name)}")
        for name in columns
        if name not in keys
    )
    old, new = (", ".join(f"{side}.{name}" for name in _RANKS if name in columns) for side in (table.name, "excluded"))
    # Names of our own throughout; every value is handed over apart.
    return (
        f"INSERT INTO {table.name} ({', '.join(map(_quoted, columns))}) VALUES ({marks}) "  # noqa: S608
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {replaced} "
        f"WHERE excluded.digest <> {table.name}.digest AND ({new}) > ({old})"
    )


def values_of(row: Mapping[str, Any], table: Table, dialect: str) -> tuple[Any, ...]:
    """Give a row's values in the order of its table's columns, as the driver takes them."""
    values = (row[column.name] for column in table.c)
    if dialect != "sqlite":
        return tuple(values)
    # As SQLAlchemy reads it back: in UTC, without saying so.
    return tuple(
        one.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds") if isinstance(one, datetime) else one
        for one in values
    )


def lock_schema(connection: Connection) -> None:
    """Let one process at a time change the schema, until the end of this transaction, which must be one that writes."""
    # On SQLite a transaction that writes is the only one from its first moment on.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})


def _sqlite(url: URL, patience_seconds: float) -> Engine:
    if not url.database or url.database == ":memory:":
        raise LedgerError("the ledger must be a file: sqlite:////folder/ledger.db")
    try:
        private_folder(Path(url.database).parent)
    except OSError as error:
        raise LedgerError(f"the ledger's folder cannot be made: {error}") from None
    engine = create_engine(url.set(drivername="sqlite"), poolclass=NullPool, connect_args={"timeout": patience_seconds})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        # The driver must begin no transaction by itself: a read that turns into a write is refused without a wait.
        connection.isolation_level = None
        cursor = connection.cursor()
        # Readers do not stop the writer, nor it them; what is committed has reached the disk.
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres(url: URL, patience_seconds: float) -> Engine:
    _, _, driver = url.drivername.partition("+")
    driver = driver or next((one for one in POSTGRES_DRIVERS if find_spec(one)), "")
    if not driver or find_spec(driver) is None:
        raise LedgerError(
            "no driver for PostgreSQL is installed; install one where tasks run: "
            "pip install 'airflow-provider-carbon[postgres]'"
        )
    query = {"connect_timeout": str(max(2, round(patience_seconds))), "application_name": "airflow-carbon"}
    return create_engine(
        url.set(drivername=f"postgresql+{driver}").update_query_dict({**query, **url.query}),
        poolclass=NullPool,
        # Looked up at each first connection otherwise; no column here needs it.
        use_native_hstore=False,
    )


def _quoted(name: str) -> str:
    return f'"{name}"'
