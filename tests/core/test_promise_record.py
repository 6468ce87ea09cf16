from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.promise_record import MEMORY, PRIOR_POINTS, PromiseRecord
from airflow_carbon.exceptions import InvalidRequestError

percent = st.floats(-300.0, 100.0)


def told(*pairs: tuple[float, float]) -> PromiseRecord:
    record = PromiseRecord()
    for promised, realised in pairs:
        record = record.observed(promised_percent=promised, realised_percent=realised)
    return record


def test_a_promise_is_believed_while_nothing_came_due() -> None:
    assert PromiseRecord().shrunk(40.0) == 40.0


def test_a_promise_shrinks_to_what_earlier_ones_became_and_what_was_taken_as_kept() -> None:
    record = told((50.0, 0.0))
    before = PRIOR_POINTS * (1.0 - 1.0 / MEMORY)
    assert before == 247.5
    assert record.factor == pytest.approx(247.5 / 297.5)
    assert record.shrunk(30.0) == pytest.approx(30.0 * 247.5 / 297.5)


def test_older_promises_fade() -> None:
    record = told((50.0, 0.0), (20.0, 20.0))
    kept = 1.0 - 1.0 / MEMORY
    assert record.promised_points == pytest.approx(PRIOR_POINTS * kept**2 + 50.0 * kept + 20.0)
    assert record.realised_points == pytest.approx(PRIOR_POINTS * kept**2 + 20.0)
    assert record.count == pytest.approx(1.0 + kept)


def test_a_source_that_keeps_half_of_what_it_promises_is_believed_by_half_in_the_long_run() -> None:
    record = told(*[(40.0, 20.0)] * 1000)
    assert record.factor == pytest.approx(0.5, abs=1e-3)


def test_a_source_that_keeps_more_than_it_promises_is_not_made_to_promise_more() -> None:
    assert told(*[(20.0, 40.0)] * 50).shrunk(25.0) == 25.0


def test_one_run_that_emitted_many_times_as_much_counts_as_twice_as_much() -> None:
    assert told((30.0, -5000.0)) == told((30.0, -100.0))


def test_a_promise_of_nothing_teaches_nothing_and_stays_as_it_is() -> None:
    assert told((0.0, -20.0), (-5.0, 10.0)) == PromiseRecord()
    assert told((30.0, -100.0)).shrunk(-5.0) == -5.0


def test_the_optimizer_s_curse_is_taken_off_what_is_promised() -> None:
    # The cleanest of 24 noisy hours that are all alike promises a lot and realises nothing but noise of its own.
    rng, record, plain, shrunk, realised = random.Random(4), PromiseRecord(), [], [], []
    for _ in range(2000):
        truth = [rng.gauss(300.0, 30.0) for _ in range(24)]
        forecast = [value + rng.gauss(0.0, 30.0) for value in truth]
        best = min(range(24), key=forecast.__getitem__)
        plain.append(100.0 * (1.0 - forecast[best] / forecast[0]))
        shrunk.append(record.shrunk(plain[-1]))
        realised.append(100.0 * (1.0 - truth[best] / truth[0]))
        record = record.observed(promised_percent=plain[-1], realised_percent=realised[-1])
    mean = [math.fsum(values) / len(values) for values in (plain, shrunk, realised)]
    assert mean[0] - mean[2] > 8.0
    assert abs(mean[1] - mean[2]) < 1.0


@given(st.lists(st.tuples(percent, percent), max_size=40), percent)
def test_shrinking_never_adds_to_a_promise_and_never_turns_it_into_a_loss(
    pairs: list[tuple[float, float]], promised: float
) -> None:
    record = told(*pairs)
    assert min(promised, 0.0) <= record.shrunk(promised) <= promised


@given(st.lists(st.tuples(percent, percent), max_size=10))
def test_a_record_survives_being_written_down(pairs: list[tuple[float, float]]) -> None:
    record = told(*pairs)
    assert PromiseRecord.from_dict(record.to_dict()).factor == pytest.approx(record.factor, abs=1e-4)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"promised_points": 1.0, "realised_points": "x", "count": 1.0},
        {"promised_points": 0.0, "realised_points": 0.0, "count": 1.0},
        {"promised_points": 1.0, "realised_points": math.nan, "count": 1.0},
        {"promised_points": 1.0, "realised_points": 0.0, "count": -1.0},
    ],
)
def test_a_state_that_is_none_is_refused_with_a_word_about_starting_anew(state: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError, match=r"start with PromiseRecord\(\)"):
        PromiseRecord.from_dict(state)


@pytest.mark.parametrize("pair", [(math.nan, 1.0), (10.0, math.inf)])
def test_what_is_no_number_is_refused(pair: tuple[float, float]) -> None:
    with pytest.raises(InvalidRequestError, match="must be numbers"):
        told(pair)
