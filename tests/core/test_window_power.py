"""Windows of runs whose power changes, against a scan of every minute in plain Python."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.power import PowerProfile
from airflow_carbon.core.window import best_window, spread_window, window_at
from airflow_carbon.core.windows import best_windows
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError

START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def series(*intensity, step=HOUR, zone="Z"):
    return Forecast(zone, START, step, intensity)


def watt_minutes(power):
    return [watts for length, watts in power.phases for _ in range(length // MINUTE)]


def mean_by_minutes(forecast, power, start):
    """Add up grams minute by minute, over watts."""
    watts = watt_minutes(power)
    first, per_step = (start - START) // MINUTE, forecast.step // MINUTE
    grams = sum(drawn * forecast.intensity[(first + at) // per_step] for at, drawn in enumerate(watts))
    return grams / sum(watts)


def every_minute(forecast, power, earliest=0, latest_end=None):
    end = len(forecast) * (forecast.step // MINUTE) if latest_end is None else latest_end
    starts = range(earliest, end - len(watt_minutes(power)) + 1)
    return [(START + at * MINUTE, mean_by_minutes(forecast, power, START + at * MINUTE)) for at in starts]


def test_the_hungry_phase_lies_in_the_clean_hour():
    # One hour at 100 W, then one at 900 W: 0.1 x 500 + 0.9 x 10 = 59 beats every other place.
    window = best_window(series(200, 500, 10, 200), power=PowerProfile.parse("1h@100W,1h@900W"))
    assert (window.start, window.end) == (START + HOUR, START + 3 * HOUR)
    assert window.intensity_g_per_kwh == pytest.approx(59.0)


def test_even_power_gives_the_window_without_a_profile():
    forecast = series(5, 3, 4, 1, 2, 8, step=30 * MINUTE)
    for minutes in (20, 45, 60, 110):
        even = best_window(forecast, power=PowerProfile.flat(minutes * MINUTE, 40.0))
        assert even == best_window(forecast, duration=minutes * MINUTE)


@st.composite
def cases(draw):
    step = draw(st.sampled_from([5, 12, 30, 60]))
    # Whole numbers, so that ties are common and the earliest must be found.
    values = draw(st.lists(st.integers(0, 6), min_size=4, max_size=24))
    phases = draw(st.lists(st.tuples(st.integers(1, 70), st.integers(0, 4)), min_size=1, max_size=5))
    total = step * len(values)
    phases = [(minutes, watts) for minutes, watts in phases if watts or len(phases) > 1]
    if not any(watts for _, watts in phases) or sum(minutes for minutes, _ in phases) > total:
        phases = [(1, 1), (2, 3)]
    power = PowerProfile(tuple((minutes * MINUTE, float(watts)) for minutes, watts in phases))
    free = total - power.duration // MINUTE
    earliest = draw(st.integers(0, free))
    return series(*values, step=step * MINUTE), power, earliest, draw(st.integers(total - free + earliest, total))


@settings(max_examples=400)
@given(cases())
def test_no_minute_is_cleaner_and_no_earlier_one_as_clean(case):
    forecast, power, earliest, latest_end = case
    scanned = every_minute(forecast, power, earliest, latest_end)
    window = best_window(
        forecast, power=power, earliest_start=START + earliest * MINUTE, deadline=START + latest_end * MINUTE
    )
    least = min(mean for _, mean in scanned)
    assert window.intensity_g_per_kwh == pytest.approx(least, rel=1e-9, abs=1e-9)
    assert window.start == next(start for start, mean in scanned if mean <= least + 1e-9)
    assert window.end - window.start == power.duration
    stated = window_at(forecast, start=window.start, power=power)
    assert stated.intensity_g_per_kwh == pytest.approx(least, rel=1e-9, abs=1e-9)


@settings(max_examples=100)
@given(st.lists(cases(), min_size=1, max_size=3))
def test_many_zones_at_once_answer_as_each_alone(several):
    _, power, _, _ = several[0]
    forecasts = [forecast for forecast, *_ in several if forecast.end - START >= power.duration]
    together = best_windows(forecasts, power=power)
    alone = [best_window(forecast, power=power) for forecast in forecasts]
    assert [window.start for window in together] == [window.start for window in alone]
    means = [window.intensity_g_per_kwh for window in alone]
    assert [window.intensity_g_per_kwh for window in together] == pytest.approx(means)


@settings(max_examples=150)
@given(cases(), st.floats(0, 0.3), st.floats(0, 0.99))
def test_a_spread_window_is_about_as_clean_as_the_best(case, tolerance, place):
    forecast, power, earliest, latest_end = case
    asked = {"earliest_start": START + earliest * MINUTE, "deadline": START + latest_end * MINUTE}
    best = best_window(forecast, power=power, **asked)
    window = spread_window(forecast, power=power, tolerance=tolerance, place=place, **asked)
    assert START + earliest * MINUTE <= window.start
    assert window.end <= START + latest_end * MINUTE
    assert window.intensity_g_per_kwh <= (1 + tolerance) * best.intensity_g_per_kwh + 1e-6


def test_a_profile_that_does_not_fit_is_refused_as_a_duration_is():
    power = PowerProfile.parse("1h@1W,2h@2W")
    with pytest.raises(NoFeasibleWindowError, match="a run of 3 h"):
        best_window(series(1, 2, 3), power=power, deadline=START + 2 * HOUR)
    with pytest.raises(InvalidRequestError, match="the phases last 3 h together, but duration is 1 h"):
        best_window(series(1, 2, 3), duration=HOUR, power=power)
