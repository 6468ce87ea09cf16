"""UK Carbon Intensity: what is asked of it, what its answers mean, and what goes wrong."""

from __future__ import annotations

import copy
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
    SourceResponseError,
    SourceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.hooks.asking import asked_in_time
from airflow_carbon.sources.base import CarbonSource
from airflow_carbon.sources.uk_carbon_intensity import UkCarbonIntensity, read_forecast, read_history
from airflow_carbon.web.http import Http

HOUR, DAY, HALF = timedelta(hours=1), timedelta(days=1), timedelta(minutes=30)
#: Within the half hour from 17:30 to 18:00.
NOW = datetime(2026, 8, 22, 17, 42, 10, 5, tzinfo=UTC)
STEP = datetime(2026, 8, 22, 17, 30, tzinfo=UTC)
GB = Location.parse("zone:GB")
ERRORS = (SourceResponseError, SourceUnavailableError)


class Asker:
    """A server, and the source that asks it."""

    def __init__(self, server: GridServer) -> None:
        self.server = server
        self.source = self.made()

    def made(self, region: str = "") -> UkCarbonIntensity:
        return UkCarbonIntensity(Http("uk_carbon_intensity", self.server.base("uk"), ceiling=8), region=region)

    def ahead(self, place: str = "zone:GB", now: datetime = NOW, hours: float = 2) -> Any:
        return asked_in_time(self.source.forecast(Location.parse(place), now=now, until=now + hours * HOUR))

    def past(self, start: datetime, end: datetime, place: str = "zone:GB") -> Any:
        return asked_in_time(self.source.history(Location.parse(place), start=start, end=end))

    def zone(self, place: str) -> str:
        return asked_in_time(self.source.zone(Location.parse(place)))

    @property
    def paths(self) -> list[str]:
        return [one.path for one in self.server.requests]


@pytest.fixture
def asker() -> Iterator[Asker]:
    with GridServer() as server:
        server.clock = lambda: NOW
        yield Asker(server)


def row(at: datetime, forecast: Any, actual: Any = None) -> dict[str, Any]:
    written = {"from": f"{at:%Y-%m-%dT%H:%MZ}", "to": f"{at + HALF:%Y-%m-%dT%H:%MZ}"}
    return written | {"intensity": {"forecast": forecast, "actual": actual, "index": "moderate"}}


def rows(*values: Any) -> list[dict[str, Any]]:
    """Half hours from 17:30 on: a forecast, or a forecast and what came."""
    pairs = [value if isinstance(value, tuple) else (value, None) for value in values]
    return [row(STEP + number * HALF, *pair) for number, pair in enumerate(pairs)]


def part(*values: Any, **changed: Any) -> dict[str, Any]:
    named = {"regionid": 13, "dnoregion": "UKPN London", "shortname": "London", "postcode": "SE1"}
    mix = [{"fuel": "gas", "perc": 40.2}]
    spans = [
        one | {"intensity": {"forecast": value}, "generationmix": mix}
        for one, value in zip(rows(*values), values, strict=True)
    ]
    return named | {"data": spans} | changed


# Where ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "zone"),
    [
        ("zone:GB", "GB"),
        ("zone:uk", "GB"),
        ("azure:uksouth", "GB"),
        ("aws:eu-west-2", "GB"),
        ("51.5,-0.12", "GB"),
        ("zone:GB-13", "GB-13"),
        ("zone:gb-se1", "GB-SE1"),
        ("zone:GB-EC1A", "GB-EC1A"),
    ],
)
def test_every_place_in_great_britain_has_its_zone(asker: Asker, place: str, zone: str) -> None:
    assert asker.zone(place) == zone
    assert asker.paths == []


