"""Compare the window search with the climate-aware-task-scheduler package: time, lateness and cleanness.

``python benchmarks/peers.py``. That package joins the points of a forecast by straight lines and looks at starts that
lie whole steps after the moment of asking; here a forecast is a step function and every moment counts. To be fair to
both, each of its answers is billed on the step function that both were given.
"""

from __future__ import annotations

import statistics
from datetime import UTC, datetime, timedelta

import numpy as np
from cats.forecast import PointEstimate, WindowedForecast
from window import timed_us

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.window import best_window, window_at

START = datetime(2026, 1, 5, tzinfo=UTC)
STEP = timedelta(minutes=5)
HORIZON = timedelta(hours=96)
DURATIONS = (45, 60, 120, 240, 480)
SERIES = 40


def series(seed: int, steps: int) -> np.ndarray:
    rng, hours = np.random.default_rng(seed), np.arange(steps) / 12
    daily = 80 * np.cos(2 * np.pi * (hours - 19) / 24) + 40 * np.cos(2 * np.pi * hours / 96)
    return np.clip(300 + daily + np.cumsum(rng.normal(0, 3, steps)), 5, None)


def peer(points: list[PointEstimate], minutes: int, now: datetime, deadline: datetime) -> datetime:
    """Ask as its command line does: the least of all windows whose job ends by the deadline."""
    most = (deadline - now) // timedelta(minutes=1) - minutes
    return min(WindowedForecast(points, minutes, now, max_window_minutes=most)).start


def main() -> None:
    steps = HORIZON // STEP
    now, deadline = START + timedelta(minutes=2), START + HORIZON - timedelta(minutes=10)
    cleaner, worse, late, ratios, gained = 0, 0, 0, [], []
    for seed in range(SERIES):
        values = series(seed, steps)
        forecast = Forecast("Z", START, STEP, values)
        points = [PointEstimate(value, START + at * STEP) for at, value in enumerate(values.tolist())]
        for minutes in DURATIONS:
            duration = timedelta(minutes=minutes)
            ours = best_window(forecast, duration=duration, earliest_start=now, deadline=deadline)
            theirs = window_at(forecast, start=peer(points, minutes, now, deadline), duration=duration)
            late += ours.end > deadline
            worse += ours.intensity_g_per_kwh > theirs.intensity_g_per_kwh * (1 + 1e-12)
            cleaner += ours.intensity_g_per_kwh < theirs.intensity_g_per_kwh * (1 - 1e-12)
            gained.append(100 * (1 - ours.intensity_g_per_kwh / theirs.intensity_g_per_kwh))
    print(f"96 h at 5 min ({steps} steps), {SERIES} series x {len(DURATIONS)} durations, asked between two steps\n")
    print(f"answers later than the deadline: {late}; less clean than the peer's: {worse}; cleaner: {cleaner}")
    print(f"cleaner by {statistics.mean(gained):.3f} % on average, {max(gained):.2f} % at most\n")
    print(f"{'job':<10}{'target':>10}{'peer, us':>12}{'here, us':>12}{'times as fast':>16}   (medians)")
    values = series(0, steps)
    points = [PointEstimate(value, START + at * STEP) for at, value in enumerate(values.tolist())]
    forecast = Forecast("Z", START, STEP, values)
    for minutes in DURATIONS:
        duration = timedelta(minutes=minutes)
        theirs_us = timed_us(lambda m=minutes: peer(points, m, now, deadline), repeats=7, number=1)[1]
        ours_us = timed_us(lambda d=duration: best_window(forecast, duration=d, earliest_start=now, deadline=deadline))[
            1
        ]
        ratios.append(theirs_us / ours_us)
        print(f"{minutes:>4} min  {'300':>10}{theirs_us:>12.0f}{ours_us:>12.1f}{ratios[-1]:>16.0f}")
    print(f"\n{'steps':>8}{'here, us':>12}{'ns a step':>12}   (median, a job of 8 h; the cost grows evenly with n)")
    for count in (288, 576, 1152, 2304, 4608, 9216, 18432):
        forecast = Forecast("Z", START, STEP, series(1, count))
        ours_us = timed_us(lambda f=forecast: best_window(f, duration=timedelta(hours=8)), repeats=101)[1]
        print(f"{count:>8}{ours_us:>12.1f}{1000 * ours_us / count:>12.1f}")


if __name__ == "__main__":
    main()
