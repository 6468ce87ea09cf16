"""What a source has measured of a zone's last weeks, kept on this host: each refresh asks for what is new alone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_carbon.core.forecast import Forecast, issuer
from airflow_carbon.core.hourly import HOUR_US, hourly
from airflow_carbon.core.moment import microseconds, moment_at
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import CarbonError, SourceResponseError, SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow_carbon.core.location import Location
    from airflow_carbon.sources.base import CarbonSource
    from airflow_carbon.web.shelf import Shelf

#: So much is asked for, and kept.
LENGTH = timedelta(days=28)
#: Each refresh asks for this much again: sources correct their newest hours, and many plans tell of one day alone.
AGAIN = timedelta(hours=22)
#: What was not asked for longer than that is taken up this much before its end.
OVERLAP = timedelta(hours=2)
#: A request is given up after this long; what is kept serves then.
PATIENCE = timedelta(seconds=20)
#: What failed is not asked again for this long.
RETRY = timedelta(minutes=1)
#: So many parts between gaps are taken from a file.
MOST_PARTS = 20
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Past:
    """Hold hourly means of a zone.

    :param first: the first hour [h since the Unix epoch].
    :param hours: mean intensity of each hour from there on [gCO2eq/kWh], NaN where not measured.
    :param asked_us: when the source was asked last [us since the epoch].
    :param asks_after_us: when it may be asked again.
    :param fault: what the source said when it failed last; empty where it did not.
    """

    zone: str = ""
    first: int = 0
    hours: tuple[float, ...] = ()
    signal: Signal = Signal.AVERAGE
    accounting: Accounting = Accounting()  # noqa: RUF009 - frozen
    source: str = ""
    asked_us: int = 0
    asks_after_us: int = 0
    fault: str = ""

    @property
    def end(self) -> datetime:
        """End of the last hour."""
        return moment_at((self.first + len(self.hours)) * HOUR_US)

    def with_part(self, part: Forecast) -> Past:
        """Lay newer hours over those that are known; what means something else replaces all."""
        at, means = hourly(part)
        if not means.size:
            return self
        own = Past(part.zone, at, tuple(means.tolist()), part.signal, part.accounting, issuer(part.source))
        if not self.hours or (self.signal, self.accounting, self.zone) != (part.signal, part.accounting, part.zone):
            return own
        first, end = min(at, self.first), max(at + means.size, self.first + len(self.hours))
        first = max(first, end - LENGTH // _HOUR)
        joined = np.full(end - first, np.nan)
        for begin, values in ((self.first, np.array(self.hours)), (at, means)):
            cut = max(0, first - begin)
            joined[begin + cut - first : begin + values.size - first] = values[cut:]
        return replace(own, first=first, hours=tuple(joined.tolist()))

    def parts(self) -> list[Forecast]:
        """Give what lies between the gaps."""
        hours = np.array(self.hours)
        told = np.flatnonzero(np.isfinite(hours))
        runs = np.split(told, np.flatnonzero(np.diff(told) > 1) + 1) if told.size else []
        return [
            Forecast(
                self.zone,
                moment_at((self.first + int(run[0])) * HOUR_US),
                _HOUR,
                hours[run],
                self.signal,
                accounting=self.accounting,
                kind=Kind.MEASURED,
                source=self.source,
            )
            for run in runs
        ]

    def to_document(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        accounting = [self.accounting.scope, self.accounting.flow, self.accounting.gas]
        hours = [round(value, 2) if value == value else None for value in self.hours]
        return {
            "zone": self.zone,
            "first": self.first,
            "hours": hours,
            "signal": str(self.signal),
            "accounting": accounting,
            "source": self.source,
            "asked_us": self.asked_us,
            "asks_after_us": self.asks_after_us,
            "fault": self.fault,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | None) -> Past:
        """Take up what :meth:`to_document` gave; nothing is known from what is damaged or absent."""
        try:
            given = dict(document or {})
            past = cls(
                str(given["zone"]),
                int(given["first"]),
                tuple(np.nan if value is None else float(value) for value in given["hours"]),
                Signal(given["signal"]),
                Accounting(*given["accounting"]),
                str(given["source"]),
                int(given["asked_us"]),
                int(given["asks_after_us"]),
                str(given["fault"]),
            )
            past.parts()
        except (KeyError, TypeError, ValueError, OverflowError, CarbonError):
            return cls()
        return past


class KeptHistory:
    """Keep one source's measured hours of each zone, four weeks of them.

    :param source: what is asked, once for each zone and refresh.
    :param shelf: shares them with all processes of the host, and outlives them; None for a source that lies on this
        host itself, of which all parts between gaps are read.
    """

    def __init__(self, source: CarbonSource, shelf: Shelf | None) -> None:
        self.source = source
        self.name = source.name
        self._shelf = shelf
        self._known: dict[str, Past] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def past(self, location: Location, *, now: datetime) -> Past:
        """Give what is known until now; where the source fails, what was kept.

        :raises UnknownZoneError: if the source does not know the location.
        :raises SourceUnavailableError: if nothing was ever measured, with what the source said.
        """
        zone = await self.source.zone(location)
        name = f"past {zone}"
        past = self._read(name)
        if not _stands(past, now):
            async with self._asking.setdefault(name, asyncio.Lock()):
                past = self._read(name)
                if not _stands(past, now):
                    past = await self._asked(name, location, now)
        if not past.hours:
            raise SourceUnavailableError(past.fault or f"{self.name}: nothing was measured of {location}")
        return past

    def _read(self, name: str) -> Past:
        if self._shelf is None:
            return self._known.get(name, Past())
        return Past.from_document(self._shelf.read(name))

    async def _asked(self, name: str, location: Location, now: datetime) -> Past:
        if self._shelf is None:
            past = self._known[name] = await self._renewed(Past(), location, now)
            return past
        async with self._shelf.alone(name):
            past = self._read(name)
            if not _stands(past, now):
                past = await self._renewed(past, location, now)
                self._shelf.write(name, past.to_document())
            return past

    async def _renewed(self, past: Past, location: Location, now: datetime) -> Past:
        begin = max(now - LENGTH, min(past.end - OVERLAP, now - AGAIN)) if past.hours else now - LENGTH
        fault = ""
        try:
            renewed = await self._all(past, location, begin, now)
        except CarbonError as error:
            renewed, fault = past, str(error)
            if begin < now - AGAIN:
                # Many a plan tells of the last day alone: then the past grows from day to day.
                try:
                    renewed, fault = await self._all(past, location, now - AGAIN, now), ""
                except CarbonError as again:
                    fault = str(again)
        pause = RETRY if fault else self.source.refresh
        asked = microseconds(now)
        return replace(renewed, asked_us=asked, asks_after_us=microseconds(now + pause), fault=fault)

    async def _all(self, past: Past, location: Location, begin: datetime, now: datetime) -> Past:
        """Ask for the hours; of a file with gaps, part by part."""
        todo, any_came = [(begin, now)], False
        for _ in range(MOST_PARTS):
            start, end = todo.pop()
            try:
                part = await self._part(location, start, end)
            except CarbonError:
                if not any_came:
                    raise
            else:
                past, any_came = past.with_part(part), True
                todo += [(start, part.start), (part.end, end)] if self._shelf is None else []
            todo = [(start, end) for start, end in todo if end - start >= _HOUR]
            if not todo:
                break
        return past

    async def _part(self, location: Location, start: datetime, end: datetime) -> Forecast:
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                part = await self.source.history(location, start=start, end=end)
        except CarbonError:
            raise
        except TimeoutError:
            raise SourceUnavailableError(f"{self.name}: no history within {PATIENCE.seconds} s") from None
        except Exception as error:
            # What a source of another package raises beyond the protocol must not fail a DAG; its words may be secret.
            raise SourceResponseError(f"{self.name} failed with {type(error).__name__}") from error
        if part.kind in (Kind.TYPICAL, Kind.ANNUAL_AVERAGE):
            raise SourceUnavailableError(f"{self.name}: it has no history, only a {part.kind}")
        return part


def _stands(past: Past, now: datetime) -> bool:
    # What was asked in the future was asked by a clock that has been set back since.
    return past.asked_us <= microseconds(now + RETRY) and microseconds(now) < past.asks_after_us
