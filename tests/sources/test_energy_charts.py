"""Energy-Charts: what is asked of it, what its answers mean, and what goes wrong."""

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
    SourceResponseError,
    SourceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.hooks.asking import asked_in_time
from airflow_carbon.sources.base import CarbonSource
from airflow_carbon.sources.energy_charts import EnergyCharts, read_forecast, read_history
from airflow_carbon.web.http import Http

HOUR, DAY, QUARTER = timedelta(hours=1), timedelta(days=1), timedelta(minutes=15)
#: Within the quarter from 17:30 to 17:45.
NOW = datetime(2026, 8, 22, 17, 32, 10, 5, tzinfo=UTC)
STEP = datetime(2026, 8, 22, 17, 30, tzinfo=UTC)
DE = Location.parse("zone:DE")
ERRORS = (SourceResponseError, SourceUnavailableError)


class Asker:
    """A server, and the source that asks it."""

    def __init__(self, server: GridServer) -> None:
        self.server = server
        self.source = EnergyCharts(Http("energy_charts", server.base("ec"), ceiling=8))

    def ahead(self, place: str = "zone:DE", now: datetime = NOW, hours: float = 2) -> Any:
        return asked_in_time(self.source.forecast(Location.parse(place), now=now, until=now + hours * HOUR))

    def past(self, start: datetime, end: datetime, place: str = "zone:DE") -> Any:
        return asked_in_time(self.source.history(Location.parse(place), start=start, end=end))

    @property
    def queries(self) -> list[dict[str, Any]]:
        assert {one.path for one in self.server.requests} <= {"/co2eq"}
        return [one.query for one in self.server.requests]


@pytest.fixture
def asker() -> Iterator[Asker]:
    with GridServer() as server:
        server.clock = lambda: NOW
        yield Asker(server)


def answer(measured: list[Any], foreseen: list[Any], step: timedelta = QUARTER, start: datetime = STEP) -> Any:
    seconds = [int((start + row * step).timestamp()) for row in range(len(measured))]
    return {"unix_seconds": seconds, "co2eq": measured, "co2eq_forecast": foreseen, "deprecated": False}


SOUND = answer([312.4, 305.9, None, None], [None, None, 298.0, 290])


# Where ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "zone"),
    [("zone:DE", "DE"), ("zone:de", "DE"), ("azure:germanywestcentral", "DE"), ("48.86,2.35", "FR"), ("zone:UK", "GB")],
)
def test_a_place_lies_in_its_country(asker: Asker, place: str, zone: str) -> None:
    assert asked_in_time(asker.source.zone(Location.parse(place))) == zone
    assert asker.queries == []


@pytest.mark.parametrize("place", ["zone:NOWHERE", "azure:nowhere", "ibm:eu-de", "0.0,-30.0"])
def test_a_place_that_is_nowhere_is_refused_without_a_request(asker: Asker, place: str) -> None:
    with pytest.raises(UnknownZoneError, match=place):
        asked_in_time(asker.source.zone(Location.parse(place)))
    with pytest.raises(UnknownZoneError, match=place):
        asker.ahead(place)
    with pytest.raises(UnknownZoneError, match=place):
        asker.past(NOW - HOUR, NOW, place)
    assert asker.queries == []


@pytest.mark.parametrize("place", ["zone:US", "azure:australiaeast"])
def test_a_country_that_the_service_does_not_have_is_an_unknown_zone(asker: Asker, place: str) -> None:
    with pytest.raises(UnknownZoneError, match=rf"{place}: energy_charts has no country '(us|au)' \(400: "):
        asker.ahead(place)


def test_a_404_is_an_unknown_zone_too(asker: Asker) -> None:
    asker.server.fail("ec", "404")
    with pytest.raises(UnknownZoneError, match="zone:DE"):
        asker.past(NOW - HOUR, NOW)


def test_the_words_of_an_unknown_country_may_come_as_plain_text(asker: Asker) -> None:
    asker.server.fail("ec", "400", body="'de' is not the code for an available country")
    with pytest.raises(UnknownZoneError, match="available country"):
        asker.ahead()


def test_a_bad_question_of_its_own_is_no_unknown_zone(asker: Asker) -> None:
    asker.server.fail("ec", "400", body={"detail": "'2026' is not a valid start"})
    with pytest.raises(SourceResponseError, match="valid start"):
        asker.ahead()


# The forecast ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "end"),
    [(-1, "2026-08-22T19:00Z"), (2, "2026-08-22T20:00Z"), (12, "2026-08-23T06:00Z"), (72, "2026-08-24T00:00Z")],
)
def test_it_asks_from_the_hour_that_holds_now_to_the_end_of_tomorrow_at_most(
    asker: Asker, hours: float, end: str
) -> None:
    found = asker.ahead("azure:germanywestcentral", hours=hours)
    assert asker.queries == [{"country": "de", "start": "2026-08-22T17:00Z", "end": end}]
    assert (found.start, found.step, found.end) == (STEP, QUARTER, datetime.fromisoformat(end))


