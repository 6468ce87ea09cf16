"""The published savings of "Let's Wait Awhile", row by row, where its series lie beside the project."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from airflow_carbon.core.forecast import Forecast

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("lets_wait_awhile", ROOT / "benchmarks" / "lets_wait_awhile.py")
assert SPEC is not None
assert SPEC.loader is not None
lwa = sys.modules[SPEC.name] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(lwa)

needs_the_table = pytest.mark.skipif(
    not (lwa.DATA / "lwa_expected.csv").exists(),
    reason="no ../shared/data/lwa_expected.csv here: the study's series are not part of the project",
)


@needs_the_table
def test_every_exact_row_of_the_published_table_is_reproduced() -> None:
    # The package's own search places all jobs without noise; the slowest, interruptible ones, in one region alone.
    rows = list(lwa.rows(quick=("ger", "fr")))
    assert Counter(row.noise for row in rows) == {0: 63, 5: 63, 10: 12}
    apart = [row for row in rows if abs(row.got - row.expected) > lwa.TOLERANCE[row.noise]]
    assert apart == []


@needs_the_table
def test_the_choice_over_arrays_is_the_choice_of_the_core_on_a_noisy_forecast_too() -> None:
    actual = lwa.series(lwa.DATA, "gb")
    drawn = lwa.noised(actual, 10, seed=3)
    # A forecast holds nothing below zero; the same number added everywhere moves no optimum.
    forecast = Forecast("gb", actual.start, actual.step, drawn - drawn.min())
    every = lwa.ml_jobs(lwa.DATA, "semi_weekly", len(actual))
    jobs = lwa.Jobs(*(column[::40] for column in every))
    assert lwa.whole(actual, drawn, jobs) == pytest.approx(lwa.whole_by_the_core(actual, forecast, jobs), abs=1e-9)
    assert lwa.pieces(actual, drawn, jobs) == pytest.approx(lwa.pieces_by_the_core(actual, forecast, jobs), abs=1e-9)
    assert lwa.nightly(actual, drawn, 7) == pytest.approx(lwa.nightly_by_the_core(actual, forecast, 7), abs=1e-9)


@pytest.mark.parametrize(
    ("finish", "next_workday", "semi_weekly"),
    [
        ("Mon 09:00", "Mon 09:00", "Mon 09:00"),
        ("Mon 09:30", "Mon 09:30", "Thu 09:00"),
        ("Tue 17:00", "Tue 17:00", "Thu 09:00"),
        ("Tue 17:30", "Wed 09:00", "Thu 09:00"),
        ("Thu 08:30", "Thu 09:00", "Thu 09:00"),
        ("Thu 09:00", "Thu 09:00", "Thu 09:00"),
        ("Thu 09:30", "Thu 09:30", "Mon 09:00"),
        ("Fri 17:30", "Mon 09:00", "Mon 09:00"),
        ("Sat 12:00", "Mon 09:00", "Mon 09:00"),
        ("Sun 23:30", "Mon 09:00", "Mon 09:00"),
    ],
)
def test_a_deadline_follows_from_the_original_finish(finish: str, next_workday: str, semi_weekly: str) -> None:
    monday = datetime(2020, 3, 2, tzinfo=UTC)
    days = [f"{monday + timedelta(days=day):%a}" for day in range(7)]
    moment = monday + timedelta(days=days.index(finish[:3]), hours=int(finish[4:6]), minutes=int(finish[7:]))
    for rule, deadline in ((lwa.next_workday, next_workday), (lwa.semi_weekly, semi_weekly)):
        given = rule(moment)
        assert f"{given:%a %H:%M}" == deadline
        assert timedelta(0) <= given - moment < timedelta(days=5)


def test_a_night_near_the_first_stamp_has_its_window_cut_there() -> None:
    at, first, last = lwa.nights(8, 10_000)
    assert (at[0], first[0], last[0]) == (2, 0, 10)
    assert (at[1], first[1], last[1]) == (50, 42, 58)
    assert len(at) == 365


def test_pieces_take_the_cheapest_slots_and_a_whole_run_the_best_in_a_row() -> None:
    actual = Forecast("x", lwa.BEGIN, lwa.SLOT, [9.0, 1.0, 5.0, 1.0, 3.0, 2.0])
    jobs = lwa.Jobs(np.array([0]), np.array([2]), np.array([6]))
    assert lwa.pieces(actual, actual.intensity, jobs) == pytest.approx(100.0 * (1 - 2.0 / 10.0))
    assert lwa.whole(actual, actual.intensity, jobs) == pytest.approx(100.0 * (1 - 4.0 / 10.0))


def test_a_row_further_from_the_table_than_it_may_lie_says_so() -> None:
    rows = [lwa.Row("gb", "nightly", "+-8.0h", 5, 10.0, got) for got in (10.15, 10.25, 9.75)]
    assert [lwa.line(row).endswith("MISSED") for row in rows] == [False, True, True]
    assert "10.000    10.250   +0.250" in lwa.line(rows[1])
