from __future__ import annotations

import math
import random
from datetime import timedelta

import pytest

from airflow_carbon.core.spot import Checkpoints, expected_run
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def test_a_machine_that_is_never_taken_away_takes_the_work_and_its_checkpoints():
    run = expected_run(4 * HOUR, eviction_rate_per_hour=0.0, checkpoints=Checkpoints(interval=HOUR, writing=2 * MINUTE))
    # Three checkpoints between four hours; none after the last.
    assert run.duration == 4 * HOUR + 6 * MINUTE
    assert run.evictions == 0.0


def test_without_checkpoints_an_eviction_loses_all():
    run = expected_run(2 * HOUR, eviction_rate_per_hour=0.5, checkpoints=Checkpoints(restart=6 * MINUTE))
    # exp(0.5 x 2) - 1 = 1.71828 evictions; 1.71828 / 0.5 h of running, and a tenth of an hour for each restart.
    assert run.evictions == pytest.approx(1.718281828)
    assert run.duration / HOUR == pytest.approx(1.718281828 * 2 + 0.1718281828)


def test_checkpoints_bound_what_is_lost():
    run = expected_run(
        2 * HOUR, eviction_rate_per_hour=0.5, checkpoints=Checkpoints(interval=30 * MINUTE, writing=3 * MINUTE)
    )
    # Three stretches of 0.55 h, and one of 0.5 h without a checkpoint behind it.
    each, last = math.expm1(0.275), math.expm1(0.25)
    assert run.evictions == pytest.approx(3 * each + last)
    assert run.duration / HOUR == pytest.approx((3 * each + last) / 0.5)


def test_the_expectation_is_that_of_a_simulation():
    rate, interval, writing, restart, work = 0.8, 0.75, 0.05, 0.2, 3.2
    run = expected_run(
        work * HOUR,
        eviction_rate_per_hour=rate,
        checkpoints=Checkpoints(interval=interval * HOUR, writing=writing * HOUR, restart=restart * HOUR),
    )
    rng, total, evictions, runs = random.Random(7), 0.0, 0, 40_000
    for _ in range(runs):
        left = work
        while left > 1e-9:
            step = min(interval, left)
            stretch = step + (writing if left > interval + 1e-9 else 0.0)
            taken = rng.expovariate(rate)
            if taken < stretch:
                total, evictions = total + taken + restart, evictions + 1
            else:
                total, left = total + stretch, left - step
    assert run.duration / HOUR == pytest.approx(total / runs, rel=0.01)
    assert run.evictions == pytest.approx(evictions / runs, rel=0.02)


def test_a_run_that_never_gets_through_is_no_way_to_run():
    with pytest.raises(
        NoFeasibleWindowError, match="10 h between checkpoints the run would take more than 100 times as long"
    ):
        expected_run(10 * HOUR, eviction_rate_per_hour=1.0, checkpoints=Checkpoints())


@pytest.mark.parametrize(("rate", "times"), [(6.4, 93.9), (6.5, None)])
def test_a_hundred_times_as_long_is_too_long(rate, times):
    # An hour without a checkpoint takes (exp(r) - 1) / r.
    if times is None:
        with pytest.raises(NoFeasibleWindowError, match="more than 100 times as long"):
            expected_run(HOUR, eviction_rate_per_hour=rate, checkpoints=Checkpoints())
    else:
        run = expected_run(HOUR, eviction_rate_per_hour=rate, checkpoints=Checkpoints())
        assert run.duration / HOUR == pytest.approx(times, rel=1e-3)


def test_restarts_that_take_too_long_count_too():
    with pytest.raises(NoFeasibleWindowError, match="restart faster"):
        expected_run(HOUR, eviction_rate_per_hour=2.0, checkpoints=Checkpoints(restart=24 * HOUR))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"interval": timedelta(0)}, "checkpoint_interval"),
        ({"writing": -MINUTE}, "writing"),
        ({"restart": -MINUTE}, "restart"),
    ],
)
def test_checkpoints_out_of_range_are_refused(change, field):
    with pytest.raises(InvalidRequestError, match=f"^{field}: "):
        Checkpoints(**change)


@pytest.mark.parametrize("rate", [-0.1, math.nan, math.inf])
def test_a_rate_out_of_range_is_refused(rate):
    with pytest.raises(InvalidRequestError, match="eviction_rate_per_hour"):
        expected_run(HOUR, eviction_rate_per_hour=rate, checkpoints=Checkpoints())
