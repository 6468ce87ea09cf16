"""The project's own forecast: what it foresees of simple pasts, and what it refuses."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.forecaster import FARTHEST, LONGEST, own_forecast
from airflow_carbon.core.hourly import hourly
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import InvalidForecastError, InvalidRequestError

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 11, 22, 12, 20, tzinfo=UTC)
TOP = NOW.replace(minute=0)


def daily(moment: datetime) -> float:
    return 300.0 + 100.0 * math.sin(2.0 * math.pi * (moment.hour + moment.minute / 60.0) / 24.0)


def past(days: float, step: timedelta = HOUR, shape=daily, end: datetime = TOP) -> Forecast:
    start = end - days * DAY
    values = [shape(start + row * step) for row in range(int((end - start) / step))]
    return Forecast("X", start, step, values, kind=Kind.MEASURED, source="mine, of yesterday")


def foreseen(*parts: Forecast, hours: int = 48) -> Forecast:
    return own_forecast(parts, now=NOW, until=TOP + hours * HOUR)


@pytest.mark.parametrize("minutes", [5, 15, 30, 60])
def test_a_day_that_repeats_itself_is_foreseen_whatever_its_steps(minutes: int) -> None:
    one = past(10, timedelta(minutes=minutes))
    truth = hourly(one)[1][:24]
    answer = foreseen(one)
    assert np.allclose(answer.intensity, np.resize(truth, 48), atol=0.02)
    assert (answer.start, answer.step, len(answer)) == (TOP, HOUR, 48)


def test_a_flat_past_is_foreseen_flat_and_shows_no_cleanest_hour() -> None:
    assert set(foreseen(past(30, shape=lambda _: 24.1)).intensity.tolist()) == {24.1}


def test_what_is_unusual_now_fades() -> None:
    lifted = past(28, shape=lambda moment: daily(moment) + (80.0 if moment >= TOP - DAY else 0.0))
    beyond = foreseen(lifted).intensity - np.array([daily(TOP + row * HOUR) for row in range(48)])
    assert 20.0 < beyond[0] < 100.0
    assert beyond[47] < beyond[0]


def test_a_weekend_is_known_from_three_weeks_on() -> None:
    friday = datetime(2026, 11, 20, 12, tzinfo=UTC)

    def shape(moment: datetime) -> float:
        return 200.0 if moment.weekday() >= 5 else 300.0

    answer = own_forecast([past(56, shape=shape, end=friday)], now=friday, until=friday + 2 * DAY)
    assert answer.intensity[20:30].mean() < answer.intensity[:8].mean() - 10.0


def test_what_comes_after_now_is_never_looked_at() -> None:
    known = past(20)
    told = Forecast("X", known.start, HOUR, [*known.intensity, *[9999.0] * 50], kind=Kind.MEASURED, source="mine")
    assert foreseen(told).intensity.tolist() == foreseen(known).intensity.tolist()


def test_the_meaning_of_the_history_travels_along_and_nobody_has_issued_it() -> None:
    meant = Accounting("direct", "production", "CO2")
    one = Forecast("X", TOP - 28 * DAY, HOUR, [1.0] * 672, Signal.MARGINAL, accounting=meant, source="mine, new")
    answer = foreseen(one)
    assert (answer.zone, answer.signal, answer.accounting, answer.issued_at) == ("X", Signal.MARGINAL, meant, None)
    assert answer.kind is Kind.OWN
    assert answer.source == "own forecast, from 28 days of mine history, issued by nobody"


def test_gaps_and_one_absurd_value_change_little() -> None:
    whole = past(20)
    cut, hole = TOP - 5 * DAY, TOP - 5 * DAY + 9 * HOUR
    values = whole.intensity.copy()
    values[100] = 50_000.0
    spoilt = Forecast("X", whole.start, HOUR, values, kind=Kind.MEASURED, source="mine")
    answer = foreseen(spoilt.between(spoilt.start, cut), spoilt.between(hole, TOP))
    assert np.abs(answer.intensity - foreseen(whole).intensity).max() < 10.0


def test_a_history_that_ends_some_hours_ago_is_foreseen_from_there() -> None:
    late = past(10).between(TOP - 10 * DAY, TOP - 6 * HOUR)
    assert np.allclose(foreseen(late).intensity, foreseen(past(10)).intensity, atol=0.1)


def test_no_more_than_sixty_days_are_looked_at_and_a_week_ahead_is_given() -> None:
    old = past(90, shape=lambda moment: daily(moment) if moment >= TOP - LONGEST else 5.0)
    assert foreseen(old).intensity.tolist() == foreseen(past(60)).intensity.tolist()
    assert foreseen(past(60), hours=1000).end == TOP + FARTHEST


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((), "nothing was measured"),
        ((past(6.9),), "at least 7 d"),
        ((past(9).between(TOP - 9 * DAY, TOP - 30 * HOUR),), "must reach within 1 d"),
        ((past(9, timedelta(hours=6)),), "steps of 6 h"),
        ((past(12).between(TOP - 12 * DAY, TOP - 7 * DAY), past(1)), "without large gaps"),
        ((past(9), Forecast("X", TOP - 9 * DAY, HOUR, [1.0], Signal.MARGINAL)), "do not compare"),
    ],
)
def test_a_past_that_does_not_suffice_is_refused_with_the_reason(parts: tuple[Forecast, ...], said: str) -> None:
    with pytest.raises(InvalidForecastError, match=said):
        foreseen(*parts)


def test_a_naive_now_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="timezone"):
        own_forecast([past(9)], now=NOW.replace(tzinfo=None), until=NOW)


@settings(max_examples=40, deadline=None)
@given(st.integers(7 * 24, 40 * 24), st.integers(1, 90), st.integers(0, 2**32 - 1), st.floats(0.0, 1.0))
def test_whatever_was_measured_the_answer_is_a_forecast(hours: int, ahead: int, seed: int, scale: float) -> None:
    values = np.random.default_rng(seed).gamma(1.0, 1000.0 * scale + 1e-9, hours)
    one = Forecast("X", TOP - hours * HOUR, HOUR, values, kind=Kind.MEASURED)
    answer = foreseen(one, hours=ahead)
    assert len(answer) == ahead
    assert answer.intensity.max() <= 10.0 * values.max() + 1.0
