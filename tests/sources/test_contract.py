"""What every source promises, asked of each in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes.grid_server import GridServer

from airflow_carbon.core.location import Location
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import (
    InvalidRequestError,
    SourceAuthError,
    SourceError,
    SourceResponseError,
    SourceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.hooks.asking import asked_in_time
from airflow_carbon.sources.base import CarbonSource
from airflow_carbon.sources.cached import Cached
from airflow_carbon.sources.carbon_aware_sdk import CarbonAwareSdk
from airflow_carbon.sources.computed import Computed
from airflow_carbon.sources.electricity_maps import ElectricityMaps
from airflow_carbon.sources.energy_charts import EnergyCharts
from airflow_carbon.sources.fallback import Fallback
from airflow_carbon.sources.history import History
from airflow_carbon.sources.host_cache import HostCache
from airflow_carbon.sources.places import Places
from airflow_carbon.sources.played import Played
from airflow_carbon.sources.typical import Typical
from airflow_carbon.sources.uk_carbon_intensity import UkCarbonIntensity
from airflow_carbon.sources.watttime import WattTime
from airflow_carbon.sources.watttime_token import Token
from airflow_carbon.web.http import Http
from airflow_carbon.web.shelf import Shelf

HOUR = timedelta(hours=1)
BEGIN = datetime(2026, 3, 27, tzinfo=UTC)
#: Into the night in which Europe's clocks change.
NOW = datetime(2026, 3, 28, 23, 17, 42, 5, tzinfo=UTC)


def week(folder: Path) -> History:
    file = folder / "week.csv"
    rows = (f"{(BEGIN + row * HOUR / 2).isoformat()},{100 + row % 48}" for row in range(7 * 48))
    file.write_text("\n".join(["timestamp,intensity", *rows]), encoding="utf-8")
    return History(file, zone="GB")


def by_the_half_hour(location: str, start: datetime, end: datetime) -> list[tuple[datetime, float]]:
    first = int((start - BEGIN) / (HOUR / 2))
    return [(BEGIN + step * HOUR / 2, 100.0 + step % 48) for step in range(first, int((end - BEGIN) / (HOUR / 2)) + 1)]


def electricity_maps(_: Path, grid: GridServer, version: str = "v4") -> CarbonSource:
    http = Http("electricity_maps", grid.base("em"), headers={"auth-token": grid.em_token})
    return ElectricityMaps(http, Places(), version=version)


def watttime(_: Path, grid: GridServer) -> CarbonSource:
    http = Http("watttime", grid.base("wt"))
    return WattTime(http, Places(), Token(http, grid.wt_user, grid.wt_password))


def carbon_aware_sdk(_: Path, grid: GridServer) -> CarbonSource:
    return CarbonAwareSdk(Http("carbon_aware_sdk", grid.base("sdk")), signal=Signal.MARGINAL)


def uk_carbon_intensity(_: Path, grid: GridServer) -> CarbonSource:
    return UkCarbonIntensity(Http("uk_carbon_intensity", grid.base("uk")))


def energy_charts(_: Path, grid: GridServer) -> CarbonSource:
    return EnergyCharts(Http("energy_charts", grid.base("ec")))


def host_cached(folder: Path, grid: GridServer) -> CarbonSource:
    return Cached(electricity_maps(folder, grid), host=HostCache(Shelf(folder / "shelf")))


@dataclass(frozen=True)
class Case:
    """Say how to build a source, and what is true of it.

    :param truth: zone of the local server that the answers come from; empty for a source without a service.
    :param reach: how far its forecast reaches at least.
    :param zones: what it may call its zone; the place itself before the service was asked.
    """

    name: str
    build: Callable[[Path, GridServer], CarbonSource]
    location: str = "azure:uksouth"
    zone: str = "GB"
    forecast_kind: Kind = Kind.TYPICAL
    history_kind: Kind = Kind.TYPICAL
    signal: Signal = Signal.AVERAGE
    accounting: Accounting | None = None
    vendor: str = ""
    truth: str = ""
    reach: timedelta = timedelta(hours=30)

    def __str__(self) -> str:
        return self.name


LIVE = {"forecast_kind": Kind.FORECAST, "history_kind": Kind.MEASURED}
LIFE_CYCLE = Accounting("life-cycle", "consumption", "CO2e")
CASES = [
    Case("typical profile", lambda *_: Typical()),
    Case("typical average", lambda *_: Typical(), "aws:eu-central-1", "DE", Kind.ANNUAL_AVERAGE, Kind.ANNUAL_AVERAGE),
    Case("history", lambda folder, _: week(folder), forecast_kind=Kind.FORECAST, history_kind=Kind.MEASURED),
    Case("callable", lambda *_: Computed(by_the_half_hour, zone="GB"), **LIVE),
    Case("played", lambda *_: Played(Typical(), anchor=NOW, plays_from=BEGIN, speed=60)),
    Case("replayed history", lambda folder, _: Played(week(folder), anchor=NOW - 24 * HOUR, plays_from=BEGIN), **LIVE),
    Case("cached", lambda folder, _: Cached(week(folder)), **LIVE),
    Case("fallback", lambda folder, _: Fallback([History(folder / "none.csv", zone="GB"), Typical()])),
    Case("cached fallback", lambda folder, _: Cached(Fallback([History(folder / "none.csv", zone="GB"), Typical()]))),
    Case("electricity maps", electricity_maps, **LIVE, accounting=LIFE_CYCLE, vendor="em", truth="GB"),
    Case(
        "electricity maps v3",
        lambda folder, grid: electricity_maps(folder, grid, "v3"),
        **LIVE,
        vendor="em",
        truth="GB",
    ),
    Case(
        "watttime",
        watttime,
        "zone:CAISO_NORTH",
        "CAISO_NORTH",
        **LIVE,
        signal=Signal.MARGINAL,
        accounting=Accounting("direct", "", "CO2"),
        vendor="wt",
        truth="CAISO_NORTH",
    ),
    Case(
        "carbon aware sdk",
        carbon_aware_sdk,
        "azure:uksouth",
        "uksouth",
        **LIVE,
        signal=Signal.MARGINAL,
        vendor="sdk",
        truth="UK",
        reach=timedelta(hours=23),
    ),
    Case(
        "uk carbon intensity",
        uk_carbon_intensity,
        **LIVE,
        accounting=Accounting("direct", "consumption", "CO2"),
        vendor="uk",
        truth="GB",
    ),
    Case(
        "energy charts",
        energy_charts,
        "azure:germanywestcentral",
        "DE",
        **LIVE,
        accounting=Accounting("", "", "CO2e"),
        vendor="ec",
        truth="DE",
        reach=timedelta(hours=24),
    ),
    Case("electricity maps, cached on the host", host_cached, **LIVE, vendor="em", truth="GB"),
]


@pytest.fixture
def grid() -> Iterator[GridServer]:
    with GridServer() as server:
        server.clock = lambda: NOW
        yield server


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
def source(case: Case, tmp_path: Path, grid: GridServer) -> CarbonSource:
    return case.build(tmp_path, grid)


def test_it_is_a_source_with_a_name_and_a_refresh(source: CarbonSource) -> None:
    assert isinstance(source, CarbonSource)
    assert source.name
    assert source.refresh > timedelta(0)


def test_it_names_the_zone(case: Case, source: CarbonSource) -> None:
    location = Location.parse(case.location)
    # Where only the service can tell, the place stands for its zone until it was asked.
    assert asked_in_time(source.zone(location)) in (case.zone, case.location if case.truth else case.zone)
    asked_in_time(source.forecast(location, now=NOW, until=NOW + HOUR))
    assert asked_in_time(source.zone(location)) == case.zone


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(minutes=5), 6 * HOUR, 30 * HOUR, -HOUR], ids=str)
def test_its_forecast_begins_with_the_step_that_holds_now(case: Case, source: CarbonSource, ahead: timedelta) -> None:
    answer = asked_in_time(source.forecast(Location.parse(case.location), now=NOW, until=NOW + ahead))
    assert answer.start <= NOW < answer.start + answer.step
    assert answer.end >= min(NOW + ahead, NOW + case.reach)
    assert answer.start.tzinfo is UTC
    assert answer.step > timedelta(0)


def test_its_forecast_says_what_it_is(case: Case, source: CarbonSource) -> None:
    answer = asked_in_time(source.forecast(Location.parse(case.location), now=NOW, until=NOW + HOUR))
    assert (answer.zone, answer.kind, answer.signal) == (case.zone, case.forecast_kind, case.signal)
    assert isinstance(answer.accounting, Accounting)
    assert case.accounting in (answer.accounting, None)
    assert answer.source.startswith(source.name) or not case.truth


def test_its_past_covers_what_was_asked(case: Case, source: CarbonSource) -> None:
    # What a service has measured comes a little late.
    late = timedelta(minutes=80 if case.truth else 3)
    start, end = NOW - timedelta(hours=5, minutes=21), NOW - late
    answer = asked_in_time(source.history(Location.parse(case.location), start=start, end=end))
    assert answer.covers(start, end)
    assert answer.start > start - answer.step
    assert answer.end < end + answer.step
    assert (answer.zone, answer.kind) == (case.zone, case.history_kind)


def test_forecast_and_past_agree_where_they_meet(case: Case, source: CarbonSource) -> None:
    if case.truth:
        pytest.skip("a service measures nothing that is still to come")
    location = Location.parse(case.location)
    ahead = asked_in_time(source.forecast(location, now=NOW, until=NOW + 3 * HOUR))
    past = asked_in_time(source.history(location, start=ahead.start, end=ahead.start + 2 * ahead.step))
    assert past.intensity.tolist() == ahead.intensity[:2].tolist()
    assert past.start == ahead.start


@pytest.mark.parametrize("nonsense", ["zone:NOWHERE", "azure:nowhere", "ibm:eu-de", "0.0,-30.0"])
def test_it_refuses_a_place_that_is_nowhere(case: Case, source: CarbonSource, nonsense: str) -> None:
    location = Location.parse(nonsense)
    try:
        named = asked_in_time(source.zone(location))
    except UnknownZoneError:
        pass
    else:
        # Naming the zone asks nobody: where only the service can tell, it tells with the first question.
        assert case.truth
        assert named in (nonsense, location.name)
    with pytest.raises(UnknownZoneError):
        asked_in_time(source.history(location, start=NOW - HOUR, end=NOW))
    with pytest.raises(UnknownZoneError, match=nonsense):
        asked_in_time(source.forecast(location, now=NOW, until=NOW + HOUR))


def test_it_refuses_moments_without_a_timezone(case: Case, source: CarbonSource) -> None:
    naive, location = NOW.replace(tzinfo=None), Location.parse(case.location)
    with pytest.raises(InvalidRequestError, match="has no timezone"):
        asked_in_time(source.forecast(location, now=naive, until=NOW + HOUR))
    with pytest.raises(InvalidRequestError, match="has no timezone"):
        asked_in_time(source.history(location, start=NOW - HOUR, end=naive))


def test_it_answers_in_one_event_loop_after_another(case: Case, source: CarbonSource) -> None:
    location = Location.parse(case.location)
    first, second = (asked_in_time(source.forecast(location, now=NOW, until=NOW + HOUR)) for _ in range(2))
    assert first.intensity.tolist() == second.intensity.tolist()


def test_many_may_ask_it_at_once(case: Case, source: CarbonSource) -> None:
    location = Location.parse(case.location)

    async def everyone() -> set[tuple[datetime, float]]:
        asked = (source.forecast(location, now=NOW, until=NOW + HOUR) for _ in range(40))
        return {(answer.start, float(answer.intensity[0])) for answer in await asyncio.gather(*asked)}

    assert len(asked_in_time(everyone())) == 1


def test_its_numbers_are_grams_per_kilowatt_hour_of_the_right_steps(
    case: Case, source: CarbonSource, grid: GridServer
) -> None:
    if not case.truth:
        pytest.skip("no service behind it")
    location = Location.parse(case.location)
    ahead = asked_in_time(source.forecast(location, now=NOW, until=NOW + 12 * HOUR))
    past = asked_in_time(source.history(location, start=NOW - 12 * HOUR, end=NOW - 2 * HOUR))
    for answer in (ahead, past):
        truth = [grid.value(case.truth, answer.start + row * answer.step) for row in range(len(answer))]
        assert answer.intensity.tolist() == pytest.approx(truth, abs=0.05)


FAULTS = {
    "500": SourceUnavailableError,
    "refuse": SourceUnavailableError,
    "html": SourceResponseError,
    "not_json": SourceResponseError,
    "no_body": (SourceUnavailableError, SourceResponseError),
    "empty": (SourceUnavailableError, SourceResponseError),
    "half": SourceUnavailableError,
    "401": SourceAuthError,
    "403": SourceAuthError,
    "all_nulls": SourceUnavailableError,
    "negative": SourceResponseError,
    "text_numbers": SourceResponseError,
    # One service says the same of a zone that is gone as of one without data.
    "no_zone": (UnknownZoneError, SourceUnavailableError),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_failure_of_its_service_is_told_by_the_right_error(
    case: Case, source: CarbonSource, grid: GridServer, fault: str
) -> None:
    if not case.truth:
        pytest.skip("no service behind it")
    # A zone that is gone does not stop anybody from logging in.
    grid.fail(case.vendor, fault, path="/v3" if (case.vendor, fault) == ("wt", "no_zone") else None)
    with pytest.raises(FAULTS[fault]) as raised:
        asked_in_time(source.forecast(Location.parse(case.location), now=NOW, until=NOW + HOUR))
    assert isinstance(raised.value, SourceError)
    assert source.name in str(raised.value) or fault == "no_zone"


@pytest.mark.parametrize("fault", ["duplicates", "unsorted", "nulls", "slow", "drip"])
def test_what_a_service_may_do_to_its_rows_changes_no_number(
    case: Case, source: CarbonSource, grid: GridServer, fault: str
) -> None:
    if not case.truth:
        pytest.skip("no service behind it")
    options = {"slow": {"seconds": 0.2}, "drip": {"seconds": 0.0}}.get(fault, {})
    grid.fail(case.vendor, fault, **options)
    try:
        answer = asked_in_time(source.forecast(Location.parse(case.location), now=NOW, until=NOW + HOUR))
    except SourceUnavailableError:
        # A hole where now is: nothing is known of now, and nothing is made up.
        assert fault == "nulls"
        return
    truth = [grid.value(case.truth, answer.start + row * answer.step) for row in range(len(answer))]
    assert answer.intensity.tolist() == pytest.approx(truth, abs=0.05)
    assert answer.start <= NOW < answer.start + answer.step


def test_a_clock_a_few_minutes_off_at_the_service_harms_nothing(
    case: Case, source: CarbonSource, grid: GridServer
) -> None:
    if not case.truth:
        pytest.skip("no service behind it")
    grid.fail(case.vendor, "skew", seconds=-240)
    answer = asked_in_time(source.forecast(Location.parse(case.location), now=NOW, until=NOW + HOUR))
    assert answer.start <= NOW < answer.start + answer.step


def test_a_forecast_that_ends_before_the_deadline_is_given_as_far_as_it_goes(
    case: Case, source: CarbonSource, grid: GridServer
) -> None:
    if not case.truth:
        pytest.skip("no service behind it")
    grid.fail(case.vendor, "short", hours=3)
    answer = asked_in_time(source.forecast(Location.parse(case.location), now=NOW, until=NOW + 20 * HOUR))
    assert NOW + HOUR < answer.end <= NOW + 5 * HOUR
