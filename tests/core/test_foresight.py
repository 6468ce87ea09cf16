from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from airflow_carbon.core.backtest import Interruption, Job, backtest
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.foresight import LastDays, Stitched
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import InvalidRequestError

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def measured(*intensity: float, start: datetime = START) -> Forecast:
    return Forecast("DE", start, HOUR, intensity, kind=Kind.MEASURED)


def job(ready: float = 0, duration: float = 1, delay: float = 3) -> Job:
    at = START + ready * HOUR
    return Job(at, duration * HOUR, at + delay * HOUR)


# -- what anyone can guess -------------------------------------------------------------------------------------------


def test_yesterday_is_repeated_from_the_hour_in_which_the_job_is_ready() -> None:
    days = [list(range(100, 124)), list(range(200, 224)), [0.0] * 24]
    history = measured(*days[0], *days[1], *days[2])
    (issue,) = LastDays({"DE": history}, 1).issues("DE", START + 26.5 * HOUR, START + 54 * HOUR)
    assert issue.forecast.start == START + 26 * HOUR
    assert issue.forecast.kind is Kind.TYPICAL
    assert issue.forecast.intensity.tolist() == [*days[0][2:], 200, 201, *days[0][2:6]]


def test_the_mean_of_some_days_is_taken_hour_by_hour() -> None:
    history = measured(*([100.0] * 24), *([200.0] * 12), *([400.0] * 12), *([0.0] * 24))
    (issue,) = LastDays({"DE": history}, 2).issues("DE", START + 48 * HOUR, START + 72 * HOUR)
    assert issue.forecast.intensity.tolist() == [150.0] * 12 + [250.0] * 12


def test_a_guess_never_looks_at_what_comes_after_the_job_was_ready() -> None:
    rng = np.random.default_rng(1)
    past, one, other = rng.uniform(50, 500, 48), rng.uniform(50, 500, 48), rng.uniform(50, 500, 48)
    told = [
        LastDays({"DE": measured(*past, *later)}, 2).issues("DE", START + 48 * HOUR, START + 90 * HOUR)
        for later in (one, other)
    ]
    assert told[0][0].forecast.intensity.tolist() == told[1][0].forecast.intensity.tolist()


def test_nothing_is_guessed_where_the_history_does_not_reach_back_far_enough() -> None:
    history = measured(*[100.0] * 60)
    assert LastDays({"DE": history}, 1).issues("DE", START + 23.9 * HOUR, START + 30 * HOUR) == ()
    assert backtest({"DE": history}, [job(5)], LastDays({"DE": history}, 1)).unknown == 1


def test_steps_that_do_not_divide_a_day_are_refused() -> None:
    odd = Forecast("DE", START, timedelta(minutes=7), [1.0] * 9)
    with pytest.raises(InvalidRequestError, match="no whole number of steps"):
        LastDays({"DE": odd}, 1)
    with pytest.raises(InvalidRequestError, match="days: 0"):
        LastDays({}, 0)


def test_days_before_a_gap_are_looked_back_on() -> None:
    # A day at 100 and 300, a gap of three hours at its end, and what came after it.
    before = measured(*[100.0] * 12, *[300.0] * 9)
    after = measured(*[500.0] * 30, start=START + 24 * HOUR)
    knows = LastDays({"DE": after}, 1, earlier=[{"DE": before}])
    (issue,) = knows.issues("DE", START + 26 * HOUR, START + 35 * HOUR)
    assert issue.forecast.intensity.tolist() == [100.0] * 9
    # Three hours of the day before were not measured: what needs them is not guessed.
    assert len(knows.issues("DE", START + 26 * HOUR, START + 45 * HOUR)) == 1
    assert knows.issues("DE", START + 26 * HOUR, START + 46 * HOUR) == ()
    assert LastDays({"DE": after}, 1).issues("DE", START + 26 * HOUR, START + 35 * HOUR) == ()


def test_an_hour_that_one_day_lacks_is_the_mean_of_the_other_days() -> None:
    parts = [
        {"DE": measured(*[100.0] * 24, *[200.0] * 22)},
        {"DE": measured(*[300.0] * 48, start=START + 48 * HOUR)},
    ]
    (issue,) = LastDays(parts[1], 2, earlier=parts[:1]).issues("DE", START + 48 * HOUR, START + 72 * HOUR)
    assert issue.forecast.intensity.tolist() == [150.0] * 22 + [100.0] * 2


def test_a_part_whose_steps_begin_at_other_moments_is_not_looked_back_on() -> None:
    before = {"DE": measured(*[100.0] * 22)}
    after = {"DE": measured(*[300.0] * 24, start=START + 24.5 * HOUR)}
    knows = LastDays(after, 1, earlier=[before])
    assert knows.issues("DE", START + 26.5 * HOUR, START + 30 * HOUR) == ()
    assert knows.issues("DE", START + 48.5 * HOUR, START + 50 * HOUR)[0].forecast.intensity.tolist() == [300.0] * 2


def test_steps_of_many_hours_tell_nothing_of_the_hours_of_a_day() -> None:
    daily = Forecast("DE", START, 24 * HOUR, [1.0] * 9)
    with pytest.raises(InvalidRequestError, match="steps of 1 d tell nothing of the hours of a day"):
        LastDays({"DE": daily}, 7)
    with pytest.raises(InvalidRequestError, match="shorter than 6 h"):
        LastDays({"DE": daily.replaced(step=6 * HOUR)}, 7)
    assert LastDays({"DE": daily.replaced(step=4 * HOUR)}, 1).label == "same hour of yesterday"


# -- stitched day-ahead forecasts ------------------------------------------------------------------------------------


def test_of_a_stitched_series_no_job_sees_beyond_the_next_day() -> None:
    series = measured(*[300.0] * 50, *[10.0] * 50)
    told = Stitched({"DE": series})
    for ready in (0, 5.5, 23.9):
        (issue,) = told.issues("DE", START + ready * HOUR, START + 90 * HOUR)
        assert issue.forecast.end == START + 48 * HOUR
    (issue,) = told.issues("DE", START + 24 * HOUR, START + 90 * HOUR)
    assert issue.forecast.end == START + 72 * HOUR
    (early, late) = backtest({"DE": series}, [job(5, delay=60), job(25, delay=60)], told).outcomes
    assert (early.shifted, late.start) == (False, START + 50 * HOUR)
    assert "none beyond the next day" in told.label


def test_a_run_longer_than_what_a_stitched_series_tells_starts_at_once() -> None:
    series = measured(*[300.0] * 60, *[10.0] * 60)
    asked = job(20, duration=30, delay=40)
    (one,) = backtest({"DE": series}, [asked], Stitched({"DE": series})).outcomes
    assert (one.shifted, one.promised_saving_percent) == (False, 0.0)
    cut = Interruption(max_chunks=2, min_chunk=HOUR)
    assert backtest({"DE": series}, [asked], Stitched({"DE": series}), interruption=cut).unknown == 1