@pytest.mark.parametrize(
    "place", ["zone:GB-18", "zone:GB-0", "zone:GB-NIR", "zone:GB-SE1-7PB", "zone:GB-W", "zone:DE", "azure:northeurope"]
)
def test_a_place_that_it_cannot_know_is_refused_without_a_request(asker: Asker, place: str) -> None:
    for question in (asker.zone, asker.ahead, lambda place: asker.past(NOW - HOUR, NOW, place)):
        with pytest.raises(UnknownZoneError, match=place):
            question(place)
    assert asker.paths == []


def test_the_connections_region_stands_for_the_whole_country_unless_a_part_is_named(asker: Asker) -> None:
    asker.source = asker.made("se1")
    assert [asker.zone(place) for place in ("zone:GB", "azure:ukwest", "zone:GB-2")] == ["GB-SE1", "GB-SE1", "GB-2"]
    assert asker.ahead().zone == "GB-SE1"
    assert asker.paths == ["/regional/intensity/2026-08-22T17:31Z/fw48h/postcode/SE1"]


@pytest.mark.parametrize("region", ["SE1 7PB", "18", "London", "../13"])
def test_a_region_that_is_none_is_refused(asker: Asker, region: str) -> None:
    with pytest.raises(InvalidRequestError, match="id of 1 to 17"):
        asker.made(region)


def test_a_postcode_that_the_service_does_not_find_is_an_unknown_zone(asker: Asker) -> None:
    with pytest.raises(UnknownZoneError, match=r"GB-W1: .*No postcode match.*zone:GB-13"):
        asker.ahead("zone:GB-W1")


# The forecast ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "asked"),
    [
        (STEP, "17:31Z"),
        (STEP + timedelta(minutes=29, seconds=59), "17:31Z"),
        (STEP + HALF, "18:01Z"),
        (NOW.replace(hour=0, minute=5), "00:01Z"),
    ],
)
def test_it_asks_from_a_minute_inside_the_half_hour_that_holds_now(asker: Asker, now: datetime, asked: str) -> None:
    answer = asker.ahead(now=now)
    assert asker.paths == [f"/intensity/2026-08-22T{asked}/fw48h"]
    assert answer.start <= now < answer.start + HALF
    assert (len(answer), answer.step) == (96, HALF)


def test_a_forecast_says_what_it_is(asker: Asker) -> None:
    answer = asker.ahead()
    assert isinstance(asker.source, CarbonSource)
    assert asker.source.refresh == HALF
    assert (answer.kind, answer.signal, answer.source) == (Kind.FORECAST, Signal.AVERAGE, "uk_carbon_intensity")
    assert answer.accounting == Accounting("direct", "consumption", "CO2")


def test_its_numbers_are_grams_per_kilowatt_hour_of_each_half_hour() -> None:
    answer = read_forecast({"data": rows((164, 162), 170, 150.5)}, zone="GB", now=NOW)
    assert answer.intensity.tolist() == [164, 170, 150.5]
    assert answer.start == STEP
    # A quarter of an hour at 164 and half an hour at 170: (164 + 2 x 170) / 3.
    assert answer.mean(STEP + HALF / 2, STEP + 2 * HALF) == pytest.approx(168)


@pytest.mark.parametrize(("place", "path"), [("zone:GB-7", "regionid/7"), ("zone:GB-RG10", "postcode/RG10")])
def test_a_part_is_asked_for_by_its_id_or_its_postcode(asker: Asker, place: str, path: str) -> None:
    asker.server.series = {"GB-7": 71.0, "GB-12": 121.0}
    answer = asker.ahead(place)
    assert asker.paths == [f"/regional/intensity/2026-08-22T17:31Z/fw48h/{path}"]
    assert answer.zone == place.removeprefix("zone:")
    assert set(answer.intensity.tolist()) == {71.0 if "7" in place else 121.0}


@pytest.mark.parametrize("data", [part(150, 140), [part(150, 140)], [part(150), part(150, 140)]])
def test_a_part_may_come_as_an_object_or_as_a_list(data: Any) -> None:
    assert read_forecast({"data": data}, zone="GB-13", now=NOW).intensity.tolist() == [150, 140]