def test_a_forecast_says_what_it_is(asker: Asker) -> None:
    found = asker.ahead()
    assert isinstance(asker.source, CarbonSource)
    assert asker.source.refresh == QUARTER
    assert (found.zone, found.kind, found.signal, found.source) == (
        "DE",
        Kind.FORECAST,
        Signal.AVERAGE,
        "energy_charts",
    )
    assert found.accounting == Accounting("", "", "CO2e")


def test_a_step_has_what_was_measured_or_else_what_is_forecast() -> None:
    found = read_forecast(SOUND, zone="DE", now=STEP)
    assert found.intensity.tolist() == [312.4, 305.9, 298, 290]
    # Half a quarter at 305.9 and a whole one at 298: (305.9 + 2 x 298) / 3.
    assert found.mean(STEP + 1.5 * QUARTER, STEP + 3 * QUARTER) == pytest.approx(300.6333333)


def test_where_both_are_given_the_measured_one_counts() -> None:
    assert read_forecast(answer([10.0, 0], [99.0, 99.0]), zone="DE", now=NOW).intensity.tolist() == [10, 0]


@pytest.mark.parametrize("minutes", [5, 15, 30, 60])
def test_the_step_is_the_distance_of_the_rows(minutes: int) -> None:
    step = timedelta(minutes=minutes)
    assert read_forecast(answer([1, 2], [None, None], step), zone="DE", now=STEP).step == step


def test_missing_values_make_no_step_longer() -> None:
    # Every other quarter is missing: half an hour apart, and still quarters.
    found = read_forecast(answer([1, None, 3, None, 5], [None] * 5), zone="DE", now=NOW)
    assert (found.step, found.intensity.tolist()) == (QUARTER, [1])


def test_a_forecast_that_ends_with_today_is_all_there_is(asker: Asker) -> None:
    asker.server.fail("ec", "short", hours=6.5)
    found = asker.ahead(hours=72)
    assert (found.start, found.end) == (STEP, datetime(2026, 8, 23, tzinfo=UTC))


@pytest.mark.parametrize(
    "payload",
    [
        {},
        [],
        "text",
        SOUND | {"co2eq": SOUND["co2eq"][:-1]},
        SOUND | {"co2eq_forecast": [*SOUND["co2eq_forecast"], 280]},
        SOUND | {"unix_seconds": SOUND["unix_seconds"][1:]},
        SOUND | {"co2eq": None},
        {name: column for name, column in SOUND.items() if name != "co2eq_forecast"},
    ],
)
def test_lists_of_unequal_length_are_refused(payload: Any) -> None:
    with pytest.raises(SourceResponseError, match="energy_charts: the answer for DE holds no three lists of equal"):
        read_forecast(payload, zone="DE", now=NOW)


@pytest.mark.parametrize("wrong", ["1787421600", 1787421600.5, True, None, 10**18, -(10**18)])
def test_a_time_that_is_no_count_of_seconds_is_refused(wrong: Any) -> None:
    with pytest.raises(SourceResponseError, match=r"seconds since 1970"):
        read_forecast(SOUND | {"unix_seconds": [*SOUND["unix_seconds"][:-1], wrong]}, zone="DE", now=NOW)


@pytest.mark.parametrize("wrong", ["298", -1, True, 298_000])
def test_a_value_that_is_no_intensity_is_refused(wrong: Any) -> None:
    with pytest.raises(SourceResponseError, match=r"energy_charts: row 2: .*(is no carbon intensity|unit)"):
        read_forecast(SOUND | {"co2eq_forecast": [None, None, wrong, 290]}, zone="DE", now=NOW)


@pytest.mark.parametrize("payload", [None, answer([], []), answer([None] * 3, [None] * 3)])
def test_an_answer_without_a_number_is_no_data(payload: Any) -> None:
    with pytest.raises(SourceUnavailableError, match="no data for DE"):
        read_forecast(payload, zone="DE", now=NOW)
    with pytest.raises(SourceUnavailableError, match="no data for DE"):
        read_history(payload, zone="DE", start=STEP, end=NOW)


# The past -------------------------------------------------------------------------------------------------------------


def test_a_past_is_what_was_measured(asker: Asker) -> None:
    asker.server.series = {"DE": lambda moment: moment.hour * 10.0}
    start, end = NOW - 5 * HOUR, NOW - 2 * HOUR
    found = asker.past(start, end)
    assert asker.queries == [{"country": "de", "start": "2026-08-22T12:00Z", "end": "2026-08-22T16:00Z"}]
    # From 12:30 to 15:45: two quarters of 12 h, four of 13 h, four of 14 h, three of 15 h.
    assert found.intensity.tolist() == [120] * 2 + [130] * 4 + [140] * 4 + [150] * 3
    assert found.start == STEP - 5 * HOUR
    assert (found.kind, found.source) == (Kind.MEASURED, "energy_charts")


