"""A source played back: its past as if it began now, or its time faster than the wall's."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from airflow_carbon.core.moment import aware, microseconds, moment_at
from airflow_carbon.exceptions import InvalidRequestError, SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.sources.base import CarbonSource

SLOWEST, FASTEST = 1e-3, 1e6


class Played:
    """Play another source: at the wall's ``anchor`` it is ``plays_from`` there, and time runs ``speed`` times as fast.

    A moment w of the wall is the played moment p = plays_from + (w - anchor) * speed. At speed 60 an hour passes in a
    minute; at speed 1 a series of 2020 is replayed as if it began at the anchor.

    :param source: what is played.
    :param anchor: moment of the wall clock, timezone-aware.
    :param plays_from: the played moment at the anchor, timezone-aware; rounded down to a whole number of ``speed``
        microseconds, so that every step's edge falls on a microsecond of the wall clock.
    :param speed: played time over wall time [1], between 0.001 and 1,000,000.
    :raises InvalidRequestError: naming the field, for a naive moment or a speed out of its bounds.
    """

    def __init__(self, source: CarbonSource, *, anchor: datetime, plays_from: datetime, speed: float = 1.0) -> None:
        if not SLOWEST <= speed <= FASTEST:
            raise InvalidRequestError(
                f"speed: {speed} must lie between {SLOWEST:g} and {FASTEST:g} (1 is as the wall clock)"
            )
        self.source = source
        # By its decimal text: a tenth is meant, not the binary number next to it.
        self._speed = Fraction(str(speed))
        self._anchor_us = microseconds(aware(anchor, "anchor"))
        plays_from_us = microseconds(aware(plays_from, "plays_from"))
        self._plays_from_us = plays_from_us - plays_from_us % self._speed.numerator
        self.name = source.name
        #: Not below a second, however fast time runs.
        self.refresh = max(timedelta(seconds=1), source.refresh / speed)

    async def zone(self, location: Location) -> str:
        """Name the zone as the played source does."""
        return await self.source.zone(location)

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        """Ask the played source at the played moments, and give its answer on the wall's clock.

        :raises InvalidRequestError: if the speed makes a step a fraction of a microsecond.
        :raises SourceUnavailableError: if a played moment leaves the calendar.
        """
        played_now = self._played(aware(now, "now"), math.floor)
        played_until = self._played(aware(until, "until"), math.ceil)
        return self._on_the_wall(await self.source.forecast(location, now=played_now, until=played_until))

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        """Ask the played source for its past between the played moments, and give it on the wall's clock.

        :raises InvalidRequestError: if the speed makes a step a fraction of a microsecond.
        :raises SourceUnavailableError: if a played moment leaves the calendar.
        """
        played_start = self._played(aware(start, "start"), math.floor)
        played_end = self._played(aware(end, "end"), math.ceil)
        return self._on_the_wall(await self.source.history(location, start=played_start, end=played_end))

    def _played(self, wall: datetime, rounded: Callable[[Fraction], int]) -> datetime:
        past_anchor = (microseconds(wall) - self._anchor_us) * self._speed
        try:
            return moment_at(self._plays_from_us + rounded(past_anchor))
        except OverflowError:
            raise SourceUnavailableError(
                f"{self.name}: {wall.isoformat()} played x{float(self._speed):g} leaves the calendar"
            ) from None

    def _wall(self, played_us: int) -> datetime:
        past_anchor = Fraction(played_us - self._plays_from_us) / self._speed
        try:
            return moment_at(self._anchor_us + math.floor(past_anchor))
        except OverflowError:
            raise SourceUnavailableError(
                f"{self.name}: {moment_at(played_us).isoformat()} lies outside the calendar of the wall clock"
            ) from None

    def _on_the_wall(self, answer: Forecast) -> Forecast:
        step_us = answer.step_us / self._speed
        if step_us.denominator != 1 or step_us < 1:
            raise InvalidRequestError(
                f"speed: {float(self._speed):g} makes a step of {answer.step} a fraction of a microsecond; "
                "take one that divides it, such as 60"
            )
        return answer.replaced(
            start=self._wall(answer.start_us),
            step=timedelta(microseconds=int(step_us)),
            source=f"{answer.source}, played x{float(self._speed):g}",
            issued_at=None if answer.issued_at is None else self._wall(microseconds(answer.issued_at)),
        )