def test_an_id_that_is_the_neighbours_beside_a_postcode_is_no_matter() -> None:
    assert len(read_forecast({"data": part(150, 140, regionid=14)}, zone="GB-SE1", now=NOW)) == 2


@pytest.mark.parametrize(
    ("payload", "zone", "told"),
    [
        ({"data": [part(150), part(90, shortname="Wales")]}, "GB-13", "several regions"),
        ({"data": rows(150)}, "GB-13", "no list of half hours"),
        ({"data": part(150)}, "GB", "no list of half hours"),
        ({"data": [part(150)]}, "GB", "row 0 for GB"),
        ({"data": None}, "GB", "no list of half hours"),
        ({"error": {"code": "400 Bad Request"}}, "GB", "no list of half hours"),
        ({"data": ["x"]}, "GB-13", "no region"),
        ([], "GB", "no list of half hours"),
        ({"data": rows("164")}, "GB", "no carbon intensity"),
        ({"data": rows(-1)}, "GB", "no carbon intensity"),
        ({"data": rows(164_000)}, "GB", "unit"),
        ({"data": [row(STEP, 1) | {"from": "2026-08-22T17:30"}]}, "GB", "timezone"),
        ({"data": [*rows(1), row(STEP + HALF / 2, 1)]}, "GB", "0:15:00 after"),
    ],
)
def test_what_is_not_documented_is_refused_by_name(payload: Any, zone: str, told: str) -> None:
    with pytest.raises(SourceResponseError, match=rf"uk_carbon_intensity.*{told}"):
        read_forecast(payload, zone=zone, now=NOW)


@pytest.mark.parametrize("payload", [None, {}, {"data": []}, {"data": rows(None, None)}])
def test_an_answer_without_a_number_is_no_data(payload: Any) -> None:
    with pytest.raises(SourceUnavailableError, match="no data for GB"):
        read_forecast(payload, zone="GB", now=NOW)


def test_a_hole_where_now_is_is_not_made_up() -> None:
    with pytest.raises(SourceUnavailableError, match="does not hold"):
        read_forecast({"data": rows(None, 170, 150)}, zone="GB", now=NOW)


def test_a_forecast_ends_before_its_first_hole() -> None:
    assert read_forecast({"data": rows(164, 170, None, 90)}, zone="GB", now=NOW).end == STEP + HOUR


# The past -------------------------------------------------------------------------------------------------------------


def test_a_past_is_asked_for_in_pieces_of_14_days(asker: Asker) -> None:
    start = NOW - 30 * DAY
    answer = asker.past(start, NOW - HOUR)
    assert asker.paths == [
        "/intensity/2026-07-23T17:30Z/2026-08-06T17:30Z",
        "/intensity/2026-08-06T17:30Z/2026-08-20T17:30Z",
        "/intensity/2026-08-20T17:30Z/2026-08-22T17:00Z",
    ]
    assert answer.covers(start, NOW - HOUR)
    assert (answer.kind, answer.source) == (Kind.MEASURED, "uk_carbon_intensity")


def test_what_was_measured_counts_and_not_what_had_been_forecast(asker: Asker) -> None:
    asker.server.series = {"GB": 100.0}
    # Every past forecast of the server is 2 too high.
    assert set(asker.past(NOW - 5 * HOUR, NOW - 2 * HOUR).intensity.tolist()) == {100.0}


def test_a_hole_between_measured_half_hours_is_filled_and_told() -> None:
    payload = {"data": rows((164, 162), (170, None), (150, 148), (140, None))}
    answer = read_history([payload], zone="GB", start=STEP, end=STEP + 2 * HOUR)
    assert answer.intensity.tolist() == [162, 170, 148]
    assert (answer.kind, answer.source) == (Kind.FORECAST, "uk_carbon_intensity, partly forecast")
    later = read_history([payload], zone="GB", start=STEP + HOUR, end=STEP + 2 * HOUR)
    assert (later.intensity.tolist(), later.kind, later.source) == ([148], Kind.MEASURED, "uk_carbon_intensity")


