"""How the waits of one triggerer reach the ledger: all news of about a second in one transaction, beside the loop."""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from airflow_carbon.core.record_wait import WAITING
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.hooks.wait_record import TaskKey, wait_record

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.record_wait import WaitRecord
    from airflow_carbon.ledger.sql import SqlLedger

log = logging.getLogger(__name__)

#: News of so long [s] share a transaction.
PAUSE = 1.0
#: And no more than so many, which are held in memory twice; thousands that come at once are written in pieces.
AT_ONCE = 500
#: The ledger's connection is read again after this long [s], and after each failure.
REREAD_SECONDS = 300.0
#: News that a ledger did not take are kept for the next try, and no more of them than this; the oldest go first.
MOST_KEPT = 10_000

Opener = Callable[[], Awaitable["SqlLedger | None"]]


class News(NamedTuple):
    """Hold what is new of one wait; see :func:`~airflow_carbon.hooks.wait_record.wait_record`."""

    key: TaskKey
    decision: Mapping[str, Any]
    at: datetime
    state: str = WAITING
    forecast: Forecast | None = None
    baseline: bool = False
    replans: Sequence[Mapping[str, Any]] | None = None
    since: datetime | None = None

    def record(self) -> WaitRecord:
        """Make the record of it.

        :raises InvalidRequestError: naming the field that is wrong.
        """
        return wait_record(
            self.decision,
            self.key,
            at=self.at,
            state=self.state,
            forecast=self.forecast,
            baseline=self.baseline,
            replans=self.replans,
            since=self.since,
        )


async def open_ledger() -> SqlLedger | None:
    """Open the ledger that Airflow's configuration names; None where nothing is to be kept."""
    from airflow_carbon.hooks.ledger import LedgerHook

    return await LedgerHook().aopen()


class Publisher:
    """Write news of waits to the ledger; whatever goes wrong there, no wait notices.

    :param opener: opens the ledger; replaced only where there is no Airflow.
    """

    _of_loop: ClassVar[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Publisher]] = weakref.WeakKeyDictionary()

    def __init__(self, opener: Opener = open_ledger) -> None:
        self._opener = opener
        self._news: list[News] = []
        self._sending: asyncio.Task[None] | None = None
        self._ledger: SqlLedger | None = None
        self._opened_at = 0.0
        self._failing = False

    @classmethod
    def current(cls) -> Publisher:
        """Give the publisher of the running event loop."""
        loop = asyncio.get_running_loop()
        if loop not in cls._of_loop:
            cls._of_loop[loop] = cls()
        return cls._of_loop[loop]

    @classmethod
    def use(cls, publisher: Publisher) -> None:
        """Make a publisher of one's own that of the running event loop, before a trigger starts in it."""
        cls._of_loop[asyncio.get_running_loop()] = publisher

    def tell(self, news: News) -> None:
        """Take news of one wait; it returns at once."""
        self._news.append(news)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        taken: list[News] = []
        try:
            while self._news:
                await asyncio.sleep(PAUSE if len(self._news) < AT_ONCE else 0.0)
                taken, self._news = self._news[:AT_ONCE], self._news[AT_ONCE:]
                if not await self._written(taken):
                    # The next news come with another try; a ledger that is down is not asked for its own sake.
                    self._news = [*taken, *self._news][-MOST_KEPT:]
                    return
                taken = []
        except asyncio.CancelledError:
            # The loop ends, and nobody else in it has anything to wait for: what is new may still be written here.
            if self._ledger is not None and not self._failing:
                self._write([*taken, *self._news], self._ledger)
            raise

    async def _written(self, news: Sequence[News]) -> bool:
        try:
            if time.monotonic() - self._opened_at > REREAD_SECONDS or self._failing or self._opened_at == 0.0:
                self._ledger = await self._opener()
                self._opened_at = time.monotonic()
        except Exception as error:
            self._failed(error)
            return False
        if self._ledger is None:
            return True
        return await asyncio.to_thread(self._write, news, self._ledger)

    def _write(self, news: Sequence[News], ledger: SqlLedger) -> bool:
        from airflow_carbon.hooks.ledger import without_secrets

        records = []
        for one in news:
            try:
                records.append(without_secrets(one.record()))
            except (InvalidRequestError, KeyError, TypeError, ValueError):
                log.warning("a wait cannot be published", exc_info=True)
            # A thread that computes on and on holds up the loop at each of its steps.
            time.sleep(0)
        try:
            ledger.write(records)
        except Exception as error:
            self._failed(error)
            return False
        self._failing = False
        return True

    def _failed(self, error: Exception) -> None:
        # Once for each outage: it says the same each second, and those who wait lose nothing by it.
        log.log(
            logging.DEBUG if self._failing else logging.WARNING,
            "the ledger does not take what is new of waits, which go on without it: %s: %s",
            type(error).__name__,
            error,
        )
        self._failing = True
