"""Time the plan of a run in chunks against the same dynamic program in plain Python, and a chain of stages.

Run it with the package installed: ``python benchmarks/schedule.py``. On one core, over synthetic days with noise.
"""

from __future__ import annotations

import math
import statistics
import timeit
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from airflow_carbon.core import schedule_slots
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.power import PowerProfile
from airflow_carbon.core.schedule import best_schedule
from airflow_carbon.core.stages import Stage, plan_stages
from airflow_carbon.core.window import best_window

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2026, 1, 5, tzinfo=UTC)
STEP = timedelta(minutes=5)
STEPS = 96 * 12
JOB = timedelta(hours=8)
MIN_CHUNK = timedelta(minutes=30)
RESUME = timedelta(minutes=5)
#: On a grid that holds it, and steps of 5 min, a search is of ten million states.
SHORT_RESUME = timedelta(minutes=2)
NOW = START + timedelta(minutes=2, seconds=13, microseconds=12345)
POWER = PowerProfile.parse("10m@50W, 470m@300W")


def series(steps: int, seed: int = 1) -> np.ndarray:
    """Give days of one pattern with noise that returns to it, so that a longer series is of the same sort."""
    rng = np.random.default_rng(seed)
    hours = np.arange(steps) / 12
    noise = np.convolve(rng.normal(0, 3, steps + 288), np.exp(-np.arange(289) / 72), mode="valid")
    return np.clip(300 + 80 * np.cos(2 * np.pi * (hours - 19) / 24) + 3 * noise, 5, None)


def plain_python(values: list[float], units: int, most: int, least: int, resume: int) -> float:
    """Solve the same by a loop over chunks, work and time: a chunk goes on, or begins after a pause."""
    count, never = len(values), math.inf
    paused = [[0.0] * (count + 1)] + [[never] * (count + 1) for _ in range(units)]
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    best = never
    for chunk in range(most):
        over = resume if chunk else 0
        after = [[never] * (count + 1) for _ in range(units + 1)]
        running = [never] * (count + 1)
        for work in range(least, units + 1):
            begin, row = paused[work - least], after[work]
            extended = [never] * (count + 1)
            least_yet = never
            for end in range(work, count + 1):
                cost = running[end - 1] + values[end - 1]
                from_ = end - least - over
                if from_ >= 0:
                    cost = min(cost, begin[from_] + sums[end] - sums[from_])
                extended[end] = cost
                least_yet = min(least_yet, cost)
                row[end] = least_yet
            running = extended
        paused = after
        paused[0] = [never] * (count + 1)
        best = min(best, paused[units][count])
    return best / units


