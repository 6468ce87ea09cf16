"""Time the window search against a loop in plain Python and a numpy scan of every minute.

Run it with the package installed: ``python benchmarks/window.py``. On one core, over synthetic days with noise.
"""

from __future__ import annotations

import statistics
import timeit
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.forecast_error import ForecastError
from airflow_carbon.core.policy import decide
from airflow_carbon.core.request import WaitRequest
from airflow_carbon.core.window import best_window, spread_window
from airflow_carbon.core.windows import ForecastStack, best_windows

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2026, 1, 5, tzinfo=UTC)
STEP = timedelta(minutes=5)
STEPS = 96 * 12
ZONES = 50
WHOLE_STEPS = [timedelta(minutes=minutes) for minutes in (45, 60, 120, 240, 480)]
ODD = [timedelta(minutes=47, seconds=30), timedelta(hours=7, minutes=58, seconds=12)]


def timed_us(call: Callable[[], object], *, repeats: int = 301, number: int = 3) -> tuple[float, float]:
    """Give the least and the median time of a call [us]; the least is what it takes while nothing else runs."""
    call()
    times = timeit.repeat(call, repeat=repeats, number=number)
    return min(times) / number * 1e6, statistics.median(times) / number * 1e6


def series(zone: int) -> np.ndarray:
    rng = np.random.default_rng(zone)
    hours = np.arange(STEPS) / 12
    daily = 80 * np.cos(2 * np.pi * (hours - 19) / 24) + 40 * np.cos(2 * np.pi * hours / 96)
    return np.clip(300 + daily + np.cumsum(rng.normal(0, 3, STEPS)), 5, None)


def plain_python(values: list[float], minutes: int) -> tuple[float, int]:
    """Add up every start on a minute by a running sum, as one would write it first."""
    each = [value for value in values for _ in range(5)]
    total = sum(each[:minutes])
    best, at = total, 0
    for start in range(1, len(each) - minutes + 1):
        total += each[start + minutes - 1] - each[start - 1]
        if total < best:
            best, at = total, start
    return best / minutes, at


def minute_scan(values: np.ndarray, minutes: int) -> tuple[float, int]:
    """Scan every start on a minute by a prefix sum of minutes."""
    total = np.concatenate(([0.0], np.cumsum(np.repeat(values, 5))))
    means = (total[minutes:] - total[:-minutes]) / minutes
    at = int(means.argmin())
    return float(means[at]), at


def report(figure: str, target: str, calls: list[Callable[[], object]], **repeats: int) -> None:
    """Print one line: of several calls, the one that took longest."""
    least, median = max(timed_us(call, **repeats) for call in calls)
    print(f"{figure:<58}{target:>8}{least:>10.1f}{median:>10.1f}")


def main() -> None:
    values = [series(zone) for zone in range(ZONES)]
    forecasts = [Forecast(f"Z{zone}", START, STEP, row) for zone, row in enumerate(values)]
    one, stack, row = forecasts[0], ForecastStack(forecasts), values[0]
    listed = row.tolist()
    request = WaitRequest.checked(
        duration=timedelta(hours=2), ready_at=START, latest_start=START + timedelta(hours=80), spread=0.4
    )
    standing = decide(request, one, now=START).window
    error = ForecastError().observed(one)
    half_hour = timedelta(minutes=30)
    newer = one.replaced(start=START + half_hour, issued_at=START + half_hour)

    print(f"96 h at 5 min ({STEPS} steps); in us, the slowest of its durations\n")
    print(f"{'figure':<58}{'target':>8}{'min':>10}{'median':>10}")
    for sort, durations in (("whole steps", WHOLE_STEPS), ("no whole steps", ODD)):
        report(f"best_window, {sort}", "30", [partial(best_window, one, duration=d) for d in durations])
        built = [lambda d=d: best_window(Forecast("Z", START, STEP, row), duration=d) for d in durations]
        report(f"Forecast and best_window, {sort}", "80", built)
        many = [partial(best_windows, stack, duration=d) for d in durations]
        report(f"best_windows of {ZONES} zones, {sort}", "100", many)
        spread = [partial(spread_window, one, duration=d, tolerance=0.02, place=0.5) for d in durations]
        report(f"spread_window, {sort}", "", spread)
    report(f"ForecastStack of {ZONES}", "", [lambda: ForecastStack(forecasts)], repeats=51, number=1)
    report("decide, no plan yet", "", [lambda: decide(request, one, now=START, error=error)])
    report("decide, a plan stands", "", [lambda: decide(request, one, now=START, standing=standing, error=error)])
    later = [lambda: decide(request, newer, now=START + half_hour, standing=standing, error=error)]
    report("decide, a plan stands and a new issue comes", "", later)

    print("\nfor comparison, a job of 8 h\n")
    job, minutes = WHOLE_STEPS[-1], WHOLE_STEPS[-1] // timedelta(minutes=1)
    each = [lambda: [best_window(forecast, duration=job) for forecast in forecasts]]
    report(f"best_window of {ZONES} zones, one by one", "", each, repeats=21, number=1)
    report("numpy scan of every minute", "", [lambda: minute_scan(row, minutes)], repeats=101)
    report("loop over every minute in plain Python", "", [lambda: plain_python(listed, minutes)], repeats=21, number=1)


if __name__ == "__main__":
    main()
