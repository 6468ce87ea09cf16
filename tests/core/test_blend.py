"""An issued forecast blended with an own one: only as far as that has helped."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_carbon.core.blend import MOST_PENDING, PRIOR_DAYS, Blend
from airflow_carbon.core.forecast import Forecast, issuer
from airflow_carbon.core.forecast_error import CLASSES
from airflow_carbon.core.units import Kind, Signal
from airflow_carbon.exceptions import InvalidRequestError

START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def truth(hours: int, begin: int = 0) -> np.ndarray:
    return 300.0 - 100.0 * np.cos((np.arange(begin, begin + hours) - 3) * math.pi / 12.0)


def measured(days: float) -> Forecast:
    return Forecast("GB", START, HOUR, truth(round(days * 24)), kind=Kind.MEASURED, source="grid, past")


def issue(day: int, values: np.ndarray, **more) -> Forecast:
    return Forecast("GB", START + day * DAY, HOUR, values, **{"source": "grid", **more})


def wrong(day: int) -> np.ndarray:
    """Tell the clean hours for the dirty ones."""
    return 600.0 - truth(48, day * 24)


def learned(make, days: int = 20) -> Blend:
    blend = Blend()
    for day in range(8, 8 + days):
        blend = blend.noted(issue(day, make(day)))
        blend = blend.learned([measured(day + 1)])
    return blend


def test_a_new_source_is_believed_as_it_stands() -> None:
    one = issue(0, wrong(0))
    assert Blend().weights == (0.0,) * CLASSES
    assert Blend().blended(one, measured(10)) is one


def test_a_source_that_errs_more_than_its_own_history_teaches_is_drawn_to_it() -> None:
    blend = learned(wrong)
    assert blend.helps
    first, *_ = blend.weights
    # Eighteen issues are due; were the own forecast perfect, the prior alone would keep it from all of the weight.
    assert first == pytest.approx(blend.days / (blend.days + PRIOR_DAYS), abs=0.02)
    drawn = blend.blended(issue(30, wrong(30)), Forecast("GB", START + 30 * DAY, HOUR, truth(60), kind=Kind.OWN))
    before, after = (np.abs(one - truth(48)).mean() for one in (wrong(30), drawn.intensity))
    assert after < 0.5 * before


def test_a_source_that_is_right_stays_as_it_is() -> None:
    blend = learned(lambda day: truth(48, day * 24))
    assert not blend.helps


def test_a_source_that_is_right_keeps_its_word_where_the_own_forecast_is_wrong() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0.0, 40.0, 40 * 24)
    past = Forecast("GB", START, HOUR, truth(40 * 24) + noise, kind=Kind.MEASURED)
    blend = Blend()
    for day in range(8, 37):
        blend = blend.noted(issue(day, past.intensity[day * 24 : day * 24 + 48]))
        blend = blend.learned([past.between(START, START + (day + 1) * DAY)])
    assert blend.days > 15.0
    assert blend.weights == pytest.approx((0.0,) * CLASSES, abs=1e-9)
    assert not blend.helps


def test_one_issue_a_day_waits_for_what_comes_and_no_more_than_a_few() -> None:
    blend = Blend().noted(issue(0, truth(48)))
    assert blend.noted(issue(0, truth(48)).between(START + 3 * HOUR, START + 2 * DAY)) == blend
    assert blend.noted(issue(1, truth(48), kind=Kind.OWN)) == blend
    assert blend.noted(issue(1, truth(20))) == blend
    for day in range(1, 10):
        blend = blend.noted(issue(day, truth(48)))
    assert [first for first, _ in blend.pending] == [
        round((START + day * DAY).timestamp() / 3600) for day in range(10 - MOST_PENDING, 10)
    ]


def test_what_means_something_else_starts_afresh_and_is_never_blended() -> None:
    blend = learned(wrong)
    other = issue(30, wrong(30), signal=Signal.MARGINAL)
    assert blend.noted(other).days == 0.0
    marginal = Forecast("GB", START + 30 * DAY, HOUR, truth(48), Signal.MARGINAL, kind=Kind.OWN)
    one = issue(30, wrong(30))
    assert blend.blended(one, marginal) is one


def test_a_past_too_short_for_an_own_forecast_teaches_nothing() -> None:
    blend = Blend().noted(issue(3, wrong(3))).learned([measured(6)])
    assert (blend.days, blend.pending) == (0.0, ())


def test_the_own_forecast_of_then_knew_no_more_than_was_measured_by_then() -> None:
    whole = measured(12)
    blend = Blend().noted(issue(9, wrong(9)))
    spoilt = whole.intensity.copy()
    spoilt[9 * 24 - 2 : 9 * 24] = 5000.0
    late = Forecast("GB", START, HOUR, spoilt, kind=Kind.MEASURED)
    spoilt_or_not = [blend.learned([one], lag=2 * HOUR).products for one in (late, whole)]
    assert spoilt_or_not[0] == pytest.approx(spoilt_or_not[1])
    assert blend.learned([late]).products != pytest.approx(blend.learned([whole]).products)


def test_the_answer_says_that_it_is_blended_and_whose_it_is() -> None:
    one = issue(30, wrong(30), issued_at=START + 30 * DAY)
    own = Forecast("GB", START + 30 * DAY, HOUR, truth(60), kind=Kind.OWN)
    drawn = learned(wrong).blended(one, own)
    assert drawn.source.startswith("grid, blended with an own forecast (up to ")
    assert (issuer(drawn.source), drawn.kind, drawn.issued_at) == ("grid", Kind.FORECAST, one.issued_at)


@pytest.mark.parametrize("minutes", [5, 30, 60])
def test_the_level_of_the_hours_that_both_tell_stays_as_issued(minutes: int) -> None:
    count = 48 * 60 // minutes
    one = Forecast("GB", START, timedelta(minutes=minutes), np.repeat(wrong(0), 60 // minutes), source="grid")
    own = Forecast("GB", START, HOUR, truth(48), kind=Kind.OWN)
    blend = Blend((1.0,) * CLASSES, (1.0,) * CLASSES, 7.0)
    drawn = blend.blended(one, own)
    assert len(drawn) == count
    assert drawn.intensity.mean() == pytest.approx(one.intensity.mean())
    np.testing.assert_allclose(drawn.intensity, 0.5 * (one.intensity + np.repeat(truth(48), 60 // minutes)))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0, 900), min_size=24, max_size=72),
    st.lists(st.floats(0, 900), min_size=24, max_size=72),
    st.lists(st.floats(0, 1), min_size=CLASSES, max_size=CLASSES),
)
def test_a_blend_is_a_forecast_whatever_both_say(issued: list[float], own: list[float], weights: list[float]) -> None:
    blend = Blend(tuple(weights), (1.0,) * CLASSES, 50.0)
    drawn = blend.blended(issue(0, np.array(issued)), Forecast("GB", START + 3 * HOUR, HOUR, own, kind=Kind.OWN))
    assert len(drawn) == len(issued)
    assert drawn.intensity[:3].tolist() == issued[:3]
    again = Blend.from_dict(json.loads(json.dumps(blend.to_dict())))
    assert again == blend


@pytest.mark.parametrize(
    "damage", [{"days": -1.0}, {"products": [1.0]}, {"squares": ["x"] * 4}, {"pending": [[1, []]]}, {"pending": [7]}]
)
def test_a_damaged_state_of_a_blend_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError, match="state"):
        Blend.from_dict({**learned(wrong).to_dict(), **damage})
    with pytest.raises(InvalidRequestError, match="state"):
        Blend.from_dict({})
