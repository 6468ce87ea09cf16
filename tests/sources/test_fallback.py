from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.location import Location
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import (
    InvalidForecastError,
    InvalidRequestError,
    SourceAuthError,
    SourceResponseError,
    SourceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.sources.cached import Cached
from airflow_carbon.sources.fallback import Fallback
from airflow_carbon.sources.history import History
from airflow_carbon.sources.typical import Typical

if TYPE_CHECKING:
    from airflow_carbon.sources.base import CarbonSource

HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
GB = Location.parse("zone:GB")


class Failing:
    refresh = timedelta(minutes=5)

    def __init__(self, name: str, error: Exception) -> None:
        self.name, self.error, self.asked = name, error, 0

    def fail(self) -> Exception:
        self.asked += 1
        return self.error

    async def zone(self, location: Location) -> str:
        raise self.fail()

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        raise self.fail()

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        raise self.fail()


class Stale(Failing):
    """A service whose newest forecast ended an hour ago."""

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        return Forecast("GB", now - 3 * HOUR, HOUR, [1.0, 2.0])


def ask(*sources: CarbonSource) -> Forecast:
    return asyncio.run(Fallback(sources).forecast(GB, now=NOON, until=NOON + 3 * HOUR))


def test_the_first_source_answers_and_the_second_is_not_asked() -> None:
    second = Failing("second", SourceUnavailableError("down"))
    answer = ask(Typical(), second)
    assert answer.source == "typical"
    assert second.asked == 0


@pytest.mark.parametrize("error", [SourceUnavailableError, SourceAuthError, SourceResponseError, UnknownZoneError])
def test_the_next_source_answers_and_the_answer_says_why(error: type[Exception]) -> None:
    answer = ask(Failing("one", error("first reason")), Failing("two", SourceUnavailableError("second")), Typical())
    assert answer.source == "typical (after one: first reason; two: second)"
    assert (answer.kind, answer.zone, len(answer)) == (Kind.TYPICAL, "GB", 3)


def test_a_malformed_file_is_no_end_of_the_chain(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("timestamp,intensity\nnever,1\n", encoding="utf-8")
    answer = ask(History(file), Typical())
    assert answer.source.startswith("typical (after history: mine.csv: line 2: 'never' is no timestamp")


def test_an_answer_that_does_not_hold_now_is_no_answer() -> None:
    answer = ask(Stale("old", SourceUnavailableError("")), Typical())
    assert answer.source.startswith(
        "typical (after old: its forecast covers 2026-11-22T09:00:00+00:00 to 2026-11-22T11"
    )


def test_the_past_and_the_zone_fall_back_too() -> None:
    chain = Fallback([Failing("one", SourceUnavailableError("down")), Typical()])
    assert asyncio.run(chain.zone(GB)) == "GB"
    past = asyncio.run(chain.history(GB, start=NOON - HOUR, end=NOON))
    assert past.source == "typical (after one: down)"


def test_when_all_fail_the_error_lists_every_one() -> None:
    sources = [Failing("one", SourceUnavailableError("down")), Failing("two", UnknownZoneError("where?"))]
    with pytest.raises(SourceUnavailableError, match="zone:GB: every source failed: one: down; two: where"):
        ask(*sources)


def test_when_no_source_knows_the_place_the_error_says_so() -> None:
    sources = [Failing("one", UnknownZoneError("no")), Failing("two", UnknownZoneError("nor here"))]
    with pytest.raises(UnknownZoneError, match="zone:GB: no source knows it: one: no; two: nor here"):
        ask(*sources)


def test_an_error_without_words_is_named_by_its_kind_and_a_long_one_is_cut() -> None:
    answer = ask(Failing("one", SourceUnavailableError()), Failing("two", SourceResponseError("x" * 5000)), Typical())
    assert "one: SourceUnavailableError; two: xxx" in answer.source
    assert answer.source.endswith("...)")
    assert len(answer.source) < 300


def test_a_fault_in_a_source_itself_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        ask(Failing("one", ZeroDivisionError()), Typical())


def test_the_chain_is_named_after_its_links_and_refreshes_with_the_quickest() -> None:
    chain = Fallback([Typical(), Failing("one", SourceUnavailableError())])
    assert chain.name == "typical > one"
    assert chain.refresh == timedelta(minutes=5)


def test_a_kept_answer_of_a_chain_keeps_its_reasons() -> None:
    failing = Failing("one", SourceUnavailableError("down"))
    # The chain's own zone comes from the second link; the first is asked for it each time, the forecast once.
    cached = Cached(Fallback([failing, Typical()]))
    answers = {asyncio.run(cached.forecast(GB, now=NOON, until=NOON + HOUR)).source for _ in range(3)}
    assert answers == {"typical (after one: down)"}
    assert failing.asked == 4


def test_an_empty_chain_and_a_moment_without_a_timezone_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="sources: the chain is empty"):
        Fallback([])
    with pytest.raises(InvalidRequestError, match="now: "):
        asyncio.run(Fallback([Typical()]).forecast(GB, now=datetime(2026, 1, 1), until=NOON))  # noqa: DTZ001


class Hanging(Failing):
    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        await asyncio.sleep(60)
        raise self.fail()


def test_a_source_that_hangs_leaves_the_next_one_its_share_of_the_time() -> None:
    chain = Fallback([Hanging("slow", SourceUnavailableError("x")), Typical()], patience=timedelta(seconds=0.4))
    answer = asyncio.run(chain.forecast(GB, now=NOON, until=NOON + HOUR))
    assert answer.kind is Kind.TYPICAL
    assert "slow: no answer within" in answer.source


class Resort:
    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.name, self.error = name, error

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        if self.error is not None:
            raise self.error
        return Forecast("GB", now, HOUR, [50.0] * 6, source=self.name)


def last_resort(*errors: Exception, resorts: list[Resort]) -> Forecast:
    sources = [Failing(f"source {number}", error) for number, error in enumerate(errors)]
    chain = Fallback(sources, last_resorts=resorts)
    return asyncio.run(chain.forecast(GB, now=NOON, until=NOON + HOUR))


def test_a_last_resort_answers_where_every_source_failed_and_says_after_what() -> None:
    answer = last_resort(
        SourceAuthError("no"),
        SourceUnavailableError("gone"),
        resorts=[Resort("a", SourceUnavailableError("-")), Resort("b")],
    )
    assert answer.source == "b (after source 0: no; source 1: gone; a: -)"


@pytest.mark.parametrize(
    "mistake", [UnknownZoneError("nowhere"), InvalidRequestError("what"), InvalidForecastError("row")]
)
def test_a_mistake_in_the_question_is_told_and_no_last_resort_covers_it_up(mistake: Exception) -> None:
    with pytest.raises(type(mistake), match=str(mistake)):
        last_resort(mistake, resorts=[Resort("b")])


def test_a_place_that_one_source_does_not_know_and_another_cannot_tell_now_is_an_outage() -> None:
    answer = last_resort(UnknownZoneError("nowhere"), SourceUnavailableError("gone"), resorts=[Resort("b")])
    assert answer.source.startswith("b (after")


def test_where_no_last_resort_answers_the_error_names_them_all() -> None:
    with pytest.raises(SourceUnavailableError, match="source 0: gone; a: nothing kept"):
        last_resort(SourceUnavailableError("gone"), resorts=[Resort("a", SourceUnavailableError("nothing kept"))])


def test_the_past_has_no_last_resort() -> None:
    chain = Fallback([Failing("source 0", SourceUnavailableError("gone"))], last_resorts=[Resort("b")])
    with pytest.raises(SourceUnavailableError, match="gone"):
        asyncio.run(chain.history(GB, start=NOON, end=NOON + HOUR))


def test_a_service_that_names_itself_is_not_named_twice() -> None:
    answer = last_resort(SourceUnavailableError("source 0: 500"), resorts=[Resort("b")])
    assert answer.source == "b (after source 0: 500)"
