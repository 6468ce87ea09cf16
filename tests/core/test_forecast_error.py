from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.forecast_error import (
    MIN_HYSTERESIS_PERCENT,
    NEWS,
    PRIOR_DEVIATION,
    VIEWS,
    ForecastError,
)
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import InvalidRequestError

START = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)


def issue(values, at=0.0, *, step=HOUR, **more):
    start = START + at * HOUR
    return Forecast("GB", start, step, values, **{"issued_at": start, **more})


def test_a_cold_state_takes_the_first_issue_at_its_word():
    first = issue([200.0, 100.0, 300.0])
    error = ForecastError().observed(first)
    assert error.consensus == (200.0, 100.0, 300.0)
    np.testing.assert_array_equal(error.believed(first).intensity, first.intensity)


def test_belief_forgets_an_issue_by_the_share_that_a_day_s_memory_loses():
    error = ForecastError().observed(issue([100.0] * 48)).observed(issue([110.0] * 48, at=6))
    weight = 1 - math.exp(-6 / 24)
    assert error.consensus[0] == pytest.approx(100 + 10 * weight)
    # Hours that only the newest issue speaks of are taken from it.
    assert error.consensus[-6:] == (110.0,) * 6


def test_an_issue_that_was_seen_before_and_an_older_one_change_nothing():
    old, new = issue([100.0] * 24), issue([130.0] * 24, at=3)
    error = ForecastError().observed(old).observed(new)
    assert error.observed(new) is error
    assert error.observed(old) is error


def test_a_shift_of_the_whole_level_is_no_deviation():
    error = ForecastError().observed(issue([100.0] * 30)).observed(issue([120.0] * 24, at=6))
    left = math.exp(-6 / 24)
    np.testing.assert_allclose(error.deviation[:3], PRIOR_DEVIATION * math.sqrt(left))


def test_deviation_is_learned_for_each_class_of_lead_times():
    values = np.full(48, 100.0)
    error = ForecastError().observed(issue(values))
    for hour in range(1, 200):
        wobble = np.zeros(48)
        wobble[:6] = 20.0 * np.where(np.arange(6) % 2, 1, -1) * (-1) ** hour
        error = error.observed(issue(values + wobble, at=hour))
    near, *_, far = error.deviation
    assert near == pytest.approx(0.2, rel=0.1)
    assert far < 0.01


def test_news_beyond_reach_pulls_belief_after_it_at_once():
    calm = issue([100.0] * 48)
    changed = np.full(48, 100.0)
    changed[10:12] = 400.0
    error = ForecastError().observed(calm).observed(issue(changed, issued_at=START + HOUR / 2))
    assert error.consensus[11] == pytest.approx(400 - NEWS * PRIOR_DEVIATION * changed.mean())


def test_only_forecasts_are_issued_so_profiles_teach_nothing():
    for kind in (Kind.TYPICAL, Kind.MEASURED, Kind.ANNUAL_AVERAGE):
        profile = issue([100.0, 200.0], kind=kind)
        error = ForecastError()
        assert error.observed(profile) is error
        assert ForecastError().observed(issue([1.0, 1.0])).believed(profile) is profile


def test_another_signal_or_accounting_starts_afresh():
    error = ForecastError().observed(issue([100.0] * 24)).observed(issue([130.0] * 24, at=3))
    for other in (
        issue([500.0] * 24, at=6, signal=Signal.MARGINAL),
        issue([500.0] * 24, at=6, accounting=Accounting(scope="direct")),
    ):
        assert error.believed(other) is other
        assert error.observed(other) == ForecastError().observed(other)


def test_a_gap_longer_than_the_horizon_keeps_the_deviations_but_not_the_consensus():
    error = ForecastError().observed(issue([100.0] * 24)).observed(issue([100.0] * 24, at=12))
    later = error.observed(issue([300.0] * 24, at=100))
    assert later.consensus == (300.0,) * 24
    assert later.deviation == error.deviation
    assert later.views == 1.0


def test_a_shorter_answer_does_not_cut_what_a_longer_one_said():
    error = ForecastError().observed(issue([100.0] * 48)).observed(issue([100.0] * 12, at=1))
    assert len(error.consensus) == 47


def test_belief_keeps_the_shape_within_an_hour_at_any_step():
    first = issue([100.0] * 24)
    second = issue([90.0, 130.0] * 24, at=3, step=HOUR / 2)
    believed = ForecastError().observed(first).observed(second).believed(second)
    inside = believed.intensity[:42]
    np.testing.assert_allclose(inside[1::2] - inside[::2], 40.0)
    expected = 100 + 10 * (1 - math.exp(-3 / 24))
    np.testing.assert_allclose((inside[1::2] + inside[::2]) / 2, expected)
    assert (believed.start, believed.step, believed.issued_at) == (second.start, second.step, second.issued_at)