def test_a_past_ends_where_measuring_does() -> None:
    found = read_history(SOUND, zone="DE", start=STEP, end=STEP + HOUR)
    assert (found.intensity.tolist(), found.kind) == ([312.4, 305.9], Kind.MEASURED)


def test_where_nothing_was_measured_yet_the_forecast_stands_and_is_called_so() -> None:
    found = read_history(SOUND, zone="DE", start=STEP + 2 * QUARTER, end=STEP + HOUR)
    assert found.intensity.tolist() == [298, 290]
    assert (found.kind, found.source) == (Kind.FORECAST, "energy_charts, forecast alone")


def test_a_past_must_end_after_it_begins_and_a_moment_has_a_timezone(asker: Asker) -> None:
    with pytest.raises(InvalidRequestError, match="later than the start"):
        asker.past(NOW, NOW - HOUR)
    with pytest.raises(InvalidRequestError, match=r"until: .* has no timezone"):
        asked_in_time(asker.source.forecast(DE, now=NOW, until=NOW.replace(tzinfo=None)))
    assert asker.queries == []


# What goes wrong ------------------------------------------------------------------------------------------------------


def test_a_500_is_asked_again(asker: Asker) -> None:
    asker.server.fail("ec", "500", times=1)
    assert asker.ahead().start == STEP
    assert len(asker.queries) == 2


def test_a_service_asked_too_often_is_left_alone_as_it_says(asker: Asker) -> None:
    asker.server.fail("ec", "429", times=1, retry_after=1)
    assert asker.ahead().start == STEP
    assert len(asker.queries) == 2
    asker.server.fail("ec", "429", retry_after=600)
    with pytest.raises(SourceUnavailableError, match="429"):
        asker.ahead()
    assert len(asker.queries) == 3


@pytest.mark.parametrize(("fault", "error"), [("html", SourceResponseError), ("half", SourceUnavailableError)])
def test_an_answer_that_is_none_is_refused(asker: Asker, fault: str, error: type[Exception]) -> None:
    asker.server.fail("ec", fault)
    with pytest.raises(error, match="energy_charts"):
        asker.ahead()


@pytest.mark.parametrize("fault", ["duplicates", "unsorted"])
def test_doubled_and_unsorted_rows_change_no_number(asker: Asker, fault: str) -> None:
    sound = asker.ahead().intensity.tolist()
    asker.server.fail("ec", fault)
    assert asker.ahead().intensity.tolist() == sound


def test_a_country_that_disappears_is_unknown_from_then_on(asker: Asker) -> None:
    assert asker.ahead("zone:FR").zone == "FR"
    asker.server.fail("ec", "no_zone", zone="fr")
    with pytest.raises(UnknownZoneError, match="'fr'"):
        asker.ahead("zone:FR")
    assert asker.ahead().zone == "DE"


def sent(payload: Any) -> set[float]:
    columns = [column for name in ("co2eq", "co2eq_forecast") if isinstance(column := payload.get(name), list)]
    return {float(one) for column in columns for one in column if type(one) in (int, float) and abs(one) < 1e300}


@given(mutated(SOUND))
def test_a_mutated_answer_is_refused_or_a_forecast_of_its_numbers(payload: Any) -> None:
    try:
        told = read_forecast(payload, zone="DE", now=NOW)
    except ERRORS:
        return
    assert told.start <= NOW < told.start + told.step
    assert set(told.intensity.tolist()) <= sent(payload)


@given(mutated(SOUND))
def test_a_mutated_past_is_refused_or_made_of_its_numbers(payload: Any) -> None:
    try:
        told = read_history(payload, zone="DE", start=STEP, end=STEP + HOUR)
    except ERRORS:
        return
    assert told.start < STEP + HOUR
    assert told.end > STEP
    assert set(told.intensity.tolist()) <= sent(payload)
    assert (told.kind is Kind.FORECAST) == (told.source == "energy_charts, forecast alone")


# The connection -------------------------------------------------------------------------------------------------------


@pytest.mark.airflow
def test_a_connection_becomes_the_source_and_tells_how_far_it_sees(asker: Asker) -> None:
    from airflow.sdk import Connection

    from airflow_carbon.hooks.energy_charts import EnergyChartsHook

    asker.server.clock = lambda: datetime.now(UTC)
    hook = EnergyChartsHook(
        connection=Connection(
            conn_id="ec", conn_type="energy_charts", host=asker.server.base("ec"), extra='{"refresh": "1h"}'
        )
    )
    source = hook.source()
    assert isinstance(source, EnergyCharts)
    assert source.refresh == HOUR
    accepted, told = hook.test_connection()
    assert accepted
    [query] = asker.queries
    until = datetime.fromisoformat(query["end"])
    assert told == f"answers without a key; forecast for DE known until {until:%Y-%m-%d %H:%M} UTC"
    assert hook.source_url(Location.parse("azure:francecentral")).endswith("c=FR")
    assert hook.source_url(Location.parse("0.0,-30.0")) == "https://www.energy-charts.info/"
    assert hook.source_name == EnergyCharts.name
