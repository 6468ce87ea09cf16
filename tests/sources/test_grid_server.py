"""The fake that stands for the services: it says what their sheets say, and fails as it is told."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes.answers.common import EC_COUNTRIES, EM_ZONES, WT_REGIONS
from fakes.grid_server import EM_TOKEN, WT_PASSWORD, WT_USER, GridServer, Steps

NOW = datetime(2026, 8, 22, 17, 31, 12, 500_000, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
FORECAST = "/v4/carbon-intensity/forecast?disableCallerLookup=true&zone=DE"
#: One question of each service that has rows for an answer.
ASKED = {
    "em": FORECAST,
    "wt": "/v3/forecast?region=DE&signal_type=co2_moer",
    "sdk": "/emissions/forecasts/current?location=eastus",
    "uk": "/intensity/2026-08-22T17:31Z/fw24h",
    "ec": "/co2eq?country=de",
}


class Client:
    """Ask the server, with all that opens its doors."""

    def __init__(self, server: GridServer) -> None:
        self.server, self.http = server, httpx.Client(timeout=10)
        self.token = ""

    def get(self, vendor: str, path: str, **more: Any) -> httpx.Response:
        headers = {"em": {"auth-token": EM_TOKEN}, "wt": {"authorization": f"Bearer {self.token}"}}.get(vendor, {})
        return self.http.get(self.server.base(vendor) + path, **{"headers": headers, **more})

    def login(self) -> str:
        self.token = self.get("wt", "/login", headers={}, auth=(WT_USER, WT_PASSWORD)).json()["token"]
        return self.token

    def json(self, vendor: str, path: str) -> Any:
        answer = self.get(vendor, path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, vendor: str, path: str, **more: Any) -> tuple[int, Any]:
        answer = self.get(vendor, path, **more)
        kind = answer.headers["content-type"]
        return answer.status_code, answer.json() if "json" in kind else answer.text


@pytest.fixture
def server() -> Iterator[GridServer]:
    with GridServer() as server:
        server.clock = lambda: NOW
        yield server


@pytest.fixture
def client(server: GridServer) -> Iterator[Client]:
    client = Client(server)
    with client.http:
        client.login()
        server.forget()
        yield client


def test_each_zone_has_a_level_of_its_own_and_half_of_it_at_night(server: GridServer) -> None:
    zones = EM_ZONES | WT_REGIONS | {country.upper() for country in EC_COUNTRIES} | {f"GB-{n}" for n in range(1, 18)}
    midday = datetime(2026, 8, 22, 12, tzinfo=UTC)
    assert len({server.value(zone, midday) for zone in zones}) == len(zones)
    # Germany's level is 259: 259 + 60 - 5 x |12 - 18| = 289 at noon, and 259 // 2 = 129 at night.
    assert [server.value("DE", midday.replace(hour=hour)) for hour in (1, 2, 4, 5, 12)] == [234, 129, 129, 254, 289]


def test_a_series_may_be_a_number_a_callable_or_steps(server: GridServer, client: Client) -> None:
    server.series = {"A": 5.5, "B": lambda moment: moment.hour, "C": Steps(NOW, MINUTE, (1, 2, 3))}
    assert [server.value(zone, NOW) for zone in "ABC"] == [5.5, 17, 1]
    assert [server.value("C", NOW + minutes * MINUTE) for minutes in (-9, 1, 99)] == [1, 2, 3]
    assert client.json("em", "/v4/carbon-intensity/latest?zone=A")["carbonIntensity"] == 5.5


class TestElectricityMaps:
    def test_a_forecast_of_24_hours_has_25_rows_from_the_running_hour(self, client: Client) -> None:
        answer = client.json("em", FORECAST)
        assert set(answer) == {"zone", "forecast", "updatedAt", "temporalGranularity"}
        assert (answer["zone"], len(answer["forecast"])) == ("DE", 25)
        assert answer["forecast"][0] == {"carbonIntensity": 314, "datetime": "2026-08-22T17:00:00.000Z"}
        assert answer["updatedAt"] == "2026-08-22T17:31:12.500Z"

    def test_steps_of_one_minute_are_served_on_request(self, server: GridServer, client: Client) -> None:
        server.step["em"] = MINUTE
        rows = client.json("em", FORECAST + "&horizonHours=6")["forecast"]
        assert (len(rows), rows[1]["datetime"]) == (361, "2026-08-22T17:32:00.000Z")

    def test_version_3_leaves_out_what_came_later(self, client: Client) -> None:
        latest = [client.json("em", f"/{version}/carbon-intensity/latest?zone=DE") for version in ("v3", "v4")]
        assert set(latest[1]) - set(latest[0]) == {"flowTraced"}

    def test_a_place_that_it_cannot_resolve_becomes_the_callers_own(self, client: Client) -> None:
        assert client.json("em", "/v4/carbon-intensity/latest?zone=XX")["zone"] == "FR"
        path = "/v4/carbon-intensity/latest?zone=XX&disableCallerLookup=true"
        assert client.refused("em", path) == (404, {"error": 'No recent data for zone "XX"'})

    @pytest.mark.parametrize(
        "place", ["zone=GB", "lat=51.4&lon=0.1", "dataCenterProvider=aws&dataCenterRegion=eu-west-2"]
    )
    def test_a_place_is_found_three_ways(self, client: Client, place: str) -> None:
        assert client.json("em", f"/v4/carbon-intensity/latest?disableCallerLookup=true&{place}")["zone"] == "GB"

    @pytest.mark.parametrize(("granularity", "rows"), [("hourly", 24), ("15_minutes", 96), ("5_minutes", 288)])
    def test_history_is_a_day_oldest_first(self, client: Client, granularity: str, rows: int) -> None:
        answer = client.json("em", f"/v4/carbon-intensity/history?zone=DE&temporalGranularity={granularity}")
        moments = [row["datetime"] for row in answer["history"]]
        assert (len(moments), answer["temporalGranularity"]) == (rows, granularity)
        assert moments == sorted(moments)

    def test_a_past_range_ends_before_its_end_and_spans_ten_days_at_most(self, client: Client) -> None:
        path = "/v4/carbon-intensity/past-range?zone=DE&start=2026-08-09T00:00:00Z&end=2026-08-19T00:00:00Z"
        rows = client.json("em", path)["data"]
        assert (len(rows), rows[-1]["datetime"]) == (240, "2026-08-18T23:00:00.000Z")
        assert client.get("em", path.replace("08-19T00", "08-19T01")).status_code == 400

    def test_a_plan_without_the_forecast_says_so(self, server: GridServer, client: Client) -> None:
        server.em_zones = {"FR"}
        status, body = client.refused("em", FORECAST)
        assert (status, body["error"]) == (
            401,
            "Request unauthorized for zoneKey=DE,requestType=forecast,dataType=carbon-intensity.",
        )
        zones = client.json("em", "/v4/zones")
        assert ["carbon-intensity/forecast" in zones[zone]["access"] for zone in ("DE", "FR")] == [False, True]

    def test_a_wrong_token_is_refused_and_zones_need_none(self, client: Client) -> None:
        wrong = {"headers": {"auth-token": "wrong"}}
        assert client.refused("em", FORECAST, **wrong) == (401, {"error": "Invalid auth-token"})
        assert client.get("em", "/v4/zones", headers={}).json()["DE"]["access"] == ["carbon-intensity/latest"]

    def test_a_horizon_between_the_plans_is_refused(self, client: Client) -> None:
        assert client.get("em", FORECAST + "&horizonHours=7").status_code == 400


class TestWattTime:
    def test_each_login_gives_a_new_token_and_old_ones_expire(self, server: GridServer, client: Client) -> None:
        assert client.login() != client.login()
        assert client.get("wt", ASKED["wt"]).status_code == 200
        server.clock = lambda: NOW + 30 * MINUTE
        assert client.refused("wt", ASKED["wt"]) == (401, "Jwt is expired")
        assert client.refused("wt", ASKED["wt"], headers={}) == (401, "Jwt is missing")

    def test_a_wrong_password_meets_the_proxys_page(self, client: Client) -> None:
        status, page = client.refused("wt", "/login", headers={}, auth=(WT_USER, "wrong"))
        assert (status, page[:6]) == (403, "<html>")

    def test_a_forecast_is_in_pounds(self, server: GridServer, client: Client) -> None:
        server.series["DE"] = 453.59237
        answer = client.json("wt", ASKED["wt"])
        assert len(answer["data"]) == 288
        # 453.59237 g/kWh are one pound per kWh: 1000 lb/MWh.
        assert answer["data"][0] == {"point_time": "2026-08-22T17:30:00+00:00", "value": pytest.approx(1000, abs=1e-9)}
        assert (answer["meta"]["units"], answer["meta"]["data_point_period_seconds"]) == ("lbs_co2_per_mwh", 300)

    @pytest.mark.parametrize(("hours", "points"), [(0, 1), (1, 12), (72, 864)])
    def test_the_horizon_is_what_was_asked_for(self, client: Client, hours: int, points: int) -> None:
        assert len(client.json("wt", ASKED["wt"] + f"&horizon_hours={hours}")["data"]) == points

    def test_history_includes_both_ends_and_spans_32_days(self, client: Client) -> None:
        path = "/v3/historical?region=DE&signal_type=co2_moer&start=2026-07-01T00:00Z&end="
        points = client.json("wt", path + "2026-07-01T01:00Z")["data"]
        assert (len(points), points[-1]["point_time"]) == (13, "2026-07-01T01:00:00+00:00")
        assert client.get("wt", path + "2026-08-02T00:00Z").status_code == 200
        assert client.get("wt", path + "2026-08-02T00:05Z").status_code == 400
        assert client.get("wt", path + "2026-07-01T01:00").status_code == 400

    def test_a_region_outside_the_plan_lacks_the_scope(self, server: GridServer, client: Client) -> None:
        server.wt_regions = {"CAISO_NORTH"}
        status, body = client.refused("wt", ASKED["wt"])
        assert (status, body["message"][:14]) == (403, "Invalid scope.")
        [signal] = client.json("wt", "/v3/my-access")["signal_types"]
        assert [row["region"] for row in signal["regions"]] == ["CAISO_NORTH"]

    def test_a_signal_index_is_a_percentile_of_the_day_ahead(self, server: GridServer, client: Client) -> None:
        server.series["DE"] = lambda moment: 100 if moment.hour == 17 else 50
        # 12 points of the hour to come tomorrow and in this hour are as dirty as now, the others cleaner.
        [point] = client.json("wt", "/v3/signal-index?region=DE&signal_type=co2_moer")["data"]
        assert point["value"] == 100.0
        server.series["DE"] = lambda moment: 100 if moment.hour == 17 else 150
        [point] = client.json("wt", "/v3/signal-index?region=DE&signal_type=co2_moer")["data"]
        assert point["value"] == pytest.approx(100 * 12 / 288)

    def test_coordinates_find_their_region_or_none(self, client: Client) -> None:
        path = "/v3/region-from-loc?signal_type=co2_moer"
        assert client.json("wt", path + "&latitude=38&longitude=-121")["region"] == "CAISO_NORTH"
        assert client.refused("wt", path + "&latitude=0&longitude=0")[0] == 404


class TestCarbonAwareSdk:
    @pytest.mark.parametrize(
        ("window", "values"), [(10, [15, 25, 35]), (5, [10, 20, 30, 40]), (15, [20, 30]), (0, [10, 20, 30, 40])]
    )
    def test_its_rolling_averages_are_those_of_its_own_tests(
        self, server: GridServer, client: Client, window: int, values: list[float]
    ) -> None:
        begin = datetime(2026, 8, 22, 17, 30, tzinfo=UTC)
        server.series["PJM_DC"] = Steps(begin, 5 * MINUTE, (10, 20, 30, 40))
        # Raw points count up to the end itself, so the end stands before the fifth; windows may not pass it.
        end = "17:50:00" if window else "17:49:59"
        times = f"dataStartAt=2026-08-22T17:30:00Z&dataEndAt=2026-08-22T{end}Z"
        [answer] = client.json("sdk", f"{ASKED['sdk']}&windowSize={window}&{times}")
        assert [row["value"] for row in answer["forecastData"]] == pytest.approx(values)
        assert [row["value"] for row in answer["optimalDataPoints"]] == [values[0]]
        assert answer["forecastData"][0]["duration"] == (window or 5)

    def test_a_forecast_by_default_is_a_day_of_raw_points(self, client: Client) -> None:
        [answer] = client.json("sdk", ASKED["sdk"])
        assert (len(answer["forecastData"]), answer["windowSize"]) == (288, 0)
        assert (answer["dataStartAt"], answer["dataEndAt"]) == (
            "2026-08-22T17:30:00+00:00",
            "2026-08-23T17:25:00+00:00",
        )
        assert answer["requestedAt"] == "2026-08-22T17:31:12.5+00:00"

    def test_emissions_carry_a_duration_as_dotnet_writes_it(self, client: Client) -> None:
        path = "/emissions/bylocations?location=eastus&location=uksouth"
        rows = client.json("sdk", path + "&time=2026-08-22T17:00:00Z&toTime=2026-08-22T17:04:00Z")
        assert [row["location"] for row in rows] == ["PJM_DC", "UK"]
        assert {row["duration"] for row in rows} == {"00:05:00"}
        assert client.get("sdk", "/emissions/bylocation?location=eastus&time=2027-01-01T00:00:00Z").status_code == 204

    def test_an_average_weighs_by_time(self, server: GridServer, client: Client) -> None:
        begin = datetime(2026, 8, 22, 12, tzinfo=UTC)
        server.series["PJM_DC"] = Steps(begin, 5 * MINUTE, (10, 20, 30, 40))
        path = (
            "/emissions/average-carbon-intensity?location=eastus&startTime=2026-08-22T12:{}Z&endTime=2026-08-22T12:{}Z"
        )
        for start, end, mean in (("00:00", "20:00", 25), ("04:00", "20:00", 28.75), ("00:00", "16:00", 21.25)):
            assert client.json("sdk", path.format(start, end))["carbonIntensity"] == pytest.approx(mean)

    def test_it_complains_in_problem_json(self, server: GridServer, client: Client) -> None:
        unknown = client.get("sdk", "/emissions/bylocation?location=nowhere")
        assert (unknown.status_code, unknown.headers["content-type"]) == (400, "application/problem+json")
        assert unknown.json()["detail"] == "Unknown Location: 'nowhere' not found"
        server.sdk_forecasts = False
        assert client.get("sdk", ASKED["sdk"]).status_code == 501
        server.fail("sdk", "429")
        assert client.get("sdk", ASKED["sdk"]).json()["title"] == "WattTimeClientHttpException"


class TestUkCarbonIntensity:
    def test_two_days_ahead_are_96_half_hours_without_an_actual(self, client: Client) -> None:
        rows = client.json("uk", "/intensity/2026-08-22T17:31Z/fw48h")["data"]
        assert len(rows) == 96
        assert (rows[0]["from"], rows[0]["to"]) == ("2026-08-22T17:30Z", "2026-08-22T18:00Z")
        assert {row["intensity"]["actual"] for row in rows} == {None}

    def test_the_current_period_is_the_last_complete_one(self, server: GridServer, client: Client) -> None:
        [row] = client.json("uk", "/intensity")["data"]
        true = server.value("GB", NOW)
        assert (row["from"], row["intensity"]["actual"]) == ("2026-08-22T17:00Z", true)
        assert row["intensity"]["forecast"] == true + 2

    def test_a_range_spans_fourteen_days_at_most(self, client: Client) -> None:
        assert len(client.json("uk", "/intensity/2026-08-08T00:00Z/2026-08-22T00:00Z")["data"]) == 14 * 48
        status, body = client.refused("uk", "/intensity/2026-08-08T00:00Z/2026-08-22T00:01Z")
        assert (status, body["error"]["code"]) == (400, "400 Bad Request")

    def test_a_region_comes_as_a_list_now_and_as_an_object_over_a_range(
        self, server: GridServer, client: Client
    ) -> None:
        [now] = client.json("uk", "/regional/regionid/13")["data"]
        ahead = client.json("uk", "/regional/intensity/2026-08-22T17:31Z/fw24h/postcode/SE1")["data"]
        assert (now["shortname"], ahead["shortname"], ahead["postcode"]) == ("London", "London", "SE1")
        assert (len(now["data"]), len(ahead["data"])) == (1, 48)
        assert ahead["data"][0]["intensity"]["forecast"] == server.value("GB-13", NOW)

    def test_a_postcode_is_its_outward_part(self, client: Client) -> None:
        status, body = client.refused("uk", "/regional/postcode/ZZ1")
        assert (status, body["error"]["message"]) == (400, "No postcode match can be found.")
        full = client.get("uk", "/regional/postcode/RG10 9XX")
        assert (full.status_code, full.content) == (200, b"")


class TestEnergyCharts:
    def test_its_arrays_run_in_parallel_and_one_of_two_is_set(self, client: Client) -> None:
        answer = client.json("ec", "/co2eq?country=de&start=2026-08-22T17:00Z&end=2026-08-22T18:00Z")
        assert answer["unix_seconds"] == [1787418000, 1787418900, 1787419800, 1787420700]
        # At 17:31 the quarter hour from 17:30 has not been measured.
        assert answer["co2eq"] == [314, 314, None, None]
        assert answer["co2eq_forecast"] == [None, None, 314, 314]

    def test_it_knows_no_more_than_tomorrow(self, client: Client) -> None:
        answer = client.json("ec", "/co2eq?country=de&start=2026-08-22&end=2026-08-30")
        assert len(answer["unix_seconds"]) == 2 * 96

    def test_an_unknown_country_is_refused(self, client: Client) -> None:
        assert client.refused("ec", "/co2eq?country=xx")[0] == 400


def rows_of(vendor: str, answer: Any) -> list[tuple[Any, Any]]:
    """Give the moments and the values of an answer's rows."""
    if vendor == "ec":
        values = [a if a is not None else b for a, b in zip(answer["co2eq"], answer["co2eq_forecast"], strict=True)]
        return list(zip(answer["unix_seconds"], values, strict=True))
    if vendor == "uk":
        return [(row["from"], row["intensity"]["forecast"]) for row in answer["data"]]
    rows = {"em": lambda: answer["forecast"], "wt": lambda: answer["data"], "sdk": lambda: answer[0]["forecastData"]}
    named = {"em": ("datetime", "carbonIntensity"), "wt": ("point_time", "value"), "sdk": ("timestamp", "value")}[
        vendor
    ]
    return [(row[named[0]], row[named[1]]) for row in rows[vendor]()]


