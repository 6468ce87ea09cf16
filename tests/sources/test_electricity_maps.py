"""Electricity Maps: what is asked, what its answers mean, and what becomes of its refusals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes.answers.common import EM_ZONES
from fakes.grid_server import EM_TOKEN, GridServer
from fakes.mutated import mutated
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.location import Location
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import (
    InvalidRequestError,
    SourceAuthError,
    SourceResponseError,
    SourceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.hooks.asking import asked_in_time
from airflow_carbon.sources.electricity_maps import ElectricityMaps
from airflow_carbon.sources.electricity_maps_answer import read_access, read_forecast, read_history
from airflow_carbon.sources.places import Places
from airflow_carbon.web.http import Http
from airflow_carbon.web.shelf import Shelf

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast

NOW = datetime(2026, 8, 22, 17, 31, 12, 500_000, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FIVE = datetime(2026, 8, 22, 17, tzinfo=UTC)
LIFE_CYCLE = Accounting("life-cycle", "consumption", "CO2e")


@pytest.fixture
def grid() -> Iterator[GridServer]:
    with GridServer() as grid:
        grid.clock = lambda: NOW
        yield grid


def source(grid: GridServer, *, token: str = EM_TOKEN, places: Places | None = None, **settings: Any) -> Any:
    http = Http("electricity_maps", grid.base("em"), headers={"auth-token": token})
    return ElectricityMaps(http, places or Places(), clock=grid.clock, **settings)


def forecast(one: Any, location: str = "zone:DE", until: datetime = NOW + DAY) -> Forecast:
    return asked_in_time(one.forecast(Location.parse(location), now=NOW, until=until))


def history(one: Any, start: datetime, end: datetime, location: str = "zone:DE") -> Forecast:
    return asked_in_time(one.history(Location.parse(location), start=start, end=end))


def named(one: Any, location: str) -> str:
    return asked_in_time(one.zone(Location.parse(location)))


def paths(grid: GridServer) -> list[str]:
    return [request.path.rpartition("/")[2] for request in grid.requests]


class TestForecast:
    def test_it_asks_as_the_service_documents(self, grid: GridServer) -> None:
        forecast(source(grid))
        (request,) = grid.requests
        assert request.path == "/v4/carbon-intensity/forecast"
        assert request.query == {
            "zone": "DE",
            "horizonHours": "24",
            "temporalGranularity": "hourly",
            "disableCallerLookup": "true",
        }
        assert request.headers_seen["auth-token"] == "<hidden>"

    def test_it_begins_with_the_running_hour_and_has_one_row_more_than_hours(self, grid: GridServer) -> None:
        answer = forecast(source(grid))
        # Germany's level is 259, with its peak at 18:00: 259 + 60 - 5 x |17 - 18| = 314.
        assert answer.intensity[:3].tolist() == [314.0, 319.0, 314.0]
        assert (answer.start, answer.step, len(answer)) == (FIVE, HOUR, 25)

    def test_it_says_what_its_numbers_mean(self, grid: GridServer) -> None:
        answer = forecast(source(grid, emission_factor_type="direct"))
        assert (answer.zone, answer.kind, answer.source) == ("DE", Kind.FORECAST, "electricity_maps")
        # Forecasts know no other emission factors.
        assert (answer.signal, answer.accounting) == (Signal.AVERAGE, LIFE_CYCLE)
        assert answer.issued_at is None
        assert "emissionFactorType" not in grid.requests[0].query

    @pytest.mark.parametrize(
        ("ahead", "hours"),
        [(-HOUR, 6), (6 * HOUR, 6), (6 * HOUR + MINUTE, 24), (30 * HOUR, 48), (3 * DAY, 72), (9 * DAY, 72)],
        ids=str,
    )
    def test_its_horizon_is_the_shortest_that_reaches(self, grid: GridServer, ahead: timedelta, hours: int) -> None:
        answer = forecast(source(grid), until=NOW + ahead)
        assert grid.requests[0].query["horizonHours"] == str(hours)
        assert answer.end == FIVE + (hours + 1) * HOUR

    def test_version_3_is_asked_the_same(self, grid: GridServer) -> None:
        answer = forecast(source(grid, version="v3"))
        assert grid.requests[0].path == "/v3/carbon-intensity/forecast"
        assert (answer.step, answer.intensity[0], answer.accounting) == (HOUR, 314.0, LIFE_CYCLE)

    @pytest.mark.parametrize(("granularity", "minutes"), [("15_minutes", 15), ("5_minutes", 5)])
    def test_finer_steps_are_asked_for(self, grid: GridServer, granularity: str, minutes: int) -> None:
        grid.step["em"] = minutes * MINUTE
        one = source(grid, temporal_granularity=granularity)
        answer = forecast(one, until=NOW + HOUR)
        assert grid.requests[0].query["temporalGranularity"] == granularity
        assert (answer.step, one.refresh) == (minutes * MINUTE, minutes * MINUTE)
        assert (answer.start, answer.source) == (FIVE + 30 * MINUTE, "electricity_maps")

    def test_its_rhythm_may_be_set(self, grid: GridServer) -> None:
        assert source(grid).refresh == HOUR
        assert source(grid, refresh=30 * MINUTE).refresh == 30 * MINUTE

    def test_it_ends_early_where_the_service_does(self, grid: GridServer) -> None:
        grid.fail("em", "short", hours=3)
        assert forecast(source(grid)).end == FIVE + 3 * HOUR


class TestPlaces:
    @pytest.mark.parametrize(
        ("location", "asked"),
        [
            ("azure:uksouth", {"dataCenterProvider": "azure", "dataCenterRegion": "uksouth"}),
            ("51.5,-0.12", {"lat": "51.50000", "lon": "-0.12000"}),
        ],
    )
    def test_the_service_finds_the_zone_and_it_is_remembered(
        self, grid: GridServer, tmp_path: Path, location: str, asked: dict[str, str]
    ) -> None:
        one = source(grid, places=Places(Shelf(tmp_path)))
        assert named(one, location) == location
        assert forecast(one, location).zone == "GB"
        assert grid.requests[0].query.items() >= asked.items()
        assert "zone" not in grid.requests[0].query
        # Another process of this host asks for the zone at once.
        other = source(grid, places=Places(Shelf(tmp_path)))
        assert named(other, location) == "GB"
        history(other, NOW - HOUR, NOW, location)
        assert grid.requests[1].query.items() >= {"zone": "GB"}.items()
        assert not asked.keys() & grid.requests[1].query.keys()

    def test_every_request_forbids_the_place_of_the_caller(self, grid: GridServer) -> None:
        one = source(grid)
        forecast(one, "azure:uksouth")
        history(one, NOW - 20 * DAY, NOW)
        history(one, NOW - 20 * MINUTE, NOW)
        assert len(grid.requests) == 5
        assert {request.query["disableCallerLookup"] for request in grid.requests} == {"true"}

    @pytest.mark.parametrize(("written", "zone"), [("zone:de", "DE"), ("zone:dk-dk2", "DK-DK2"), ("zone:UK", "GB")])
    def test_a_zone_is_named_as_the_service_does(self, grid: GridServer, written: str, zone: str) -> None:
        one = source(grid)
        assert named(one, written) == zone
        assert forecast(one, written).zone == zone

    @pytest.mark.parametrize("nonsense", ["zone:NOWHERE", "azure:nowhere", "ibm:eu-de"])
    def test_what_cannot_be_a_place_is_refused_without_asking(self, grid: GridServer, nonsense: str) -> None:
        one = source(grid)
        for ask in (lambda: named(one, nonsense), lambda: forecast(one, nonsense)):
            with pytest.raises(UnknownZoneError, match=nonsense):
                ask()
        with pytest.raises(UnknownZoneError, match=nonsense):
            history(one, NOW - HOUR, NOW, nonsense)
        assert grid.count() == 0

    def test_a_point_in_the_sea_is_no_zone(self, grid: GridServer) -> None:
        one = source(grid)
        with pytest.raises(UnknownZoneError, match=r"0\.0,-30\.0"):
            forecast(one, "0.0,-30.0")
        with pytest.raises(UnknownZoneError, match=r"0\.0,-30\.0"):
            history(one, NOW - HOUR, NOW, "0.0,-30.0")

    def test_a_zone_that_the_service_does_not_list_is_unknown_and_the_near_ones_are_named(
        self, grid: GridServer
    ) -> None:
        with pytest.raises(UnknownZoneError, match=r"has no zone DK-DK3; did you mean zone:DK-DK"):
            forecast(source(grid), "zone:DK-DK3")

    def test_a_zone_that_it_lists_is_only_without_data(self, grid: GridServer) -> None:
        grid.fail("em", "no_zone", path="forecast")
        one = source(grid)
        with pytest.raises(SourceUnavailableError, match='zone:DE: No recent data for zone "DE"'):
            forecast(one)
        assert paths(grid) == ["forecast", "zones"]
        # It is known now to be one: no need to look again.
        with pytest.raises(SourceUnavailableError):
            forecast(one)
        assert paths(grid) == ["forecast", "zones", "forecast"]

    def test_a_zone_that_disappears_is_unavailable(self, grid: GridServer) -> None:
        one = source(grid)
        forecast(one)
        grid.fail("em", "no_zone")
        with pytest.raises(SourceUnavailableError):
            forecast(one)

    def test_a_404_is_no_data_where_the_list_of_zones_cannot_be_read_either(self, grid: GridServer) -> None:
        grid.fail("em", "no_zone", path="forecast")
        grid.fail("em", "html", path="zones")
        with pytest.raises(SourceUnavailableError):
            forecast(source(grid))

    def test_a_place_without_data_is_known_by_the_zone_that_the_service_names(self, grid: GridServer) -> None:
        grid.fail("em", "404", body={"error": 'No recent data for zone "GB"'})
        with pytest.raises(SourceUnavailableError, match="azure:uksouth"):
            forecast(source(grid), "azure:uksouth")

    def test_a_region_that_the_service_does_not_list_is_asked_by_its_confirmed_zone(self, grid: GridServer) -> None:
        one = source(grid)
        assert forecast(one, "azure:austriaeast").zone == "AT"
        assert [request.query.get("zone") for request in grid.requests] == [None, "AT"]
        assert named(one, "azure:austriaeast") == "AT"

    def test_a_region_whose_zone_is_a_guess_is_not(self, grid: GridServer) -> None:
        with pytest.raises(UnknownZoneError, match="azure:norwayeast"):
            forecast(source(grid), "azure:norwayeast")

    def test_an_answer_about_another_zone_is_none(self, grid: GridServer) -> None:
        other = f"{grid.base('em')}/moved/v4/carbon-intensity/forecast?zone=FR"
        grid.fail("em", "redirect", to=other)
        with pytest.raises(SourceResponseError, match="asked about DE, it answers about FR"):
            forecast(source(grid))


class TestHistory:
    def test_the_present_step_is_asked_of_latest(self, grid: GridServer) -> None:
        answer = history(source(grid), FIVE, FIVE + HOUR)
        assert paths(grid) == ["latest"]
        assert grid.requests[0].query["emissionFactorType"] == "lifecycle"
        assert (answer.start, answer.step, answer.intensity.tolist()) == (FIVE, HOUR, [314.0])
        assert answer.source == "electricity_maps, estimated"

    def test_the_past_day_is_asked_of_history(self, grid: GridServer) -> None:
        answer = history(source(grid), FIVE - 4 * HOUR, FIVE - HOUR)
        assert paths(grid) == ["history"]
        # 13:00, 14:00, 15:00: 319 - 5 x 5, 319 - 5 x 4, 319 - 5 x 3.
        assert answer.intensity.tolist() == [294.0, 299.0, 304.0]
        assert (answer.kind, answer.accounting, answer.source) == (Kind.MEASURED, LIFE_CYCLE, "electricity_maps")

    def test_estimated_steps_are_told_of_where_they_are_part_of_the_answer(self, grid: GridServer) -> None:
        one = source(grid)
        # The running hour and the one before it are estimated.
        assert history(one, FIVE - 3 * HOUR, NOW).source == "electricity_maps, partly estimated"
        assert history(one, FIVE - HOUR, NOW).source == "electricity_maps, estimated"

    def test_direct_emissions_are_asked_for_and_read_back(self, grid: GridServer) -> None:
        answer = history(source(grid, emission_factor_type="direct"), FIVE - 4 * HOUR, FIVE)
        assert grid.requests[0].query["emissionFactorType"] == "direct"
        assert answer.accounting == Accounting("direct", "consumption", "CO2e")

    def test_a_longer_past_comes_in_pieces_of_ten_days(self, grid: GridServer) -> None:
        end = datetime(2026, 8, 20, 6, 30, tzinfo=UTC)
        answer = history(source(grid), end - 25 * DAY, end)
        asked = [(request.query["start"], request.query["end"]) for request in grid.requests]
        assert asked == [
            ("2026-07-26T06:00:00Z", "2026-08-05T06:00:00Z"),
            ("2026-08-05T06:00:00Z", "2026-08-15T06:00:00Z"),
            ("2026-08-15T06:00:00Z", "2026-08-20T06:30:00Z"),
        ]
        assert paths(grid) == ["past-range"] * 3
        assert (answer.start, answer.end) == (end - 25 * DAY - HOUR / 2, end + HOUR / 2)
        assert len(answer) == 25 * 24 + 1

    @pytest.mark.parametrize(("granularity", "days"), [("15_minutes", 3), ("5_minutes", 1)])
    def test_finer_steps_come_in_shorter_pieces(self, grid: GridServer, granularity: str, days: int) -> None:
        grid.step["em"] = 5 * MINUTE
        start = FIVE - 20 * DAY
        answer = history(source(grid, temporal_granularity=granularity), start, start + 2 * days * DAY)
        assert paths(grid) == ["past-range"] * 2
        assert answer.covers(start, start + 2 * days * DAY)

    def test_a_week_until_now_is_joined_from_the_past_day_and_what_was_before(self, grid: GridServer) -> None:
        answer = history(source(grid), NOW - 7 * DAY, NOW)
        assert paths(grid) == ["history", "past-range"]
        assert (answer.start, len(answer)) == (FIVE - 7 * DAY, 7 * 24 + 1)
        assert answer.source == "electricity_maps, partly estimated"
        assert answer.intensity[-2:].tolist() == [309.0, 314.0]

    def test_a_service_whose_clock_runs_ahead_leaves_no_gap(self, grid: GridServer) -> None:
        one = source(grid)
        grid.clock = lambda: NOW + HOUR / 2
        assert history(one, NOW - 7 * DAY, NOW).covers(NOW - 7 * DAY, NOW)

    def test_a_plan_without_past_range_still_has_the_last_24_hours(self, grid: GridServer) -> None:
        grid.em_refused = {"past", "past-range"}
        answer = history(source(grid), NOW - DAY, NOW)
        # From 18:00 on: the rest of the hour in which the 24 began is not in the past day.
        assert (answer.start, len(answer)) == (FIVE + HOUR - DAY, 24)

    def test_a_plan_without_past_range_says_so_of_a_week(self, grid: GridServer) -> None:
        grid.em_refused = {"past", "past-range"}
        for end in (NOW, NOW - 2 * DAY):
            with pytest.raises(SourceAuthError, match=r"your plan has no past-range for zone:DE; upgrade it, or"):
                history(source(grid), NOW - 7 * DAY, end)

    def test_the_future_has_no_past(self, grid: GridServer) -> None:
        with pytest.raises(SourceUnavailableError):
            history(source(grid), NOW + DAY, NOW + 2 * DAY)

    def test_a_step_without_a_value_yet_is_unavailable(self, grid: GridServer) -> None:
        grid.fail("em", "all_nulls")
        with pytest.raises(SourceUnavailableError, match="no data for DE"):
            history(source(grid), FIVE, NOW)

    def test_forecast_and_past_agree_on_the_running_hour(self, grid: GridServer) -> None:
        one = source(grid)
        assert history(one, FIVE, NOW).intensity[0] == forecast(one).intensity[0]


class TestRefusals:
    def test_a_wrong_token_is_told(self, grid: GridServer) -> None:
        with pytest.raises(SourceAuthError, match=r"the API token is refused \(Invalid auth-token\)"):
            forecast(source(grid, token="not-this-one"))
        assert grid.count() == 1

    def test_a_plan_without_forecasts_is_told_from_it_in_one_sentence(self, grid: GridServer) -> None:
        grid.em_zones = {"FR"}
        with pytest.raises(SourceAuthError) as raised:
            forecast(source(grid))
        assert str(raised.value) == (
            "electricity_maps: your plan has no forecast for zone:DE; upgrade it, or name a connection that has it "
            "beside this one"
        )
        assert forecast(source(grid), "zone:FR").zone == "FR"

    def test_a_spent_limit_that_comes_as_401_is_no_wrong_token(self, grid: GridServer) -> None:
        grid.fail("em", "401", body={"error": "Rate limit exceeded for this token"})
        with pytest.raises(SourceUnavailableError, match="no more requests for now"):
            forecast(source(grid))

    @pytest.mark.parametrize("status", ["400", "403"])
    def test_other_refusals_are_not_tried_again(self, grid: GridServer, status: str) -> None:
        grid.fail("em", status)
        with pytest.raises(SourceAuthError if status == "403" else SourceResponseError, match=status):
            forecast(source(grid))
        assert grid.count() == 1

    @pytest.mark.parametrize(
        ("fault", "options"), [("500", {}), ("429", {"retry_after": 0}), ("503", {"retry_after": 0}), ("half", {})]
    )
    def test_what_heals_is_tried_again(self, grid: GridServer, fault: str, options: dict[str, Any]) -> None:
        grid.fail("em", fault, times=1, **options)
        assert forecast(source(grid)).intensity[0] == 314.0
        assert grid.count() == 2

    @pytest.mark.parametrize("fault", ["html", "not_json", "empty", "no_body", "negative", "text_numbers"])
    def test_what_is_no_answer_is_refused(self, grid: GridServer, fault: str) -> None:
        grid.fail("em", fault)
        with pytest.raises(SourceResponseError, match="electricity_maps"):
            forecast(source(grid))
        with pytest.raises(SourceResponseError, match="electricity_maps"):
            history(source(grid), NOW - HOUR, NOW)

    @pytest.mark.parametrize("fault", ["duplicates", "unsorted"])
    def test_rows_in_disorder_are_put_in_order(self, grid: GridServer, fault: str) -> None:
        whole = forecast(source(grid)).intensity.tolist()
        past = history(source(grid), NOW - DAY, NOW).intensity.tolist()
        grid.fail("em", fault)
        assert forecast(source(grid)).intensity.tolist() == whole
        assert history(source(grid), NOW - DAY, NOW).intensity.tolist() == past

    def test_a_forecast_ends_before_the_first_hole(self, grid: GridServer) -> None:
        grid.fail("em", "nulls")
        # Each third row has no value, the second one first; the step stays an hour.
        answer = forecast(source(grid))
        assert (answer.start, answer.step, len(answer)) == (FIVE, HOUR, 1)

    def test_a_forecast_that_does_not_hold_now_is_unavailable(self, grid: GridServer) -> None:
        grid.fail("em", "skew", seconds=3600)
        with pytest.raises(SourceUnavailableError, match="does not hold 2026-08-22T17:31:12"):
            forecast(source(grid))

    def test_moments_without_a_timezone_are_refused(self, grid: GridServer) -> None:
        one, naive = source(grid), NOW.replace(tzinfo=None)
        with pytest.raises(InvalidRequestError, match=r"until: .* has no timezone"):
            forecast(one, until=naive)
        with pytest.raises(InvalidRequestError, match=r"start: .* has no timezone"):
            history(one, naive, NOW)
        with pytest.raises(InvalidRequestError, match="must be later than the start"):
            history(one, NOW, NOW)
        assert grid.count() == 0

    @pytest.mark.parametrize(
        "wrong", [{"version": "v5"}, {"emission_factor_type": "life"}, {"temporal_granularity": "daily"}]
    )
    def test_a_wrong_setting_is_named(self, grid: GridServer, wrong: dict[str, str]) -> None:
        with pytest.raises(InvalidRequestError, match=f"{next(iter(wrong))}: .* must be one of"):
            source(grid, **wrong)


class TestAccess:
    @pytest.mark.parametrize("wrapped", [False, True])
    def test_a_plan_for_everything_names_three_likely_zones(self, grid: GridServer, wrapped: bool) -> None:
        grid.em_wrapped = wrapped
        words = asked_in_time(source(grid).access())
        assert words == (
            f"token accepted; forecast allowed for {len(EM_ZONES)} zones, DE, GB and US-CAL-CISO among them"
        )

    @pytest.mark.parametrize(
        ("zones", "said"),
        [
            ({"PL"}, "1 zone: PL"),
            ({"PL", "DE"}, "2 zones: DE and PL"),
            ({"AT", "FR", "BE", "IT-NO"}, "4 zones, FR, AT and BE among them"),
        ],
        ids=["one", "two", "four"],
    )
    def test_a_plan_for_some_zones_names_them(self, grid: GridServer, zones: set[str], said: str) -> None:
        grid.em_zones = zones
        assert asked_in_time(source(grid).access()) == f"token accepted; forecast allowed for {said}"
        # The list is public: one short forecast proves the token.
        assert paths(grid) == ["zones", "forecast"]
        assert grid.requests[1].query["horizonHours"] == "6"

    def test_a_plan_without_forecasts_says_what_it_has(self, grid: GridServer) -> None:
        grid.em_zones = set()
        with pytest.raises(SourceAuthError) as raised:
            asked_in_time(source(grid).access())
        assert str(raised.value) == (
            "electricity_maps: token accepted, yet its plan has no forecast but the past day for "
            f"{len(EM_ZONES)} zones, DE, GB and US-CAL-CISO among them; upgrade it, or name a connection that has "
            "forecasts beside this one"
        )

    def test_a_plan_without_anything_is_told_without_a_count(self, grid: GridServer) -> None:
        grid.em_refused = {"forecast", "history"}
        with pytest.raises(SourceAuthError, match="its plan has no forecast; upgrade it"):
            asked_in_time(source(grid).access())

    def test_a_wrong_token_is_none(self, grid: GridServer) -> None:
        with pytest.raises(SourceAuthError, match="the API token is refused"):
            asked_in_time(source(grid, token="not-this-one").access())

    def test_a_wrong_token_is_found_though_the_list_of_zones_is_public(self, grid: GridServer) -> None:
        grid.fail("em", "401", path="forecast")
        with pytest.raises(SourceAuthError, match="the API token is refused"):
            asked_in_time(source(grid).access())

    def test_a_zone_without_data_proves_nothing(self, grid: GridServer) -> None:
        grid.fail("em", "404", path="forecast")
        with pytest.raises(SourceUnavailableError, match="no forecast comes for DE"):
            asked_in_time(source(grid).access())


def row(begin: datetime, value: Any = 100.5, **more: Any) -> dict[str, Any]:
    return {"zone": "DE", "carbonIntensity": value, "datetime": begin.isoformat(), **more}


def past(*rows: dict[str, Any], **more: Any) -> Forecast:
    payload = {"zone": "DE", "data": list(rows), **more}
    return of_past([payload])


def of_past(payloads: list[Any], asked: str = "lifecycle", granularity: str = "hourly") -> Forecast:
    return read_history(payloads, start=FIVE, end=FIVE + DAY, granularity=granularity, emission_factor_type=asked)


class TestReading:
    def test_a_single_row_lasts_as_long_as_its_granularity_tells(self) -> None:
        assert past(row(FIVE), temporalGranularity="15_minutes").step == 15 * MINUTE
        assert past(row(FIVE)).step == HOUR

    def test_a_coarser_answer_is_taken_and_said(self) -> None:
        rows = [row(FIVE + hour * HOUR) for hour in range(3)]
        payload = {"zone": "DE", "forecast": rows, "temporalGranularity": "hourly"}
        answer = read_forecast(payload, now=NOW, granularity="5_minutes")
        assert (answer.step, answer.start) == (HOUR, FIVE)
        assert answer.source == "electricity_maps, in steps of 1 h where 5 min was asked for"

    @pytest.mark.parametrize("told", [{"temporalGranularity": "5_minutes"}, {}], ids=str)
    def test_a_coarser_answer_that_does_not_say_so_shows_it_by_its_rows(self, told: dict[str, str]) -> None:
        rows = [row(FIVE + hour * HOUR) for hour in range(3)]
        answer = read_forecast({"zone": "DE", "forecast": rows, **told}, now=NOW, granularity="5_minutes")
        assert (answer.step, len(answer)) == (HOUR, 3)

    def test_a_row_that_is_missing_does_not_stretch_the_step(self) -> None:
        rows = [row(FIVE + hour * HOUR) for hour in (0, 1, 3, 5)]
        answer = past(*rows, temporalGranularity="hourly")
        assert (answer.step, len(answer)) == (HOUR, 2)

    def test_rows_closer_than_told_are_no_answer(self) -> None:
        with pytest.raises(SourceResponseError, match="rows come 0:15:00 apart"):
            past(row(FIVE), row(FIVE + 15 * MINUTE), temporalGranularity="hourly")

    def test_an_answer_that_does_not_tell_its_factors_has_the_default(self) -> None:
        assert past(row(FIVE)).accounting == LIFE_CYCLE
        # Whether it minded what was asked cannot be known.
        assert of_past([row(FIVE)], asked="direct").accounting == Accounting("", "consumption", "CO2e")

    def test_the_factors_that_it_tells_count_not_those_that_were_asked_for(self) -> None:
        answer = of_past([row(FIVE, emissionFactorType="lifecycle", flowTraced=False)], asked="direct")
        assert answer.accounting == Accounting("life-cycle", "production", "CO2e")

    @pytest.mark.parametrize(
        ("rows", "fault"),
        [
            ([row(FIVE, emissionFactorType="direct"), row(FIVE + HOUR, emissionFactorType="lifecycle")], "factors"),
            ([row(FIVE, flowTraced=True), row(FIVE + HOUR, flowTraced=False)], "flows"),
            ([row(FIVE, emissionFactorType="net")], "emissionFactorType 'net'"),
            ([row(FIVE, emissionFactorType=["direct"])], "emissionFactorType"),
            ([{"zone": "DE", "datetime": "2026-08-22T17:00:00Z"}], "no carbonIntensity"),
            ([{"zone": "DE", "carbonIntensity": 5}], "no datetime"),
            ([row(FIVE), None], "no rows"),
        ],
        ids=str,
    )
    def test_rows_that_mean_different_things_or_nothing_are_no_answer(self, rows: list[Any], fault: str) -> None:
        with pytest.raises(SourceResponseError, match=fault):
            past(*rows)

    def test_a_granularity_that_is_not_known_is_no_answer(self) -> None:
        with pytest.raises(SourceResponseError, match="temporalGranularity 'weekly'"):
            past(row(FIVE), temporalGranularity="weekly")

    def test_answers_about_different_zones_or_steps_do_not_join(self) -> None:
        hourly = {"zone": "DE", "data": [row(FIVE)], "temporalGranularity": "hourly"}
        with pytest.raises(SourceResponseError, match="different zones: DE, FR"):
            of_past([hourly, {**hourly, "zone": "FR"}])
        with pytest.raises(SourceResponseError, match="different steps"):
            of_past([hourly, {**hourly, "temporalGranularity": "5_minutes"}])

    @pytest.mark.parametrize("payload", [row(FIVE), {"aggregationPeriod": "hourly", "data": row(FIVE)}], ids=str)
    def test_one_row_may_come_bare_or_wrapped(self, payload: dict[str, Any]) -> None:
        answer = of_past([payload])
        assert (answer.zone, answer.intensity.tolist()) == ("DE", [100.5])

    def test_a_value_in_another_unit_is_refused(self) -> None:
        with pytest.raises(SourceResponseError, match="is its unit another one"):
            past(row(FIVE, 314_000))

    def test_a_row_at_the_end_of_the_calendar_is_refused(self) -> None:
        with pytest.raises(SourceResponseError, match="9999-12-31"):
            past(row(datetime(9999, 12, 31, 23, tzinfo=UTC)))

    @pytest.mark.parametrize("listed", [None, [], {}, {"zones": {}}, {"zones": []}, {"DE": None}], ids=str)
    def test_what_is_no_list_of_zones_is_refused(self, listed: Any) -> None:
        with pytest.raises(SourceResponseError, match="no list of zones"):
            read_access(listed)


def stamps(count: int) -> list[str]:
    return [(FIVE + hour * HOUR).isoformat(timespec="milliseconds").replace("+00:00", "Z") for hour in range(count)]


FORECAST = {
    "zone": "DE",
    "forecast": [{"carbonIntensity": 210 + hour, "datetime": at} for hour, at in enumerate(stamps(7))],
    "updatedAt": "2026-08-22T17:34:24.392Z",
    "temporalGranularity": "hourly",
}
FULL = [
    {"zone": "DE", "carbonIntensity": 81.5 + hour, "datetime": at, "updatedAt": at, "emissionFactorType": "lifecycle"}
    | {"flowTraced": True, "isEstimated": hour > 1, "estimationMethod": None, "temporalGranularity": "hourly"}
    for hour, at in enumerate(stamps(4))
]
PASTS = [
    {"zone": "DE", "history": FULL, "temporalGranularity": "hourly"},
    {"zone": "DE", "data": FULL, "temporalGranularity": "hourly", "aggregationPeriod": "hourly"},
    FULL[0],
]
#: What a parser may raise for an answer that is not as documented, or holds nothing.
MAY_RAISE = (SourceResponseError, SourceUnavailableError)


def numbers(payload: Any) -> set[float]:
    if isinstance(payload, dict | list):
        return set().union(*map(numbers, payload.values() if isinstance(payload, dict) else payload))
    return {float(payload)} if type(payload) in (int, float) and abs(payload) < 1e300 else set()


def check(answer: Forecast, payload: Any) -> None:
    assert set(answer.intensity.tolist()) <= numbers(payload)
    assert answer.intensity.max() <= 5000
    assert answer.step in (5 * MINUTE, HOUR, DAY) or answer.step % MINUTE == timedelta(0)
    assert answer.source.startswith("electricity_maps")


@given(mutated(FORECAST), st.sampled_from(["hourly", "15_minutes", "5_minutes"]))
def test_a_forecast_gone_wrong_is_refused_or_read_right(payload: Any, granularity: str) -> None:
    try:
        answer = read_forecast(payload, now=NOW, granularity=granularity)
    except MAY_RAISE:
        return
    check(answer, payload)
    assert answer.start <= NOW < answer.start + answer.step


@given(st.sampled_from(PASTS).flatmap(mutated), st.sampled_from(["lifecycle", "direct"]))
def test_a_past_gone_wrong_is_refused_or_read_right(payload: Any, asked: str) -> None:
    try:
        answer = of_past([payload], asked)
    except MAY_RAISE:
        return
    check(answer, payload)
    assert answer.accounting.scope in ("", "direct", "life-cycle")


@given(st.sampled_from([{"DE": {"access": ["*"]}}, {"zones": {"DE": {"access": ["a/b"]}}}]).flatmap(mutated))
def test_a_list_of_zones_gone_wrong_is_refused_or_read(payload: Any) -> None:
    try:
        listed = read_access(payload)
    except SourceResponseError:
        return
    assert all(isinstance(allowed, list) for allowed in listed.values())


def hook(grid: GridServer, token: str = EM_TOKEN, **extra: Any) -> Any:
    from airflow.sdk import Connection

    from airflow_carbon.hooks.electricity_maps import ElectricityMapsHook

    connection = Connection(
        conn_id="em", conn_type="electricity_maps", host=grid.base("em"), password=token, extra=json.dumps(extra)
    )
    return ElectricityMapsHook(connection=connection)


@pytest.mark.airflow
class TestHook:
    def test_a_connection_makes_a_source(self, grid: GridServer) -> None:
        one = hook(
            grid, version="v3", temporal_granularity="5_minutes", emission_factor_type="direct", refresh="10m"
        ).source()
        grid.clock = lambda: datetime.now(UTC)
        grid.step["em"] = 5 * MINUTE
        now = datetime.now(UTC)
        answer = asked_in_time(one.history(Location.parse("azure:uksouth"), start=now - HOUR, end=now))
        request = grid.requests[0]
        assert (one.name, one.refresh) == ("electricity_maps", 10 * MINUTE)
        assert request.path == "/v3/carbon-intensity/history"
        assert request.query["temporalGranularity"] == "5_minutes"
        assert (answer.zone, answer.accounting.scope) == ("GB", "direct")

    def test_its_button_tells_in_words(self, grid: GridServer) -> None:
        grid.em_zones = {"DE"}
        assert hook(grid).test_connection() == (True, "token accepted; forecast allowed for 1 zone: DE")
        accepted, words = hook(grid, token="not-this-one").test_connection()
        assert not accepted
        assert "the API token is refused" in words
        assert "not-this-one" not in words

    def test_a_connection_without_a_token_is_refused(self, grid: GridServer) -> None:
        with pytest.raises(InvalidRequestError, match="token"):
            hook(grid, token="").source()

    @pytest.mark.parametrize(
        ("location", "page"),
        [("zone:DE", "zone/DE"), ("azure:uksouth", "zone/GB"), ("51.5,-0.12", "map"), ("azure:nowhere", "map")],
    )
    def test_each_zone_has_a_page(self, grid: GridServer, location: str, page: str) -> None:
        assert hook(grid).source_url(Location.parse(location)) == f"https://app.electricitymaps.com/{page}"


def test_many_may_ask_at_once(grid: GridServer) -> None:
    one = source(grid)

    async def everyone() -> set[float]:
        asked = (one.forecast(Location.parse("zone:DE"), now=NOW, until=NOW + DAY) for _ in range(20))
        return {float(answer.intensity[0]) for answer in await asyncio.gather(*asked)}

    assert asked_in_time(everyone()) == {314.0}
