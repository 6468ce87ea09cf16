"""Carbon Aware SDK WebApi: what is asked of it, what its answers mean, and what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes.grid_server import GridServer
from fakes.mutated import mutated
from hypothesis import given

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
from airflow_carbon.sources.carbon_aware_sdk import CarbonAwareSdk, read_forecast, read_history, read_locations
from airflow_carbon.web.http import Http

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MINUTE, FIVE = timedelta(minutes=1), timedelta(minutes=5)
#: Within the step from 17:30 to 17:35.
NOW = datetime(2026, 8, 22, 17, 32, 10, 5, tzinfo=UTC)
STEP = datetime(2026, 8, 22, 17, 30, tzinfo=UTC)
MIDNIGHT = datetime(2026, 8, 22, tzinfo=UTC)
EASTUS = Location.parse("azure:eastus")
ERRORS = (SourceResponseError, SourceUnavailableError)


class Asker:
    """A server, and the source that asks it."""

    def __init__(self, server: GridServer) -> None:
        self.server = server
        self.http = Http("carbon_aware_sdk", server.base("sdk"), ceiling=8)
        self.source = CarbonAwareSdk(self.http, signal=Signal.MARGINAL)

    def ahead(self, place: str = "azure:eastus", now: datetime = NOW, hours: float = 2) -> Any:
        return asked_in_time(self.source.forecast(Location.parse(place), now=now, until=now + hours * HOUR))

    def past(self, start: datetime, end: datetime, place: str = "azure:eastus") -> Any:
        return asked_in_time(self.source.history(Location.parse(place), start=start, end=end))

    def got(self, path: str, **query: Any) -> Any:
        return asked_in_time(self.http.get(path, query))

    def refuses(self, status: int, **problem: Any) -> None:
        self.server.fail("sdk", str(status), body={"status": status, "errors": {}, "traceId": "00-1", **problem})

    @property
    def queries(self) -> list[tuple[str, dict[str, Any]]]:
        return [(one.path, one.query) for one in self.server.requests]


@pytest.fixture
def asker() -> Iterator[Asker]:
    with GridServer() as server:
        server.clock = lambda: NOW
        yield Asker(server)


def forecast(*values: Any, start: datetime = STEP, step: timedelta = FIVE, **changed: Any) -> list[dict[str, Any]]:
    points = [
        {"location": "PJM_DC", "timestamp": (start + row * step).isoformat(), "duration": step // MINUTE, "value": one}
        for row, one in enumerate(values)
    ]
    answer = {
        "generatedAt": start.isoformat(),
        "requestedAt": "2026-08-22T17:31:12.5+00:00",
        "location": "eastus",
        "dataStartAt": start.isoformat(),
        "dataEndAt": (start + (len(values) - 1) * step).isoformat(),
        "windowSize": 0,
        "optimalDataPoints": points[:1],
        "forecastData": points,
    }
    return [answer | changed]


def emissions(*values: Any, start: datetime = STEP, step: timedelta = FIVE, **changed: Any) -> list[dict[str, Any]]:
    stated = {"duration": f"{step}".rjust(8, "0")} | changed
    return [
        {"location": "PJM_DC", "time": (start + row * step).isoformat(), "rating": one} | stated
        for row, one in enumerate(values)
    ]


def read(payload: Any, now: datetime = NOW) -> Any:
    return read_forecast(payload, zone="eastus", now=now, signal=Signal.MARGINAL)


def read_past(*payloads: Any, start: datetime = STEP, end: datetime = STEP + HOUR) -> Any:
    return read_history(payloads, zone="eastus", start=start, end=end, signal=Signal.AVERAGE)


# Where ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "zone"),
    [("azure:eastus", "eastus"), ("aws:us-east-1", "us-east-1"), ("gcp:us-east4", "us-east4"), ("zone:Home", "Home")],
)
def test_a_cloud_region_goes_by_its_own_name_and_a_zone_as_it_is_written(asker: Asker, place: str, zone: str) -> None:
    assert asked_in_time(asker.source.zone(Location.parse(place))) == zone
    assert asker.queries == []


@pytest.mark.parametrize("place", ["azure:nowhere", "ibm:eu-de", "0.0,-30.0", "51.5,-0.12"])
def test_a_point_or_a_region_that_is_nowhere_is_refused_without_a_request(asker: Asker, place: str) -> None:
    with pytest.raises(UnknownZoneError, match=place):
        asked_in_time(asker.source.zone(Location.parse(place)))
    with pytest.raises(UnknownZoneError, match=place):
        asker.ahead(place)
    with pytest.raises(UnknownZoneError, match=place):
        asker.past(NOW - HOUR, NOW, place)
    assert asker.queries == []


def test_what_to_name_in_place_of_a_point_is_told(asker: Asker) -> None:
    with pytest.raises(UnknownZoneError, match=r"takes no coordinates; name a cloud region, or .* zone:NAME"):
        asker.ahead("51.5,-0.12")


@pytest.mark.parametrize("place", ["zone:NOWHERE", "aws:us-east-1"])
def test_a_location_that_the_server_does_not_list_is_an_unknown_zone(asker: Asker, place: str) -> None:
    with pytest.raises(UnknownZoneError, match=r"Unknown Location: '(NOWHERE|us-east-1)' not found"):
        asker.ahead(place)
    with pytest.raises(UnknownZoneError, match="/locations"):
        asker.past(NOW - HOUR, NOW, place)


# The forecast ---------------------------------------------------------------------------------------------------------


def test_it_asks_for_the_points_themselves_and_for_no_window(asker: Asker) -> None:
    asker.server.series = {"PJM_DC": lambda moment: moment.hour * 10.0}
    found = asker.ahead()
    assert asker.queries == [("/emissions/forecasts/current", {"location": "eastus"})]
    assert (found.zone, found.start, found.step, len(found)) == ("eastus", STEP, FIVE, 288)
    # The hour from 17:45 to 18:45: a quarter at 170 and three at 180.
    assert found.mean(STEP + 3 * FIVE, STEP + 3 * FIVE + HOUR) == pytest.approx(177.5)


def test_a_forecast_says_what_it_is(asker: Asker) -> None:
    found = asker.ahead()
    assert isinstance(asker.source, CarbonSource)
    assert asker.source.refresh == FIVE
    assert (found.kind, found.signal, found.source) == (Kind.FORECAST, Signal.MARGINAL, "carbon_aware_sdk")
    assert (found.accounting, found.issued_at) == (Accounting(), STEP)


@pytest.mark.parametrize("window", [0, None, 5])
def test_raw_points_have_no_window_or_one_of_their_own_length(window: Any) -> None:
    assert read(forecast(470.4, 359.2, windowSize=window)).intensity.tolist() == [470.4, 359.2]


def test_points_of_an_hour_are_read_as_such() -> None:
    found = read(forecast(300, 200, start=STEP - HOUR / 2, step=HOUR))
    assert (found.step, found.intensity.tolist()) == (HOUR, [300, 200])


@pytest.mark.parametrize(
    ("values", "window", "tick", "begin", "end", "means"),
    [
        ([10, 20, 30, 40], 10, 5, 0, 20, [15, 25, 35]),
        ([10, 20, 30, 40], 2, 5, 0, 20, [10, 20, 30, 40]),
        ([10, 20, 30, 40], 5, 4, 0, 20, [10, 18, 26, 34]),
        ([10, 20, 30, 40], 10, 4, 0, 20, [15, 23, 31]),
        ([10, 20, 30, 40], 2, 4, 0, 20, [10, 15, 20, 30, 40]),
        ([10, 20, 30, 40], 5, 7, 0, 20, [10, 24, 38]),
        ([10, 20, 30, 40], 10, 7, 0, 20, [15, 29]),
        ([10, 20, 30, 40], 2, 7, 0, 20, [10, 20, 35]),
        ([10, 20, 30, 40], 5, 5, 2, 20, [14, 24, 34]),
        ([10, 20, 30, 40], 5, 5, 0, 18, [10, 20, 30]),
        ([10, 20, 30, 40], 5, 5, 2, 18, [14, 24, 34]),
        ([10, 20, 30, 40, 5], 10, 5, 0, 25, [15, 25, 35, 22.5]),
        ([5, 55, 10, 10, 10], 10, 5, 0, 25, [30, 32.5, 10, 10]),
        ([12, 11, 10, 12, 13], 10, 5, 0, 25, [11.5, 10.5, 11, 12.5]),
    ],
)
def test_means_over_its_points_are_the_sdks_own_rolling_averages(
    values: list[float], window: int, tick: int, begin: int, end: int, means: list[float]
) -> None:
    points = read(forecast(*values, start=MIDNIGHT), now=MIDNIGHT)
    starts = [MIDNIGHT + minute * MINUTE for minute in range(begin, end - window + 1, tick)]
    assert [points.mean(start, start + window * MINUTE) for start in starts] == pytest.approx(means)


@pytest.mark.parametrize(
    ("begin", "end", "mean"), [(0, 20, 25), (4, 20, 28.75), (0, 16, 21.25), (2.5, 17.5, 25)], ids=str
)
def test_a_mean_over_a_period_is_the_sdks_own_average_intensity(begin: float, end: float, mean: float) -> None:
    points = read(forecast(10, 20, 30, 40, start=MIDNIGHT), now=MIDNIGHT)
    assert points.mean(MIDNIGHT + begin * MINUTE, MIDNIGHT + end * MINUTE) == pytest.approx(mean)


def test_a_mean_agrees_with_the_average_that_the_server_gives_of_the_same_past(asker: Asker) -> None:
    asker.server.series = {"PJM_DC": lambda moment: 100 + moment.minute * 3.5}
    start, end = NOW - HOUR, NOW - 13 * MINUTE
    query = {"location": "eastus", "startTime": start.isoformat(), "endTime": end.isoformat()}
    average = asker.got("/emissions/average-carbon-intensity", **query)["carbonIntensity"]
    assert asker.past(start, end).mean(start, end) == pytest.approx(average)


@pytest.mark.parametrize("window", [2, 10, 30, 60])
def test_the_servers_rolling_averages_are_refused(asker: Asker, window: int) -> None:
    payload = asker.got("/emissions/forecasts/current", location="eastus", windowSize=window)
    assert payload[0]["windowSize"] == window
    with pytest.raises(SourceResponseError, match=rf"rolling averages \(windowSize {window}, .*averaged again"):
        read(payload)


@pytest.mark.parametrize("window", [30, -5, "5", 2.5, 10**300, [0]])
def test_a_window_of_another_length_than_the_points_is_refused(window: Any) -> None:
    with pytest.raises(SourceResponseError, match="rolling averages"):
        read(forecast(470, 359, windowSize=window))


def test_points_that_overlap_are_rolling_averages_whatever_their_window_says() -> None:
    payload = forecast(470, 460, 450)
    for one in payload[0]["forecastData"]:
        one["duration"] = 30
    for window in (0, 30):
        payload[0]["windowSize"] = window
        with pytest.raises(SourceResponseError, match="points of 30 min, 5 min apart"):
            read(payload)


def test_the_best_points_that_it_names_are_ignored() -> None:
    assert len(read(forecast(470, 359, optimalDataPoints="whatever", optimalDataPoint={"value": -1}))) == 2


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ({}, "no list of objects"),
        (["x"], "no list of objects"),
        (forecast(1, 2) * 2, "2 forecasts for eastus"),
        (forecast(1, 2, forecastData=None), "forecastData for eastus is no list"),
        (forecast(1, 2, forecastData=[1]), "forecastData for eastus is no list"),
        (forecast(1, "2"), "no carbon intensity"),
        (forecast(1, -2), "no carbon intensity"),
        (forecast(1, 470_000), "unit"),
        (forecast(1, 2, generatedAt="yesterday"), "generatedAt"),
        (forecast(1, 2, start=STEP.replace(tzinfo=None)), "timezone"),
    ],
)
def test_what_is_not_documented_is_refused_by_name(payload: Any, told: str) -> None:
    with pytest.raises(SourceResponseError, match=rf"carbon_aware_sdk.*{told}"):
        read(payload)


@pytest.mark.parametrize("duration", [0, -5, 5.5, "5", "00:05:00", None, True, 10**300])
def test_points_without_a_common_length_in_minutes_are_refused(duration: Any) -> None:
    payload = forecast(1, 2)
    payload[0]["forecastData"][0]["duration"] = duration
    with pytest.raises(SourceResponseError, match="no common duration"):
        read(payload)


def test_points_of_two_locations_are_refused() -> None:
    payload = forecast(1, 2)
    payload[0]["forecastData"][1]["location"] = "CAISO_NORTH"
    with pytest.raises(SourceResponseError, match="several locations"):
        read(payload)


@pytest.mark.parametrize("payload", [None, [], forecast(), forecast(None, None)])
def test_an_answer_without_a_number_is_no_data(payload: Any) -> None:
    with pytest.raises(SourceUnavailableError, match="eastus"):
        read(payload)


def test_an_answer_of_the_next_step_serves_the_last_moments_of_this_one() -> None:
    payload = forecast(470, 460)
    found = read(payload, now=STEP - MINUTE)
    assert (found.start, found.intensity.tolist()) == (STEP - FIVE, [470, 470, 460])
    with pytest.raises(SourceUnavailableError, match="does not hold"):
        read(payload, now=STEP - 6 * MINUTE)
    with pytest.raises(SourceUnavailableError, match="does not hold"):
        read(payload, now=STEP + 2 * FIVE)


# The past -------------------------------------------------------------------------------------------------------------


def test_a_past_is_asked_for_in_pieces_of_seven_days(asker: Asker) -> None:
    asker.server.series = {"PJM_DC": lambda moment: moment.day * 10.0}
    start, end = NOW - 9 * DAY, NOW - 20 * MINUTE
    found = asker.past(start, end)
    assert asker.queries == [
        (
            "/emissions/bylocation",
            {"location": "eastus", "time": "2026-08-13T17:00:00Z", "toTime": "2026-08-20T17:00:00Z"},
        ),
        (
            "/emissions/bylocation",
            {"location": "eastus", "time": "2026-08-20T17:00:00Z", "toTime": "2026-08-22T17:12:11Z"},
        ),
    ]
    assert (found.start, found.step) == (STEP - 9 * DAY, FIVE)
    assert found.covers(start, end)
    assert found.mean(MIDNIGHT - 12 * HOUR, MIDNIGHT + 4 * HOUR) == pytest.approx((12 * 210 + 4 * 220) / 16)
    assert (found.kind, found.signal, found.source) == (Kind.MEASURED, Signal.MARGINAL, "carbon_aware_sdk")


@pytest.mark.parametrize(
    ("duration", "step"),
    [
        ("00:05:00", FIVE),
        ("01:00:00", HOUR),
        ("08:00:00", 8 * HOUR),
        ("1.00:00:00", DAY),
        ("00:05:00.0000000", FIVE),
    ],
)
def test_the_length_of_a_step_is_a_dotnet_time_span(duration: str, step: timedelta) -> None:
    found = read_past(emissions(10, 20, step=step, duration=duration), end=STEP + 2 * step)
    assert (found.step, found.intensity.tolist()) == (step, [10, 20])


@pytest.mark.parametrize("duration", [None, "00:00:00"])
def test_where_no_length_is_stated_the_distance_of_the_rows_tells(duration: Any) -> None:
    assert read_past(emissions(10, 20, 30, duration=duration)).step == FIVE


def test_the_length_may_be_left_out_altogether() -> None:
    rows = [{name: value for name, value in one.items() if name != "duration"} for one in emissions(10, 20)]
    assert read_past(rows).intensity.tolist() == [10, 20]


@pytest.mark.parametrize(
    "duration", [5, "5", "PT5M", "00:05", "-00:05:00", ["00:05:00"], "\u0660\u0660:05:00", "9999.00:00:00"]
)
def test_a_length_that_is_no_time_span_is_refused(duration: Any) -> None:
    with pytest.raises(SourceResponseError, match="duration"):
        read_past(emissions(10, 20, duration=duration))


def test_steps_of_two_lengths_are_refused() -> None:
    with pytest.raises(SourceResponseError, match="steps of 0:05:00 and of 1:00:00"):
        read_past(emissions(10, 20), emissions(30, start=STEP + HOUR, step=HOUR))


def test_a_step_that_two_pieces_hold_counts_once() -> None:
    found = read_past(emissions(10, 20, 30), None, emissions(30, 40, start=STEP + 2 * FIVE))
    assert found.intensity.tolist() == [10, 20, 30, 40]


def test_a_past_without_rows_is_no_data(asker: Asker) -> None:
    with pytest.raises(SourceUnavailableError, match="no data for eastus"):
        asker.past(NOW + DAY, NOW + 2 * DAY)
    with pytest.raises(SourceUnavailableError, match="no data for eastus"):
        read_past(None, [])


@pytest.mark.parametrize(
    "payload", [{}, "text", [1], emissions(1, 2) + emissions(3, location="CAISO_NORTH"), emissions(1, "2")]
)
def test_a_past_that_is_not_documented_is_refused(payload: Any) -> None:
    with pytest.raises(SourceResponseError, match="carbon_aware_sdk"):
        read_past(payload)


def test_a_past_must_end_after_it_begins_and_a_moment_has_a_timezone(asker: Asker) -> None:
    with pytest.raises(InvalidRequestError, match="later than the start"):
        asker.past(NOW, NOW)
    with pytest.raises(InvalidRequestError, match=r"until: .* has no timezone"):
        asked_in_time(asker.source.forecast(EASTUS, now=NOW, until=NOW.replace(tzinfo=None)))
    assert asker.queries == []


# What goes wrong ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["ForecastDataSource", "EmissionsDataSource"])
def test_a_server_without_a_data_source_is_told_what_to_set(asker: Asker, source: str) -> None:
    asker.refuses(400, title="InvalidOperationException", detail=f"{source} is not configured")
    with pytest.raises(SourceUnavailableError, match=rf"the server has no {source}; set DataSources__{source} in its"):
        asker.ahead()


def test_a_data_source_without_forecasts_is_asked_once(asker: Asker) -> None:
    asker.server.sdk_forecasts = False
    with pytest.raises(SourceUnavailableError, match="data source has nothing of the kind"):
        asker.ahead()
    assert len(asker.queries) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_by_the_servers_own_upstream_says_whose_credentials_are_wrong(asker: Asker, status: int) -> None:
    asker.refuses(status, title="WattTimeClientHttpException", detail="Jwt is expired")
    with pytest.raises(
        SourceAuthError, match=rf"the server's own .*\({status}: Jwt is expired; WattTime.*the server's"
    ):
        asker.ahead()
    assert len(asker.queries) == 1


def test_an_upstream_asked_too_often_is_left_alone_as_it_says(asker: Asker) -> None:
    asker.server.fail("sdk", "429", times=1, retry_after=0)
    assert asker.ahead().start == STEP
    assert len(asker.queries) == 2


def test_a_500_is_asked_again(asker: Asker) -> None:
    asker.server.fail("sdk", "500", times=1)
    assert asker.ahead().start == STEP
    assert len(asker.queries) == 2


def test_a_bad_question_is_refused_in_the_servers_words(asker: Asker) -> None:
    asker.refuses(400, title="ArgumentException", detail="dataStartAt must be earlier than dataEndAt")
    with pytest.raises(SourceResponseError, match=r"\(400\): dataStartAt must be earlier"):
        asker.ahead()


def test_a_redirect_to_the_same_server_is_followed(asker: Asker) -> None:
    asker.server.fail("sdk", "redirect", times=1)
    assert asker.ahead().start == STEP


@pytest.mark.parametrize(("fault", "error"), [("html", SourceResponseError), ("half", SourceUnavailableError)])
def test_an_answer_that_is_none_is_refused(asker: Asker, fault: str, error: type[Exception]) -> None:
    asker.server.fail("sdk", fault)
    with pytest.raises(error, match="carbon_aware_sdk"):
        asker.ahead()


@pytest.mark.parametrize("fault", ["duplicates", "unsorted"])
def test_doubled_and_unsorted_rows_change_no_number(asker: Asker, fault: str) -> None:
    ahead, past = asker.ahead(), asker.past(NOW - HOUR, NOW)
    asker.server.fail("sdk", fault)
    assert asker.ahead().intensity.tolist() == ahead.intensity.tolist()
    assert asker.past(NOW - HOUR, NOW).intensity.tolist() == past.intensity.tolist()


def test_missing_values_end_a_forecast_and_make_no_step_longer() -> None:
    found = read(forecast(10, None, 30, None, 50))
    assert (found.step, found.intensity.tolist()) == (FIVE, [10])


def test_a_forecast_that_ends_early_is_given_as_far_as_it_goes(asker: Asker) -> None:
    asker.server.fail("sdk", "short", hours=3)
    assert asker.ahead(hours=20).end == STEP + 3 * HOUR


def test_a_location_that_disappears_is_unknown_from_then_on(asker: Asker) -> None:
    assert asker.ahead().zone == "eastus"
    asker.server.fail("sdk", "no_zone", zone="eastus")
    with pytest.raises(UnknownZoneError, match="eastus"):
        asker.ahead()
    assert asker.ahead("azure:westus").zone == "westus"


def sent(payload: Any, key: str) -> set[float]:
    if isinstance(payload, list):
        return {one for value in payload for one in sent(value, key)}
    if not isinstance(payload, dict):
        return set()
    found = {one for name, value in payload.items() if name != key for one in sent(value, key)}
    value = payload.get(key)
    return found | ({float(value)} if type(value) in (int, float) and abs(value) < 1e300 else set())


@given(mutated(forecast(470.4, 359.2, 400, 380.5)))
def test_a_mutated_answer_is_refused_or_a_forecast_of_its_numbers(payload: Any) -> None:
    try:
        told = read(payload)
    except ERRORS:
        return
    assert told.start <= NOW < told.start + told.step
    assert set(told.intensity.tolist()) <= sent(payload, "value")


@given(mutated([emissions(512.3, 500, 490), None, emissions(480, 470.5, start=STEP + 3 * FIVE)]))
def test_a_mutated_past_is_refused_or_made_of_its_numbers(payloads: Any) -> None:
    if not isinstance(payloads, list):
        return
    try:
        told = read_past(*payloads)
    except ERRORS:
        return
    assert told.start < STEP + HOUR
    assert told.end > STEP
    assert set(told.intensity.tolist()) <= sent(payloads, "rating")


@given(mutated({"eastus": {"latitude": "37.37", "longitude": "-79.81", "name": "eastus"}, "westus": {}}))
def test_a_mutated_list_of_locations_is_refused_or_a_list_of_names(payload: Any) -> None:
    try:
        told = read_locations(payload)
    except ERRORS:
        return
    assert told == list(payload)
    assert told


# The connection -------------------------------------------------------------------------------------------------------


def test_access_is_proven_by_the_first_locations_forecast(asker: Asker) -> None:
    asker.server.clock = lambda: datetime.now(UTC)
    listed = list(asker.got("/locations"))
    asker.server.forget()
    told = asked_in_time(asker.source.access())
    assert told == f"server answers; {len(listed)} locations, forecast works for {listed[0]}"
    assert asker.queries == [("/locations", {}), ("/emissions/forecasts/current", {"location": listed[0]})]


def test_a_server_without_locations_or_forecasts_gives_no_access(asker: Asker) -> None:
    asker.server.sdk_forecasts = False
    with pytest.raises(SourceUnavailableError, match="nothing of the kind"):
        asked_in_time(asker.source.access())
    asker.server.fail("sdk", "empty", path="/locations")
    with pytest.raises(SourceUnavailableError, match="knows no location"):
        asked_in_time(asker.source.access())


@pytest.mark.airflow
def test_a_connection_becomes_the_source_and_tells_what_it_may(asker: Asker) -> None:
    from airflow.sdk import Connection

    from airflow_carbon.hooks.carbon_aware_sdk import CarbonAwareSdkHook

    asker.server.clock = lambda: datetime.now(UTC)
    hook = CarbonAwareSdkHook(
        connection=Connection(
            conn_id="sdk",
            conn_type="carbon_aware_sdk",
            host=asker.server.base("sdk"),
            extra='{"signal": "average", "refresh": "15m"}',
        )
    )
    source = hook.source()
    assert isinstance(source, CarbonAwareSdk)
    assert source.refresh == timedelta(minutes=15)
    now = datetime.now(UTC)
    assert asked_in_time(source.forecast(EASTUS, now=now, until=now + HOUR)).signal is Signal.AVERAGE
    accepted, told = hook.test_connection()
    assert accepted
    assert told.startswith("server answers; ")
    assert hook.source_url(EASTUS).startswith("https://")
    assert hook.source_name == CarbonAwareSdk.name


@pytest.mark.airflow
def test_a_connection_must_say_which_signal_its_server_gives(asker: Asker) -> None:
    from airflow.sdk import Connection

    from airflow_carbon.hooks.carbon_aware_sdk import CarbonAwareSdkHook

    connection = Connection(conn_id="sdk", conn_type="carbon_aware_sdk", host=asker.server.base("sdk"))
    with pytest.raises(InvalidRequestError, match="'signal' is needed"):
        CarbonAwareSdkHook(connection=connection).source()