@pytest.mark.parametrize("vendor", ASKED)
class TestSpoiledRows:
    def test_values_are_spoiled(self, server: GridServer, client: Client, vendor: str) -> None:
        true = rows_of(vendor, client.json(vendor, ASKED[vendor]))
        found = {}
        for fault in ("nulls", "all_nulls", "negative", "text_numbers"):
            server.fail(vendor, fault, times=1)
            found[fault] = rows_of(vendor, client.json(vendor, ASKED[vendor]))
            assert [moment for moment, _ in found[fault]] == [moment for moment, _ in true]
        nulls = [value is None for _, value in found["nulls"]]
        assert any(nulls)
        assert not all(nulls)
        assert {value for _, value in found["all_nulls"]} == {None}
        assert max(value for _, value in found["negative"]) < 0
        assert [value for _, value in found["text_numbers"]] == [str(value) for _, value in true]

    def test_rows_are_spoiled(self, server: GridServer, client: Client, vendor: str) -> None:
        true = rows_of(vendor, client.json(vendor, ASKED[vendor]))
        server.fail(vendor, "duplicates", times=1)
        assert rows_of(vendor, client.json(vendor, ASKED[vendor])) == [row for row in true for _ in range(2)]
        server.fail(vendor, "unsorted", times=1)
        shuffled = rows_of(vendor, client.json(vendor, ASKED[vendor]))
        assert shuffled != true
        assert sorted(shuffled) == true
        server.fail(vendor, "short", times=1, hours=3)
        short = rows_of(vendor, client.json(vendor, ASKED[vendor]))
        assert short == true[: len(short)]
        assert 0 < len(short) < len(true)

    def test_a_zone_disappears(self, server: GridServer, client: Client, vendor: str) -> None:
        server.fail(vendor, "no_zone")
        assert client.get(vendor, ASKED[vendor]).status_code == (404 if vendor == "em" else 400)

    @pytest.mark.parametrize("status", ["401", "403", "404", "429", "500", "502", "503"])
    def test_a_status_is_answered_until_healed(
        self, server: GridServer, client: Client, vendor: str, status: str
    ) -> None:
        server.fail(vendor, status)
        assert {client.get(vendor, ASKED[vendor]).status_code for _ in range(2)} == {int(status)}
        server.heal(vendor)
        assert client.get(vendor, ASKED[vendor]).status_code == 200


