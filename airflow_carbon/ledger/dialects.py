"""What SQLite and PostgreSQL say each in its own words; nothing else here speaks to one of them alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from airflow_carbon.exceptions import LedgerError
from airflow_carbon.web.private_folder import private_folder

if TYPE_CHECKING:
    from sqlalchemy import Connection, Dialect, Engine

    from airflow_carbon.ledger.columns import Columns

#: Execution option of a transaction that will write.
WRITES = "carbon_writes"
#: Drivers of PostgreSQL that are known to work, the preferred one first.
POSTGRES_DRIVERS = ("psycopg", "psycopg2")
#: What decides between two records with one key, the first before the next.
_RANKS = ("final", "made_at", "since", "updated_at", "digest")
#: Any number, as long as nobody else locks with it: the letters "carbon".
_LOCK = 0x636172626F6E


class Database:
    """Reach one database: by its driver alone for a write, through SQLAlchemy for all that has more to say.

    There is no pool: a task writes once, and must leave no connection behind.

    :param url: in SQLAlchemy's words: ``sqlite:////folder/ledger.db`` or ``postgresql://user:password@host/name``.
    :param patience_seconds: how long to wait for a connection, or for another writer.
    :raises LedgerError: if the URL names another sort of database, or no driver for it is installed.
    """

    def __init__(self, url: str | URL, patience_seconds: float) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise LedgerError("the ledger's address is no URL; write for example postgresql://host/name") from None
        sort = parsed.get_backend_name()
        self._options: dict[str, Any] = {}
        if sort == "sqlite":
            self.sort, self.url = "sqlite", _sqlite(parsed)
            # The driver must begin no transaction by itself: a read that turns into a write is refused without a wait.
            self._options = {"timeout": patience_seconds, "isolation_level": None}
        elif sort in ("postgresql", "postgres"):
            self.sort, self.url = "postgresql", _postgres(parsed, patience_seconds)
        else:
            raise LedgerError(f"the ledger cannot live in {sort}; use SQLite or PostgreSQL")

    @cached_property
    def engine(self) -> Engine:
        """SQLAlchemy's way to it."""
        # Looked up at each first connection otherwise; no column here needs it.
        options: dict[str, Any] = {"use_native_hstore": False} if self.sort == "postgresql" else {}
        engine = create_engine(self.url, creator=self.connect, poolclass=NullPool, **options)
        if self.sort == "sqlite":
            event.listen(engine, "begin", _begin)
        return engine

    @cached_property
    def _dialect(self) -> Dialect:
        kind: Any = self.url.get_dialect()
        made: Dialect = kind(dbapi=kind.import_dbapi())
        return made

    @property
    def error(self) -> type[Exception]:
        """What its driver raises."""
        return self._dialect.loaded_dbapi.Error

    def connect(self) -> Any:
        """Open a connection of the driver's own."""
        places, options = self._dialect.create_connect_args(self.url)
        connection: Any = self._dialect.connect(*places, **{**options, **self._options})
        if self.sort == "sqlite":
            try:
                # Readers do not stop the writer, nor it them; what is committed has reached the disk.
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
            except self.error:
                connection.close()
                raise
        return connection

    @contextmanager
    def writing(self, connection: Any) -> Iterator[Any]:
        """Hold a transaction that writes, over such a connection, and give its cursor."""
        cursor = connection.cursor()
        try:
            if self.sort == "sqlite":
                cursor.execute("BEGIN IMMEDIATE")
            yield cursor
            connection.commit()
        except BaseException:
            # A connection that broke in the middle cannot be told anything; the database lets go by itself.
            with suppress(self.error):
                connection.rollback()
            raise

    def broke_off(self, error: Exception, connection: Any) -> bool:
        """Tell whether it broke a transaction off that may well succeed at another try.

        :param connection: None where there was none yet.
        """
        # Deadlock or a serialization failure; a connection that broke in the middle.
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        return state in ("40001", "40P01") or self._dialect.is_disconnect(error, connection, None)  # type: ignore[arg-type]


def upsert(columns: Columns, sort: str) -> str:
    """Insert rows; where a row with that key is there, replace it only by one that counts for more.

    A final record counts for more than one that is not, then the one that was made later; of two that were made at the
    same moment one is taken by its digest, so that the order of delivery makes no difference. A row that says the same
    is not written again. What a newer row does not know of the remembered columns stays.

    Both databases read the same words; they are put together here because SQLAlchemy takes as long to compile them as
    the write itself takes, and a task writes but once.

    :param sort: of the database; the driver's mark for a value depends on it.
    """
    table, names = columns.table, tuple(columns.sorts)
    marks = ", ".join(["?" if sort == "sqlite" else "%s"] * len(names))
    replaced = ", ".join(
        f"{_quoted(name)} = "
        + (f"COALESCE(excluded.{name}, {table}.{name})" if name in columns.remembered else f"excluded.{_quoted(name)}")
        for name in names
        if name not in columns.key
    )
    old, new = (", ".join(f"{side}.{name}" for name in _RANKS if name in names) for side in (table, "excluded"))
    # Names of our own throughout; every value is handed over apart.
    return (
        f"INSERT INTO {table} ({', '.join(map(_quoted, names))}) VALUES ({marks}) "  # noqa: S608
        f"ON CONFLICT ({', '.join(columns.key)}) DO UPDATE SET {replaced} "
        f"WHERE excluded.digest <> {table}.digest AND ({new}) > ({old})"
    )


def values_of(row: Mapping[str, Any], columns: Columns, sort: str) -> tuple[Any, ...]:
    """Give a row's values in the order of its table's columns, as the driver takes them."""
    values = (row[name] for name in columns.sorts)
    if sort != "sqlite":
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


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _sqlite(url: URL) -> URL:
    if not url.database or url.database == ":memory:":
        raise LedgerError("the ledger must be a file: sqlite:////folder/ledger.db")
    try:
        private_folder(Path(url.database).parent)
    except OSError as error:
        raise LedgerError(f"the ledger's folder cannot be made: {error}") from None
    return url.set(drivername="sqlite")


def _postgres(url: URL, patience_seconds: float) -> URL:
    _, _, driver = url.drivername.partition("+")
    # One that Airflow has imported already costs nothing; psycopg costs as much as the start of a small task.
    known = sorted(POSTGRES_DRIVERS, key=lambda one: one not in sys.modules)
    driver = driver or next((one for one in known if find_spec(one)), "")
    if not driver or find_spec(driver) is None:
        raise LedgerError(
            "no driver for PostgreSQL is installed; install one where tasks run: "
            "pip install 'airflow-provider-carbon[postgres]'"
        )
    query = {"connect_timeout": str(max(2, round(patience_seconds))), "application_name": "airflow-carbon"}
    return url.set(drivername=f"postgresql+{driver}").update_query_dict({**query, **url.query})


def _quoted(name: str) -> str:
    return f'"{name}"'
