"""A user's own function as a source."""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from airflow_carbon.core.location import Location
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import (
    InvalidRequestError,
    SourceResponseError,
    SourceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.sources.base import CarbonSource
from airflow_carbon.sources.cached import Cached
from airflow_carbon.sources.computed import Computed
from airflow_carbon.sources.fallback import Fallback
from airflow_carbon.sources.given_rows import MOST_ROWS
from airflow_carbon.sources.typical import Typical

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast

HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 22, 12, 17, 42, 5, tzinfo=UTC)
GERMANY = Location.parse("zone:DE")
SECRET = "token-7f3a"


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 22, hour, minute, tzinfo=UTC)


def by_the_hour(location: str, start: datetime, end: datetime) -> Iterator[tuple[datetime, float]]:
    """Give ten times the hour of the day, only for hours that begin in the interval."""
    while start < end:
        yield start, 10.0 * start.hour
        start += HOUR


def ahead(source: CarbonSource, hours: float = 6, now: datetime = NOW, location: Location = GERMANY) -> Forecast:
    return asyncio.run(source.forecast(location, now=now, until=now + hours * HOUR))


def past(source: CarbonSource, start: datetime, end: datetime) -> Forecast:
    return asyncio.run(source.history(GERMANY, start=start, end=end))


def gives(rows: Any) -> Computed:
    return Computed(lambda location, start, end: rows)


def test_it_is_a_source() -> None:
    source = Computed(by_the_hour, refresh=HOUR / 2)
    assert isinstance(source, CarbonSource)
    assert (source.name, source.refresh) == ("callable", HOUR / 2)


def test_its_forecast_begins_with_the_hour_that_holds_now() -> None:
    answer = ahead(Computed(by_the_hour), hours=3)
    assert (answer.start, answer.step, answer.end) == (at(12), HOUR, at(16))
    assert answer.intensity.tolist() == [120.0, 130.0, 140.0, 150.0]
    assert (answer.zone, answer.kind, answer.source) == ("DE", Kind.FORECAST, "callable")


