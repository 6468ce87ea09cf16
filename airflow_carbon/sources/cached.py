"""A source asked once for all: answers are kept for their time to live, and askers of one zone share one request."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from airflow_carbon.core.moment import aware
from airflow_carbon.exceptions import CarbonError, SourceResponseError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.sources.base import CarbonSource

_Key = tuple[object, ...]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Cached:
    """Keep another source's answers in memory, one request for each zone and refresh.

    Askers that come while a request is under way await that one; it goes on when the first of them is cancelled. An
    error reaches all who wait, and is kept only for ``error_ttl``. Answers outlive an event loop, requests do not.

    :param source: what is asked.
    :param clock: gives the present moment, timezone-aware; ages answers, and nothing else.
    :param ttl: how long an answer is kept; by default the source's ``refresh``.
    :param error_ttl: how long an error is kept, so that many askers do not repeat a failing request.
    :param horizon: a request looks ahead by whole multiples of this, so that askers with different deadlines share it.
    """

    def __init__(
        self,
        source: CarbonSource,
        *,
        clock: Callable[[], datetime] = _utc_now,
        ttl: timedelta | None = None,
        error_ttl: timedelta = timedelta(seconds=10),
        horizon: timedelta = timedelta(hours=72),
    ) -> None:
        self.source = source
        self.name = source.name
        self.refresh = source.refresh
        self.ttl = source.refresh if ttl is None else ttl
        self.error_ttl = error_ttl
        self.horizon = horizon
        self._clock = clock
        self._kept: dict[_Key, _Kept] = {}
        self._failed: dict[_Key, _Failed] = {}
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
        kept = self._fresh(self._kept, key)
        if kept is None or not (kept.holds(now) and kept.reaches(until)):
            asked = self._asked(now, until)
            kept = await self._shared(key, until, asked, lambda: self.source.forecast(location, now=now, until=asked))
            if not kept.holds(now):
                # The request that was under way began on the other side of a step's edge.
                return await self.source.forecast(location, now=now, until=until)
        return kept.beginning_at(now)

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        """Give the kept account of the same zone and time, or ask for it.

        :raises SourceError: what the source raised for this question, now or within ``error_ttl``.
        :raises InvalidRequestError: if a moment has no timezone.
        """
        start, end = aware(start, "start"), aware(end, "end")
        key = ("history", await self.source.zone(location), start, end)
        kept = self._fresh(self._kept, key)
        if kept is None:
            kept = await self._shared(key, end, end, lambda: self.source.history(location, start=start, end=end))
        return kept.whole

    def _asked(self, now: datetime, until: datetime) -> datetime:
        """Look as far ahead as every asker of the coming ``ttl`` needs whose deadline lies in the same horizon."""
        try:
            return now + max(1, -((now - until) // self.horizon)) * self.horizon + self.ttl
        except OverflowError:
            return until

    async def _shared(
        self, key: _Key, until: datetime, asked: datetime, ask: Callable[[], Coroutine[object, object, Forecast]]
    ) -> _Kept:
        failed = self._fresh(self._failed, key)
        if failed is None:
            loop = asyncio.get_running_loop()
            flight = self._flights.get(key)
            # What this one needs counts, not what it would ask for: that lies a little farther with each later asker.
            if flight is None or flight.until < until or flight.task.done() or flight.task.get_loop() is not loop:
                flight = _Flight(loop.create_task(self._fly(key, asked, ask)), asked)
                self._flights[key] = flight
            # Shielded: the request belongs to all who wait for it, not to the one who came first.
            landed = await asyncio.shield(flight.task)
            if isinstance(landed, _Kept):
                return landed
            failed = landed
        # A copy for each: a raised error gathers the traceback of whoever raises it.
        raise copy.copy(failed.error) from failed.error

    async def _fly(
        self, key: _Key, until: datetime, ask: Callable[[], Coroutine[object, object, Forecast]]
    ) -> _Kept | _Failed:
        try:
            answer = await ask()
        except Exception as error:
            # What a source of another package raises beyond the protocol must not fail a DAG; its words may be secret.
            known = error if isinstance(error, CarbonError) else None
            fault = known or SourceResponseError(f"{self.name} failed with {type(error).__name__}")
            failed = _Failed(fault, self._clock() + self.error_ttl)
            self._sweep()
            self._failed[key] = failed
            return failed
        finally:
            flight = self._flights.get(key)
            if flight is not None and flight.task is asyncio.current_task():
                del self._flights[key]
        kept = _Kept(answer, answer, until, self._clock() + self.ttl)
        self._sweep()
        farther = self._fresh(self._kept, key)
        if farther is None or farther.until <= until:
            self._kept[key] = kept
        return kept

    def _fresh(self, entries: dict[_Key, _Entry], key: _Key) -> _Entry | None:
        entry = entries.get(key)
        return entry if entry is not None and self._clock() < entry.expires else None

    def _sweep(self) -> None:
        """Forget what has expired; a pass over everything is made once per ``ttl`` at most."""
        now = self._clock()
        if self._sweep_at is not None and now < self._sweep_at:
            return
        self._sweep_at = now + self.ttl
        self._kept = {key: entry for key, entry in self._kept.items() if now < entry.expires}
        self._failed = {key: entry for key, entry in self._failed.items() if now < entry.expires}
        self._flights = {key: flight for key, flight in self._flights.items() if not flight.task.done()}


@dataclass(slots=True)
class _Kept:
    whole: Forecast
    cut: Forecast
    until: datetime
    expires: datetime

    def holds(self, now: datetime) -> bool:
        return self.whole.start <= now < self.whole.end

    def reaches(self, until: datetime) -> bool:
        # An answer shorter than its question is all that the source knows: asking again gains nothing.
        return until <= self.until or self.whole.end < self.until

    def beginning_at(self, now: datetime) -> Forecast:
        """Cut off the steps that are over; the cut is made once for all who ask within one step."""
        if not self.cut.start <= now < self.cut.start + self.cut.step:
            self.cut = self.whole.between(now, self.whole.end)
        return self.cut


@dataclass(frozen=True, slots=True)
class _Failed:
    error: CarbonError
    expires: datetime


@dataclass(frozen=True, slots=True)
class _Flight:
    task: asyncio.Task[_Kept | _Failed]
    until: datetime


_Entry = TypeVar("_Entry", _Kept, _Failed)
