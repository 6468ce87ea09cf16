from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pendulum
import pytest

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import InvalidForecastError

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hourly(*intensity, **more):
    return Forecast("DE", START, HOUR, intensity, **more)


def test_the_integral_of_each_step_is_its_intensity():
    forecast = hourly(100, 300, 200)
    assert forecast.cumulative.tolist() == [0, 100, 400, 600]
    assert len(forecast) == 3
    assert forecast.end == START + 3 * HOUR


def test_the_mean_weighs_each_step_by_the_time_within_it():
    # 15 minutes at 100, an hour at 300, 30 minutes at 200: (25 + 300 + 100) g over 1.75 h.
    mean = hourly(100, 300, 200).mean(START + timedelta(minutes=45), START + timedelta(hours=2, minutes=30))
    assert mean == pytest.approx(425 / 1.75, rel=1e-14)


def test_the_mean_of_the_whole_is_the_mean_of_the_steps():
    assert hourly(100, 300, 200).mean(START, START + 3 * HOUR) == pytest.approx(200)


def test_a_mean_needs_an_end_after_its_start():
    with pytest.raises(InvalidForecastError, match="the end must be later"):
        hourly(1, 2).mean(START, START)


@pytest.mark.parametrize(("first", "last"), [(-1, 1), (1, 4)])
def test_a_mean_outside_the_series_is_refused_with_what_it_covers(first, last):
    with pytest.raises(InvalidForecastError, match="covers 2026-01-05T00:00:00"):
        hourly(1, 2, 3).mean(START + first * HOUR, START + last * HOUR)


def test_a_series_covers_its_own_span_and_no_more():
    forecast = hourly(1, 2)
    assert forecast.covers(START, START + 2 * HOUR)
    assert not forecast.covers(START, START + 2 * HOUR + timedelta(microseconds=1))
    assert not forecast.covers(START - timedelta(microseconds=1), START + HOUR)


def test_a_cut_keeps_every_step_that_it_touches_and_what_the_numbers_mean():
    whole = hourly(1, 2, 3, 4, signal=Signal.MARGINAL, accounting=Accounting(gas="CO2"), kind=Kind.TYPICAL, source="s")
    cut = whole.between(START + timedelta(minutes=90), START + timedelta(minutes=130))
    assert cut.intensity.tolist() == [2, 3]
    assert cut.start == START + HOUR
    assert (cut.signal, cut.accounting, cut.kind, cut.source) == (whole.signal, whole.accounting, whole.kind, "s")


def test_a_cut_beside_the_series_is_refused():
    with pytest.raises(InvalidForecastError, match="nothing between"):
        hourly(1, 2).between(START + 2 * HOUR, START + 3 * HOUR)


def test_the_numbers_cannot_be_changed():
    source = np.array([1.0, 2.0])
    forecast = Forecast("DE", START, HOUR, source)
    source[0] = 9
    assert forecast.intensity.tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        forecast.intensity[0] = 5
    with pytest.raises(ValueError, match="read-only"):
        forecast.cumulative[0] = 5


@pytest.mark.parametrize(
    ("intensity", "fault"),
    [
        ([1, 2, -3], "row 2: -3.0 is no carbon intensity"),
        ([1, float("nan"), 2], "row 1: nan"),
        ([float("inf")], "row 0: inf"),
        ([], "one row of at least one number"),
        ([[1, 2]], "shape"),
        (["a"], "not all numbers"),
        ([1, None], "row 1: nan|not all numbers"),
    ],
)
def test_what_is_no_series_of_intensities_is_refused_with_its_row(intensity, fault):
    with pytest.raises(InvalidForecastError, match=fault):
        Forecast("DE", START, HOUR, intensity)


def test_a_naive_start_and_a_step_without_length_are_refused():
    with pytest.raises(InvalidForecastError, match="no timezone"):
        Forecast("DE", datetime(2026, 1, 1), HOUR, [1])  # noqa: DTZ001
    with pytest.raises(InvalidForecastError, match="longer than zero"):
        Forecast("DE", START, timedelta(0), [1])


def test_pendulum_moments_and_durations_are_taken_as_plain_ones():
    forecast = Forecast("DE", pendulum.datetime(2026, 1, 5, 1, tz="Europe/Berlin"), pendulum.duration(hours=1), [1, 2])
    assert forecast.start == START
    assert forecast.end == START + 2 * HOUR
    assert (type(forecast.start), type(forecast.step)) == (datetime, timedelta)


def test_stamped_values_make_a_forecast():
    forecast = Forecast.from_points("DE", [START, START + HOUR], [5, 6])
    assert (forecast.step, forecast.intensity.tolist()) == (HOUR, [5, 6])


@pytest.mark.parametrize(
    ("hours", "fault"),
    [
        ([0, 1, 1], "row 2: .* repeats the row before it"),
        ([0, 1, 3], "row 2: .* comes 2:00:00 after the row before it"),
        ([0, 2, 1], "row 2: .* is earlier than the row before it"),
        ([0, 0], "row 1: .* repeats"),
        ([], "empty"),
        ([0], "one row alone"),
    ],
)
def test_stamps_out_of_order_are_refused_with_their_row(hours, fault):
    with pytest.raises(InvalidForecastError, match=fault):
        Forecast.from_points("DE", [START + hour * HOUR for hour in hours], [1.0] * len(hours))


def test_a_naive_stamp_is_refused_with_its_row():
    with pytest.raises(InvalidForecastError, match=r"row 1: .* has no timezone"):
        Forecast.from_points("DE", [START, datetime(2026, 1, 5, 1)], [1, 2])  # noqa: DTZ001


def test_numbers_compare_only_where_signal_and_accounting_are_equal():
    assert hourly(1).comparable_with(hourly(2, kind=Kind.TYPICAL))
    assert not hourly(1).comparable_with(hourly(1, signal=Signal.MARGINAL))
    assert not hourly(1).comparable_with(hourly(1, accounting=Accounting(scope="direct")))


def test_a_replaced_forecast_keeps_what_was_not_replaced():
    forecast = hourly(1, 2, signal=Signal.MARGINAL, source="a").replaced(source="b", start=START + HOUR)
    assert (forecast.source, forecast.start, forecast.signal) == ("b", START + HOUR, Signal.MARGINAL)
    assert (forecast.intensity.tolist(), forecast.step) == ([1, 2], HOUR)