def test_a_step_shorter_than_an_hour_begins_where_now_lies_in_it() -> None:
    def by_five_minutes(location: str, start: datetime, end: datetime) -> list[tuple[datetime, float]]:
        return [(start + row * HOUR / 12, float(row)) for row in range((end - start) // (HOUR / 12))]

    answer = ahead(Computed(by_five_minutes), hours=2)
    # Row 3 is 12:15 to 12:20. What is asked for ends at 14:17:42, so 27 whole steps from 12:00 are given: rows 0 to 26.
    assert answer.start == at(12, 15)
    assert answer.intensity.tolist() == [float(row) for row in range(3, 27)]


def test_the_function_is_told_location_and_moments_in_utc() -> None:
    told: list[tuple[str, datetime, datetime]] = []

    def listening(location: str, start: datetime, end: datetime) -> Iterable[tuple[datetime, float]]:
        told.append((location, start, end))
        return by_the_hour(location, start, end)

    tokyo = timezone(9 * HOUR)
    ahead(Computed(listening), hours=4, now=NOW.astimezone(tokyo), location=Location.parse("azure:japaneast"))
    past(Computed(listening), at(3, 30), at(7, 10))
    assert told == [("azure:japaneast", at(12), NOW + 4 * HOUR), ("zone:DE", at(3), at(7, 10))]
    assert {moment.tzinfo for _, *moments in told for moment in moments} == {UTC}


@pytest.mark.parametrize("hours", [-3, 0, 0.1, 1])
def test_a_near_end_still_asks_for_two_hours_since_one_row_tells_no_step(hours: float) -> None:
    answer = ahead(Computed(by_the_hour), hours=hours)
    assert answer.start == at(12)
    assert answer.intensity[0] == 120.0


def test_the_past_is_called_measured_and_cut_to_what_was_asked() -> None:
    answer = past(Computed(by_the_hour), at(3, 30), at(6))
    assert (answer.start, answer.end, answer.kind) == (at(3), at(6), Kind.MEASURED)
    assert answer.mean(at(3, 30), at(5)) == pytest.approx((0.5 * 30 + 40) / 1.5)


def test_a_short_past_is_asked_for_from_earlier_on_and_not_into_the_future() -> None:
    answer = past(Computed(by_the_hour), at(3, 10), at(3, 40))
    assert (answer.start, answer.end, answer.intensity.tolist()) == (at(3), at(4), [30.0])


def test_a_past_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"end: .* must be later"):
        past(Computed(by_the_hour), at(4), at(4))


@pytest.mark.parametrize("question", ["forecast", "history"])
def test_moments_without_a_timezone_are_refused(question: str) -> None:
    naive = NOW.replace(tzinfo=None)
    source = Computed(by_the_hour)
    asked = (
        source.forecast(GERMANY, now=naive, until=NOW)
        if question == "forecast"
        else source.history(GERMANY, start=naive, end=NOW)
    )
    with pytest.raises(InvalidRequestError, match="has no timezone"):
        asyncio.run(asked)


def test_signal_accounting_and_zone_travel_with_the_answer() -> None:
    meaning = Accounting("direct", "consumption", "CO2")
    answer = ahead(Computed(by_the_hour, zone="DE", signal=Signal.MARGINAL, accounting=meaning))
    assert (answer.signal, answer.accounting, answer.zone) == (Signal.MARGINAL, meaning, "DE")


@pytest.mark.parametrize("asked", ["zone:DE", "zone:de", "azure:germanywestcentral", "52.5,13.4"])
def test_a_function_of_one_zone_answers_for_it(asked: str) -> None:
    assert ahead(Computed(by_the_hour, zone="DE"), location=Location.parse(asked)).zone == "DE"


@pytest.mark.parametrize("asked", ["zone:FR", "azure:swedencentral", "azure:nowhere", "48.85,2.35"])
def test_a_function_of_one_zone_is_not_asked_for_another(asked: str) -> None:
    called = []
    source = Computed(lambda *told: called.append(told) or [], zone="DE")
    with pytest.raises(UnknownZoneError):
        ahead(source, location=Location.parse(asked))
    assert called == []


@pytest.mark.parametrize(
    ("asked", "zone"), [("zone:DE-LU", "DE-LU"), ("aws:eu-west-1", "aws:eu-west-1"), ("51.5,-0.12", "51.5,-0.12")]
)
def test_without_a_zone_each_location_is_one_of_its_own(asked: str, zone: str) -> None:
    assert asyncio.run(Computed(by_the_hour).zone(Location.parse(asked))) == zone


async def asynchronous(location: str, start: datetime, end: datetime) -> list[tuple[datetime, float]]:
    await asyncio.sleep(0)
    return list(by_the_hour(location, start, end))


class Grid:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, location: str, start: datetime, end: datetime) -> list[tuple[datetime, float]]:
        return [(stamp, self.factor * value) for stamp, value in by_the_hour(location, start, end)]

    async def later(self, location: str, start: datetime, end: datetime) -> list[tuple[datetime, float]]:
        return self(location, start, end)


@pytest.mark.parametrize(
    "function",
    [
        asynchronous,
        partial(asynchronous),
        lambda *told: asynchronous(*told),
        Grid(1).later,
        Grid(1),
        partial(by_the_hour),
        lambda *told: list(by_the_hour(*told)),
        lambda *told: [[stamp.astimezone(timezone(HOUR)), Decimal(value)] for stamp, value in by_the_hour(*told)],
        lambda *told: [(stamp, np.float32(value)) for stamp, value in by_the_hour(*told)],
        lambda *told: zip(*zip(*by_the_hour(*told), strict=True), strict=True),
    ],
)
def test_every_kind_of_callable_and_of_rows_gives_the_same(function: Callable[..., Any]) -> None:
    answer = ahead(Computed(function), hours=2)
    assert (answer.start, answer.start.tzinfo) == (at(12), UTC)
    assert answer.intensity.tolist() == [120.0, 130.0, 140.0]


