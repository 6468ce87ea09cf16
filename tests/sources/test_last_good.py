"""The last good forecast, and the typical day, where no source answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.location import Location
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import SourceUnavailableError, UnknownZoneError
from airflow_carbon.sources.cached import Cached
from airflow_carbon.sources.fallback import Fallback
from airflow_carbon.sources.host_cache import HostCache
from airflow_carbon.sources.last_good import LastGood, is_last_good
from airflow_carbon.sources.typical_day import TypicalDay
from airflow_carbon.web.shelf import Shelf

HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Service:
    """Answers a falling series until it is switched off."""

    name = "service"
    refresh = HOUR

    def __init__(self, *, up: bool = True) -> None:
        self.up = up

    async def zone(self, location: Location) -> str:
        if location.name == "NOWHERE":
            raise UnknownZoneError("NOWHERE: no such zone")
        return location.name

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        await self.zone(location)
        if not self.up:
            raise SourceUnavailableError("service: off")
        return Forecast(location.name, now, HOUR, [300.0 - hour for hour in range(24)], source="service, estimated")

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        return await self.forecast(location, now=start, until=end)


def chain(folder: Path, clock: Callable[[], datetime], *, up: bool) -> Fallback:
    """Make the chain anew, as another process or a restarted triggerer does."""
    cached = Cached(Service(up=up), host=HostCache(Shelf(folder)), clock=clock)
    return Fallback([cached], last_resorts=[LastGood([cached]), TypicalDay()])


def ask(source: Fallback, at: datetime, location: str = "zone:DE") -> Forecast:
    return asyncio.run(source.forecast(Location.parse(location), now=at, until=at + HOUR))


def test_the_last_good_forecast_outlives_its_process_and_tells_its_age(tmp_path: Path) -> None:
    ask(chain(tmp_path, lambda: NOON, up=True), NOON)
    later = NOON + timedelta(hours=5, minutes=20)
    answer = ask(chain(tmp_path, lambda: later, up=False), later)
    assert answer.source == "service, estimated, last good forecast, 5 h 20 min old (after service: off)"
    assert answer.start == NOON + 5 * HOUR
    assert answer.intensity[0] == 295.0
    assert answer.kind is Kind.FORECAST
    assert is_last_good(answer)


def test_a_forecast_that_is_over_is_no_forecast_any_more(tmp_path: Path) -> None:
    ask(chain(tmp_path, lambda: NOON, up=True), NOON)
    later = NOON + 24 * HOUR
    with pytest.raises(SourceUnavailableError, match=r"service: off; last good forecast: nothing .* still holds"):
        ask(chain(tmp_path, lambda: later, up=False), later)


def test_of_another_zone_nothing_is_repeated(tmp_path: Path) -> None:
    ask(chain(tmp_path, lambda: NOON, up=True), NOON)
    with pytest.raises(SourceUnavailableError, match="no daily shape known for FR"):
        ask(chain(tmp_path, lambda: NOON, up=False), NOON, "zone:FR")


def test_a_profile_calibrated_for_the_zone_comes_last(tmp_path: Path) -> None:
    answer = ask(chain(tmp_path, lambda: NOON, up=False), NOON, "zone:GB")
    assert answer.kind is Kind.TYPICAL
    assert answer.source.startswith("typical (after service: off; last good forecast: ")
    assert not is_last_good(answer)


def test_a_zone_that_the_source_does_not_know_is_refused_and_nothing_stands_in(tmp_path: Path) -> None:
    with pytest.raises(UnknownZoneError, match="no such zone"):
        ask(chain(tmp_path, lambda: NOON, up=False), NOON, "zone:NOWHERE")


def test_the_source_itself_is_asked_again_first(tmp_path: Path) -> None:
    clock = [NOON]
    source = chain(tmp_path, lambda: clock[0], up=True)
    ask(source, NOON)
    service = source.sources[0].source  # type: ignore[attr-defined]
    service.up, clock[0] = False, NOON + 2 * HOUR
    assert is_last_good(ask(source, clock[0]))
    service.up, clock[0] = True, NOON + 3 * HOUR
    assert ask(source, clock[0]).source == "service, estimated"
