"""The ledger in a SQL database: SQLite, or PostgreSQL in earnest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy.exc import SQLAlchemyError

from airflow_carbon.core.record_document import key_of
from airflow_carbon.exceptions import LedgerError
from airflow_carbon.ledger.base import AnyRecord, Selection
from airflow_carbon.ledger.columns import COLUMNS
from airflow_carbon.ledger.dialects import WRITES, Database, upsert, values_of
from airflow_carbon.ledger.rows import from_row, row_of
from airflow_carbon.ledger.schema import is_current, is_plainly_current, migrate

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

    from airflow_carbon.core.record import Record
    from airflow_carbon.core.record_wait import WaitRecord

_Answer = TypeVar("_Answer")

#: Rows of one transaction: others wait no longer than these take.
BATCH = 1000
#: How often a transaction is tried that the database broke off, or that met another's lock.
TRIES = 3
#: How long a task waits for a ledger that does not answer, or for others that write [s].
PATIENCE_SECONDS = 5.0


class SqlLedger:
    """Keep records, each sort in a table of its own; the schema is made, or brought up to date, before the first use.

    A write goes through the database's driver alone: a task writes once, and would pay more for SQLAlchemy's tables and
    engine than for the write. All else goes through SQLAlchemy.

    :param url: in SQLAlchemy's words: ``sqlite:////folder/ledger.db`` or ``postgresql://user:password@host/name``.
    :param name: what to call it in errors, which never hold the address.
    :param patience_seconds: how long to wait for a connection, or for another writer.
    :raises LedgerError: if the URL names no SQLite or PostgreSQL, or no driver for it is installed.
    """

    def __init__(self, url: str | URL, *, name: str = "the ledger", patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.name = name
        try:
            self._database = Database(url, patience_seconds)
        except LedgerError as error:
            raise LedgerError(f"{name}: {error}") from None
        self._ready = False

    def __repr__(self) -> str:
        return f"SqlLedger({self.name!r})"

    def init(self) -> None:
        """Make the schema, or bring it up to date.

        :raises LedgerError: if the database does not answer, or its schema is newer than this version knows.
        """
        self._tried(lambda cursor: None)

    def write(self, records: Iterable[Record]) -> int:
        """Keep records, all or none of each thousand, and tell how many rows that changed.

        :raises LedgerError: if the database does not answer, or its schema is newer than this version knows.
        """
        # In one order everywhere: processes that write the same rows would wait for each other in a circle.
        ordered = sorted(records, key=key_of)
        batches = [ordered[first : first + BATCH] for first in range(0, len(ordered), BATCH)]
        return sum(self._tried(partial(_write, sort=self._database.sort, records=batch)) for batch in batches)

    def read(self, kind: type[AnyRecord], which: Selection = Selection()) -> Iterator[AnyRecord]:  # noqa: B008 - frozen
        """Give records in the order of their time, then of their key.

        :raises LedgerError: as :meth:`write`.
        """
        # Here, as in `keys`, and not above: who only writes needs none of SQLAlchemy's tables.
        from airflow_carbon.ledger.selecting import rows

        query = rows(kind, which)
        with self.asked() as connection:
            # In pieces: a ledger is larger than what should be held at a time.
            for row in connection.execution_options(yield_per=BATCH).execute(query).mappings():
                yield from_row(kind, cast("Any", row))

    @contextmanager
    def asked(self) -> Iterator[Connection]:
        """Open a transaction that reads; what it sees does not change under it.

        :raises LedgerError: as :meth:`write`.
        """
        with self._told(), self._opened() as connection:
            self._make_ready(connection)
            yield connection

    def keys(self, kind: type[Record], which: Selection = Selection()) -> set[tuple[Any, ...]]:  # noqa: B008 - frozen
        """Give what makes each record one and the same.

        :raises LedgerError: as :meth:`write`.
        """
        from airflow_carbon.ledger.selecting import keys

        query = keys(kind, which)
        with self.asked() as connection:
            return {tuple(row) for row in connection.execute(query)}

    def waits(self, **which: Any) -> list[WaitRecord]:
        """Give waits; see :func:`~airflow_carbon.ledger.waits.waits`."""
        from airflow_carbon.ledger.waits import waits

        return waits(self, **which)

    # -- within ------------------------------------------------------------------------------------------------------

    def _tried(self, work: Callable[[Any], _Answer]) -> _Answer:
        """Do work in one transaction, and again if the database broke it off: work done twice is work done once."""
        database = self._database
        with self._told():
            for left in reversed(range(TRIES)):
                connection: Any = None
                try:
                    connection = database.connect()
                    self._make_plainly_ready(connection)
                    with database.writing(connection) as cursor:
                        return work(cursor)
                except database.error as error:
                    if not left or not database.broke_off(error, connection):
                        raise
                finally:
                    if connection is not None:
                        connection.close()
        raise AssertionError("unreachable")

    @property
    def _engine(self) -> Engine:
        return self._database.engine

    def _opened(self, **options: Any) -> Connection:
        return self._engine.connect().execution_options(**options)

    def _make_plainly_ready(self, connection: Any) -> None:
        if self._ready:
            return
        # What is wrong shows below.
        with suppress(self._database.error):
            self._ready = is_plainly_current(connection.cursor())
        connection.rollback()
        if not self._ready:
            with self._opened() as reading:
                self._make_ready(reading)

    def _make_ready(self, connection: Connection) -> None:
        if self._ready:
            return
        if not is_current(connection):
            with self._opened(**{WRITES: True}) as writing, writing.begin():
                migrate(writing)
        self._ready = True

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except LedgerError as error:
            raise LedgerError(f"{self.name}: {error}") from None
        except (SQLAlchemyError, self._database.error) as error:
            # SQLAlchemy's own text quotes every value of the statement.
            said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            raise LedgerError(f"{self.name}: {said or type(error).__name__}") from None


def _write(cursor: Any, *, sort: str, records: list[Record]) -> int:
    changed = 0
    for kind, columns in COLUMNS.items():
        rows = [values_of(row_of(record), columns, sort) for record in records if type(record) is kind]
        if rows:
            cursor.executemany(upsert(columns, sort), rows)
            changed += cursor.rowcount
    return changed
