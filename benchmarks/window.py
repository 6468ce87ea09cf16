"""Time the window search against a loop in plain Python and a numpy scan of every minute.

Run it with the package installed: ``python benchmarks/window.py``. Medians, on one core, of synthetic days with noise.
"""

from __future__ import annotations

import statistics
import timeit
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.window import best_window, spread_window
from airflow_carbon.core.windows import ForecastStack, best_windows

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2026, 1, 5, tzinfo=UTC)
STEP = timedelta(minutes=5)
STEPS = 96 * 12
ZONES = 50
DURATIONS = [timedelta(minutes=minutes) for minutes in (45, 60, 120, 240, 480)] + [
    timedelta(minutes=47, seconds=30),
    timedelta(hours=7, minutes=58, seconds=12),
]


def median_us(call: Callable[[], object], *, repeats: int = 301, number: int = 5) -> float:
    call()
    return statistics.median(timeit.repeat(call, repeat=repeats, number=number)) / number * 1e6


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


def main() -> None:
    values = [series(zone) for zone in range(ZONES)]
    forecasts = [Forecast(f"Z{zone}", START, STEP, row) for zone, row in enumerate(values)]
    one, stack = forecasts[0], ForecastStack(forecasts)
    listed = values[0].tolist()
    print(f"96 h at 5 min ({STEPS} steps), medians in us")
    heads = "duration", "best_window", "+ Forecast", "spread", f"{ZONES} zones", "one by one", "minute scan", "loop"
    print("  ".join(f"{head:>12}" for head in heads))
    for duration in DURATIONS:
        minutes = duration // timedelta(minutes=1)
        row = [
            median_us(lambda d=duration: best_window(one, duration=d)),
            median_us(lambda d=duration: best_window(Forecast("Z", START, STEP, values[0]), duration=d)),
            median_us(lambda d=duration: spread_window(one, duration=d, tolerance=0.02, place=0.5)),
            median_us(lambda d=duration: best_windows(stack, duration=d)),
            median_us(lambda d=duration: [best_window(f, duration=d) for f in forecasts], repeats=21, number=1),
            median_us(lambda m=minutes: minute_scan(values[0], m), repeats=101),
            median_us(lambda m=minutes: plain_python(listed, m), repeats=21, number=1),
        ]
        print("  ".join([f"{duration!s:>12}", *(f"{value:12.1f}" for value in row)]))
    print(f"building a stack of {ZONES}: {median_us(lambda: ForecastStack(forecasts), repeats=31):.0f}")


if __name__ == "__main__":
    main()
