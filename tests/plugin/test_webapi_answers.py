"""The SDK's WebApi: its documented shapes, meanings and refusals, and the bounds of what may be asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fakes.webapi_server import FixedGrid, series, webapi

from airflow_carbon.exceptions import (
    InvalidForecastError,
    InvalidRequestError,
    SourceAuthError,
    SourceResponseError,
    SourceUnavailableError,
    UnknownZoneError,
)

if TYPE_CHECKING:
    from airflow_carbon.core.location import Location

pytestmark = pytest.mark.airflow

#: A Monday; the file below begins a day before.
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BEGINS = NOON - timedelta(days=1)
HOUR = timedelta(hours=1)
#: By the hour from noon of the day before: 300 g/kWh, but 100 from 02:00 to 04:00 and 40 at 07:00 of the next morning.
VALUES = [40.0 if hour == 43 else 100.0 if hour in (38, 39) else 300.0 for hour in range(72)]


class Api:
    def __init__(self, url: str, grid: FixedGrid) -> None:
        self.url = url
        self.grid = grid
        self.http = httpx.Client(base_url=url, timeout=30, verify=False)

    def get(self, path: str, *pairs: tuple[str, Any], **query: Any) -> httpx.Response:
        return self.http.get(path, params=[*pairs, *query.items()])

    def answer(self, path: str, *pairs: tuple[str, Any], **query: Any) -> Any:
        response = self.get(path, *pairs, **query)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/json"
        return response.json()

    def refusal(self, path: str, *pairs: tuple[str, Any], status: int = 400, **query: Any) -> dict[str, Any]:
        return problem(self.get(path, *pairs, **query), status)

    def post(self, path: str, body: Any) -> httpx.Response:
        return self.http.post(path, json=body)


def problem(response: httpx.Response, status: int = 400) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert isinstance(body["title"], str)
    assert isinstance(body["errors"], dict)
    assert body["traceId"].startswith("00-")
    return body


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    source = series(tmp_path / "own.csv", BEGINS, HOUR, VALUES)
    grid = FixedGrid(NOON + timedelta(minutes=10), source, source)
    with webapi(grid) as url:
        api = Api(url, grid)
        yield api
        api.http.close()


CURRENT, BATCH = "/emissions/forecasts/current", "/emissions/forecasts/batch"
AVERAGE = "/emissions/average-carbon-intensity"
NIGHT = {"dataStartAt": "2026-03-02T14:00:00Z", "dataEndAt": "2026-03-03T08:00:00Z"}


# Forecasts ------------------------------------------------------------------------------------------------------------


def test_a_job_of_ten_minutes_from_14_to_08_next_morning_gets_the_documented_shape_and_meaning(api: Api) -> None:
    [answer] = api.answer(CURRENT, location="swedencentral", windowSize=10, **NIGHT)
    data = answer.pop("forecastData")
    best = {"location": "swedencentral", "timestamp": "2026-03-03T07:00:00+00:00", "duration": 10, "value": 40.0}
    assert answer == {
        "generatedAt": "2026-03-02T12:00:00+00:00",
        "requestedAt": "2026-03-02T12:10:00+00:00",
        "location": "swedencentral",
        "dataStartAt": "2026-03-02T14:00:00+00:00",
        "dataEndAt": "2026-03-03T08:00:00+00:00",
        "windowSize": 10,
        "optimalDataPoints": [best],
    }
    # One window per point, and none that ends after 08:00.
    assert [point["timestamp"][11:13] for point in data] == [f"{hour % 24:02d}" for hour in range(14, 32)]
    assert all(point["duration"] == 10 and point["location"] == "swedencentral" for point in data)
    assert data[17] == best
    assert [point["value"] for point in data[11:16]] == [300.0, 100.0, 100.0, 300.0, 300.0]


def test_a_window_longer_than_a_point_is_averaged_and_every_tie_is_named(api: Api) -> None:
    [answer] = api.answer(CURRENT, location="swedencentral", windowSize=90, **NIGHT)
    # 02:00 to 03:30 lies in the two hours of 100; 06:00 to 07:30 is (300 x 60 + 40 x 30) / 90.
    assert [(one["timestamp"][11:16], one["value"]) for one in answer["optimalDataPoints"]] == [("02:00", 100.0)]
    assert answer["forecastData"][16]["value"] == pytest.approx(640 / 3)
    [answer] = api.answer(CURRENT, location="swedencentral", windowSize=60, dataEndAt="2026-03-03T06:00:00Z")
    assert [one["timestamp"][11:16] for one in answer["optimalDataPoints"]] == ["02:00", "03:00"]


def test_without_a_window_the_points_themselves_come_and_windowsize_is_0(api: Api) -> None:
    [answer] = api.answer(CURRENT, location="swedencentral")
    assert answer["windowSize"] == 0
    assert answer["dataStartAt"] == answer["forecastData"][0]["timestamp"] == "2026-03-02T12:00:00+00:00"
    assert answer["dataEndAt"] == answer["forecastData"][-1]["timestamp"] == "2026-03-04T11:00:00+00:00"
    assert {point["duration"] for point in answer["forecastData"]} == {60}
    assert [one["value"] for one in answer["optimalDataPoints"]] == [40.0]


def test_exact_gives_the_one_optimum_of_any_minute_and_leaves_the_rest_as_it_is(api: Api) -> None:
    asked = {"location": "swedencentral", "windowSize": 90, "dataEndAt": "2026-03-03T07:20:00Z"}
    [rolled], [exact] = api.answer(CURRENT, **asked), api.answer(CURRENT, exact="true", **asked)
    # 02:00 to 03:30 is as good as any start up to 02:30; the earliest is told, once.
    assert [one["timestamp"][11:16] for one in exact["optimalDataPoints"]] == ["02:00"]
    assert exact | {"optimalDataPoints": []} == rolled | {"optimalDataPoints": []}
    [exact] = api.answer(CURRENT, location="swedencentral", windowSize=210, exact="true", **NIGHT)
    # It ends with the clean hour, at 08:00: (300 x 150 + 40 x 60) / 210, or it holds both of 100: 3.5 h from 00:30.
    assert [(one["timestamp"][11:16], one["duration"]) for one in exact["optimalDataPoints"]] == [("00:30", 210)]
    assert exact["optimalDataPoints"][0]["value"] == pytest.approx((100 * 120 + 300 * 90) / 210)


def test_exact_begins_no_earlier_than_now_where_no_start_is_given(api: Api) -> None:
    asked = {"location": "swedencentral", "windowSize": 15, "exact": "true", "dataEndAt": "2026-03-02T13:00:00Z"}
    for minute in (10, 30):
        api.grid.moment = NOON + timedelta(minutes=minute)
        [answer] = api.answer(CURRENT, **asked)
        assert answer["optimalDataPoints"][0]["timestamp"] == f"2026-03-02T12:{minute}:00+00:00"


def test_exact_is_never_late_where_the_sdks_first_window_is(api: Api) -> None:
    asked = {"location": "swedencentral", "windowSize": 45, "dataEndAt": "2026-03-02T14:30:00Z"}
    asked |= {"dataStartAt": "2026-03-02T14:00:00Z"}
    assert len(api.answer(CURRENT, **asked)[0]["optimalDataPoints"]) == 1
    assert api.answer(CURRENT, exact="true", **asked)[0]["optimalDataPoints"] == []


def test_a_window_longer_than_the_data_gives_empty_lists(api: Api) -> None:
    [answer] = api.answer(CURRENT, location="swedencentral", windowSize=10000)
    assert (answer["forecastData"], answer["optimalDataPoints"]) == ([], [])


def test_each_location_gets_its_own_forecast_in_the_order_asked(api: Api) -> None:
    pairs = [("location", name) for name in ("eastus", "zone:DE", "51.5,-0.12", "eastus")]
    answers = api.answer(CURRENT, *pairs, windowSize=10)
    assert [one["location"] for one in answers] == [name for _, name in pairs]
    assert [one["optimalDataPoints"][0]["location"] for one in answers] == [name for _, name in pairs]


def test_names_of_parameters_have_no_case_and_the_documented_plural_is_taken(api: Api) -> None:
    pairs = [("Locations", "eastus"), ("locations", "westus"), ("WINDOWSIZE", "30"), ("unheardOf", "1")]
    answers = api.answer(CURRENT, *pairs)
    assert [(one["location"], one["windowSize"]) for one in answers] == [("eastus", 30), ("westus", 30)]


def test_a_moment_without_an_offset_is_utc_and_others_come_back_in_utc(api: Api) -> None:
    asked = {"location": "eastus", "dataStartAt": "2026-03-02T15:00:00", "dataEndAt": "2026-03-03T01:00:00+02:00"}
    [answer] = api.answer(CURRENT, **asked)
    assert (answer["dataStartAt"], answer["dataEndAt"]) == ("2026-03-02T15:00:00+00:00", "2026-03-02T23:00:00+00:00")


def test_an_answer_that_is_kept_tells_the_moment_of_each_request(api: Api) -> None:
    first = api.answer(CURRENT, location="eastus", windowSize=30)
    api.grid.moment += timedelta(seconds=2.5)
    [second] = api.answer(CURRENT, location="eastus", windowSize=30)
    assert second["requestedAt"] == "2026-03-02T12:10:02.5+00:00"
    assert [second | {"requestedAt": first[0]["requestedAt"]}] == first


def test_an_answer_is_the_same_packed_and_plain(api: Api) -> None:
    asked = {"params": {"location": ["eastus", "DE"], "windowSize": 30}}
    packed, plain = (api.http.get(CURRENT, headers={"accept-encoding": kind}, **asked) for kind in ("gzip", "identity"))
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) * 4 < int(plain.headers["content-length"])
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content


@pytest.mark.parametrize(
    ("query", "name", "said"),
    [
        ({}, "location", "location is not set"),
        ({"location": ""}, "location", "location is not set"),
        ({"location": "eastus", "windowSize": "ten"}, "windowSize", "The value 'ten' is not valid."),
        ({"location": "eastus", "windowSize": "2.5"}, "windowSize", "The value '2.5' is not valid."),
        ({"location": "eastus", "windowSize": "-5"}, "windowSize", "between 0 and 10080"),
        ({"location": "eastus", "windowSize": "10081"}, "windowSize", "between 0 and 10080"),
        ({"location": "eastus", "exact": "perhaps"}, "exact", "The value 'perhaps' is not valid."),
        ({"location": "eastus", "dataStartAt": "soon"}, "dataStartAt", "The value 'soon' is not valid."),
        ({"location": "eastus", "dataStartAt": "0001-01-01T00:00:00+14:00"}, "dataStartAt", "is not valid"),
        ({"location": "eastus", "dataEndAt": "9999-12-31T23:59:59-14:00"}, "dataEndAt", "is not valid"),
        ({"location": "eastus", "dataEndAt": "2026-03-30T00:00:00Z"}, "dataEndAt", "within 7 days"),
        ({"location": "eastus", "dataEndAt": "2026-03-05T12:00:00Z"}, "dataEndAt", "must be within time range of the"),
        ({"location": "eastus", "dataEndAt": "2026-03-02T12:00:00Z"}, "dataStartAt", "must be earlier than dataEndAt"),
        (
            {"location": "eastus", "dataStartAt": "2026-03-02T11:00:00Z"},
            "dataStartAt",
            "dataStartAt must be within time range of the forecasted data, "
            "'2026-03-02T12:00:00+00:00' through '2026-03-04T12:00:00+00:00'",
        ),
        (
            {"location": "eastus", "dataStartAt": "2026-03-02T15:00:00Z", "dataEndAt": "2026-03-02T14:00:00Z"},
            "dataStartAt",
            "dataStartAt must be earlier than dataEndAt",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_parameter(api: Api, query: dict[str, str], name: str, said: str) -> None:
    assert said in api.refusal(CURRENT, **query)["errors"][name][0]


def test_a_plus_that_was_not_encoded_is_explained(api: Api) -> None:
    answer = problem(api.http.get(f"{CURRENT}?location=eastus&dataStartAt=2026-03-02T14:00:00+00:00"))
    assert "Write + as %2B." in answer["errors"]["dataStartAt"][0]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("atlantis", "Unknown Location: 'atlantis' not found"),
        ("azure:swedencentrall", "did you mean azure:swedencentral"),
        ("ibm:eu-de", "Unknown Location: 'ibm:eu-de' not found"),
        ("91,0", "Unknown Location: '91,0' not found"),
        ("0,-30", "not found"),
        ("x" * 5000, "not found"),
        ("zone:<script>", "not found"),
    ],
)
def test_an_unknown_location_is_told_as_the_sdk_does(api: Api, name: str, said: str) -> None:
    class Knowing:
        name, refresh = "knowing", HOUR

        async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Any:
            raise UnknownZoneError(f"{location}: far from all")

    api.grid.chain = Knowing()  # type: ignore[assignment]
    answer = api.refusal(CURRENT, location=name)
    assert answer["title"] == "ArgumentException"
    assert said in answer["detail"]
    assert len(answer["detail"]) < 400


def test_more_locations_than_a_hundred_are_refused(api: Api) -> None:
    assert len(api.answer(CURRENT, *[("location", "eastus")] * 100, windowSize=10)) == 100
    assert "101 locations" in api.refusal(CURRENT, *[("location", "eastus")] * 101)["errors"]["location"][0]
    assert "500 fields" in str(api.refusal(CURRENT, *[("x", "1")] * 600)["errors"])


def test_an_answer_of_too_many_points_is_refused(api: Api, tmp_path: Path) -> None:
    minutely = series(tmp_path / "minutely.csv", NOON, timedelta(minutes=1), [1.0] * 4000)
    api.grid.chain = minutely
    assert "100000 points" in str(api.refusal(CURRENT, *[("location", "eastus")] * 30)["errors"])


# Forecasts of the past ------------------------------------------------------------------------------------------------


def test_a_forecast_of_the_past_is_scoped_like_the_present_one(api: Api) -> None:
    asked = {"requestedAt": "2026-03-02T01:30:00Z", "location": "eastus", "windowSize": 60}
    response = api.post(BATCH, [asked, {"RequestedAt": "2026-03-02T12:05:00Z", "Location": "DE", "exact": True}])
    early, late = response.json()
    assert early["requestedAt"] == "2026-03-02T01:30:00+00:00"
    assert early["generatedAt"] == early["dataStartAt"] == "2026-03-02T01:00:00+00:00"
    assert (early["windowSize"], early["forecastData"][0]["duration"]) == (60, 60)
    assert (late["location"], late["windowSize"], late["requestedAt"][11:16]) == ("DE", 0, "12:05")
    assert api.post(BATCH, []).json() == []


def test_a_source_that_keeps_no_earlier_forecasts_answers_501_to_the_past_and_the_present_one_to_now(api: Api) -> None:
    api.grid.earlier = None
    now, past = ({"requestedAt": f"2026-03-02T{clock}:00Z", "location": "eastus"} for clock in ("12:00", "11:59"))
    assert api.post(BATCH, [now]).status_code == 200
    assert problem(api.post(BATCH, [now, past]), 501)["title"] == "NotImplementedException"


@pytest.mark.parametrize(
    ("body", "name", "said"),
    [
        ([{"location": "eastus"}], "requestedAt", "requestedAt is not set"),
        ([{"requestedAt": "2026-03-02T12:00:00Z"}], "location", "location is not set"),
        ([{}], "location", "location is not set"),
        ([{"requestedAt": "2021-9-1T00:00:00Z", "location": "eastus"}], "requestedAt", "is not valid"),
        ([{"requestedAt": 5, "location": "eastus"}], "requestedAt", "is not valid"),
        ([{"requestedAt": "2026-03-02T12:00:00Z", "location": {}}], "location", "is not valid"),
        ([{"requestedAt": "2026-03-02T12:20:00Z", "location": "eastus"}], "requestedAt", "must not lie in the future"),
        ([{"requestedAt": "2020-03-02T12:00:00Z", "location": "eastus"}], "requestedAt", "no forecast is known"),
        ([{"requestedAt": "2026-03-02T12:00:00Z", "location": "eastus", "windowSize": "5"}], "windowSize", "not valid"),
        (
            [{"requestedAt": "2026-03-02T12:00:00Z", "location": "eastus", "windowSize": True}],
            "windowSize",
            "not valid",
        ),
        ([{"requestedAt": "2026-03-02T12:00:00Z", "location": "eastus"}] * 201, "", "201 items"),
        ({}, "$", "list of objects"),
        ([[]], "$", "list of objects"),
        (7, "$", "list of objects"),
    ],
)
def test_what_is_wrong_in_a_batch_is_named(api: Api, body: Any, name: str, said: str) -> None:
    assert said in problem(api.post(BATCH, body))["errors"][name][0]


def test_a_body_that_is_no_json_too_large_or_not_declared_is_refused(api: Api) -> None:
    kind = {"content-type": "application/json; charset=utf-8"}
    for path in (BATCH, f"{AVERAGE}/batch"):
        assert "JSON" in str(problem(api.http.post(path, content=b"[" * 100_000, headers=kind))["errors"])
        assert "256 KiB" in str(problem(api.http.post(path, content=b" " * 300_000, headers=kind))["errors"])
        assert "JSON" in str(problem(api.http.post(path, content=b"\xff\xfe", headers=kind))["errors"])
        assert problem(api.http.post(path, content=b"[]", headers={"content-type": "text/plain"}), 415)


# The past -------------------------------------------------------------------------------------------------------------


def test_emissions_of_a_location_have_the_documented_shape(api: Api) -> None:
    rows = api.answer(
        "/emissions/bylocation", location="eastus", time="2026-03-02T01:30:00Z", toTime="2026-03-02T04:00Z"
    )
    # The point that holds the begin comes first, the one that begins at the end comes last.
    assert [row["time"] for row in rows] == [f"2026-03-02T0{hour}:00:00+00:00" for hour in range(1, 5)]
    assert rows[0] == {
        "location": "eastus",
        "time": "2026-03-02T01:00:00+00:00",
        "rating": 300.0,
        "duration": "01:00:00",
    }


def test_emissions_of_now_are_the_point_that_holds_now(api: Api) -> None:
    [row] = api.answer("/emissions/bylocation", location="eastus")
    assert row["time"] == "2026-03-02T12:00:00+00:00"
    [row] = api.answer("/emissions/bylocation", location="eastus", time="2026-03-02T05:59:59.9Z")
    assert row["time"] == "2026-03-02T05:00:00+00:00"


def test_where_nothing_is_measured_yet_the_forecast_tells_what_holds_now(api: Api) -> None:
    inner = api.grid.chain

    class Late:
        name, refresh = "late", HOUR

        async def history(self, location: Location, *, start: datetime, end: datetime) -> Any:
            raise SourceUnavailableError("nothing of that hour yet")

        async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Any:
            return await inner.forecast(location, now=now, until=until)

    api.grid.chain = Late()  # type: ignore[assignment]
    [row] = api.answer("/emissions/bylocation", location="eastus")
    assert (row["time"], row["rating"]) == ("2026-03-02T12:00:00+00:00", 300.0)
    problem(api.get("/emissions/bylocation", location="eastus", time="2026-03-02T05:00:00Z"), 503)


def test_what_lies_in_the_future_is_no_content(api: Api) -> None:
    for path in ("bylocation", "bylocations", "bylocations/best"):
        response = api.get(f"/emissions/{path}", location="eastus", time="2026-03-02T13:00:00Z")
        assert (response.status_code, response.content) == (204, b"")
    rows = api.answer(
        "/emissions/bylocation", location="eastus", time="2026-03-02T11:30:00Z", toTime="2026-03-02T15:00Z"
    )
    assert [row["time"][11:13] for row in rows] == ["11", "12"]


def test_the_best_rows_are_all_that_share_the_lowest_rating(api: Api) -> None:
    inner, greener = api.grid.chain, api.grid.chain

    class ByName:
        name, refresh = "by name", HOUR

        async def history(self, location: Location, *, start: datetime, end: datetime) -> Any:
            return await (greener if location.name == "westus" else inner).history(location, start=start, end=end)

    api.grid.chain = ByName()  # type: ignore[assignment]
    api.grid.moment = NOON + timedelta(hours=24)
    pairs = [
        ("location", "eastus"),
        ("location", "westus"),
        ("time", "2026-03-03T01:30:00Z"),
        ("toTime", "2026-03-03T05:00Z"),
    ]
    assert len(api.answer("/emissions/bylocations", *pairs)) == 10
    best = api.answer("/emissions/bylocations/best", *pairs)
    assert [(row["location"], row["time"][11:13], row["rating"]) for row in best] == [
        ("eastus", "02", 100.0),
        ("eastus", "03", 100.0),
        ("westus", "02", 100.0),
        ("westus", "03", 100.0),
    ]


@pytest.mark.parametrize(
    ("query", "name", "said"),
    [
        ({"toTime": "2026-03-02T01:00Z"}, "time", "time must be defined if toTime is defined"),
        ({"time": "2026-03-02T02:00Z", "toTime": "2026-03-02T01:00Z"}, "time", "time must be before toTime"),
        ({"time": "2026-03-02T02:00Z", "toTime": "2026-03-02T02:00Z"}, "time", "time must be before toTime"),
        ({"time": "2025-03-02T02:00Z", "toTime": "2026-03-02T02:00Z"}, "toTime", "not be longer than 31 days"),
        ({"time": "yesterday"}, "time", "The value 'yesterday' is not valid."),
    ],
)
def test_a_time_that_cannot_be_is_named(api: Api, query: dict[str, str], name: str, said: str) -> None:
    for path in ("bylocation", "bylocations", "bylocations/best"):
        assert said in api.refusal(f"/emissions/{path}", location="eastus", **query)["errors"][name][0]


@pytest.mark.parametrize(
    ("start", "end", "mean"),
    [("00:00", "00:20", 25), ("00:04", "00:20", 28.75), ("00:00", "00:16", 21.25), ("00:02:30", "00:17:30", 25)],
)
def test_the_average_over_a_time_is_the_sdks(api: Api, tmp_path: Path, start: str, end: str, mean: float) -> None:
    api.grid.chain = series(tmp_path / "tens.csv", NOON.replace(hour=0), timedelta(minutes=5), [10, 20, 30, 40])
    asked = {"location": "eastus", "startTime": f"2026-03-02T{start}", "endTime": f"2026-03-02T{end}"}
    answer = api.answer(AVERAGE, **asked)
    assert answer.pop("carbonIntensity") == pytest.approx(mean)
    begins, ends = (f"2026-03-02T{clock.ljust(8, ':')[:5]}:{clock[6:] or '00'}+00:00" for clock in (start, end))
    assert answer == {"location": "eastus", "startTime": begins, "endTime": ends}
    strict = asked | {"startTime": f"2026-03-02T{start}Z", "endTime": f"2026-03-02T{end}Z"}
    both = api.post(f"{AVERAGE}/batch", [strict, strict | {"location": "westus"}]).json()
    assert [one["location"] for one in both] == ["eastus", "westus"]
    assert [one["carbonIntensity"] for one in both] == pytest.approx([mean, mean])


@pytest.mark.parametrize(
    ("query", "name", "said"),
    [
        ({}, "startTime", "startTime is not set"),
        ({"startTime": "2026-03-02T00:00Z"}, "endTime", "endTime is not set"),
        (
            {"startTime": "2026-03-02T02:00Z", "endTime": "2026-03-02T01:00Z"},
            "startTime",
            "startTime must be before endTime",
        ),
        ({"startTime": "2026-03-02T02:00Z", "endTime": "2026-03-02T13:00Z"}, "endTime", "not lie in the future"),
        ({"startTime": "2026-03-01T11:00Z", "endTime": "2026-03-01T13:00Z"}, "startTime", "data does not cover"),
        ({"startTime": "2025-01-01T11:00Z", "endTime": "2026-03-01T13:00Z"}, "endTime", "31 days"),
    ],
)
def test_an_average_that_cannot_be_is_refused(api: Api, query: dict[str, str], name: str, said: str) -> None:
    assert said in api.refusal(AVERAGE, location="eastus", **query)["errors"][name][0]


def test_all_that_is_missing_is_named_at_once(api: Api) -> None:
    assert set(api.refusal(AVERAGE)["errors"]) == {"location", "startTime", "endTime"}


# Locations and faults -------------------------------------------------------------------------------------------------


def test_every_listed_location_may_be_asked_for(api: Api) -> None:
    known = api.answer("/locations")
    assert (
        known["swedencentral"]
        == {"latitude": "60.67", "longitude": "17.14", "name": "swedencentral"} | known["swedencentral"]
    )
    assert {"eastus", "eu-west-1", "europe-west4"} <= set(known)
    assert all(isinstance(one["latitude"], str) and one["name"] == name for name, one in known.items())
    names = sorted(known)
    for begin in range(0, len(names), 100):
        pairs = [("location", name) for name in names[begin : begin + 100]]
        assert len(api.answer(CURRENT, *pairs, windowSize=10, dataEndAt="2026-03-02T14:00Z")) == len(pairs)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SourceAuthError("the key s3cr3t-key is refused"), 403),
        (SourceUnavailableError("https://user:s3cr3t-key@host is down"), 503),
        (SourceResponseError("not 's3cr3t-key'"), 502),
        (InvalidForecastError("line 3: s3cr3t-key"), 502),
        (InvalidRequestError("connection 'x': password s3cr3t-key"), 400),
        (UnknownZoneError("s3cr3t-key"), 400),
        (RuntimeError("s3cr3t-key"), 500),
    ],
)
def test_what_a_source_says_stays_in_the_log(api: Api, error: Exception, status: int) -> None:
    class Failing:
        name, refresh = "failing", HOUR

        async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Any:
            raise error

        history = forecast

    api.grid.chain = Failing()  # type: ignore[assignment]
    for path in (CURRENT, "/emissions/bylocation", AVERAGE):
        times = {"startTime": "2026-03-02T01:00Z", "endTime": "2026-03-02T02:00Z"} if path == AVERAGE else {}
        if path == CURRENT or not isinstance(error, RuntimeError):
            Failing.history = _raising(error)  # type: ignore[assignment]
            response = api.get(path, location="eastus", **times)
            assert "s3cr3t" not in response.text
            assert problem(response, status)["title"] != ""


def _raising(error: Exception) -> Any:
    async def history(self: Any, location: Location, *, start: datetime, end: datetime) -> Any:
        raise error

    return history


def test_the_openapi_document_names_every_route_and_parameter(api: Api) -> None:
    document = json.loads(api.http.get("/openapi.json").text)
    assert set(document["paths"]) == {
        CURRENT,
        BATCH,
        AVERAGE,
        f"{AVERAGE}/batch",
        "/emissions/bylocation",
        "/emissions/bylocations",
        "/emissions/bylocations/best",
        "/locations",
    }
    current = document["paths"][CURRENT]["get"]
    names = [parameter["name"] for parameter in current["parameters"]]
    assert names == ["location", "dataStartAt", "dataEndAt", "windowSize", "exact"]
    assert {"200", "400", "403", "501", "502", "503"} <= set(current["responses"])