def rows(*values: Any, step: timedelta = HOUR) -> list[tuple[datetime, Any]]:
    return [(at(12) + row * step, value) for row, value in enumerate(values)]


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (None, "it gave a NoneType, not rows"),
        ("rows", "it gave a str, not rows"),
        (3.5, "it gave a float, not rows"),
        ([3.5, 4.5], r"row 0: a float where a pair \(datetime, number\)"),
        (["ab", "cd"], "row 0: a str where a pair"),
        ([(at(12), 1.0, 2.0)], "row 0: a tuple where a pair"),
        ({at(12): 1.0}, "row 0: a datetime where a pair"),
        ([("2026-11-22T12:00:00Z", 1.0)], "row 0: it begins with a str; give a datetime"),
        ([*rows(1.0), (at(13).replace(tzinfo=None), 2.0)], "row 1: 2026-11-22T13:00:00 has no timezone"),
        (rows(1.0, "2"), "row 1: a str is no carbon intensity"),
        (rows(1.0, None), "row 1: a NoneType is no carbon intensity"),
        (rows(1.0, True), "row 1: a bool is no carbon intensity"),
        (rows(1.0, -0.5), "row 1: -0.5 is no carbon intensity"),
        (rows(1.0, float("nan")), "row 1: nan is no carbon intensity"),
        (rows(1.0, float("inf")), "row 1: inf is no carbon intensity"),
        (rows(1.0, Decimal("NaN")), "row 1: nan is no carbon intensity"),
        (rows(1.0, 400_000), r"row 1: 400000 is no carbon intensity; .* 0 to 10000 \[gCO2eq/kWh\]"),
        (rows(1.0), "one row alone does not tell the step"),
        ([*rows(1.0, 2.0), (at(15), 3.0)], "row 2: 2026-11-22T15:00:00.* comes 2:00:00 after the row before it"),
        (rows(1.0, 2.0)[::-1], "row 1: 2026-11-22T12:00:00.* is earlier than the row before it"),
        (rows(1.0) * 2, "row 1: 2026-11-22T12:00:00.* repeats the row before it"),
        (rows(1.0, 2.0, step=HOUR / 12), r"covers 2026-11-22T12:00:00\+00:00 to 2026-11-22T12:10:00.*, not .*T12:17"),
        ([(at(13), 1.0), (at(14), 2.0)], r"covers 2026-11-22T13:00:00.*, not 2026-11-22T12:17:42.*asked for"),
    ],
)
def test_what_is_no_series_is_refused_and_the_function_named(given: Any, fault: str) -> None:
    with pytest.raises(SourceResponseError, match=rf"test_computed\.gives\.<locals>\.<lambda>: .*{fault}"):
        ahead(gives(given))


@pytest.mark.parametrize("function", [lambda *told: None, Grid(1e9), partial(by_the_hour, "x")])
def test_a_function_without_a_name_of_its_own_is_named_by_what_it_is(function: Any) -> None:
    names = {"function": "<lambda>", "Grid": "test_computed.Grid: ", "partial": "functools.partial: "}
    with pytest.raises((SourceResponseError, SourceUnavailableError), match=names[type(function).__name__]):
        ahead(Computed(function))


def test_rows_without_an_end_are_given_up() -> None:
    def endless(location: str, start: datetime, end: datetime) -> Iterator[tuple[datetime, float]]:
        return ((start + row * timedelta(seconds=1), 1.0) for row in itertools.count())

    with pytest.raises(SourceResponseError, match=f"more than {MOST_ROWS} rows"):
        ahead(Computed(endless))


@pytest.mark.parametrize("nothing", [[], (), iter([])])
def test_an_empty_answer_is_an_outage(nothing: Any) -> None:
    with pytest.raises(SourceUnavailableError, match="nothing known for zone:DE"):
        ahead(gives(nothing))


def test_a_past_that_is_not_known_is_an_outage() -> None:
    with pytest.raises(SourceUnavailableError, match=r"covers 2026-11-22T12:00:00.* to 2026-11-22T14:00:00.*, not"):
        past(gives(rows(1.0, 2.0)), at(3), at(9))


def failing(location: str, start: datetime, end: datetime) -> list[tuple[datetime, float]]:
    raise PermissionError(f"401 for {SECRET}")


async def failing_later(location: str, start: datetime, end: datetime) -> list[tuple[datetime, float]]:
    await asyncio.sleep(0)
    return failing(location, start, end)


