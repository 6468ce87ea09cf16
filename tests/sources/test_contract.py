"""What every source promises, asked of each in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_carbon.core.location import Location
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import InvalidRequestError, UnknownZoneError
from airflow_carbon.sources.base import CarbonSource
from airflow_carbon.sources.cached import Cached
from airflow_carbon.sources.fallback import Fallback
from airflow_carbon.sources.history import History
from airflow_carbon.sources.played import Played
from airflow_carbon.sources.typical import Typical

HOUR = timedelta(hours=1)
BEGIN = datetime(2026, 3, 27, tzinfo=UTC)
#: Into the night in which Europe's clocks change.
NOW = datetime(2026, 3, 28, 23, 17, 42, 5, tzinfo=UTC)


def week(folder: Path) -> History:
    file = folder / "week.csv"
    rows = (f"{(BEGIN + row * HOUR / 2).isoformat()},{100 + row % 48}" for row in range(7 * 48))
    file.write_text("\n".join(["timestamp,intensity", *rows]), encoding="utf-8")
    return History(file, zone="GB")


@dataclass(frozen=True)
class Case:
    name: str
    build: Callable[[Path], CarbonSource]
    location: str = "azure:uksouth"
    zone: str = "GB"
    forecast_kind: Kind = Kind.TYPICAL
    history_kind: Kind = Kind.TYPICAL

    def __str__(self) -> str:
        return self.name


CASES = [
    Case("typical profile", lambda _: Typical()),
    Case("typical average", lambda _: Typical(), "aws:eu-central-1", "DE", Kind.ANNUAL_AVERAGE, Kind.ANNUAL_AVERAGE),
    Case("history", week, forecast_kind=Kind.FORECAST, history_kind=Kind.MEASURED),
    Case("played", lambda _: Played(Typical(), anchor=NOW, plays_from=BEGIN, speed=60)),
    Case(
        "replayed history",
        lambda folder: Played(week(folder), anchor=NOW - 24 * HOUR, plays_from=BEGIN),
        forecast_kind=Kind.FORECAST,
        history_kind=Kind.MEASURED,
    ),
    Case("cached", lambda folder: Cached(week(folder)), forecast_kind=Kind.FORECAST, history_kind=Kind.MEASURED),
    Case("fallback", lambda folder: Fallback([History(folder / "none.csv", zone="GB"), Typical()])),
    Case("cached fallback", lambda folder: Cached(Fallback([History(folder / "none.csv", zone="GB"), Typical()]))),
]


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
def source(case: Case, tmp_path: Path) -> CarbonSource:
    return case.build(tmp_path)


def test_it_is_a_source_with_a_name_and_a_refresh(source: CarbonSource) -> None:
    assert isinstance(source, CarbonSource)
    assert source.name
    assert source.refresh > timedelta(0)


def test_it_names_the_zone(case: Case, source: CarbonSource) -> None:
    assert asyncio.run(source.zone(Location.parse(case.location))) == case.zone


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(minutes=5), 6 * HOUR, 30 * HOUR, -HOUR], ids=str)
def test_its_forecast_begins_with_the_step_that_holds_now(case: Case, source: CarbonSource, ahead: timedelta) -> None:
    answer = asyncio.run(source.forecast(Location.parse(case.location), now=NOW, until=NOW + ahead))
    assert answer.start <= NOW < answer.start + answer.step
    assert answer.end >= NOW + ahead
    assert answer.start.tzinfo is UTC
    assert answer.step > timedelta(0)


def test_its_forecast_says_what_it_is(case: Case, source: CarbonSource) -> None:
    answer = asyncio.run(source.forecast(Location.parse(case.location), now=NOW, until=NOW + HOUR))
    assert (answer.zone, answer.kind, answer.signal) == (case.zone, case.forecast_kind, Signal.AVERAGE)
    assert isinstance(answer.accounting, Accounting)
    assert answer.source


def test_its_past_covers_what_was_asked(case: Case, source: CarbonSource) -> None:
    start, end = NOW - timedelta(hours=5, minutes=21), NOW - timedelta(minutes=3)
    answer = asyncio.run(source.history(Location.parse(case.location), start=start, end=end))
    assert answer.covers(start, end)
    assert answer.start > start - answer.step
    assert answer.end < end + answer.step
    assert (answer.zone, answer.kind) == (case.zone, case.history_kind)


def test_forecast_and_past_agree_where_they_meet(case: Case, source: CarbonSource) -> None:
    location = Location.parse(case.location)
    ahead = asyncio.run(source.forecast(location, now=NOW, until=NOW + 3 * HOUR))
    past = asyncio.run(source.history(location, start=ahead.start, end=ahead.start + 2 * ahead.step))
    assert past.intensity.tolist() == ahead.intensity[:2].tolist()
    assert past.start == ahead.start


@pytest.mark.parametrize("nonsense", ["zone:NOWHERE", "azure:nowhere", "ibm:eu-de", "0.0,-30.0"])
def test_it_refuses_a_place_that_is_nowhere(source: CarbonSource, nonsense: str) -> None:
    location = Location.parse(nonsense)
    with pytest.raises(UnknownZoneError):
        asyncio.run(source.zone(location))
    with pytest.raises(UnknownZoneError):
        asyncio.run(source.history(location, start=NOW - HOUR, end=NOW))
    with pytest.raises(UnknownZoneError, match=nonsense):
        asyncio.run(source.forecast(location, now=NOW, until=NOW + HOUR))


def test_it_refuses_moments_without_a_timezone(case: Case, source: CarbonSource) -> None:
    naive, location = NOW.replace(tzinfo=None), Location.parse(case.location)
    with pytest.raises(InvalidRequestError, match="has no timezone"):
        asyncio.run(source.forecast(location, now=naive, until=NOW + HOUR))
    with pytest.raises(InvalidRequestError, match="has no timezone"):
        asyncio.run(source.history(location, start=NOW - HOUR, end=naive))


def test_it_answers_in_one_event_loop_after_another(case: Case, source: CarbonSource) -> None:
    location = Location.parse(case.location)
    first, second = (asyncio.run(source.forecast(location, now=NOW, until=NOW + HOUR)) for _ in range(2))
    assert first.intensity.tolist() == second.intensity.tolist()


def test_many_may_ask_it_at_once(case: Case, source: CarbonSource) -> None:
    location = Location.parse(case.location)

    async def everyone() -> set[tuple[datetime, float]]:
        asked = (source.forecast(location, now=NOW, until=NOW + HOUR) for _ in range(40))
        return {(answer.start, float(answer.intensity[0])) for answer in await asyncio.gather(*asked)}

    assert len(asyncio.run(everyone())) == 1