class TestFaults:
    def test_a_fault_lasts_for_its_times_and_the_eldest_goes_first(self, server: GridServer, client: Client) -> None:
        server.fail("em", "500", times=2)
        server.fail("em", "429", times=1)
        assert [client.get("em", FORECAST).status_code for _ in range(4)] == [500, 500, 429, 200]

    def test_a_fault_meets_its_path_and_its_zone_alone(self, server: GridServer, client: Client) -> None:
        server.fail("em", "500", path="forecast", zone="DE")
        asked = (FORECAST, FORECAST.replace("DE", "FR"), "/v4/carbon-intensity/latest?zone=DE")
        assert [client.get("em", path).status_code for path in asked] == [500, 200, 200]
        assert client.get("ec", "/co2eq?country=de").status_code == 200

    @pytest.mark.parametrize(
        ("after", "header"), [(7, "7"), (NOW, "Sat, 22 Aug 2026 17:31:12 GMT"), ("soon", "soon"), (None, None)]
    )
    def test_too_many_may_say_when_to_return(
        self, server: GridServer, client: Client, after: Any, header: str | None
    ) -> None:
        server.fail("em", "429", retry_after=after)
        assert client.get("em", FORECAST).headers.get("retry-after") == header

    def test_an_answer_may_be_no_answer_at_all(self, server: GridServer, client: Client) -> None:
        seen = {}
        for fault in ("html", "not_json", "empty", "no_body"):
            server.fail("em", fault, times=1)
            answer = client.get("em", FORECAST)
            assert answer.status_code == 200
            seen[fault] = (answer.headers["content-type"].partition(";")[0], answer.text[:9])
        assert seen["html"] == ("text/html", "<!doctype")
        assert seen["not_json"] == ("application/json", '{"data": ')
        assert (seen["empty"][1], seen["no_body"][1]) == ("{}", "")

    @pytest.mark.parametrize(
        ("fault", "error"),
        [("half", httpx.RemoteProtocolError), ("refuse", httpx.RemoteProtocolError), ("hang", httpx.ReadTimeout)],
    )
    def test_a_connection_may_break(
        self, server: GridServer, client: Client, fault: str, error: type[Exception]
    ) -> None:
        server.fail("em", fault, times=1)
        with pytest.raises(error):
            client.get("em", FORECAST, timeout=0.5)
        assert client.get("em", FORECAST).status_code == 200
        assert server.count("em") == 2

    def test_what_hangs_is_let_go_when_it_is_healed(self, server: GridServer, client: Client) -> None:
        server.fail("em", "hang", times=1)
        errors: list[Exception] = []

        def ask() -> None:
            with pytest.raises(httpx.RemoteProtocolError) as raised:
                client.get("em", FORECAST, timeout=60)
            errors.append(raised.value)

        asking = threading.Thread(target=ask)
        asking.start()
        while asking.is_alive() and not server.count("em"):
            asking.join(0.01)
        server.heal("em")
        asking.join(30)
        assert len(errors) == 1

    def test_a_server_that_hangs_can_be_closed(self) -> None:
        with GridServer() as server, httpx.Client() as http:
            server.fail("uk", "hang")
            with pytest.raises(httpx.ReadTimeout):
                http.get(server.base("uk") + "/intensity", timeout=0.2)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])))

    def test_a_slow_answer_and_one_in_drops_are_whole(self, server: GridServer, client: Client) -> None:
        true = client.json("em", FORECAST)
        server.fail("em", "slow", times=1, seconds=0.05)
        assert client.json("em", FORECAST) == true
        server.fail("em", "drip", times=1, seconds=0)
        assert client.json("em", FORECAST) == true

    def test_a_clock_that_is_off_shows_in_the_rows_and_in_the_date(self, server: GridServer, client: Client) -> None:
        server.fail("em", "skew", seconds=-7200)
        answer = client.get("em", FORECAST)
        assert answer.json()["forecast"][0]["datetime"] == "2026-08-22T15:00:00.000Z"
        assert answer.headers["date"] == "Sat, 22 Aug 2026 15:31:12 GMT"

    def test_a_redirect_leads_to_the_answer_or_elsewhere(self, server: GridServer, client: Client) -> None:
        true = client.json("sdk", ASKED["sdk"])
        server.fail("sdk", "redirect")
        assert client.get("sdk", ASKED["sdk"]).status_code == 307
        assert client.get("sdk", ASKED["sdk"], follow_redirects=True).json() == true
        server.heal()
        with GridServer() as other:
            server.fail("em", "redirect", to=f"{other.url}/em")
            client.get("em", FORECAST, follow_redirects=True)
            [landed] = other.requests
        assert (landed.path, landed.query["zone"]) == ("/v4/carbon-intensity/forecast", "DE")

    @pytest.mark.parametrize("chunked", [False, True])
    def test_a_huge_answer_has_its_megabytes(self, server: GridServer, client: Client, chunked: bool) -> None:
        server.fail("em", "huge", megabytes=2, chunked=chunked)
        answer = client.get("em", FORECAST)
        assert len(answer.content) > 2_000_000
        assert ("content-length" in answer.headers) is not chunked

    def test_an_unknown_fault_or_option_is_named(self, server: GridServer) -> None:
        with pytest.raises(ValueError, match="no such fault: 'explode'; the faults are"):
            server.fail("em", "explode")
        with pytest.raises(ValueError, match="'429' has no option retry"):
            server.fail("em", "429", retry=3)
        with pytest.raises(ValueError, match="no such vendor: 'xx'"):
            server.fail("xx", "429")


