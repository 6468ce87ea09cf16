"""Typical intensities that the package carries: a profile where one may be shipped, an annual average elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.moment import aware, interval
from airflow_carbon.core.units import Accounting, Kind
from airflow_carbon.sources.regions import country_averages, country_of, lookup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_carbon.core.location import Location

HOUR = timedelta(hours=1)
#: The profile repeats for ever; an answer looks no farther ahead than this.
HORIZON = timedelta(days=366)

#: Zones with a profile, and the clock that their days follow.
_CLOCKS = {"GB": "Europe/London"}
#: NESO's figures: operational CO2 of generation, with imports and losses.
_PROFILE_ACCOUNTING = Accounting("direct", "consumption", "CO2")
#: Ember's yearly figures, as Our World in Data gives them: life-cycle CO2e per kWh generated.
_AVERAGE_ACCOUNTING = Accounting("life-cycle", "production", "CO2e")


class Typical:
    """Answer what is typical for a zone, without any connection; marked so, never called a forecast.

    Great Britain has a profile by month, local hour and weekend (:attr:`Kind.TYPICAL`). Every other zone has its
    country's annual average (:attr:`Kind.ANNUAL_AVERAGE`), which can rank regions but holds no clean hour to wait for.

    :param averages_only: answer the annual average for every zone, so that all answers share one accounting and their
        ranking compares like with like.
    """

    name = "typical"
    refresh = HOUR

    def __init__(self, *, averages_only: bool = False) -> None:
        self.averages_only = averages_only

    async def zone(self, location: Location) -> str:
        """Name the grid zone of a location; the country where its zone is not known.

        :raises UnknownZoneError: if neither is in the embedded table.
        """
        return _zone_and_country(location)[0]

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        """Give the typical hours from the one that holds ``now``, at most a year of them.

        :raises UnknownZoneError: if the location's country is not in the embedded table.
        :raises InvalidRequestError: if a moment has no timezone.
        """
        now, until = aware(now, "now"), aware(until, "until")
        return self._hours(location, now, min(max(until, now + HOUR), now + HORIZON))

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        """Give the typical hours that touch ``[start, end)``: what was typical, not what was measured.

        :raises UnknownZoneError: if the location's country is not in the embedded table.
        :raises InvalidRequestError: if a moment has no timezone or the end is not later than the start.
        """
        start, end = interval(start, end)
        return self._hours(location, start, end)

    def note(self, location: Location) -> str:
        """Say in one sentence what the answer for a location lacks; empty where it has a daily shape.

        :raises UnknownZoneError: if the location's country is not in the embedded table.
        """
        zone, country = _zone_and_country(location)
        if self._has_profile(zone):
            return ""
        average, year = country_averages()[country]
        lacking = f"no daily shape known for {zone} here, connect a source"
        if zone == country:
            return f"{lacking}: {average:.0f} g/kWh is its average of {year}"
        return f"{lacking}: {average:.0f} g/kWh is the average of {country} in {year}, and {zone} may lie far from it"

    def _has_profile(self, zone: str) -> bool:
        return zone in _CLOCKS and not self.averages_only

    def _hours(self, location: Location, start: datetime, end: datetime) -> Forecast:
        zone, country = _zone_and_country(location)
        first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        count = -((first - end) // HOUR)
        if self._has_profile(zone):
            return Forecast(
                zone,
                first,
                HOUR,
                _profile_hours(zone, first, count),
                accounting=_PROFILE_ACCOUNTING,
                kind=Kind.TYPICAL,
                source=self.name,
            )
        average, year = country_averages()[country]
        return Forecast(
            zone,
            first,
            HOUR,
            [average] * count,
            accounting=_AVERAGE_ACCOUNTING,
            kind=Kind.ANNUAL_AVERAGE,
            source=f"{self.name}, average of {country} in {year}",
        )


def _zone_and_country(location: Location) -> tuple[str, str]:
    country = country_of(location)
    if location.is_zone:
        name = location.name.upper()
        # 'UK' is the one name that is neither the country's own letters nor a part of its grid.
        return (name if "-" in name else country), country
    return lookup(location).zone or country, country


def _profile_hours(zone: str, first: datetime, count: int) -> list[float]:
    from zoneinfo import ZoneInfo

    clock, profile = ZoneInfo(_CLOCKS[zone]), _profile(zone)
    # In UTC steps: a day of 23 or 25 hours comes out right, hour by local hour.
    local_hours = ((first + hour * HOUR).astimezone(clock) for hour in range(count))
    return [profile[local.month, local.weekday() >= 5][local.hour] for local in local_hours]


@cache
def _profile(zone: str) -> Mapping[tuple[int, bool], Sequence[float]]:
    """Read the 24 local hours [gCO2/kWh] of each (month, weekend)."""
    import csv
    from importlib.resources import files

    with (files("airflow_carbon.sources") / "data" / f"typical_{zone}.csv").open(encoding="utf-8") as file:
        return {
            (int(row["month"]), row["weekend"] == "yes"): tuple(float(row[f"h{hour:02d}"]) for hour in range(24))
            for row in csv.DictReader(file)
        }
