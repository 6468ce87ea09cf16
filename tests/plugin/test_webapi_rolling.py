"""The rolling average of the SDK: its own vectors, and a slow one in plain Python as the judge of the fast one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.moment import microseconds
from airflow_carbon.core.window import best_window
from airflow_carbon.plugin.webapi.rolling import rolling, scoped

MIDNIGHT = datetime(2022, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TENS = (10.0, 20.0, 30.0, 40.0)

Point = tuple[datetime, timedelta, float]


def at(clock: str) -> datetime:
    hours, minutes = clock.split(":")
    return MIDNIGHT + timedelta(hours=int(hours), minutes=int(minutes))


def slowly(
    points: Sequence[Point], window: timedelta, tick: timedelta, start: datetime, end: datetime
) -> list[tuple[datetime, float]]:
    """Average as the SDK's documentation says it, point by point."""
    kept = [(begin, length, value) for begin, length, value in points if begin + length > start and begin <= end]
    if not kept:
        return []
    if not window:
        return [(begin, value) for begin, _, value in kept]
    begins, covered = max(start, kept[0][0]), kept[-1][0] + kept[-1][1]
    found: list[tuple[datetime, float]] = []
    while begins + window <= covered and (not found or begins + window <= end):
        total = 0.0
        for begin, length, value in kept:
            overlap = min(begin + length, begins + window) - max(begin, begins)
            if overlap > timedelta(0):
                total += value * (overlap / window)
        found.append((begins, total))
        begins += tick
    return found


def quickly(
    values: Sequence[float], window: timedelta, start: datetime, end: datetime, step: timedelta = 5 * MINUTE
) -> list[tuple[datetime, float]]:
    forecast = Forecast("Z", MIDNIGHT, step, values)
    start_us, end_us = microseconds(start), microseconds(end)
    points = rolling(scoped(forecast, start_us, end_us), window // timedelta(microseconds=1), start_us, end_us)
    return [
        (MIDNIGHT + timedelta(microseconds=points.start_us - forecast.start_us + row * points.step_us), value)
        for row, value in enumerate(points.values.tolist())
    ]


def means(*arguments: object) -> list[float]:
    return [mean for _, mean in quickly(*arguments)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("window", "tick", "expected"),
    [
        (10, 5, [15, 25, 35]),
        (2, 5, [10, 20, 30, 40]),
        (5, 4, [10, 18, 26, 34]),
        (10, 4, [15, 23, 31]),
        (2, 4, [10, 15, 20, 30, 40]),
        (5, 7, [10, 24, 38]),
        (10, 7, [15, 29]),
        (2, 7, [10, 20, 35]),
    ],
)
def test_the_judge_gives_the_sdks_own_vectors(window: int, tick: int, expected: list[float]) -> None:
    points = [(MIDNIGHT + row * 5 * MINUTE, 5 * MINUTE, value) for row, value in enumerate(TENS)]
    found = slowly(points, window * MINUTE, tick * MINUTE, MIDNIGHT, at("0:20"))
    assert [mean for _, mean in found] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("window", "start", "end", "expected"),
    [
        (10, "0:00", "0:20", [15, 25, 35]),
        (2, "0:00", "0:20", [10, 20, 30, 40]),
        (5, "0:02", "0:20", [14, 24, 34]),
        (5, "0:00", "0:18", [10, 20, 30]),
        (5, "0:02", "0:18", [14, 24, 34]),
        (0, "0:00", "0:20", [10, 20, 30, 40]),
    ],
)
def test_windows_step_along_the_points_from_the_start_and_end_by_the_end(
    window: int, start: str, end: str, expected: list[float]
) -> None:
    assert means(TENS, window * MINUTE, at(start), at(end)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((10, 20, 30, 40, 5), [15, 25, 35, 22.5]),
        ((5, 55, 10, 10, 10), [30, 32.5, 10, 10]),
        ((12, 11, 10, 12, 13), [11.5, 10.5, 11, 12.5]),
    ],
)
def test_the_best_single_point_is_not_the_best_window_in_the_sdks_examples(
    values: tuple[float, ...], expected: list[float]
) -> None:
    assert means(values, 10 * MINUTE, MIDNIGHT, at("0:25")) == expected


def test_windows_begin_where_the_start_lies_within_a_point() -> None:
    begins = [begin for begin, _ in quickly(TENS, 5 * MINUTE, at("0:02"), at("0:20"))]
    assert begins == [at("0:02"), at("0:07"), at("0:12")]


def test_the_first_window_alone_may_pass_the_end() -> None:
    assert quickly(TENS, 10 * MINUTE, MIDNIGHT, at("0:06")) == [(MIDNIGHT, 15.0)]


def test_a_window_longer_than_the_data_gives_nothing() -> None:
    assert quickly(TENS, 21 * MINUTE, MIDNIGHT, at("0:20")) == []


def test_without_a_window_the_point_that_begins_at_the_end_is_among_the_points() -> None:
    assert means(TENS, timedelta(0), at("0:05"), at("0:15")) == [20, 30, 40]


def test_equal_windows_tie_to_the_last_bit() -> None:
    forecast = Forecast("Z", MIDNIGHT, 5 * MINUTE, [0.1] * 289)
    start_us, end_us = forecast.start_us, forecast.end_us
    points = rolling(scoped(forecast, start_us, end_us), 85 * 60_000_000, start_us, end_us)
    assert points.lowest().tolist() == list(range(points.values.size))


steps = st.sampled_from([1, 5, 15, 60])
values = st.lists(st.integers(0, 800).map(float), min_size=1, max_size=24)


@given(values, steps, st.integers(0, 200), st.integers(-30, 400), st.integers(-30, 800))
def test_the_fast_average_is_the_slow_one(grid: list[float], step: int, window: int, start: int, length: int) -> None:
    begins, ends = MIDNIGHT + start * MINUTE, MIDNIGHT + (start + length) * MINUTE
    points = [(MIDNIGHT + row * step * MINUTE, step * MINUTE, value) for row, value in enumerate(grid)]
    slow = slowly(points, window * MINUTE, step * MINUTE, begins, ends)
    fast = quickly(grid, window * MINUTE, begins, ends, step * MINUTE)
    assert [begin for begin, _ in fast] == [begin for begin, _ in slow]
    assert [mean for _, mean in fast] == pytest.approx([mean for _, mean in slow], rel=1e-12)


@given(values, st.integers(1, 240))
def test_the_exact_optimum_is_never_dirtier_than_the_best_rolling_window(grid: list[float], window: int) -> None:
    forecast = Forecast("Z", MIDNIGHT, 15 * MINUTE, grid)
    rolled = quickly(grid, window * MINUTE, forecast.start, forecast.end, 15 * MINUTE)
    if rolled:
        exact = best_window(forecast, duration=window * MINUTE)
        least = min(mean for _, mean in rolled)
        assert exact.intensity_g_per_kwh <= least + 1e-9 * (1 + np.max(grid))