class TestCounting:
    def test_requests_are_counted_by_vendor_and_path_without_secrets(self, server: GridServer, client: Client) -> None:
        client.login()
        client.get("wt", ASKED["wt"])
        client.get("em", FORECAST)
        assert [server.count(), server.count("wt"), server.count("wt", "/login"), server.count("uk")] == [3, 2, 1, 0]
        login, _, forecast = server.requests
        assert (forecast.query["zone"], forecast.at) == ("DE", NOW)
        assert forecast.headers_seen["auth-token"] == "<hidden>"
        assert login.headers_seen["authorization"] == "Basic <hidden>"
        assert not any(secret in repr(server.requests) for secret in (EM_TOKEN, WT_PASSWORD, client.token))

    def test_a_connection_is_kept_alive(self, server: GridServer, client: Client) -> None:
        before = server.connections
        for _ in range(5):
            client.get("em", FORECAST)
        assert server.connections == before

    def test_a_mistake_of_the_fake_is_not_taken_for_the_services(self) -> None:
        def broken(moment: datetime) -> float:
            raise ZeroDivisionError

        server = GridServer()
        server.series["GB"] = broken
        server.__enter__()
        assert httpx.get(server.base("uk") + "/intensity").status_code == 599
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            server.__exit__(None)


@pytest.fixture
def process(repository: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, str(repository / "tests" / "fakes" / "grid_server.py"), "--port", "0", "--control"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        yield running, running.stdout.readline().strip()
        running.terminate()


class TestProcess:
    def test_another_process_orders_and_counts(self, process: tuple[subprocess.Popen[str], str]) -> None:
        _, url = process
        steps = {"start": "2026-08-22T17:00:00+00:00", "step_seconds": 60, "values": [100, 50, 75.5]}
        orders = {"clock": "2026-08-22T17:01:30+00:00", "step": {"em": 60}, "series": {"DE": steps}}
        headers = {"auth-token": EM_TOKEN}
        with httpx.Client(base_url=url) as http:
            assert http.post("/control", json=orders).status_code == 200
            rows = http.get("/em" + FORECAST, headers=headers).json()["forecast"]
            assert [row["carbonIntensity"] for row in rows[:3]] == [50, 75.5, 75.5]
            http.post("/control", json={"fail": {"vendor": "em", "fault": "500"}})
            assert http.get("/em" + FORECAST, headers=headers).status_code == 500
            http.post("/control", json={"heal": "em", "fail": [{"vendor": "em", "fault": "503", "times": 1}]})
            assert [http.get("/em" + FORECAST, headers=headers).status_code for _ in range(2)] == [503, 200]
            report = http.get("/control").json()
            assert report["counts"] == {"em": 4, "wt": 0, "sdk": 0, "uk": 0, "ec": 0, "az": 0}
            assert [one["path"] for one in report["requests"]] == ["/v4/carbon-intensity/forecast"] * 4
            wrong = http.post("/control", json={"fial": {}})
            assert (wrong.status_code, wrong.json()) == (400, {"error": "no such order: 'fial'"})

    def test_it_ends_when_its_input_does(self, process: tuple[subprocess.Popen[str], str]) -> None:
        running, _ = process
        running.stdin.close()
        assert running.wait(30) == 0

    def test_it_ends_when_it_is_told_to(self, process: tuple[subprocess.Popen[str], str]) -> None:
        running, _ = process
        running.terminate()
        assert running.wait(30) == 0