def test_where_nothing_was_measured_yet_the_forecast_stands_alone() -> None:
    answer = read_history([{"data": rows((164, 162), 170, 150)}], zone="GB", start=STEP + HALF, end=STEP + 90 * HALF)
    assert answer.intensity.tolist() == [170, 150]
    assert (answer.kind, answer.source) == (Kind.FORECAST, "uk_carbon_intensity, forecast alone")


def test_a_part_of_the_country_was_never_measured(asker: Asker) -> None:
    asker.server.series = {"GB-13": 130.0}
    answer = asker.past(NOW - 5 * HOUR, NOW - 2 * HOUR, "zone:GB-13")
    assert asker.paths == ["/regional/intensity/2026-08-22T12:30Z/2026-08-22T16:00Z/regionid/13"]
    assert set(answer.intensity.tolist()) == {130.0}
    assert (answer.kind, answer.source) == (Kind.FORECAST, "uk_carbon_intensity, forecast alone")


def test_of_a_half_hour_that_comes_twice_the_measured_one_counts() -> None:
    payload = {"data": [row(STEP, 164), row(STEP, 164, 162), row(STEP, 164, 99), *rows(0, (170, 171))[1:]]}
    answer = read_history([payload], zone="GB", start=STEP, end=STEP + HOUR)
    assert (answer.intensity.tolist(), answer.kind) == ([162, 171], Kind.MEASURED)


def test_a_past_must_end_after_it_begins_and_a_moment_has_a_timezone(asker: Asker) -> None:
    with pytest.raises(InvalidRequestError, match="later than the start"):
        asker.past(NOW, NOW)
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(InvalidRequestError, match=r"until.* has no timezone"):
        asked_in_time(asker.source.forecast(GB, now=NOW, until=naive))
    assert asker.paths == []


# What goes wrong ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["empty", "no_body", "500"])
def test_an_empty_answer_or_a_500_is_asked_for_again(asker: Asker, fault: str) -> None:
    asker.server.fail("uk", fault, times=1)
    assert len(asker.ahead()) == 96
    assert len(asker.paths) == 2


@pytest.mark.parametrize("fault", ["empty", "no_body"])
def test_nothing_but_empty_answers_are_no_data(asker: Asker, fault: str) -> None:
    asker.server.fail("uk", fault)
    with pytest.raises(SourceUnavailableError, match="uk_carbon_intensity: an empty answer"):
        asker.ahead("zone:GB-13")
    assert len(asker.paths) == 3


def test_too_many_requests_are_repeated_when_it_says_so(asker: Asker) -> None:
    asker.server.fail("uk", "429", times=1, retry_after=0)
    assert len(asker.ahead()) == 96
    assert len(asker.paths) == 2


@pytest.mark.parametrize("fault", ["duplicates", "unsorted"])
def test_doubled_and_unsorted_rows_change_no_number(asker: Asker, fault: str) -> None:
    sound = asker.ahead("zone:GB-13").intensity.tolist()
    asker.server.fail("uk", fault)
    assert asker.ahead("zone:GB-13").intensity.tolist() == sound


def test_a_page_in_place_of_an_answer_is_refused(asker: Asker) -> None:
    asker.server.fail("uk", "html")
    with pytest.raises(SourceResponseError, match="no JSON"):
        asker.ahead()


def test_a_forecast_that_ends_early_is_given_as_far_as_it_goes(asker: Asker) -> None:
    asker.server.fail("uk", "short", hours=3)
    assert asker.ahead(hours=40).end == STEP + 3 * HOUR


def test_a_zone_that_disappears_is_unknown_from_then_on(asker: Asker) -> None:
    assert len(asker.ahead("zone:GB-SE1")) == 96
    asker.server.fail("uk", "no_zone", zone="SE1")
    with pytest.raises(UnknownZoneError, match="GB-SE1"):
        asker.ahead("zone:GB-SE1")
    assert len(asker.ahead()) == 96


