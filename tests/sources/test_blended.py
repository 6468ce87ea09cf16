"""A source whose forecasts are mended by an own one, and what that costs."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.location import Location
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import SourceAuthError, SourceUnavailableError
from airflow_carbon.sources.blended import Blended
from airflow_carbon.sources.cached import Cached
from airflow_carbon.sources.host_cache import HostCache
from airflow_carbon.sources.kept_history import KeptHistory
from airflow_carbon.web.shelf import Shelf

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
GB = Location.parse("zone:GB")


def grams(hour: datetime) -> float:
    return 300.0 - 100.0 * math.cos((hour.hour - 3) * math.pi / 12.0)


class Grid:
    """A service that tells of the past truly, and of the future as it is set."""

    name = "grid"
    refresh = HOUR

    def __init__(self, *, wrong: bool = True, kind: Kind = Kind.FORECAST) -> None:
        self.wrong, self.kind, self.now, self.up, self.hangs = wrong, kind, BEGIN, True, False
        self.asked = {"forecast": 0, "history": 0}

    async def zone(self, location: Location) -> str:
        return location.name

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        self.asked["forecast"] += 1
        start = now.replace(minute=0)
        values = [grams(start + row * HOUR) for row in range(60)]
        told = [600.0 - value for value in values] if self.wrong else values
        return Forecast(location.name, start, HOUR, told, kind=self.kind, source="grid", issued_at=start)

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        self.asked["history"] += 1
        if self.hangs:
            await asyncio.sleep(60.0)
        if not self.up:
            raise SourceAuthError("grid: the plan has no history")
        start = start.replace(minute=0)
        values = [grams(start + row * HOUR) for row in range((end - start) // HOUR)]
        return Forecast(location.name, start, HOUR, values, kind=Kind.MEASURED, source="grid, past")


def link(grid: Grid, folder: Path, **more: Any) -> Blended:
    """Make it anew, as another process does."""
    shelf = Shelf(folder)
    return Blended(Cached(grid, host=HostCache(shelf), clock=lambda: grid.now), KeptHistory(grid, shelf), shelf, **more)


def ask(source: Blended, grid: Grid) -> Forecast:
    return asyncio.run(source.forecast(GB, now=grid.now, until=grid.now + DAY))


def lived(grid: Grid, folder: Path, days: int = 12, step: timedelta = 6 * HOUR, **more: Any) -> list[Forecast]:
    """Ask through some days, each time as another process does."""
    answers = []
    for row in range(days * DAY // step):
        grid.now = BEGIN + row * step
        answers.append(ask(link(grid, folder, **more), grid))
    return answers


def test_a_source_that_is_wrong_is_drawn_to_its_history_once_that_has_shown(tmp_path: Path) -> None:
    grid = Grid()
    first, *_, last = lived(grid, tmp_path)
    assert first.source == "grid"
    assert last.source.startswith("grid, blended with an own forecast (up to ")
    truth = np.array([grams(last.start + row * HOUR) for row in range(24)])
    assert np.abs(last.intensity[:24] - truth).mean() < 0.5 * np.abs(600.0 - 2.0 * truth).mean()


def test_a_source_that_is_right_is_left_alone_and_asked_for_its_past_once_a_day(tmp_path: Path) -> None:
    grid = Grid(wrong=False)
    answers = lived(grid, tmp_path)
    assert {one.source for one in answers} == {"grid"}
    assert grid.asked["forecast"] == len(answers)
    # Two days pass before the first issue is due.
    assert 8 <= grid.asked["history"] <= 11


def test_on_the_first_day_nothing_but_the_forecast_is_asked_for(tmp_path: Path) -> None:
    grid = Grid()
    lived(grid, tmp_path, days=1, step=HOUR)
    assert grid.asked == {"forecast": 24, "history": 0}


def test_where_the_past_cannot_be_had_the_answer_stands_and_it_is_asked_for_once_a_day(tmp_path: Path) -> None:
    grid = Grid()
    grid.up = False
    answers = lived(grid, tmp_path, days=8, step=HOUR)
    assert {one.source for one in answers} == {"grid"}
    # Each time for four weeks, and then for the last day.
    assert 10 <= grid.asked["history"] <= 14


def test_a_past_that_hangs_does_not_hold_up_an_answer(tmp_path: Path) -> None:
    grid = Grid()
    grid.hangs = True
    answers = lived(grid, tmp_path, days=4, patience=timedelta(seconds=0.05))
    assert {one.source for one in answers} == {"grid"}
    assert grid.asked["history"] == 2


def test_a_typical_profile_is_never_blended_nor_learned_from(tmp_path: Path) -> None:
    grid = Grid(kind=Kind.TYPICAL)
    lived(grid, tmp_path, days=4)
    assert grid.asked["history"] == 0


def test_many_who_ask_at_once_learn_once(tmp_path: Path) -> None:
    grid = Grid()
    lived(grid, tmp_path, days=9)
    grid.now += DAY
    before, source = grid.asked["history"], link(grid, tmp_path)

    async def everyone() -> list[Forecast]:
        asked = (source.forecast(GB, now=grid.now, until=grid.now + DAY) for _ in range(20))
        return await asyncio.gather(*asked)

    assert len({tuple(one.intensity) for one in asyncio.run(everyone())}) == 1
    assert grid.asked["history"] == before + 1


def test_what_fails_in_the_source_itself_is_told_as_ever(tmp_path: Path) -> None:
    class Down(Grid):
        async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
            raise SourceUnavailableError("grid: off")

    grid = Down()
    with pytest.raises(SourceUnavailableError, match="off"):
        ask(link(grid, tmp_path), grid)


@pytest.mark.parametrize("damage", [{"days": "x"}, {"pending": 3}, {}])
def test_what_was_learned_and_is_damaged_is_learned_anew(damage: dict[str, object], tmp_path: Path) -> None:
    grid = Grid()
    Shelf(tmp_path).write("blend GB", {"asked_us": "never", **damage})
    assert ask(link(grid, tmp_path), grid).source == "grid"
    assert len(Shelf(tmp_path).read("blend GB")["pending"]) == 1
