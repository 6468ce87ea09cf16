"""The ledger in a SQL database: SQLite, or PostgreSQL in earnest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from airflow_carbon.core.record_document import key_of
from airflow_carbon.core.record_wait import WAITING
from airflow_carbon.exceptions import LedgerError
from airflow_carbon.ledger.base import AnyRecord, Selection
from airflow_carbon.ledger.dialects import WRITES, engine_of, upsert, values_of
from airflow_carbon.ledger.rows import from_row, row_of
from airflow_carbon.ledger.schema import is_current, migrate
from airflow_carbon.ledger.tables import DECISION, TABLES, TIME

if TYPE_CHECKING:
    from sqlalchemy import URL, ColumnElement, Connection, Engine

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

    :param url: in SQLAlchemy's words: ``sqlite:////folder/ledger.db`` or ``postgresql://user:password@host/name``.
    :param name: what to call it in errors, which never hold the address.
    :param patience_seconds: how long to wait for a connection, or for another writer.
    :raises LedgerError: if the URL names no SQLite or PostgreSQL, or no driver for it is installed.
    """

    def __init__(self, url: str | URL, *, name: str = "the ledger", patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.name = name
        with self._told():
            self._engine: Engine = engine_of(url, patience_seconds)
        self._ready = False

    def __repr__(self) -> str:
        return f"SqlLedger({self.name!r})"

    def init(self) -> None:
        """Make the schema, or bring it up to date.

        :raises LedgerError: if the database does not answer, or its schema is newer than this version knows.
        """
        self._tried(lambda connection: None)

    def write(self, records: Iterable[Record]) -> int:
        """Keep records, all or none of each thousand, and tell how many rows that changed.

        :raises LedgerError: if the database does not answer, or its schema is newer than this version knows.
        """
        # In one order everywhere: processes that write the same rows would wait for each other in a circle.
        ordered = sorted(records, key=key_of)
        batches = [ordered[first : first + BATCH] for first in range(0, len(ordered), BATCH)]
        return sum(self._tried(partial(_write, records=batch)) for batch in batches)

    def read(self, kind: type[AnyRecord], which: Selection = Selection()) -> Iterator[AnyRecord]:  # noqa: B008 - frozen
        """Give records in the order of their time, then of their key.

        :raises LedgerError: as :meth:`write`.
        """
        table = TABLES[kind]
        query = select(table).where(*_wanted(kind, which)).order_by(TIME[kind], *table.primary_key)
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
        query = select(*TABLES[kind].primary_key).where(*_wanted(kind, which))
        with self.asked() as connection:
            return {tuple(row) for row in connection.execute(query)}

    def waits(self, **which: Any) -> list[WaitRecord]:
        """Give waits; see :func:`~airflow_carbon.ledger.waits.waits`."""
        from airflow_carbon.ledger.waits import waits

        return waits(self, **which)

    # -- within ------------------------------------------------------------------------------------------------------

    def _tried(self, work: Callable[[Connection], _Answer]) -> _Answer:
        """Do work in one transaction, and again if the database broke it off: work done twice is work done once."""
        with self._told():
            for left in reversed(range(TRIES)):
                try:
                    with self._opened(**{WRITES: True}) as connection:
                        self._make_ready(connection)
                        with connection.begin():
                            return work(connection)
                except DBAPIError as error:
                    if not left or not _worth_another_try(error):
                        raise
        raise AssertionError("unreachable")

    def _opened(self, **options: Any) -> Connection:
        return self._engine.connect().execution_options(**options)

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
        except SQLAlchemyError as error:
            # SQLAlchemy's own text quotes every value of the statement.
            said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            raise LedgerError(f"{self.name}: {said or type(error).__name__}") from None


def _write(connection: Connection, records: list[Record]) -> int:
    changed = 0
    for kind, table in TABLES.items():
        dialect = connection.dialect.name
        rows = [values_of(row_of(record), table, dialect) for record in records if type(record) is kind]
        if rows:
            changed += connection.exec_driver_sql(
                upsert(table, dialect), rows, execution_options={"preserve_rowcount": True}
            ).rowcount
    return changed


def _wanted(kind: type[Any], which: Selection) -> list[ColumnElement[bool]]:
    """Say a selection in SQL; an impact is found by the DAG, run and task of its decision."""
    table, time = TABLES[kind], TIME[kind]
    final = table.c.final if "final" in table.c else table.c.state != WAITING
    said = [] if which.final is None else [final == which.final]
    said += [] if which.since is None else [time >= which.since]
    said += [] if which.until is None else [time < which.until]
    if which.decision_ids:
        if "decision_id" not in table.c:
            raise LedgerError("decision_ids: an emission belongs to no decision; ask for its DAG, run and task")
        said.append(table.c.decision_id.in_(which.decision_ids))
    named = {name: getattr(which, name) for name in ("dag_id", "run_id", "task_id")}
    ids = {name: value for name, value in named.items() if value is not None}
    if ids and "dag_id" not in table.c:
        of_decision = select(DECISION.c.decision_id).where(*(DECISION.c[name] == ids[name] for name in ids))
        return [*said, table.c.decision_id.in_(of_decision)]
    return [*said, *(table.c[name] == value for name, value in ids.items())]


def _worth_another_try(error: DBAPIError) -> bool:
    # Deadlock or a serialization failure; a connection that broke in the middle.
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    return error.connection_invalidated or state in ("40001", "40P01")
