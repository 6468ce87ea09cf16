"""A source's forecasts, blended with the project's own one for as long as that has helped there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_carbon.core.moment import microseconds
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import CarbonError, InvalidRequestError, SourceUnavailableError

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_carbon.core.blend import Blend
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.sources.base import CarbonSource
    from airflow_carbon.sources.kept_history import KeptHistory
    from airflow_carbon.web.shelf import Shelf

#: What was measured is looked up so seldom for learning alone, and so long after it failed.
LEARNS_EVERY = timedelta(hours=24)
#: No answer is held up for longer by what may mend it.
PATIENCE = timedelta(seconds=5)
_HOUR = timedelta(hours=1)


@dataclass(slots=True)
class _Known:
    """Keep what is known of a zone until the source speaks anew."""

    blend: Blend
    own: Forecast | None
    until: datetime


class Blended:
    """Answer as a source does, and draw its forecasts to an own one as far as that was worth it there so far.

    What the own forecast is worth is learned once a day, from one issue a day and what was measured since; as long as
    it is worth nothing, that one request is all that this costs. Nothing here makes an answer fail: where no history
    can be had, the source's own answer stands.

    :param source: what is asked, cached.
    :param history: of the same source.
    :param shelf: keeps what was learned, for all processes of the host.
    :param patience: an answer is held up for no longer by what may mend it.
    """

    def __init__(
        self, source: CarbonSource, history: KeptHistory, shelf: Shelf, *, patience: timedelta = PATIENCE
    ) -> None:
        self.source = source
        self.name = source.name
        self.refresh = source.refresh
        self._history = history
        self._shelf = shelf
        self._patience = patience.total_seconds()
        self._known: dict[str, _Known] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def zone(self, location: Location) -> str:
        """Name the zone as the source does."""
        return await self.source.zone(location)

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        """Give what the source does."""
        return await self.source.history(location, start=start, end=end)

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        """Give the source's answer, blended where that has helped; its ``source`` says so."""
        issue = await self.source.forecast(location, now=now, until=until)
        if issue.kind is not Kind.FORECAST:
            return issue
        zone = await self.source.zone(location)
        known = self._known.get(zone)
        if known is None or now >= known.until:
            # Made once for all who ask; another loop may have left a lock behind that nobody holds.
            async with self._locks.setdefault(zone, asyncio.Lock()):
                known = self._known.get(zone)
                if known is None or now >= known.until:
                    known = self._known[zone] = await self._learned(zone, issue, location, now)
        return issue if known.own is None else known.blend.blended(issue, known.own)

    async def _learned(self, zone: str, issue: Forecast, location: Location, now: datetime) -> _Known:
        from airflow_carbon.core.hourly import HOUR_US

        name = f"blend {zone}"
        document = self._shelf.read(name) or {}
        before = _read(document)
        blend, own, asked_us = before.noted(issue), None, _moment(document.get("asked_us"))
        waits = 0 <= microseconds(now) - asked_us < LEARNS_EVERY / timedelta(microseconds=1)
        is_due = blend.due(microseconds(now) // HOUR_US) and not waits
        failed = bool(document.get("failed")) and waits
        if (is_due or blend.helps) and not failed:
            asked_us = microseconds(now) if is_due else asked_us
            try:
                async with asyncio.timeout(self._patience):
                    blend, own = await self._mended(blend, location, now, learn=is_due)
            except (CarbonError, TimeoutError):
                failed, asked_us = True, microseconds(now)
        if blend != before or asked_us != _moment(document.get("asked_us")):
            self._shelf.write(name, {**blend.to_dict(), "asked_us": asked_us, "failed": failed})
        return _Known(blend, own, now + min(self.refresh, _HOUR))

    async def _mended(
        self, blend: Blend, location: Location, now: datetime, *, learn: bool
    ) -> tuple[Blend, Forecast | None]:
        from airflow_carbon.core.forecaster import FARTHEST, own_forecast

        past = await self._history.past(location, now=now)
        if past.fault:
            raise SourceUnavailableError(past.fault)
        parts = past.parts()
        if learn:
            lag = max(now - past.end, timedelta(0))
            # Milliseconds, and yet beside the loop: many zones may be due at once.
            blend = await asyncio.to_thread(blend.learned, parts, lag=lag)
        if not blend.helps:
            return blend, None
        return blend, await asyncio.to_thread(own_forecast, parts, now=now, until=now + FARTHEST)


def _read(document: dict[str, object]) -> Blend:
    from airflow_carbon.core.blend import Blend

    try:
        return Blend.from_dict(document) if document else Blend()
    except InvalidRequestError:
        return Blend()


def _moment(value: object) -> int:
    return value if isinstance(value, int) else 0
