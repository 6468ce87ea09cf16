"""The own forecast as a link of the chain: from kept history, where a source foresees nothing or has failed."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_carbon.core.forecast import Forecast, issuer
from airflow_carbon.core.location import Location
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import SourceAuthError, SourceUnavailableError
from airflow_carbon.sources.cached import Cached
from airflow_carbon.sources.fallback import Fallback
from airflow_carbon.sources.history import History
from airflow_carbon.sources.host_cache import HostCache
from airflow_carbon.sources.kept_history import LENGTH, KeptHistory, Past
from airflow_carbon.sources.last_good import LastGood
from airflow_carbon.sources.own_forecast import OwnForecast
from airflow_carbon.sources.typical import Typical
from airflow_carbon.sources.typical_day import TypicalDay
from airflow_carbon.web.shelf import Shelf

HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MEANT = Accounting("life-cycle", "consumption", "CO2e")
GB = Location.parse("zone:GB")


def grams(hour: datetime) -> float:
    """Every day alike: cleanest at three in the morning."""
    return 300.0 - 100.0 * math.cos((hour.hour - 3) * math.pi / 12.0)


class Plan:
    """A data plan without forecasts, which tells of the past, the last hour excepted."""

    name = "plan"
    refresh = HOUR

    def __init__(self, *, reach: timedelta = timedelta(days=365)) -> None:
        self.up, self.reach, self.now = True, reach, NOON
        self.asked: list[tuple[datetime, datetime]] = []

    async def zone(self, location: Location) -> str:
        return location.name

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        raise SourceAuthError("plan: the token's plan has no forecast")

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        self.asked.append((start, end))
        if not self.up:
            raise SourceUnavailableError("plan: off")
        if start < self.now - self.reach:
            raise SourceAuthError("plan: it does not reach so far back")
        start = start.replace(minute=0)
        values = [grams(start + row * HOUR) for row in range((end - start) // HOUR - 1)]
        return Forecast(
            location.name,
            start,
            HOUR,
            values,
            Signal.MARGINAL,
            accounting=MEANT,
            kind=Kind.MEASURED,
            source="plan, day",
        )


def chain(source: Plan, folder: Path) -> Fallback:
    """Make the chain anew, as another process does."""
    cached = Cached(source, host=HostCache(Shelf(folder)), clock=lambda: source.now)
    own = OwnForecast([KeptHistory(source, Shelf(folder))])
    return Fallback([cached], last_resorts=[LastGood([cached]), own, TypicalDay()])


def ask(source: Fallback, now: datetime) -> Forecast:
    return asyncio.run(source.forecast(GB, now=now, until=now + 24 * HOUR))


def test_a_plan_without_forecasts_gets_an_own_one_that_says_what_it_is(tmp_path: Path) -> None:
    answer = ask(chain(Plan(), tmp_path), NOON + timedelta(minutes=20))
    assert answer.kind is Kind.OWN == "own forecast"
    assert answer.source.startswith("own forecast, from 28 days of plan history, issued by nobody (after plan: ")
    assert issuer(answer.source) == "own forecast"
    assert (answer.signal, answer.accounting, answer.zone) == (Signal.MARGINAL, MEANT, "GB")
    assert (answer.start, answer.issued_at) == (NOON, None)
    assert answer.end >= NOON + 24 * HOUR
    assert [round(value) for value in answer.intensity[:24]] == [round(grams(NOON + row * HOUR)) for row in range(24)]


def test_four_weeks_are_asked_for_once_and_then_only_what_is_new(tmp_path: Path) -> None:
    plan = Plan()
    for minutes in (0, 5, 59):
        ask(chain(plan, tmp_path), NOON + timedelta(minutes=minutes))
    assert plan.asked == [(NOON - LENGTH, NOON)]
    plan.now = NOON + HOUR
    ask(chain(plan, tmp_path), plan.now)
    assert len(plan.asked) == 2
    assert plan.asked[1][1] - plan.asked[1][0] <= 24 * HOUR


def test_many_who_ask_at_once_share_one_request(tmp_path: Path) -> None:
    plan = Plan()
    own = OwnForecast([KeptHistory(plan, Shelf(tmp_path))])

    async def everyone() -> list[Forecast]:
        return await asyncio.gather(*(own.forecast(GB, now=NOON, until=NOON + HOUR) for _ in range(20)))

    assert len({tuple(one.intensity) for one in asyncio.run(everyone())}) == 1
    assert len(plan.asked) == 1


def test_what_is_kept_on_disk_stays_bounded(tmp_path: Path) -> None:
    plan, shelf = Plan(), Shelf(tmp_path)
    for day in range(0, 40, 5):
        plan.now = NOON + timedelta(days=day)
        past = asyncio.run(KeptHistory(plan, shelf).past(GB, now=plan.now))
        assert len(past.hours) <= LENGTH // HOUR
    assert len([file for file in tmp_path.iterdir() if file.suffix == ".json"]) == 1


def test_in_an_outage_the_kept_history_serves_for_a_day_and_no_longer(tmp_path: Path) -> None:
    plan = Plan()
    ask(chain(plan, tmp_path), NOON)
    plan.up = False
    later = plan.now = NOON + 20 * HOUR
    answer = ask(chain(plan, tmp_path), later)
    assert answer.kind is Kind.OWN
    assert answer.intensity[0] == pytest.approx(grams(later), abs=1.0)
    plan.now = NOON + 26 * HOUR
    assert ask(chain(plan, tmp_path), plan.now).kind is Kind.TYPICAL


def test_a_source_that_fails_is_not_asked_again_within_a_minute(tmp_path: Path) -> None:
    plan = Plan()
    plan.up = False
    for seconds in (0, 10, 50):
        ask(chain(plan, tmp_path), NOON + timedelta(seconds=seconds))
    first = len(plan.asked)
    ask(chain(plan, tmp_path), NOON + timedelta(seconds=70))
    assert len(plan.asked) == 2 * first


def test_a_plan_that_tells_of_one_day_alone_gathers_a_week(tmp_path: Path) -> None:
    plan = Plan(reach=timedelta(days=1))
    told = []
    for half_day in range(17):
        plan.now = NOON + half_day * 12 * HOUR
        told.append(ask(chain(plan, tmp_path), plan.now))
    assert told[0].kind is Kind.TYPICAL
    assert told[-1].kind is Kind.OWN
    assert "from 9 days of plan history" in told[-1].source


def test_a_file_whose_rows_end_is_foreseen_from_all_its_parts(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    rows = [NOON - 10 * 24 * HOUR + row * HOUR for row in range(240)]
    kept = [row for row in rows if not NOON - 60 * HOUR <= row < NOON - 55 * HOUR]
    path.write_text("\n".join(["timestamp,intensity", *(f"{row.isoformat()},{grams(row)}" for row in kept)]))
    history = History(path, zone="GB", gaps="split")
    source = Fallback([Cached(history)], last_resorts=[OwnForecast([KeptHistory(history, None)])])
    answer = ask(source, NOON)
    assert answer.source.startswith("own forecast, from 10 days of history history, issued by nobody")
    assert answer.intensity[15] == pytest.approx(200.0, abs=1.0)


def test_a_typical_profile_is_no_history(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError, match="no history, only a typical"):
        asyncio.run(KeptHistory(Typical(), Shelf(tmp_path)).past(GB, now=NOON))


@pytest.mark.parametrize("damage", [None, {}, {"zone": "GB"}, {"hours": "x"}])
def test_what_is_damaged_on_disk_is_asked_for_anew(damage: dict[str, object] | None, tmp_path: Path) -> None:
    assert Past.from_document(damage) == Past()
    plan, shelf = Plan(), Shelf(tmp_path)
    if damage is not None:
        shelf.write("past GB", damage)
    assert len(asyncio.run(KeptHistory(plan, shelf).past(GB, now=NOON)).parts()) == 1


def test_numbers_that_mean_something_else_replace_what_was_kept() -> None:
    one = Forecast("GB", NOON, HOUR, [1.0, 2.0], kind=Kind.MEASURED)
    other = Forecast("GB", NOON + 2 * HOUR, HOUR, [3.0], Signal.MARGINAL, kind=Kind.MEASURED)
    assert Past().with_part(one).with_part(other).hours == (3.0,)