def test_a_bad_question_of_its_own_is_no_unknown_zone(asker: Asker) -> None:
    asker.server.fail("uk", "400", body={"error": {"code": "400 Bad Request", "message": "Please enter a valid date"}})
    with pytest.raises(SourceResponseError, match="valid date"):
        asker.ahead()


NATIONAL = {"data": rows((164, 162), (170, 169), 150, 151, 90.5)}
REGIONAL = {"data": part(164, 170, 150.5)}


def numbers(payload: Any) -> set[float]:
    if isinstance(payload, dict | list):
        return {one for value in (payload.values() if isinstance(payload, dict) else payload) for one in numbers(value)}
    return {float(payload)} if type(payload) in (int, float) and abs(payload) < 1e300 else set()


@pytest.mark.parametrize(("zone", "sound"), [("GB", NATIONAL), ("GB-13", REGIONAL)])
def test_a_mutated_answer_is_refused_or_a_forecast_of_its_numbers(zone: str, sound: Any) -> None:
    before = copy.deepcopy(sound)

    @given(mutated(sound))
    def refused_or_read(payload: Any) -> None:
        try:
            told = read_forecast(payload, zone=zone, now=NOW)
        except ERRORS:
            return
        assert told.start <= NOW < told.start + HALF == told.start + told.step
        assert set(told.intensity.tolist()) <= numbers(payload)

    refused_or_read()
    assert sound == before


@given(mutated([NATIONAL, {"data": [row(STEP - HALF, 12, 13), row(STEP - HOUR, 14, 15)]}]))
def test_a_mutated_past_is_refused_or_made_of_its_numbers(payloads: Any) -> None:
    if not isinstance(payloads, list):
        return
    try:
        told = read_history(payloads, zone="GB", start=STEP - HOUR, end=STEP + 2 * HOUR)
    except ERRORS:
        return
    assert told.start < STEP + 2 * HOUR
    assert told.end > STEP - HOUR
    assert set(told.intensity.tolist()) <= numbers(payloads)


# The connection -------------------------------------------------------------------------------------------------------


def test_access_is_told_in_words(asker: Asker) -> None:
    told = asked_in_time(asker.source.access())
    [path] = asker.paths
    begins = datetime.fromisoformat(path.split("/")[2]) - timedelta(minutes=1)
    assert told == (f"answers without a key; forecast for GB known until {begins + DAY:%Y-%m-%d %H:%M} UTC")
    assert path.endswith("/fw24h")


@pytest.mark.airflow
def test_a_connection_becomes_the_source_of_its_region(asker: Asker) -> None:
    from airflow.sdk import Connection

    from airflow_carbon.hooks.uk_carbon_intensity import UkCarbonIntensityHook

    connection = Connection(
        conn_id="uk",
        conn_type="uk_carbon_intensity",
        host=asker.server.base("uk"),
        extra='{"region": 13, "refresh": "15m"}',
    )
    hook = UkCarbonIntensityHook(connection=connection)
    source = hook.source()
    assert isinstance(source, UkCarbonIntensity)
    assert source.refresh == timedelta(minutes=15)
    accepted, told = hook.test_connection()
    assert accepted
    assert told.startswith("answers without a key; forecast for GB-13 known until 20")
    assert asker.paths[0].endswith("/fw24h/regionid/13")
    assert hook.source_url(GB).startswith("https://")
    assert hook.source_name == UkCarbonIntensity.name


@pytest.mark.airflow
def test_a_connection_with_nothing_filled_in_works() -> None:
    from airflow.sdk import Connection

    from airflow_carbon.hooks.uk_carbon_intensity import UkCarbonIntensityHook

    source = UkCarbonIntensityHook(connection=Connection(conn_id="uk0", conn_type="uk_carbon_intensity")).source()
    assert source.refresh == HALF
    assert asked_in_time(source.zone(GB)) == "GB"
