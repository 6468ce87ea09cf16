"""WattTime: what is asked of it, what its answers mean, and what goes wrong."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.grid_server import WT_PASSWORD, WT_USER, GridServer
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
from airflow_carbon.sources.base import CarbonSource
from airflow_carbon.sources.places import Places
from airflow_carbon.sources.watttime import WattTime
from airflow_carbon.sources.watttime_answer import (
    SignalIndex,
    read_access,
    read_forecast,
    read_history,
    read_region,
    read_signal_index,
)
from airflow_carbon.sources.watttime_token import Token
from airflow_carbon.web.http import Http
from airflow_carbon.web.shelf import Shelf

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FIVE_MINUTES = timedelta(minutes=5)
#: Within the step from 17:30 to 17:35.
NOW = datetime(2026, 8, 22, 17, 32, 10, tzinfo=UTC)
STEP = datetime(2026, 8, 22, 17, 30, tzinfo=UTC)
CAISO = Location.parse("zone:CAISO_NORTH")
DENVER = Location.parse("39.7,-105.0")
ERRORS = (SourceResponseError, SourceUnavailableError)


class Asker:
    """A server, and the source that asks it."""

    def __init__(self, server: GridServer) -> None:
        self.server = server
        self.http = Http("watttime", server.base("wt"))
        self.source = self.made()

    def made(self, signal_type: str = "co2_moer", places: Places | None = None) -> WattTime:
        token = Token(self.http, WT_USER, WT_PASSWORD)
        return WattTime(self.http, places or Places(), token, signal_type=signal_type)

    def ahead(self, location: Location = CAISO, hours: float = 2, now: datetime = NOW) -> Any:
        return asked_in_time(self.source.forecast(location, now=now, until=now + hours * HOUR))

    def past(self, start: datetime, end: datetime, location: Location = CAISO) -> Any:
        return asked_in_time(self.source.history(location, start=start, end=end))

    def queries(self, path: str) -> list[dict[str, Any]]:
        return [one.query for one in self.server.requests if one.path == path]


@pytest.fixture
def asker() -> Iterator[Asker]:
    with GridServer() as server:
        server.clock = lambda: NOW
        yield Asker(server)


def meta(**changed: Any) -> dict[str, Any]:
    return {
        "data_point_period_seconds": 300,
        "region": "CAISO_NORTH",
        "warnings": [{"type": "EXAMPLE_WARNING", "message": "as an example"}],
        "signal_type": "co2_moer",
        "model": {"date": "2024-01-15"},
        "units": "lbs_co2_per_mwh",
        "generated_at_period_seconds": 300,
        "generated_at": "2026-08-22T17:30:00+00:00",
    } | changed


def rows(*values: Any, start: datetime = STEP, step: timedelta = FIVE_MINUTES) -> list[dict[str, Any]]:
    return [{"point_time": (start + row * step).isoformat(), "value": value} for row, value in enumerate(values)]


def answer(*values: Any, start: datetime = STEP, **changed: Any) -> dict[str, Any]:
    return {"data": rows(*values, start=start), "meta": meta(**changed)}


def read(payload: Any, now: datetime = NOW) -> Any:
    return read_forecast(payload, region="CAISO_NORTH", signal_type="co2_moer", now=now)


# Units and meaning ----------------------------------------------------------------------------------------------------


def test_pounds_per_megawatt_hour_become_grams_per_kilowatt_hour() -> None:
    # One pound is 453.59237 g: 912.4 lb/MWh are 912.4 x 0.45359237 = 413.857678388 g/kWh.
    assert read(answer(912.4, 1000, 0)).intensity.tolist() == pytest.approx([413.857678388, 453.59237, 0.0], rel=1e-12)


def test_a_forecast_says_that_it_is_marginal_and_direct() -> None:
    told = read(answer(912.4, 908.1))
    assert (told.zone, told.start, told.step, told.source) == ("CAISO_NORTH", STEP, FIVE_MINUTES, "watttime")
    assert (told.signal, told.kind, told.accounting) == (
        Signal.MARGINAL,
        Kind.FORECAST,
        Accounting("direct", "", "CO2"),
    )
    assert told.issued_at == STEP


@pytest.mark.parametrize("units", ["kg_co2_per_mwh", "lbs_co2e_per_mwh", "percentile", "", None, 3])
def test_another_unit_is_refused(units: Any) -> None:
    with pytest.raises(SourceResponseError, match=r"watttime: units is .*, and 'lbs_co2_per_mwh' was asked for"):
        read(answer(912.4, units=units))


@pytest.mark.parametrize("changed", [{"region": "PSCO"}, {"signal_type": "health_damage"}, {"region": None}], ids=str)
def test_an_answer_about_something_else_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(SourceResponseError, match="was asked for"):
        read(answer(912.4, **changed))


@pytest.mark.parametrize("seconds", [3600, 299, 0, -300, True, 300.5, "300", None, 10**400])
def test_a_step_that_the_rows_do_not_have_is_refused(seconds: Any) -> None:
    with pytest.raises(SourceResponseError, match=r"data_point_period_seconds|rows lie 0:05:00 apart"):
        read(answer(912.4, 908.1, data_point_period_seconds=seconds))


def test_hourly_rows_are_taken_as_hourly() -> None:
    payload = {"data": rows(1000, 2000, start=STEP - HOUR / 2, step=HOUR), "meta": meta(data_point_period_seconds=3600)}
    told = read(payload)
    assert (told.start, told.step, len(told)) == (STEP - HOUR / 2, HOUR, 2)


def test_a_nowcast_is_one_step() -> None:
    told = read(answer(1000))
    assert (told.start, told.end) == (STEP, STEP + FIVE_MINUTES)


def test_a_forecast_whose_first_step_began_a_moment_after_the_question_reaches_back_to_it() -> None:
    told = read(answer(1000, 2000, start=STEP + FIVE_MINUTES))
    assert told.start == STEP
    assert told.intensity.tolist() == pytest.approx([453.59237, 453.59237, 907.18474])


def test_a_forecast_that_begins_later_than_that_does_not_hold_now() -> None:
    with pytest.raises(SourceUnavailableError, match=r"does not hold 2026-08-22T17:32:10\+00:00"):
        read(answer(1000, 2000, start=STEP + 2 * FIVE_MINUTES))


def test_an_hourly_forecast_does_not_reach_back_an_hour() -> None:
    payload = {"data": rows(1000, 2000, start=STEP + HOUR / 2, step=HOUR), "meta": meta(data_point_period_seconds=3600)}
    with pytest.raises(SourceUnavailableError, match="does not hold"):
        read(payload)


def test_no_rows_are_no_data() -> None:
    with pytest.raises(SourceUnavailableError, match="watttime: no data for CAISO_NORTH"):
        read(answer())


@pytest.mark.parametrize("payload", [None, {}, [], "data", {"data": []}, {"data": {}, "meta": {}}], ids=str)
def test_an_answer_without_data_or_meta_is_refused(payload: Any) -> None:
    with pytest.raises(SourceResponseError, match="the answer for CAISO_NORTH holds no data and meta"):
        read(payload)


@pytest.mark.parametrize("value", ["912.4", True, -1.0, float("nan"), float("inf"), 10**400, {}, 12_000])
def test_a_value_that_is_no_intensity_is_refused(value: Any) -> None:
    with pytest.raises(SourceResponseError, match=r"watttime: row 1: .*(is no carbon intensity|than any grid emits)"):
        read(answer(912.4, value))


def test_a_row_without_a_value_is_refused_by_its_number() -> None:
    payload = answer(912.4, 908.1)
    del payload["data"][1]["value"]
    with pytest.raises(SourceResponseError, match="row 1 is no object with point_time and value"):
        read(payload)


# Questions ------------------------------------------------------------------------------------------------------------


def test_a_forecast_is_asked_for_by_region_signal_and_hours(asker: Asker) -> None:
    asker.server.series["CAISO_NORTH"] = 453.59237
    told = asker.ahead(hours=2)
    assert asker.queries("/v3/forecast") == [
        {"region": "CAISO_NORTH", "signal_type": "co2_moer", "horizon_hours": "3"},
    ]
    assert (told.start, told.end) == (STEP, STEP + 3 * HOUR)
    assert told.intensity.tolist() == pytest.approx([453.59237] * 36)
    [asked] = [one for one in asker.server.requests if one.path == "/v3/forecast"]
    assert asked.headers_seen["authorization"] == "Bearer <hidden>"


@pytest.mark.parametrize(
    ("ahead", "hours"),
    [
        (-HOUR, "0"),
        (timedelta(0), "0"),
        (timedelta(minutes=2), "0"),
        (timedelta(minutes=57), "1"),
        (timedelta(minutes=58), "2"),
        (400 * HOUR, "72"),
    ],
    ids=str,
)
def test_as_many_hours_are_asked_for_as_reach_the_end(asker: Asker, ahead: timedelta, hours: str) -> None:
    told = asked_in_time(asker.source.forecast(CAISO, now=NOW, until=NOW + ahead))
    assert asker.queries("/v3/forecast")[0]["horizon_hours"] == hours
    assert told.end >= NOW + min(ahead, 71 * HOUR)
    assert told.start == STEP


def test_full_hours_from_the_edge_of_a_step_are_asked_for_exactly(asker: Asker) -> None:
    asked_in_time(asker.source.forecast(CAISO, now=STEP, until=STEP + 24 * HOUR))
    assert asker.queries("/v3/forecast")[0]["horizon_hours"] == "24"


def test_the_past_is_asked_for_with_both_ends_included(asker: Asker) -> None:
    start, end = datetime(2026, 8, 20, 10, 42, tzinfo=UTC), datetime(2026, 8, 20, 12, 2, tzinfo=UTC)
    told = asker.past(start, end)
    [query] = asker.queries("/v3/historical")
    assert query == {
        "region": "CAISO_NORTH",
        "signal_type": "co2_moer",
        "start": "2026-08-20T10:00:00+00:00",
        "end": "2026-08-20T12:00:00+00:00",
    }
    assert (told.start, told.end) == (
        datetime(2026, 8, 20, 10, 40, tzinfo=UTC),
        datetime(2026, 8, 20, 12, 5, tzinfo=UTC),
    )
    assert (told.kind, told.signal) == (Kind.MEASURED, Signal.MARGINAL)


def test_a_long_past_comes_in_pieces_that_share_no_row(asker: Asker) -> None:
    begin = datetime(2026, 5, 1, tzinfo=UTC)
    asker.server.step["wt"] = HOUR
    asker.server.series["CAISO_NORTH"] = lambda moment: (moment - begin) / HOUR
    told = asker.past(begin, begin + 65 * DAY)
    asked = [
        (datetime.fromisoformat(one["start"]), datetime.fromisoformat(one["end"]))
        for one in asker.queries("/v3/historical")
    ]
    assert asked == [
        (begin, begin + 30 * DAY - FIVE_MINUTES),
        (begin + 30 * DAY, begin + 60 * DAY - FIVE_MINUTES),
        (begin + 60 * DAY, begin + 65 * DAY - FIVE_MINUTES),
    ]
    assert told.intensity.tolist() == pytest.approx(list(range(65 * 24)))


def test_pieces_with_different_steps_are_refused() -> None:
    hourly = {"data": rows(1, 2, step=HOUR), "meta": meta(data_point_period_seconds=3600)}
    with pytest.raises(SourceResponseError, match=r"steps of 0:05:00 and of 1:00:00 in one series"):
        read_history([answer(1, 2), hourly], region="CAISO_NORTH", signal_type="co2_moer", start=NOW, end=NOW + HOUR)


def test_averages_have_a_past_by_the_hour(asker: Asker) -> None:
    source = asker.made("co2_aoer")
    told = asked_in_time(source.history(CAISO, start=NOW - 5 * HOUR, end=NOW - 2 * HOUR))
    assert (told.signal, told.step, source.refresh) == (Signal.AVERAGE, HOUR, HOUR)
    assert told.start == datetime(2026, 8, 22, 12, tzinfo=UTC)
    assert asker.queries("/v3/historical")[0]["signal_type"] == "co2_aoer"


def test_averages_have_no_forecast_and_nothing_is_asked(asker: Asker) -> None:
    with pytest.raises(SourceUnavailableError, match="co2_aoer has no forecast; set signal_type to co2_moer"):
        asked_in_time(asker.made("co2_aoer").forecast(CAISO, now=NOW, until=NOW + HOUR))
    assert asker.server.count() == 0


def test_the_signal_type_must_be_one_of_two(asker: Asker) -> None:
    with pytest.raises(InvalidRequestError, match="'health_damage' must be one of co2_moer, co2_aoer"):
        asker.made("health_damage")


def test_moments_need_a_timezone_and_an_order(asker: Asker) -> None:
    with pytest.raises(InvalidRequestError, match=r"now: .* has no timezone"):
        asker.ahead(now=NOW.replace(tzinfo=None))
    with pytest.raises(InvalidRequestError, match=r"end: .* has no timezone"):
        asker.past(NOW - HOUR, NOW.replace(tzinfo=None))
    with pytest.raises(InvalidRequestError, match=r"end: .* must be later than the start"):
        asker.past(NOW, NOW)
    assert asker.server.count() == 0


def test_it_is_a_source(asker: Asker) -> None:
    assert isinstance(asker.source, CarbonSource)
    assert (asker.source.name, asker.source.refresh) == ("watttime", FIVE_MINUTES)


# Places ---------------------------------------------------------------------------------------------------------------


def test_the_region_of_a_point_is_asked_for_once(asker: Asker) -> None:
    assert asyncio.run(asker.source.zone(DENVER)) == "39.7,-105.0"
    assert [asker.ahead(DENVER).zone, asker.past(NOW - HOUR, NOW, DENVER).zone] == ["PSCO", "PSCO"]
    assert asker.queries("/v3/region-from-loc") == [
        {"latitude": "39.7", "longitude": "-105.0", "signal_type": "co2_moer"},
    ]
    assert asyncio.run(asker.source.zone(DENVER)) == "PSCO"


def test_a_cloud_region_is_looked_up_where_the_embedded_table_puts_it(asker: Asker) -> None:
    assert asker.ahead(Location.parse("azure:australiaeast")).zone == "NEM_NSW"
    [query] = asker.queries("/v3/region-from-loc")
    assert (query["latitude"], query["longitude"]) == ("-33.86", "151.2094")


def test_a_zone_is_a_region_as_it_stands(asker: Asker) -> None:
    assert asyncio.run(asker.source.zone(Location.parse("zone:DE"))) == "DE"
    assert asker.ahead(Location.parse("zone:DE")).zone == "DE"
    assert asker.queries("/v3/region-from-loc") == []


def test_many_who_ask_about_one_place_at_once_look_it_up_once(asker: Asker) -> None:
    async def everyone() -> set[str]:
        asked = (asker.source.forecast(DENVER, now=NOW, until=NOW + HOUR) for _ in range(20))
        return {told.zone for told in await asyncio.gather(*asked)}

    assert asked_in_time(everyone()) == {"PSCO"}
    assert asker.server.count("wt", "region-from-loc") == 1
    assert asker.server.count("wt", "login") == 1


def test_another_process_knows_the_region_for_a_month_and_then_asks_again(asker: Asker, tmp_path: Path) -> None:
    seconds = [0.0]
    for seconds[0], lookups in [(0.0, 1), (29 * 86_400.0, 1), (31 * 86_400.0, 2)]:
        asker.source = asker.made(places=Places(Shelf(tmp_path), lambda: seconds[0]))
        asker.ahead(DENVER)
        assert asker.server.count("wt", "region-from-loc") == lookups


def test_a_region_that_ceased_to_exist_is_looked_up_anew(asker: Asker) -> None:
    places = Places()
    places.learn(DENVER, "PSCO_OF_OLD")
    asker.source = asker.made(places=places)
    assert asker.ahead(DENVER).zone == "PSCO"
    assert places.zone_of(DENVER) == "PSCO"


def test_a_region_that_is_refused_though_the_service_names_it_is_unknown(asker: Asker) -> None:
    asker.ahead(DENVER)
    asker.server.fail("wt", "no_zone", path="/v3/forecast")
    with pytest.raises(UnknownZoneError, match=r"39.7,-105.0: watttime knows no region 'PSCO'"):
        asker.ahead(DENVER)
    assert asker.server.count("wt", "/v3/forecast") == 2


@pytest.mark.parametrize("nonsense", ["zone:NOWHERE", "azure:nowhere", "ibm:eu-de", "0.0,-30.0"])
def test_a_place_that_is_nowhere_is_refused_by_its_name(asker: Asker, nonsense: str) -> None:
    location = Location.parse(nonsense)
    with pytest.raises(UnknownZoneError, match=nonsense):
        asker.ahead(location)
    with pytest.raises(UnknownZoneError, match=nonsense):
        asker.past(NOW - HOUR, NOW, location)
    with pytest.raises(UnknownZoneError, match=nonsense):
        asked_in_time(asker.source.signal_index(location))


def test_a_cloud_region_that_nobody_has_is_refused_without_asking(asker: Asker) -> None:
    with pytest.raises(UnknownZoneError, match="azure has no region 'nowhere'"):
        asyncio.run(asker.source.zone(Location.parse("azure:nowhere")))
    assert asker.server.count() == 0


def test_no_coverage_may_come_as_a_bad_request(asker: Asker) -> None:
    body = {"error": "No coverage available for these coordinates and signal_type", "latitude": "0", "longitude": "0"}
    asker.server.fail("wt", "400", path="region-from-loc", body=body)
    with pytest.raises(UnknownZoneError, match=r"39.7,-105.0: watttime covers no grid there for co2_moer"):
        asker.ahead(DENVER)


@pytest.mark.parametrize(
    "payload", [None, {}, [], {"region": ""}, {"region": None}, {"region": "a b"}, {"region": "x" * 65}], ids=str
)
def test_a_place_without_a_region_in_the_answer_is_refused(payload: Any) -> None:
    with pytest.raises(SourceResponseError, match="names no region"):
        read_region(payload, signal_type="co2_moer")


def test_a_region_of_another_signal_is_refused() -> None:
    with pytest.raises(SourceResponseError, match="of another signal type than co2_moer"):
        read_region({"region": "PSCO", "signal_type": "co2_aoer"}, signal_type="co2_moer")


# Signal index ---------------------------------------------------------------------------------------------------------


def test_the_signal_index_is_a_rank_and_no_forecast(asker: Asker) -> None:
    # The first of 288 steps is the cleanest: 1 / 288 of them are at most as dirty.
    asker.server.series["PSCO"] = lambda moment: 100.0 if moment <= STEP else 200.0
    told = asked_in_time(asker.source.signal_index(DENVER))
    assert told == SignalIndex("PSCO", STEP, pytest.approx(100 / 288))
    assert asker.queries("/v3/signal-index") == [{"region": "PSCO", "signal_type": "co2_moer"}]


def test_the_signal_index_of_the_dirtiest_moment_is_100(asker: Asker) -> None:
    asker.server.series["PSCO"] = lambda moment: 500.0 if moment <= STEP else 200.0
    assert asked_in_time(asker.source.signal_index(DENVER)).percentile == 100.0


@pytest.mark.parametrize("values", [(101,), (-1,), ("50",), (True,), (50, 60), (float("nan"),)], ids=str)
def test_a_signal_index_that_is_no_single_rank_is_refused(values: tuple[Any, ...]) -> None:
    with pytest.raises(SourceResponseError, match="is no single number from 0 to 100"):
        read_signal_index(answer(*values, units="percentile"), region="CAISO_NORTH")


def test_grams_are_no_signal_index_and_a_signal_index_is_no_grams() -> None:
    with pytest.raises(SourceResponseError, match="units is 'lbs_co2_per_mwh', and 'percentile' was asked for"):
        read_signal_index(answer(50), region="CAISO_NORTH")
    with pytest.raises(SourceResponseError, match="units is 'percentile', and 'lbs_co2_per_mwh' was asked for"):
        read(answer(50, units="percentile"))


def test_a_signal_index_without_a_number_is_no_data() -> None:
    with pytest.raises(SourceUnavailableError, match="no signal index for CAISO_NORTH"):
        read_signal_index(answer(None, units="percentile"), region="CAISO_NORTH")


def test_averages_have_no_signal_index(asker: Asker) -> None:
    with pytest.raises(InvalidRequestError, match="'co2_aoer' has no signal index"):
        asked_in_time(asker.made("co2_aoer").signal_index(CAISO))


# Access ---------------------------------------------------------------------------------------------------------------


def test_access_names_the_only_region_of_a_free_plan(asker: Asker) -> None:
    asker.server.wt_regions = {"CAISO_NORTH"}
    told = asked_in_time(asker.source.access())
    assert told == "login accepted; co2_moer forecast allowed for 1 region, CAISO_NORTH"
    assert asker.queries("/v3/my-access") == [{"signal_type": "co2_moer"}]


def test_access_names_the_first_of_many_regions(asker: Asker) -> None:
    asker.server.wt_regions = {"PSCO", "DE", "UK"}
    assert asked_in_time(asker.source.access()) == (
        "login accepted; co2_moer forecast allowed for 3 regions, DE among them"
    )


def test_access_to_averages_is_to_their_past(asker: Asker) -> None:
    region = {"region": "PJM", "endpoints": [{"endpoint": "v3/historical", "models": []}]}
    body = {"signal_types": [{"signal_type": "co2_aoer", "regions": [region]}]}
    assert read_access(body, signal_type="co2_aoer", endpoint="v3/historical") == ["PJM"]
    assert read_access(body, signal_type="co2_aoer", endpoint="v3/forecast") == []
    with pytest.raises(SourceAuthError, match="the plan allows the co2_aoer history of no region"):
        asked_in_time(asker.made("co2_aoer").access())


def test_access_to_nothing_is_refused(asker: Asker) -> None:
    asker.server.wt_regions = set()
    with pytest.raises(
        SourceAuthError, match="login is accepted, but the plan allows the co2_moer forecast of no region"
    ):
        asked_in_time(asker.source.access())


@pytest.mark.parametrize(
    "payload",
    [None, [], {}, {"signal_types": 3}, {"signal_types": [3]}, {"signal_types": [{"signal_type": "co2_moer"}]}],
    ids=str,
)
def test_an_access_list_of_another_shape_is_refused(payload: Any) -> None:
    with pytest.raises(SourceResponseError, match="does not list signal types"):
        read_access(payload, signal_type="co2_moer", endpoint="v3/forecast")


# Refusals and faults --------------------------------------------------------------------------------------------------


def test_a_region_beyond_the_plan_says_what_to_do_and_no_new_login_is_made(asker: Asker) -> None:
    asker.server.wt_regions = {"CAISO_NORTH"}
    with pytest.raises(
        SourceAuthError, match="the plan does not cover co2_moer for DE; choose a region that it covers"
    ):
        asker.ahead(Location.parse("zone:DE"))
    assert asker.server.count("wt", "login") == 1


def test_a_missing_scope_may_come_as_a_bad_request(asker: Asker) -> None:
    body = {"error": "Invalid query parameters", "message": "Invalid scope. You do not have sufficient access to this"}
    asker.server.fail("wt", "400", path="/v3/forecast", body=body)
    with pytest.raises(SourceAuthError, match="the plan does not cover"):
        asker.ahead()


@pytest.mark.parametrize("key", ["message", "msg"])
def test_a_bad_parameter_is_told_in_the_services_words(asker: Asker, key: str) -> None:
    body = {"error": "INVALID_QUERY_PARAMS", key: "horizon_hours must be at most 72", "docs": "https://example.org"}
    asker.server.fail("wt", "422", path="/v3/forecast", body=body)
    with pytest.raises(SourceResponseError, match="INVALID_QUERY_PARAMS; horizon_hours must be at most 72"):
        asker.ahead()


def test_a_parameter_that_the_framework_refuses_is_told_too(asker: Asker) -> None:
    body = {"detail": [{"loc": ["query", "start"], "msg": "field required", "type": "value_error.missing"}]}
    asker.server.fail("wt", "422", path="/v3/historical", body=body)
    with pytest.raises(SourceResponseError, match=r"/v3/historical \(422\): .*field required"):
        asker.past(NOW - HOUR, NOW)


def test_a_token_that_expired_is_replaced_once_and_the_question_repeated(asker: Asker) -> None:
    asker.ahead()
    asker.server.expire_tokens()
    assert asker.ahead().zone == "CAISO_NORTH"
    assert asker.server.count("wt", "login") == 2
    assert asker.server.count("wt", "/v3/forecast") == 3


def test_a_forbidden_that_is_no_missing_scope_is_met_with_a_new_login(asker: Asker) -> None:
    asker.server.fail("wt", "403", times=1, path="/v3/forecast", body="Forbidden")
    assert asker.ahead().zone == "CAISO_NORTH"
    assert asker.server.count("wt", "login") == 2


@pytest.mark.parametrize("status", ["401", "403"])
def test_a_refusal_that_a_new_login_does_not_heal_is_final(asker: Asker, status: str) -> None:
    asker.server.fail("wt", status, path="/v3/forecast", body="Forbidden")
    with pytest.raises(SourceAuthError, match=rf"watttime refuses these credentials \({status}\): Forbidden"):
        asker.ahead()
    assert asker.server.count("wt", "login") == 2
    assert asker.server.count("wt", "/v3/forecast") == 2


def test_many_whose_token_expires_log_in_once(asker: Asker) -> None:
    asker.ahead()
    asker.server.expire_tokens()
    places = [Location.parse(f"zone:{name}") for name in ("DE", "FR", "UK", "PL", "SE", "FI")]

    async def everyone() -> list[str]:
        asked = (asker.source.forecast(place, now=NOW, until=NOW + HOUR) for place in places)
        return [told.zone for told in await asyncio.gather(*asked)]

    assert asked_in_time(everyone()) == ["DE", "FR", "UK", "PL", "SE", "FI"]
    assert asker.server.count("wt", "login") == 2


def test_a_server_error_that_passes_is_not_seen(asker: Asker) -> None:
    asker.server.fail("wt", "500", times=1, path="/v3/forecast")
    assert asker.ahead().zone == "CAISO_NORTH"
    assert asker.server.count("wt", "/v3/forecast") == 2


def test_too_many_requests_are_repeated_when_the_service_says(asker: Asker) -> None:
    asker.server.fail("wt", "429", times=2, path="/v3/forecast", retry_after=0)
    assert asker.ahead().zone == "CAISO_NORTH"


def test_too_many_requests_for_long_leave_the_service_alone(asker: Asker) -> None:
    asker.server.fail("wt", "429", path="/v3/forecast", retry_after=3600)
    with pytest.raises(SourceUnavailableError, match="429"):
        asker.ahead()
    assert asker.server.count("wt", "/v3/forecast") == 1


@pytest.mark.parametrize("fault", ["html", "not_json", "empty", "no_body", "negative", "text_numbers"])
def test_an_answer_that_is_none_is_refused(asker: Asker, fault: str) -> None:
    asker.server.fail("wt", fault, path="/v3/forecast")
    with pytest.raises(SourceResponseError, match="watttime"):
        asker.ahead()


def test_half_an_answer_is_asked_for_again(asker: Asker) -> None:
    asker.server.fail("wt", "half", times=1, path="/v3/forecast")
    assert asker.ahead().zone == "CAISO_NORTH"


@pytest.mark.parametrize("fault", ["duplicates", "unsorted"])
def test_rows_in_disorder_are_put_in_order(asker: Asker, fault: str) -> None:
    asker.server.series["CAISO_NORTH"] = lambda moment: (moment - STEP) / FIVE_MINUTES
    asker.server.fail("wt", fault)
    assert asker.ahead(hours=0.9).intensity.tolist() == pytest.approx(list(range(12)))


def test_missing_values_end_a_forecast(asker: Asker) -> None:
    # Every third value is missing, the second one first.
    asker.server.fail("wt", "nulls", path="/v3/forecast")
    assert asker.ahead().end == STEP + FIVE_MINUTES


def test_values_that_are_all_missing_are_no_data(asker: Asker) -> None:
    asker.server.fail("wt", "all_nulls")
    with pytest.raises(SourceUnavailableError, match="no data for CAISO_NORTH"):
        asker.ahead()
    with pytest.raises(SourceUnavailableError, match="no data for CAISO_NORTH"):
        asker.past(NOW - HOUR, NOW)


def test_a_forecast_may_be_shorter_than_asked_for(asker: Asker) -> None:
    asker.server.fail("wt", "short", hours=1)
    assert asker.ahead(hours=20).end == STEP + HOUR


def test_a_zone_that_disappears_is_unknown(asker: Asker) -> None:
    asker.ahead()
    asker.server.fail("wt", "no_zone")
    with pytest.raises(UnknownZoneError, match="zone:CAISO_NORTH: watttime knows no region 'CAISO_NORTH'"):
        asker.ahead()


def test_a_service_whose_clock_is_an_hour_ahead_does_not_cover_now(asker: Asker) -> None:
    asker.server.fail("wt", "skew", seconds=3600)
    with pytest.raises(SourceUnavailableError, match="does not hold"):
        asker.ahead()


def test_a_service_whose_clock_is_a_minute_ahead_covers_now_at_the_end_of_a_step(asker: Asker) -> None:
    asker.server.fail("wt", "skew", seconds=60)
    told = asker.ahead(now=STEP + timedelta(minutes=4, seconds=30))
    assert told.start == STEP


# Anything at all ------------------------------------------------------------------------------------------------------

FORECAST = answer(912.4, 908.1, None, 850, 700.5)


def numbers(payload: Any) -> list[float]:
    if isinstance(payload, dict):
        payload = list(payload.values())
    if isinstance(payload, list):
        return [number for one in payload for number in numbers(one)]
    return [float(payload)] if type(payload) in (int, float) and abs(payload) < 1e300 else []


@given(mutated(FORECAST))
def test_a_mutated_forecast_is_refused_or_holds_what_was_sent(payload: Any) -> None:
    try:
        told = read(payload)
    except ERRORS:
        return
    assert told.start <= NOW < told.end
    assert (told.zone.casefold(), told.signal, told.kind) == ("caiso_north", Signal.MARGINAL, Kind.FORECAST)
    sent = [number * 0.45359237 for number in numbers(payload["data"])]
    assert all(any(value == pytest.approx(one) for one in sent) for value in told.intensity.tolist())


@given(st.lists(mutated(FORECAST), min_size=1, max_size=2))
def test_a_mutated_past_is_refused_or_holds_what_was_sent(payloads: list[Any]) -> None:
    try:
        told = read_history(
            copy.deepcopy(payloads), region="CAISO_NORTH", signal_type="co2_moer", start=NOW, end=NOW + HOUR
        )
    except ERRORS:
        return
    assert told.start < NOW + HOUR
    assert told.end > NOW
    assert told.kind is Kind.MEASURED
    sent = [number * 0.45359237 for payload in payloads for number in numbers(payload["data"])]
    assert all(any(value == pytest.approx(one) for one in sent) for value in told.intensity.tolist())


@given(mutated(answer(96.0, units="percentile")))
def test_a_mutated_signal_index_is_refused_or_a_rank(payload: Any) -> None:
    try:
        told = read_signal_index(payload, region="CAISO_NORTH")
    except ERRORS:
        return
    assert 0.0 <= told.percentile <= 100.0
    assert told.percentile in numbers(payload["data"])


@given(mutated({"region": "PSCO", "region_full_name": "Public Service Co of Colorado", "signal_type": "co2_moer"}))
def test_a_mutated_region_is_refused_or_a_name(payload: Any) -> None:
    try:
        told = read_region(payload, signal_type="co2_moer")
    except SourceResponseError:
        return
    assert told == payload["region"]


ALLOWED = {
    "region": "CAISO_NORTH",
    "parent": "USA",
    "endpoints": [{"endpoint": "v3/forecast", "models": []}, {"endpoint": "v3/historical", "models": []}],
}


@given(mutated({"signal_types": [{"signal_type": "co2_moer", "regions": [ALLOWED, ALLOWED | {"region": "PSCO"}]}]}))
def test_a_mutated_access_list_is_refused_or_names_regions(payload: Any) -> None:
    try:
        told = read_access(payload, signal_type="co2_moer", endpoint="v3/forecast")
    except SourceResponseError:
        return
    assert all(isinstance(region, str) for region in told)


# The connection -------------------------------------------------------------------------------------------------------


@pytest.mark.airflow
def test_a_connection_becomes_the_source_and_tells_what_it_may(asker: Asker) -> None:
    hook = connected(asker)
    assert isinstance(hook.source(), WattTime)
    assert hook.source().refresh == timedelta(minutes=30)
    assert hook.test_connection() == (
        True,
        "login accepted; co2_moer forecast allowed for 13 regions, CAISO_NORTH among them",
    )
    assert hook.source_url(CAISO).startswith("https://")
    assert hook.source_name == WattTime.name


@pytest.mark.airflow
def test_a_connection_with_a_wrong_password_says_so(asker: Asker) -> None:
    accepted, told = connected(asker, password="marker-secret-9c1e").test_connection()
    assert not accepted
    assert told.startswith("watttime refuses this user and password (403)")
    assert "marker-secret" not in told


def connected(asker: Asker, password: str = WT_PASSWORD) -> Any:
    from airflow.sdk import Connection

    from airflow_carbon.hooks.watttime import WattTimeHook

    connection = Connection(
        conn_id="wt",
        conn_type="watttime",
        host=asker.server.base("wt"),
        login=WT_USER,
        password=password,
        extra='{"refresh": "30m"}',
    )
    return WattTimeHook(connection=connection)