def timed_ms(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Give the least and the median time of a call [ms]; the least is what it takes while nothing else runs."""
    call()
    times = timeit.repeat(call, repeat=repeats, number=1)
    return min(times) * 1e3, statistics.median(times) * 1e3


def report(figure: str, target: str, call: Callable[[], object], repeats: int = 31) -> float:
    least, median = timed_ms(call, repeats)
    print(f"{figure:<66}{target:>8}{least:>10.2f}{median:>10.2f}")
    return least


def gap_percent(seed: int) -> float:
    """Say how much dirtier the plan with short resumes is than that of an exact search without a limit of its size."""
    forecast = Forecast("Z", START, STEP, series(STEPS, seed))
    plan = partial(
        best_schedule, forecast, duration=JOB, min_chunk=MIN_CHUNK, resume_overhead=SHORT_RESUME, max_chunks=4
    )
    found, limit = plan(), schedule_slots.MOST_STATES
    schedule_slots.MOST_STATES = 2**24
    try:
        exact = plan()
    finally:
        schedule_slots.MOST_STATES = limit
    assert exact.exact
    return 100.0 * (found.intensity_g_per_kwh / exact.intensity_g_per_kwh - 1.0)


def main() -> None:
    values = series(STEPS)
    one = Forecast("Z", START, STEP, values)
    plan = partial(best_schedule, one, duration=JOB, min_chunk=MIN_CHUNK, resume_overhead=RESUME)
    print(f"96 h at 5 min ({STEPS} steps), a job of 8 h, chunks of 30 min or more, resumes of 5 min; in ms\n")
    print(f"{'figure':<66}{'target':>8}{'min':>10}{'median':>10}")
    ours = report("best_schedule, at most 4 chunks", "20", partial(plan, max_chunks=4))
    free = partial(best_schedule, one, duration=JOB, max_chunks=4)
    report("the same, any least chunk and no overhead", "20", free)
    report("the same, a power profile", "20", partial(plan, max_chunks=4, duration=None, power=POWER))
    report("at most 2 chunks", "", partial(plan, max_chunks=2))
    report("at most 8 chunks", "", partial(plan, max_chunks=8))
    report("any number of chunks", "", partial(plan, max_chunks=None))
    report("at most 4 chunks, from a moment on no slot", "", partial(plan, max_chunks=4, earliest_start=NOW))
    short = partial(plan, max_chunks=4, resume_overhead=SHORT_RESUME)
    report("at most 4 chunks, resumes of 2 min", "20", short)
    from_now = partial(short, earliest_start=NOW)
    report("the same, from a moment on no slot", "20", from_now)
    odd = partial(plan, max_chunks=4, duration=JOB * 487 / 480)
    report("at most 4 chunks, 8 h 7 min", "", odd, 7)
    within = partial(odd, deadline=START + timedelta(hours=72))
    report("at most 4 chunks, 8 h 7 min within 72 h", "", within, 7)
    stages = [Stage(name, JOB / 2, one) for name in ("map", "reduce", "load")]
    report("plan_stages, three stages", "", partial(plan_stages, stages))

    print()
    searched = (("8 h 7 min", odd), ("8 h 7 min within 72 h", within), ("resumes of 2 min", short))
    for figure, call in searched:
        found = call()
        print(
            f"{figure}: slots of {found.slot.total_seconds():g} s, {'exact' if found.exact else 'refined from there'}"
        )
    gaps = [gap_percent(seed) for seed in range(1, 9)]
    print(
        f"resumes of 2 min, eight series: {statistics.mean(gaps):.4f} % dirtier than the exact search in the mean, "
        f"{max(gaps):.4f} % at worst"
    )

    print("\nfor comparison, at most 4 chunks\n")
    listed, units = values.tolist(), JOB // STEP
    plain = partial(plain_python, listed, units, 4, MIN_CHUNK // STEP, RESUME // STEP)
    theirs = report("the same recursion in plain Python", "", plain, 3)
    found = plan(max_chunks=4)
    print(f"\nof equal optimum: {found.intensity_g_per_kwh:.9f} and {plain():.9f} g/kWh")
    print(f"{theirs / ours:.0f} times as fast as plain Python")
    fine = free()
    window = best_window(one, duration=JOB).intensity_g_per_kwh
    print(
        f"uninterrupted {window:.1f} g/kWh; {len(found.chunks)} chunks {found.intensity_g_per_kwh:.1f}; "
        f"{len(fine.chunks)} chunks without overhead {fine.intensity_g_per_kwh:.1f}"
    )

    print("\ngrowth with the length of the forecast, at most 4 chunks; time by length is even where growth is linear\n")
    print(f"{'steps':>8}{'chunks, min ms':>18}{'us a step':>12}{'stages, min ms':>18}{'us a step':>12}")
    for steps in (288, 576, 1152, 2304, 4608, 9216, 18432):
        longer = Forecast("Z", START, STEP, series(steps))
        call = partial(best_schedule, longer, duration=JOB, max_chunks=4, min_chunk=MIN_CHUNK, resume_overhead=RESUME)
        chunks, _ = timed_ms(call, 9)
        chain, _ = timed_ms(partial(plan_stages, [Stage(str(at), JOB / 2, longer) for at in range(3)]), 9)
        row = f"{chunks:>18.2f}{chunks / steps * 1e3:>12.2f}{chain:>18.2f}{chain / steps * 1e3:>12.2f}"
        print(f"{steps:>8}{row}{'' if call().exact else '   not exact'}")


if __name__ == "__main__":
    main()
