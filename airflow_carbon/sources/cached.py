"""A source asked once for all: answers are kept for their time to live, and askers of one zone share one request."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from airflow_carbon.core.moment import EPOCH, aware
from airflow_carbon.exceptions import CarbonError, SourceResponseError, SourceUnavailableError
from airflow_carbon.sources.kept_answer import KeptAnswer
from airflow_carbon.web.kept_failure import KeptFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.sources.base import CarbonSource
    from airflow_carbon.sources.host_cache import HostCache

_Key = tuple[object, ...]
HOUR = timedelta(hours=1)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Cached:
    """Keep another source's answers, one request for each zone and refresh.

    Askers that come while a request is under way await that one; it goes on when the first of them is cancelled. An
    error reaches all who wait, and is kept only for ``error_ttl``. Answers outlive an event loop, requests do not.

    :param source: what is asked.
    :param host: shares answers with all processes of the host; None keeps them in memory alone.
    :param clock: gives the present moment, timezone-aware; ages answers, and nothing else.
    :param ttl: how long an answer is kept; by default the source's ``refresh``.
    :param error_ttl: how long an error is kept, so that many askers do not repeat a failing request.
    :param horizon: a request looks ahead by whole multiples of this, so that askers with different deadlines share it.
    :param patience: a request is given up after this long, since all processes of the host wait for it.
    """

    def __init__(
        self,
        source: CarbonSource,
        *,
        host: HostCache | None = None,
        clock: Callable[[], datetime] = _utc_now,
        ttl: timedelta | None = None,
        error_ttl: timedelta = timedelta(seconds=10),
        horizon: timedelta = timedelta(hours=72),
        patience: timedelta = timedelta(minutes=2),
    ) -> None:
        self.source = source
        self.name = source.name
        self.refresh = source.refresh
        self.ttl = source.refresh if ttl is None else ttl
        self.error_ttl = error_ttl
        self.horizon = horizon
        self._patience = patience.total_seconds()
        self._host = host
        self._clock = clock
        self._kept: dict[_Key, KeptAnswer] = {}
        self._failed: dict[_Key, KeptFailure] = {}
        self._flights: dict[_Key, _Flight] = {}
        self._sweep_at: datetime | None = None

    async def zone(self, location: Location) -> str:
        """Name the zone as the source does."""
        return await self.source.zone(location)

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        """Give the kept forecast of the location's zone, or ask for one; it may reach farther than ``until``.

        :raises SourceError: what the source raised for this zone, now or within ``error_ttl``.
        :raises InvalidRequestError: if a moment has no timezone.
        """
        now, until = aware(now, "now"), aware(until, "until")
        key = ("forecast", await self.source.zone(location))

        def serves(kept: KeptAnswer) -> bool:
            return kept.holds(now) and kept.reaches(until)

        kept = self._fresh(self._kept, key)
        if kept is None or not serves(kept):
            asked = self._asked(now, until)
            question = _Question(key, asked, serves, lambda: self.source.forecast(location, now=now, until=asked))
            kept = await self._shared(question, until)
            if not kept.holds(now):
                # The request that was under way began on the other side of a step's edge.
                return await self._unshared(self.source.forecast(location, now=now, until=until), until)
        return kept.beginning_at(now)

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        """Give the kept account of the same zone and time, or ask for it.

        :raises SourceError: what the source raised for this question, now or within ``error_ttl``.
        :raises InvalidRequestError: if a moment has no timezone.
        """
        start, end = aware(start, "start"), aware(end, "end")
        zone = await self.source.zone(location)
        if end <= start:
            return await self._unshared(self.source.history(location, start=start, end=end), end)
        # In whole hours, so that tasks that ran beside each other share one request.
        first, last = start - (start - EPOCH) % HOUR, end + (EPOCH - end) % HOUR
        question = _Question(
            ("history", zone, first, last),
            last,
            lambda _: True,
            lambda: self.source.history(location, start=first, end=last),
        )
        kept = self._fresh(self._kept, question.key) or await self._shared(question, last)
        if not (kept.whole.start < end and start < kept.whole.end):
            return await self._unshared(self.source.history(location, start=start, end=end), end)
        return kept.whole.between(start, end)

    async def last_good(self, location: Location) -> KeptAnswer | None:
        """Give the newest forecast that this host keeps for the location's zone, however old; None where there is none.

        :raises UnknownZoneError: if the source does not know the location.
        """
        zone = await self.source.zone(location)
        return None if self._host is None else self._host.newest(_name(("forecast", zone)))

    def _asked(self, now: datetime, until: datetime) -> datetime:
        """Look as far ahead as every asker of the coming ``ttl`` needs whose deadline lies in the same horizon."""
        try:
            return now + max(1, -((now - until) // self.horizon)) * self.horizon + self.ttl
        except OverflowError:
            return until

    async def _shared(self, question: _Question, until: datetime) -> KeptAnswer:
        key = question.key
        failed = self._fresh(self._failed, key)
        if failed is None:
            loop = asyncio.get_running_loop()
            flight = self._flights.get(key)
            # What this one needs counts, not what it would ask for: that lies a little farther with each later asker.
            if flight is None or flight.until < until or flight.task.done() or flight.task.get_loop() is not loop:
                flight = _Flight(loop.create_task(self._fly(question)), question.until)
                self._flights[key] = flight
            # Shielded: the request belongs to all who wait for it, not to the one who came first.
            landed = await asyncio.shield(flight.task)
            if isinstance(landed, KeptAnswer):
                return landed
            failed = landed
        # A copy for each: a raised error gathers the traceback of whoever raises it.
        raise copy.copy(failed.error) from failed.error

    async def _fly(self, question: _Question) -> KeptAnswer | KeptFailure:
        key = question.key
        try:
            if self._host is None:
                landed = await self._ask(question.ask(), question.until)
            else:
                landed = await self._host.shared(
                    _name(key), question.serves, lambda: self._ask(question.ask(), question.until), self._clock
                )
        finally:
            flight = self._flights.get(key)
            if flight is not None and flight.task is asyncio.current_task():
                del self._flights[key]
        self._sweep()
        if isinstance(landed, KeptFailure):
            self._failed[key] = landed
            return landed
        self._keep(key, landed)
        known_as = (key[0], landed.whole.zone, *key[2:])
        if known_as != key:
            # Only the answer told the zone; whoever names the same place otherwise finds it there.
            self._keep(known_as, landed)
            if self._host is not None:
                self._host.keep_too(_name(known_as), landed, self._clock())
        return landed

    async def _unshared(self, answer: Coroutine[object, object, Forecast], until: datetime) -> Forecast:
        landed = await self._ask(answer, until)
        if isinstance(landed, KeptFailure):
            raise landed.error
        return landed.whole

    async def _ask(self, answer: Coroutine[object, object, Forecast], until: datetime) -> KeptAnswer | KeptFailure:
        asked = self._clock()
        try:
            async with asyncio.timeout(self._patience):
                return KeptAnswer(await answer, until, asked, asked + self.ttl)
        except CarbonError as error:
            fault = error
        except TimeoutError:
            fault = SourceUnavailableError(f"{self.name}: no answer within {self._patience:g} s")
        except Exception as error:
            # What a source of another package raises beyond the protocol must not fail a DAG; its words may be secret.
            fault = SourceResponseError(f"{self.name} failed with {type(error).__name__}")
        # Counted from its end: one that took long would otherwise be over before anyone hears of it.
        failed = self._clock()
        return KeptFailure(fault, failed, failed + self.error_ttl)

    def _keep(self, key: _Key, landed: KeptAnswer) -> None:
        farther = self._fresh(self._kept, key)
        if farther is None or farther.until <= landed.until:
            self._kept[key] = landed

    def _fresh(self, entries: dict[_Key, _Entry], key: _Key) -> _Entry | None:
        entry = entries.get(key)
        return entry if entry is not None and entry.is_fresh(self._clock()) else None

    def _sweep(self) -> None:
        """Forget what has expired; a pass over everything is made once per ``ttl`` at most."""
        now = self._clock()
        if self._sweep_at is not None and now < self._sweep_at:
            return
        self._sweep_at = now + self.ttl
        self._kept = {key: entry for key, entry in self._kept.items() if now < entry.expires}
        self._failed = {key: entry for key, entry in self._failed.items() if now < entry.expires}
        self._flights = {key: flight for key, flight in self._flights.items() if not flight.task.done()}


@dataclass(frozen=True, slots=True)
class _Question:
    key: _Key
    until: datetime
    serves: Callable[[KeptAnswer], bool]
    ask: Callable[[], Coroutine[object, object, Forecast]]


@dataclass(frozen=True, slots=True)
class _Flight:
    task: asyncio.Task[KeptAnswer | KeptFailure]
    until: datetime


def _name(key: _Key) -> str:
    return " ".join(one.isoformat() if isinstance(one, datetime) else str(one) for one in key)


_Entry = TypeVar("_Entry", KeptAnswer, KeptFailure)
