from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.exceptions import InvalidRequestError, SourceUnavailableError, UnknownZoneError
from airflow_carbon.sources.candidates import candidates

if TYPE_CHECKING:
    from airflow_carbon.core.location import Location

NOW = datetime(2026, 11, 22, tzinfo=UTC)


class Sweden:
    """Knows Sweden alone, and counts the questions."""

    name = "sweden"
    refresh = timedelta(hours=1)

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def zone(self, location: Location) -> str:
        return "SE"

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        self.asked.append(str(location))
        if str(location) != "azure:swedencentral":
            raise SourceUnavailableError("not today")
        return Forecast("SE-SE3", now, until - now, [30.0])

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        return await self.forecast(location, now=start, until=end)


def ask(source: Sweden, *names: str) -> list[tuple[str, str, str, float | None, str]]:
    found = asyncio.run(candidates(source, names, now=NOW, until=NOW + timedelta(hours=8)))
    return [(one.name, one.zone, one.country, one.pue, one.rejected) for one in found]


def test_candidates_keep_the_users_order_and_words() -> None:
    assert ask(Sweden(), "zone:DE", "Azure:SwedenCentral") == [
        ("zone:DE", "", "DE", None, "no data: not today"),
        ("Azure:SwedenCentral", "SE-SE3", "SE", 1.16, ""),
    ]


def test_a_misspelt_region_is_refused_before_anything_is_asked() -> None:
    source = Sweden()
    with pytest.raises(UnknownZoneError, match="did you mean azure:swedencentral"):
        ask(source, "azure:swedencentral", "azure:swedencentrl")
    assert source.asked == []


def test_what_is_no_location_is_refused_by_the_name_of_the_field() -> None:
    with pytest.raises(InvalidRequestError, match="regions: 'Sweden' is no location"):
        ask(Sweden(), "Sweden")


def test_a_zone_in_no_table_has_no_country() -> None:
    assert ask(Sweden(), "zone:QQ") == [("zone:QQ", "", "", None, "no data: not today")]
