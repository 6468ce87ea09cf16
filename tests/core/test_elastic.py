"""Workers over time: numbers worked by hand, HiGHS and brute force as oracles, and faults by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from airflow_carbon.core.elastic import ElasticPlan, elastic_plan
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError

START, HOUR = datetime(2026, 1, 5, tzinfo=UTC), timedelta(hours=1)


def series(values: list[float], step: timedelta = HOUR) -> Forecast:
    return Forecast("DE", START, step, values)


def rows(plan: ElasticPlan) -> list[tuple[float, float, int]]:
    return [((each.start - START) / HOUR, (each.end - START) / HOUR, each.workers) for each in plan.stretches]


def least(values: list[float], work: float, throughput: list[float], power: list[float]) -> float:
    """Give the optimum by HiGHS: each slot shares its time between all numbers of workers, none among them."""
    slots, levels = len(values), len(throughput)
    grams = np.outer(values, power).ravel()
    time = np.kron(np.eye(slots), np.ones(levels))
    done = -np.tile(throughput, slots)[None]
    result = linprog(grams, A_ub=np.vstack((time, done)), b_ub=[*np.ones(slots), -work], method="highs")
    return float(result.fun)


def test_the_workers_that_do_most_per_gram_are_taken_first() -> None:
    # Per gram at 1 kW: slot 1: 10/100, 6/100, 2/100; slot 2: 10/200, 6/200; slot 3: 10/50, 6/50, 2/50.
    plan = elastic_plan(series([100, 200, 50]), work=42.0, throughput=[10, 16, 18])
    # 10 + 6 (slot 3), 10 + 6 (slot 1), then 10 at 200 g: 10/200 beats 2/50 = 0.04.
    assert rows(plan) == [(0, 1, 2), (1, 2, 1), (2, 3, 2)]
    assert plan.emitted_g == pytest.approx(2 * 50 + 2 * 100 + 200)
    assert plan.concave


def test_dirty_hours_are_left_to_nobody() -> None:
    plan = elastic_plan(series([100, 900, 100]), work=20.0, throughput=[10, 15])
    assert rows(plan) == [(0, 1, 1), (2, 3, 1)]
    assert plan.workers_at(START + 1.5 * HOUR) == 0
    assert plan.workers_at(START + 2.5 * HOUR) == 1


def test_the_last_slot_is_left_as_soon_as_the_work_is_done() -> None:
    plan = elastic_plan(series([100, 50]), work=12.5, throughput=[10])
    assert rows(plan) == [(0, 0.25, 1), (1, 2, 1)]
    assert sum(each.work for each in plan.stretches) == pytest.approx(12.5)


def test_the_last_worker_leaves_its_slot_before_the_others() -> None:
    plan = elastic_plan(series([50, 900]), work=13.0, throughput=[10, 16])
    assert rows(plan) == [(0, 0.5, 2), (0.5, 1, 1)]
    assert plan.emitted_g == pytest.approx(75.0)


def test_workers_that_only_pay_together_come_together() -> None:
    # One alone does 1, two do 10: time shared between none and two beats one.
    plan = elastic_plan(series([100, 200]), work=15.0, throughput=[1, 10, 11])
    assert not plan.concave
    assert plan.numbers == (2, 3)
    assert rows(plan) == [(0, 1, 3), (1, 1.4, 2)] or plan.emitted_g <= least([100, 200], 15.0, [1, 10, 11], [1, 2, 3])
    assert plan.emitted_g == pytest.approx(least([100, 200], 15.0, [1, 10, 11], [1, 2, 3]))


def test_a_power_that_does_not_grow_evenly_counts() -> None:
    # The first worker wakes the machine: 3 kW for one, 4 kW for two.
    plan = elastic_plan(series([100, 110]), work=10.0, throughput=[5, 10], power_kw=[3, 4])
    assert rows(plan) == [(0, 1, 2)]
    assert plan.emitted_g == pytest.approx(400.0)


def test_release_and_deadline_cut_the_slots() -> None:
    plan = elastic_plan(
        series([10, 500, 400, 10]),
        work=10.0,
        throughput=[10],
        earliest_start=START + 1.5 * HOUR,
        deadline=START + 3.25 * HOUR,
    )
    assert rows(plan) == [(2, 2.75, 1), (3, 3.25, 1)] or rows(plan) == [(2, 3, 1), (3, 3.25, 1)]
    assert plan.stretches[0].start >= START + 1.5 * HOUR
    assert plan.end <= START + 3.25 * HOUR
    assert sum(each.work for each in plan.stretches) == pytest.approx(10.0)


def test_a_slot_may_span_several_steps() -> None:
    plan = elastic_plan(series([300, 10, 100, 100]), work=20.0, throughput=[10], slot=2 * HOUR)
    assert rows(plan) == [(2, 4, 1)]


def test_of_equal_slots_the_earliest_are_taken() -> None:
    assert rows(elastic_plan(series([70] * 9), work=30.0, throughput=[10])) == [(0, 3, 1)]


def test_too_much_work_is_refused_with_what_can_be_done() -> None:
    with pytest.raises(NoFeasibleWindowError, match=r"work: 100 cannot be done .* 2 workers do 30 from"):
        elastic_plan(series([1, 2]), work=100.0, throughput=[10, 15])


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"work": 0.0}, "work"),
        ({"throughput": []}, "throughput"),
        ({"throughput": [1, -1]}, "throughput"),
        ({"throughput": [0, 0]}, "throughput"),
        ({"power_kw": 0.0}, "power_kw"),
        ({"power_kw": [1, 2, 3]}, "power_kw"),
        ({"power_kw": [2, 1]}, "power_kw"),
        ({"slot": timedelta(0)}, "slot"),
        ({"deadline": START - HOUR}, "deadline"),
        ({"earliest_start": START.replace(tzinfo=None)}, "earliest_start"),
    ],
)
def test_bad_input_is_refused_by_name(asked: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidRequestError, match=fault):
        elastic_plan(series([1, 2]), **{"work": 1.0, "throughput": [1, 2], **asked})


curves = st.lists(st.integers(0, 20), min_size=1, max_size=5).filter(any)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=8), curves, st.floats(0.01, 1.0))
def test_no_sharing_of_time_between_numbers_of_workers_emits_less(
    values: list[int], curve: list[int], share: float
) -> None:
    work = share * len(values) * max(curve)
    plan = elastic_plan(series(values), work=work, throughput=curve)
    power = list(range(1, len(curve) + 1))
    assert plan.emitted_g == pytest.approx(least(values, work, curve, power), rel=1e-6, abs=1e-4)
    assert sum(each.work for each in plan.stretches) == pytest.approx(work, rel=1e-6)
    for one, two in zip(plan.stretches, plan.stretches[1:], strict=False):
        assert one.end <= two.start


@pytest.mark.parametrize("seed", range(20))
def test_whole_slots_of_a_concave_curve_are_as_clean_as_every_choice_tried(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, gains = rng.uniform(10, 400, 5), np.sort(rng.integers(1, 9, 3))[::-1]
    curve = np.concatenate(([0], gains.cumsum()))
    choices = [
        (sum(int(curve[each]) for each in workers), float(np.dot(values, workers)))
        for workers in product(range(4), repeat=5)
    ]
    for work in (curve[-1] * 2, curve[-1] * 4):
        plan = elastic_plan(series(values.tolist()), work=float(work), throughput=curve[1:])
        assert plan.emitted_g <= min(grams for done, grams in choices if done >= work) * (1 + 1e-9)
