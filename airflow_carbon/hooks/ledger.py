"""The hook that keeps what tasks emitted, and what decisions changed, in the ledger."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_carbon.core.record import DecisionRecord, EmissionRecord
from airflow_carbon.core.record_document import document_of
from airflow_carbon.core.record_wait import WaitRecord
from airflow_carbon.exceptions import InvalidRequestError, LedgerError
from airflow_carbon.hooks.settings import SECTION, state_dir

if TYPE_CHECKING:
    from airflow.sdk import Connection, Context
    from sqlalchemy import URL

    from airflow_carbon.core.record import Record
    from airflow_carbon.ledger.base import AnyRecord
    from airflow_carbon.ledger.ghg import GhgView
    from airflow_carbon.ledger.reductions import ReductionTotal
    from airflow_carbon.ledger.sql import SqlLedger
    from airflow_carbon.ledger.totals import EmissionTotal
    from airflow_carbon.ledger.uptake import Uptake

log = logging.getLogger(__name__)

#: Words of PostgreSQL's own that a connection's extras may hold; others are for other users of that connection.
POSTGRES_EXTRAS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "options", "target_session_attrs",
                   "channel_binding", "gssencmode", "connect_timeout", "application_name")  # fmt: skip


#: What ``[carbon] ledger_conn_id`` says where nothing is to be kept.
OFF = "off"


class LedgerHook(BaseHook):
    """Write to the ledger and read from it.

    :param conn_id: an Airflow connection of type ``postgres`` or ``sqlite``; None takes ``[carbon] ledger_conn_id``,
        and where that is empty a SQLite file, ``ledger.db`` in ``[carbon] state_dir``.
    """

    def __init__(self, conn_id: str | None = None) -> None:
        super().__init__()
        self.conn_id = conn_id

    @cached_property
    def ledger(self) -> SqlLedger:
        """The ledger itself, which tells of every failure; nothing is opened before it is asked.

        :raises LedgerError: if the connection is not defined, is no SQLite or PostgreSQL, or no driver is installed.
        """
        conn_id = self._named()
        try:
            return _ledger_behind(BaseHook.get_connection(conn_id) if conn_id else None)
        except AirflowNotFoundException:
            raise LedgerError(f"ledger_conn_id: the connection {conn_id!r} is not defined") from None

    async def aopen(self) -> SqlLedger | None:
        """Open the ledger beside an event loop, such as a triggerer's; None where nothing is to be kept.

        :raises LedgerError: as :attr:`ledger`.
        """
        if (conn_id := self._named()) == OFF and not self.conn_id:
            return None
        try:
            connection = await BaseHook.aget_connection(conn_id) if conn_id else None
        except AirflowNotFoundException:
            raise LedgerError(f"ledger_conn_id: the connection {conn_id!r} is not defined") from None
        return await asyncio.to_thread(_ledger_behind, connection)

    def _named(self) -> str:
        return self.conn_id or conf.get(SECTION, "ledger_conn_id", fallback="") or ""

    def write(self, *records: Record, context: Context | None = None) -> bool:
        """Keep records; a ledger that is down fails no task: they then wait in the task's outbox for ``sync``.

        :param records: those that do not tell when they were made were made now.
        :param context: of the task; without it there is no outbox.
        :return: True once the ledger has them.
        """
        if not self.conn_id and conf.get(SECTION, "ledger_conn_id", fallback="") == OFF:
            return True
        now = datetime.now(UTC)
        made = [without_secrets(_made(one, now)) for one in records]
        try:
            self.ledger.write(made)
        except Exception as error:
            self._keep(made, context, error)
            return False
        return True

    def read(self, kind: type[AnyRecord], **which: Any) -> Iterator[AnyRecord]:
        """Give records in the order of their time.

        :param kind: ``EmissionRecord``, ``DecisionRecord``, ``ImpactRecord`` or ``WaitRecord``.
        :param which: fields of :class:`~airflow_carbon.ledger.base.Selection`: ``dag_id``, ``run_id``, ``task_id``,
            ``decision_ids``, ``since``, ``until``, ``final``.
        :raises LedgerError: if the ledger does not answer.
        """
        from airflow_carbon.ledger.base import Selection

        return self.ledger.read(kind, Selection(**which))

    def totals(self, by: Sequence[str] = ("dag", "month"), **which: Any) -> list[EmissionTotal]:
        """Add up emissions; see :func:`~airflow_carbon.ledger.totals.emission_totals`."""
        from airflow_carbon.ledger.totals import emission_totals

        return emission_totals(self.ledger, by, **which)

    def reductions(self, by: Sequence[str] = ("dag", "month"), **which: Any) -> list[ReductionTotal]:
        """Add up reductions; see :func:`~airflow_carbon.ledger.reductions.reduction_totals`."""
        from airflow_carbon.ledger.reductions import reduction_totals

        return reduction_totals(self.ledger, by, **which)

    def uptake(self, **which: Any) -> list[Uptake]:
        """Count what became of decisions; see :func:`~airflow_carbon.ledger.uptake.uptake`."""
        from airflow_carbon.ledger.uptake import uptake

        return uptake(self.ledger, **which)

    def waits(self, **which: Any) -> list[WaitRecord]:
        """Give waits: those that go on, those of a DAG; see :func:`~airflow_carbon.ledger.waits.waits`."""
        return self.ledger.waits(**which)

    def ghg(self, accounts: Mapping[str, str] | None = None, **which: Any) -> GhgView:
        """Give kilograms by account and month; see :func:`~airflow_carbon.ledger.ghg.ghg_view`."""
        from airflow_carbon.ledger.ghg import ghg_view

        return ghg_view(self.ledger, accounts, **which)

    def _keep(self, records: Sequence[Record], context: Context | None, error: Exception) -> None:
        from airflow_carbon.ledger.outbox import keep

        fault = _redacted(f"{error}" if isinstance(error, LedgerError) else f"{type(error).__name__}: {error}")
        found: Mapping[str, Any] = {} if context is None else dict(context)
        store, ti = found.get("task_state_store"), found.get("ti")
        faults = keep(records, store, ti)
        if len(faults) < (store is not None) + (ti is not None):
            log.warning("The ledger did not take the record, which waits in the outbox: %s", fault)
            return
        # The log is the last place: nothing that was measured is dropped without a word.
        told = [document_of(record) for record in records]
        log.error("The ledger did not take the record, and no outbox did (%s; %s): %s", fault, "; ".join(faults), told)


def _ledger_behind(connection: Connection | None) -> SqlLedger:
    """Make the ledger behind a connection, or that of this host."""
    from sqlalchemy import URL

    from airflow_carbon.ledger.sql import SqlLedger

    if connection is None:
        return SqlLedger(URL.create("sqlite", database=str(state_dir() / "ledger.db")), name="ledger.db")
    return SqlLedger(_address(connection), name=f"the ledger behind {connection.conn_id!r}")


def _address(connection: Connection) -> URL:
    """Make SQLAlchemy's address of an Airflow connection.

    :raises LedgerError: if it is of another type, or names no database.
    """
    from sqlalchemy import URL

    kind, extras = connection.conn_type or "", connection.extra_dejson
    if kind in ("postgres", "postgresql"):
        return URL.create(
            "postgresql",
            username=connection.login or None,
            password=connection.password or None,
            host=connection.host or None,
            port=connection.port,
            database=connection.schema or None,
            query={name: str(extras[name]) for name in POSTGRES_EXTRAS if extras.get(name) is not None},
        )
    if kind == "sqlite":
        path = Path(connection.host or connection.schema or "")
        if not path.is_absolute():
            raise LedgerError(
                f"connection {connection.conn_id!r}: its host must be the file's whole path: /folder/ledger.db"
            )
        return URL.create("sqlite", database=str(path))
    raise LedgerError(
        f"connection {connection.conn_id!r} has type {kind!r}; the ledger lives behind one of type postgres or sqlite"
    )


def _made(record: Record, now: datetime) -> Record:
    return record if isinstance(record, WaitRecord) or record.made_at else replace(record, made_at=now)


def without_secrets(record: Record) -> Record:
    """Mask what Airflow knows for a secret, as it does in its logs."""
    if isinstance(record, WaitRecord):
        masked: dict[str, Any] = {"reason": _redacted(record.reason), "replans": _redacted(record.replans)}
    else:
        masked = {"raw": _redacted(record.raw)}
    if isinstance(record, EmissionRecord):
        masked |= {"energy_note": _redacted(record.energy_note), "fault": _redacted(record.fault)}
    if isinstance(record, DecisionRecord):
        masked |= {"recommended": _redacted(record.recommended), "why": _redacted(record.why)}
    changed = {name: value for name, value in masked.items() if value != getattr(record, name)}
    try:
        return replace(record, **changed) if changed else record
    except InvalidRequestError:
        return replace(record, reason="", replans=None) if isinstance(record, WaitRecord) else replace(record, raw={})


def _redacted(value: Any) -> Any:
    from airflow.sdk.log import redact  # type: ignore[attr-defined]  # imported there for its own loggers

    from airflow_carbon.core.record_fields import DEEPEST

    return redact(value, max_depth=DEEPEST)