def test_one_issue_is_drawn_once_for_all_who_wait_on_its_zone_and_anew_for_another_consensus():
    error = ForecastError().observed(issue([100.0] * 24))
    newest = issue([90.0] * 24, at=3)
    assert error.believed(newest) is error.believed(newest)
    assert error.observed(newest).believed(newest) is not error.believed(newest)
    assert error.believed(issue([80.0] * 24, at=3)).intensity[0] == pytest.approx(100.0)


@given(
    st.lists(st.floats(0, 1000), min_size=1, max_size=60),
    st.lists(st.floats(0, 1000), min_size=1, max_size=60),
    st.floats(0.1, 80),
    st.sampled_from([5, 15, 30, 60, 90, 180]),
)
def test_belief_lies_between_what_was_and_what_is_said_hour_by_hour(old, new, later, minutes):
    first = issue(old)
    second = issue(new, at=round(later, 1), step=timedelta(minutes=minutes))
    error = ForecastError().observed(first).observed(second)
    believed = error.believed(second)
    low, high = min(old + new), max(old + new)
    assert len(believed) == len(second)
    for value in error.consensus:
        assert low - 1e-6 <= value <= high + 1e-6
    again = ForecastError.from_dict(json.loads(json.dumps(error.to_dict())))
    np.testing.assert_allclose(again.consensus, error.consensus, atol=0.5)
    assert again.seen_us == error.seen_us


def test_hysteresis_is_the_deviation_of_a_difference_less_what_averaging_takes_off():
    error = ForecastError(consensus=(1.0,), deviation=(0.3, 0.2, 0.1, 0.0), views=VIEWS)
    near, later, far = START + HOUR, START + 7 * HOUR, START + 30 * HOUR
    assert error.hysteresis_percent(START, near, later) == pytest.approx(100 * math.sqrt(0.3**2 + 0.2**2) / 2)
    assert error.hysteresis_percent(START, far, START + 12 * HOUR) == pytest.approx(5.0)
    assert error.hysteresis_percent(START, far, far) == MIN_HYSTERESIS_PERCENT


def test_without_any_issue_seen_only_news_gives_up_a_plan():
    assert ForecastError().hysteresis_percent(START, START, START + HOUR) == pytest.approx(100 * NEWS * PRIOR_DEVIATION)


def test_a_source_that_never_changes_its_mind_comes_to_the_least_hysteresis():
    error, values = ForecastError(), 200 + 100 * np.sin(np.arange(300) / 4)
    for hour in range(200):
        error = error.observed(issue(values[hour : hour + 48], at=hour))
    assert error.hysteresis_percent(START, START + HOUR, START + 20 * HOUR) == MIN_HYSTERESIS_PERCENT
    np.testing.assert_allclose(error.consensus, values[199:247])


def test_the_state_of_a_two_day_forecast_takes_a_few_hundred_bytes():
    error = (
        ForecastError().observed(issue([250.0] * 96, step=HOUR / 2)).observed(issue([240.0] * 96, at=3, step=HOUR / 2))
    )
    assert len(json.dumps(error.to_dict())) < 600


@pytest.mark.parametrize(
    "damage",
    [
        {"deviation": [0.1]},
        {"consensus": ["x"]},
        {"consensus": [-1]},
        {"views": 0.0},
        {"seen_us": None},
        {"hour": math.inf},
    ],
)
def test_a_damaged_state_is_refused_by_name(damage):
    state = ForecastError().observed(issue([100.0] * 5)).to_dict()
    with pytest.raises(InvalidRequestError, match="state"):
        ForecastError.from_dict({**state, **damage})
    with pytest.raises(InvalidRequestError, match="state"):
        ForecastError.from_dict({})


def test_the_rest_of_an_hour_is_not_held_against_the_mean_of_all_of_it():
    # Five-minute steps: dirty up to the last five minutes of the hour, which are clean. Once only these are left of it,
    # the hour's mean, 280 g/kWh, says nothing of them.
    whole = Forecast("Z", START, timedelta(minutes=5), [300.0] * 11 + [60.0] + [200.0] * 24, issued_at=START)
    late = START + timedelta(minutes=55)
    rest = Forecast("Z", late, timedelta(minutes=5), [60.0] + [200.0] * 24, issued_at=late)
    error = ForecastError().observed(whole)
    assert error.believed(rest).intensity.tolist() == rest.intensity.tolist()
    assert error.observed(rest).believed(rest).intensity.tolist() == rest.intensity.tolist()


def test_less_than_an_hour_teaches_nothing_and_is_believed_as_it_stands():
    short = Forecast("Z", START, timedelta(minutes=5), [60.0, 300.0], issued_at=START)
    known = ForecastError().observed(short)
    assert known.believed(short).intensity.tolist() == [60.0, 300.0]
    later = START + timedelta(minutes=1)
    warm = ForecastError().observed(Forecast("Z", START, timedelta(hours=1), [100.0] * 5, issued_at=START))
    assert warm.observed(short.replaced(issued_at=later)) == warm
