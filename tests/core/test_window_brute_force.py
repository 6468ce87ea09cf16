"""The window search against every start on a minute, over real series; sums of the oracle are whole numbers."""

from __future__ import annotations

import csv
import random
from bisect import bisect_right
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import pytest

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.window import best_window
from airflow_carbon.core.windows import best_windows

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SERIES = ["lwa_GB_2020_30min", "lwa_DE_2020_15min", "lwa_FR_2020_30min", "zones_45_2022-08_60min_WIDE"]
CASES = 300
MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real series lie beside the repository, in ../shared/data"
)


def columns(name):
    with (DATA / f"{name}.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    stamps = [datetime.fromisoformat(row["timestamp"]) for row in rows]
    return stamps, {zone: [row[zone] for row in rows] for zone in rows[0] if zone != "timestamp"}


def stretches(name, seed, count):
    """Cut ``count`` gap-free stretches of 12 to 96 hours, each with intensities in whole hundredths of a gram."""
    stamps, zones = columns(name)
    rng = random.Random(seed)
    step = stamps[1] - stamps[0]
    while count:
        length = rng.randint(12, 96) * timedelta(hours=1) // step
        first = rng.randrange(len(stamps) - length)
        if stamps[first + length - 1] - stamps[first] != (length - 1) * step:
            continue  # a gap
        values = rng.choice(list(zones.values()))[first : first + length]
        yield rng, stamps[first], step, [round(100 * Fraction(value)) for value in values]
        count -= 1


def every_minute(hundredths, step, earliest, latest, minutes):
    """Give the least sum of minutes over starts from ``earliest`` to ``latest`` [min], and the first that has it."""
    totals = [0, *accumulate(value for value in hundredths for _ in range(step // MINUTE))]
    sums = [totals[start + minutes] - totals[start] for start in range(earliest, latest + 1)]
    return min(sums), earliest + sums.index(min(sums))


def mean_by_steps(hundredths, start, step, begin, end):
    """Add step by step what of it lies between two moments."""
    total = Fraction(0)
    for index, value in enumerate(hundredths):
        left, right = max(begin, start + index * step), min(end, start + (index + 1) * step)
        if left < right:
            total += value * Fraction((right - left) // timedelta(microseconds=1))
    return float(total / ((end - begin) // timedelta(microseconds=1)) / 100)


@pytest.mark.parametrize("name", SERIES)
def test_no_start_on_a_minute_is_cleaner_or_as_clean_and_earlier(name):
    for rng, start, step, hundredths in stretches(name, f"minutes {name}", CASES):
        forecast = Forecast(name, start, step, [value / 100 for value in hundredths])
        horizon = len(hundredths) * step // MINUTE
        minutes = rng.randint(1, min(horizon, 10 * 60))
        earliest = rng.randint(0, horizon - minutes)
        deadline = rng.randint(earliest + minutes, horizon)
        found = best_window(
            forecast,
            duration=minutes * MINUTE,
            earliest_start=start + earliest * MINUTE,
            deadline=start + deadline * MINUTE,
        )
        least, at = every_minute(hundredths, step, earliest, deadline - minutes, minutes)
        # With every bend on a minute, the oracle is exact: the same start, not only the same mean.
        assert found.start == start + at * MINUTE
        assert found.end == found.start + minutes * MINUTE
        assert found.end <= start + deadline * MINUTE
        assert found.intensity_g_per_kwh == pytest.approx(least / minutes / 100, rel=1e-9)


@pytest.mark.parametrize("name", SERIES)
def test_odd_microseconds_are_never_late_and_never_worse_than_a_start_on_a_minute(name):
    for rng, start, step, hundredths in stretches(name, f"odd {name}", CASES // 5):
        forecast = Forecast(name, start, step, [value / 100 for value in hundredths])
        duration = timedelta(microseconds=rng.randint(60_000_000, 8 * 3_600_000_000))
        earliest = start + timedelta(
            microseconds=rng.randint(0, (forecast.end - start - duration) // MINUTE * 30_000_000)
        )
        deadline = earliest + duration + rng.random() * (forecast.end - earliest - duration)
        found = best_window(forecast, duration=duration, earliest_start=earliest, deadline=deadline)
        assert earliest <= found.start
        assert found.end == found.start + duration <= deadline
        mean = mean_by_steps(hundredths, start, step, found.start, found.end)
        assert found.intensity_g_per_kwh == pytest.approx(mean, rel=1e-9)
        for _ in range(20):
            other = earliest + rng.randint(0, (deadline - duration - earliest) // MINUTE) * MINUTE
            assert mean <= mean_by_steps(hundredths, start, step, other, other + duration) * (1 + 1e-9)


def test_all_zones_in_one_call_are_as_clean_as_every_minute_of_each():
    stamps, zones = columns("zones_45_2022-08_60min_WIDE")
    rng = random.Random("all zones")
    step = stamps[1] - stamps[0]
    for _ in range(5):
        first = rng.randrange(bisect_right(stamps, stamps[-1] - timedelta(hours=49)))
        cut = {
            zone: [round(100 * Fraction(value)) for value in values[first : first + 48]]
            for zone, values in zones.items()
        }
        forecasts = [Forecast(zone, stamps[first], step, [value / 100 for value in row]) for zone, row in cut.items()]
        minutes = rng.randint(1, 12 * 60)
        for found, row in zip(best_windows(forecasts, duration=minutes * MINUTE), cut.values(), strict=True):
            least, at = every_minute(row, step, 0, 48 * 60 - minutes, minutes)
            assert found.start == stamps[first] + at * MINUTE
            assert found.intensity_g_per_kwh == pytest.approx(least / minutes / 100, rel=1e-9)
