"""The ledger as the pages read it: one handle for all requests, and answers that are kept for some seconds."""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from airflow.configuration import conf
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from fastapi import Depends, Request
from sqlalchemy import select, tuple_

from airflow_carbon.core.record_wait import WaitRecord
from airflow_carbon.exceptions import LedgerError
from airflow_carbon.hooks.ledger import OFF, LedgerHook
from airflow_carbon.hooks.settings import SECTION
from airflow_carbon.ledger.sql import SqlLedger
from airflow_carbon.plugin.snapshot import Snapshot, rows_of

log = logging.getLogger(__name__)

_Value = TypeVar("_Value")

#: How long the sums are shown before they are read again [s]; and the list of waits, which moves.
SUMS_SECONDS, WAITS_SECONDS = 15.0, 4.0
#: How long a failure of the ledger counts as its answer [s]: not every viewer waits for the same time-out.
FAILURE_SECONDS = 3.0
#: How long a connection of the ledger is believed to be as it was [s].
HANDLE_SECONDS = 60.0
#: Waits that are looked at.
MOST_WAITS = 2000
#: What Airflow calls a task instance whose wait goes on; one that Airflow does not know may be another's.
WAITS_STILL = frozenset({None, "deferred", "up_for_reschedule", "scheduled", "queued", "running", "restarting"})
#: Task instances that Airflow is asked about at once.
_AT_ONCE = 500

TaskKey = tuple[str, str, str, int]


class Kept(Generic[_Value]):
    """Keep what a slow function gave; one caller at a time waits for it, the others take what was known.

    :param load: the function.
    :param seconds: how long its answer counts [s].
    :param clock: gives seconds that never run backwards [s].
    """

    def __init__(self, load: Callable[[], _Value], seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[float, _Value] | None = None
        self._failed: tuple[float, LedgerError] | None = None

    def get(self) -> _Value:
        """Give the answer, at most so old as it counts, or as the time that one load takes.

        :raises LedgerError: if the function raised it, now or some seconds ago.
        """
        known = self._fresh()
        if known is not None:
            return known[1]
        stale = self._known
        if not self._lock.acquire(blocking=stale is None or self._failed is not None):
            assert stale is not None
            return stale[1]
        try:
            known = self._fresh()
            if known is not None:
                return known[1]
            try:
                value = self._load()
            except LedgerError as error:
                log.warning("The Carbon pages have no ledger: %s", error)
                self._failed, self._known = (self._clock(), error), None
                raise
            self._known, self._failed = (self._clock(), value), None
            return value
        finally:
            self._lock.release()

    def _fresh(self) -> tuple[float, _Value] | None:
        failed, known, now = self._failed, self._known, self._clock()
        if failed is not None and now - failed[0] < FAILURE_SECONDS:
            raise copy.copy(failed[1])
        return known if known is not None and now - known[0] < self._seconds else None


@dataclass(frozen=True, slots=True)
class Waits:
    """Hold the waits that go on at a moment, and what Airflow says of their tasks.

    :param records: in the order of their planned starts, without their forecasts.
    :param states: Airflow's own; a task that it does not know has none.
    """

    now: datetime
    records: Sequence[WaitRecord]
    states: dict[TaskKey, str | None]


class Books:
    """Read the ledger that ``[carbon] ledger_conn_id`` names."""

    def __init__(self) -> None:
        self._handle: tuple[float, str, SqlLedger] | None = None
        self._snapshot = Kept(self._read, SUMS_SECONDS)
        self._waits = Kept(self._wait, WAITS_SECONDS)

    @property
    def is_off(self) -> bool:
        """Tell whether nothing is kept."""
        return bool(conf.get(SECTION, "ledger_conn_id", fallback="") == OFF)

    @property
    def hook(self) -> LedgerHook:
        """The ledger's hook, on a handle that is opened anew now and then.

        :raises LedgerError: if the ledger is off, or its connection is wrong.
        """
        if self.is_off:
            raise LedgerError("[carbon] ledger_conn_id is off: nothing is kept")
        hook = LedgerHook()
        named, now = conf.get(SECTION, "ledger_conn_id", fallback="") or "", time.monotonic()
        handle = self._handle
        if handle is None or handle[1] != named or now - handle[0] >= HANDLE_SECONDS:
            self._handle = handle = (now, named, hook.ledger)
        hook.ledger = handle[2]
        return hook

    def snapshot(self) -> Snapshot:
        """Give the sums, some seconds old at most.

        :raises LedgerError: if the ledger does not answer.
        """
        return self._snapshot.get()

    def waits(self) -> Waits:
        """Give the waits that go on, some seconds old at most.

        :raises LedgerError: if the ledger does not answer.
        """
        return self._waits.get()

    def _read(self) -> Snapshot:
        # The moment first: what is written while the rows are read is of the next time.
        now = datetime.now(UTC)
        return Snapshot(now, rows_of(self.hook.ledger))

    def _wait(self) -> Waits:
        now = datetime.now(UTC)
        found = self.hook.waits(waiting=True, at=now, forecasts=False, limit=MOST_WAITS)
        states = states_of([key_of(one) for one in found])
        return Waits(now, [one for one in found if states.get(key_of(one)) in WAITS_STILL], states)


def key_of(record: Any) -> TaskKey:
    """Name the task instance of a record."""
    return record.dag_id, record.run_id, record.task_id, record.map_index


def states_of(keys: Sequence[TaskKey]) -> dict[TaskKey, str | None]:
    """Ask Airflow's own database for the states of task instances; one that it does not know is left out."""
    of, found = TaskInstance, dict[TaskKey, str | None]()
    with create_session(scoped=False) as session:
        for first in range(0, len(keys), _AT_ONCE):
            wanted = tuple_(of.dag_id, of.run_id, of.task_id, of.map_index).in_(keys[first : first + _AT_ONCE])
            query = select(of.dag_id, of.run_id, of.task_id, of.map_index, of.state).where(wanted)
            for dag_id, run_id, task_id, map_index, state in session.execute(query):
                found[dag_id, run_id, task_id, map_index] = None if state is None else str(state)
    return found


def books(request: Request) -> Books:
    """Give the books of the app."""
    kept: Books = request.app.state.books
    return kept


BooksDep = Annotated[Books, Depends(books)]