def failing_midway(location: str, start: datetime, end: datetime) -> Iterator[tuple[datetime, float]]:
    yield start, 1.0
    failing(location, start, end)


@pytest.mark.parametrize("function", [failing, failing_later, failing_midway, lambda *told: failing_later(*told)])
def test_what_the_function_raises_is_told_by_its_type_and_place_and_not_by_its_words(function: Any) -> None:
    with pytest.raises(
        SourceUnavailableError, match=r"asked for zone:DE: PermissionError \(test_computed\.py, line \d+\)"
    ) as caught:
        ahead(Computed(function))
    told = "".join(traceback.format_exception(caught.value))
    assert "PermissionError" in told
    assert SECRET not in told


def wrong_signature(location: str) -> list[tuple[datetime, float]]:
    return []


async def wrong_signature_later(location: str) -> list[tuple[datetime, float]]:
    return []


@pytest.mark.parametrize("function", [wrong_signature, wrong_signature_later])
def test_a_function_that_takes_something_else_is_an_outage_of_the_source(function: Any) -> None:
    with pytest.raises(SourceUnavailableError, match=r"wrong_signature.*TypeError"):
        ahead(Computed(function))


def test_even_a_function_that_ends_the_program_ends_only_its_question() -> None:
    with pytest.raises(SourceUnavailableError, match="SystemExit"):
        ahead(Computed(lambda *told: sys.exit(3)))


def test_a_function_may_say_that_it_does_not_know_the_location() -> None:
    def picky(location: str, start: datetime, end: datetime) -> list[tuple[datetime, float]]:
        raise UnknownZoneError(f"not in the table at {SECRET}")

    with pytest.raises(UnknownZoneError, match=r"zone:DE: .*picky does not know it") as caught:
        ahead(Computed(picky))
    assert SECRET not in str(caught.value)


def test_in_a_chain_the_next_source_answers_and_the_record_says_why() -> None:
    answer = ahead(Fallback([Computed(failing), Typical()]))
    assert answer.kind is Kind.ANNUAL_AVERAGE
    assert "after callable: " in answer.source
    assert "failing: asked for zone:DE: PermissionError" in answer.source


def test_a_function_that_blocks_does_not_block_the_loop() -> None:
    let_go = threading.Event()

    def blocking(location: str, start: datetime, end: datetime) -> Iterable[tuple[datetime, float]]:
        let_go.wait()
        return by_the_hour(location, start, end)

    async def ask() -> Forecast:
        asked = asyncio.ensure_future(Computed(blocking).forecast(GERMANY, now=NOW, until=NOW + HOUR))
        await asyncio.sleep(0)
        # Only a loop that goes on comes to this line.
        let_go.set()
        return await asked

    assert asyncio.run(ask()).intensity[0] == 120.0


def test_a_function_that_hangs_holds_one_thread_for_each_location() -> None:
    let_go, called = threading.Event(), []

    def hanging(location: str, start: datetime, end: datetime) -> Iterable[tuple[datetime, float]]:
        called.append(location)
        let_go.wait()
        return by_the_hour(location, start, end)

    source = Computed(hanging)

    async def ask(location: str) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await source.forecast(Location.parse(location), now=NOW, until=NOW + HOUR)

    async def many() -> None:
        await asyncio.gather(*(ask(location) for location in ("zone:DE", "zone:FR") for _ in range(10)))

    try:
        asyncio.run(many())
    finally:
        let_go.set()
    assert ahead(source).intensity[0] == 120.0
    # Ten asked for each, and hung together; the last answer took one call more.
    assert sorted(called) == ["zone:DE", "zone:DE", "zone:FR"]


def test_under_the_cache_many_who_ask_call_it_once() -> None:
    called = []

    def counting(location: str, start: datetime, end: datetime) -> Iterable[tuple[datetime, float]]:
        called.append(location)
        return by_the_hour(location, start, end)

    source = Cached(Computed(counting))

    async def everyone() -> set[float]:
        asked = (source.forecast(GERMANY, now=NOW, until=NOW + 5 * HOUR) for _ in range(100))
        return {float(answer.intensity[0]) for answer in await asyncio.gather(*asked)}

    assert asyncio.run(everyone()) == {120.0}
    assert called == ["zone:DE"]
