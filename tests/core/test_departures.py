"""Guesses of the next hours: each by the hours before it alone, and what they were worth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from airflow_carbon.core.departures import LEADS, WEEK, departures, past_errors, within_days
from airflow_carbon.core.forecast_error import CLASSES, PRIOR_DEVIATION
from airflow_carbon.core.guess_weights import PRIOR, weights

HOUR = np.arange(28 * 24)
USUAL = 300.0 + 100.0 * np.sin(HOUR * math.pi / 12.0)


def wandering(seed: int, hours: int = 28 * 24) -> np.ndarray:
    rng = np.random.default_rng(seed)
    steps = np.zeros(hours)
    for hour in range(1, hours):
        steps[hour] = 0.95 * steps[hour - 1] + rng.normal(0.0, 10.0)
    return np.maximum(USUAL[:hours] + steps, 0.0)


@pytest.mark.parametrize("days_ago", [1, 3, 10, 20])
def test_no_guess_of_the_past_knew_what_came_after_it(days_ago: int) -> None:
    past = wandering(1)
    whole, then = departures(past, past, LEADS), past[: past.size - days_ago * 24]
    known = departures(then, then, LEADS)
    np.testing.assert_allclose(whole.guesses[:, known.week.shape[0] - 1], known.guesses[:, -1], atol=1e-9)
    np.testing.assert_allclose(whole.week[known.week.shape[0] - 1], known.week[-1])


def test_the_week_and_yesterday_are_what_they_are_called() -> None:
    past = wandering(2, 10 * 24)
    found = departures(past, past, 30)
    for lead in range(30):
        same = [past[past.size - 24 * day + lead % 24] for day in range(1, 8)]
        assert found.week[-1, lead] == pytest.approx(np.mean(same))
        assert found.week[-1, lead] + found.guesses[3, -1, lead] == pytest.approx(same[0])
    level = np.mean(past[-24:]) - np.mean(past[-WEEK:])
    assert found.guesses[2, -1, 29] == pytest.approx(level * math.exp(-29.5 / 36.0))


def test_in_the_usual_day_a_day_five_days_older_weighs_half() -> None:
    past = np.repeat([100.0] * 7 + [200.0], 24)
    shares = 0.5 ** (np.arange(8) / 5.0)
    found = departures(past, past, 24)
    assert found.week[-1, 0] + found.guesses[0, -1, 0] == pytest.approx(100.0 + 100.0 * shares[0] / shares.sum())


def test_what_is_unusual_lasts_as_long_as_it_did_before() -> None:
    lasting, brief = USUAL.copy(), USUAL.copy()
    rng = np.random.default_rng(3)
    lasting += np.repeat(rng.normal(0.0, 50.0, 7), 96)
    brief += rng.normal(0.0, 50.0, brief.size)
    long, short = (departures(one, one, LEADS).guesses[1, WEEK:] for one in (lasting, brief))
    assert np.abs(long[:, 12]).mean() > 3.0 * np.abs(short[:, 12]).mean()


def test_weights_are_the_prior_s_until_enough_has_come_and_where_nothing_changes() -> None:
    for past in (wandering(4, 9 * 24), np.full(600, 250.0)):
        found = departures(past, past, LEADS)
        assert weights(past, found.week, found.guesses).tolist() == list(PRIOR)


def test_a_zone_whose_days_come_in_pairs_learns_to_believe_yesterday() -> None:
    rng = np.random.default_rng(5)
    # Each day's shape is that of the day before it, but for the first of each pair.
    pairs = np.repeat(rng.normal(300.0, 60.0, (14, 24)), 2, axis=0).ravel()
    fresh = rng.normal(300.0, 60.0, 28 * 24)
    believed, not_so = (weights(one, *departures(one, one, LEADS))[3] for one in (np.abs(pairs), np.abs(fresh)))
    assert believed > not_so


def test_weights_are_those_of_a_plain_ridge_regression() -> None:
    past = wandering(6)
    week, guesses = departures(past, past, LEADS)
    known = past.size - WEEK - LEADS + 1
    rows, targets = [], []
    for origin in range(known):
        came = past[WEEK + origin : WEEK + origin + LEADS] - week[origin]
        for day in (slice(0, 24), slice(24, LEADS)):
            targets.append(came[day] - came[day].mean())
            rows.append((guesses[:, origin, day] - guesses[:, origin, day].mean(axis=1, keepdims=True)).T)
    x, y = np.concatenate(rows), np.concatenate(targets)
    ridge = 60.0 * 24.0 / known * np.trace(x.T @ x) / 4.0
    # A ridge to a prior is least squares with the prior as further rows.
    stacked = np.vstack((x, math.sqrt(ridge) * np.eye(4)))
    expected = np.linalg.lstsq(stacked, np.concatenate((y, math.sqrt(ridge) * np.array(PRIOR))), rcond=None)[0]
    np.testing.assert_allclose(weights(past, week, guesses), expected, rtol=1e-6)


def test_errors_are_the_prior_s_for_a_short_past_and_near_a_third_of_it_for_a_day_that_repeats() -> None:
    for days, low, high in ((7, PRIOR_DEVIATION, PRIOR_DEVIATION), (28, 0.0, 0.06)):
        past = USUAL[: days * 24]
        week, guesses = departures(past, past, LEADS)
        errors = past_errors(past, week, guesses, weights(past, week, guesses))
        assert len(errors) == CLASSES
        assert all(low - 1e-9 <= error <= high + 1e-9 for error in errors)


def test_errors_are_what_was_missed_within_the_days() -> None:
    past = wandering(7)
    week, guesses = departures(past, past, LEADS)
    believed = weights(past, week, guesses)
    known = past.size - WEEK - LEADS + 1
    squares = []
    for origin in range(known):
        missed = past[WEEK + origin : WEEK + origin + LEADS] - week[origin] - believed @ guesses[:, origin]
        squares.append((missed[:24] - missed[:24].mean())[:6] ** 2 / past.mean() ** 2)
    first = math.sqrt((WEEK * PRIOR_DEVIATION**2 + np.mean(squares) * known) / (WEEK + known))
    assert past_errors(past, week, guesses, believed)[0] == pytest.approx(first)


def test_a_day_s_level_is_taken_from_either_day() -> None:
    leads = np.arange(2.0 * LEADS).reshape(2, LEADS)
    found = within_days(leads)
    assert found[:, :24].sum() == pytest.approx(0.0)
    assert found[:, 24:].sum(axis=1) == pytest.approx([0.0, 0.0])
