from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_carbon.core.backtest import Backtest, Interruption, Job, Outcome, backtest, jobs_every, learn
from airflow_carbon.core.backtest_summary import (
    EVIDENCE,
    by_month,
    by_week,
    calibrate_min_saving,
    summary,
)
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.foresight import Issued, Perfect, Stitched
from airflow_carbon.core.units import Kind, Signal
from airflow_carbon.exceptions import InvalidRequestError

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def measured(*intensity: float, zone: str = "DE", start: datetime = START, signal: Signal = Signal.AVERAGE) -> Forecast:
    return Forecast(zone, start, HOUR, intensity, signal, kind=Kind.MEASURED)


def job(ready: float = 0, duration: float = 1, delay: float = 3) -> Job:
    at = START + ready * HOUR
    return Job(at, duration * HOUR, at + delay * HOUR)


def outcome(
    emitted: float,
    baseline: float,
    oracle: float,
    *,
    promised: float | None = 0.0,
    hours: float = 1,
    day: int = 0,
    shifted: bool = True,
) -> Outcome:
    ready = START + timedelta(days=day)
    one = Job(ready, hours * HOUR, ready + 24 * HOUR)
    return Outcome(one, "DE", ready, ready + hours * HOUR, 1, shifted, emitted, baseline, oracle, promised)


# -- jobs ------------------------------------------------------------------------------------------------------------


def test_jobs_come_at_every_step_as_long_as_their_latest_finish_was_measured() -> None:
    history = measured(*[100.0] * 12)
    jobs = jobs_every(history, every=2 * HOUR, duration=HOUR, max_delay=3 * HOUR)
    assert [(one.ready_at - START) / HOUR for one in jobs] == [0, 2, 4, 6, 8]
    assert jobs[-1].deadline == history.end


def test_a_history_shorter_than_one_wait_gives_no_job() -> None:
    assert jobs_every(measured(1.0, 2.0), every=HOUR, duration=HOUR, max_delay=3 * HOUR) == []


# -- one zone, one piece ---------------------------------------------------------------------------------------------


def test_with_perfect_foresight_a_job_does_as_the_oracle() -> None:
    history = measured(300, 200, 100, 400)
    (one,) = backtest({"DE": history}, [job()], Perfect({"DE": history})).outcomes
    assert one.start == START + 2 * HOUR
    assert (one.emitted_g_per_kwh, one.baseline_g_per_kwh, one.oracle_g_per_kwh) == (100.0, 300.0, 100.0)
    assert one.saving_percent == pytest.approx(200 / 3)
    assert one.promised_saving_percent == pytest.approx(200 / 3)
    assert (one.regret_percent, one.shifted, one.emitted_more) == (0.0, True, False)


def test_a_promise_below_the_least_saving_is_not_waited_for() -> None:
    history = measured(300, 280, 290, 400)
    (one,) = backtest({"DE": history}, [job()], Perfect({"DE": history}), min_saving_percent=10).outcomes
    assert (one.start, one.shifted, one.promised_saving_percent) == (START, False, 0.0)
    assert one.regret_percent == pytest.approx(100 * 20 / 280)


def test_a_job_that_followed_a_wrong_forecast_is_seen_to_have_emitted_more() -> None:
    history, told = measured(300, 600, 100, 400), measured(300, 150, 290, 400)
    (one,) = backtest({"DE": history}, [job()], Stitched({"DE": told})).outcomes
    assert one.start == START + HOUR
    assert one.promised_saving_percent == pytest.approx(50.0)
    assert (one.saving_percent, one.regret_percent, one.emitted_more) == (-100.0, 500.0, True)


def test_a_job_sees_only_what_had_been_issued_by_then() -> None:
    history = measured(300, 250, 200, 100, 300, 300)
    first = Forecast("DE", START, HOUR, [300, 250, 150, 290, 300, 300], issued_at=START)
    # The second issue knows of the fourth hour; it can be used from the second hour on, when the plan still waits.
    second = Forecast("DE", START + HOUR, HOUR, [250, 200, 10, 300, 300], issued_at=START + HOUR)
    issued = Issued({"DE": learn([(START, first), (START + HOUR, second)])})
    late = Issued({"DE": learn([(START, first), (START + 3 * HOUR, second)])})
    (moved,) = backtest({"DE": history}, [job()], issued).outcomes
    (kept,) = backtest({"DE": history}, [job()], late).outcomes
    assert moved.start == START + 3 * HOUR
    assert kept.start == START + 2 * HOUR
    # The promise is the one that was made when the wait began.
    assert moved.promised_saving_percent == kept.promised_saving_percent == pytest.approx(50.0)


def test_nothing_that_is_issued_after_the_wait_changes_it() -> None:
    history = measured(300, 250, 200, 100, 300, 300)
    first = Forecast("DE", START, HOUR, [300, 250, 150, 290, 300, 300], issued_at=START)
    issues = Issued({"DE": learn([(START, first), (START + 2.5 * HOUR, history.replaced(kind=Kind.FORECAST))])})
    seen = issues.issues("DE", START, START + 2 * HOUR)
    assert [one.usable_from for one in seen] == [START]
    assert issues.issues("DE", START - HOUR, START + 9 * HOUR) == ()


def test_a_job_before_the_first_issue_or_beyond_what_was_measured_is_left_out_and_counted() -> None:
    history = measured(*[300.0] * 8)
    issued = Issued({"DE": learn([(START + 2 * HOUR, history.replaced(kind=Kind.FORECAST))])})
    result = backtest({"DE": history}, [job(0), job(3), job(6)], issued)
    assert [one.job.ready_at for one in result.outcomes] == [START + 3 * HOUR]
    assert result.unknown == 2


# -- several zones, several pieces -----------------------------------------------------------------------------------


def test_a_job_may_run_elsewhere_and_its_baseline_stays_at_home() -> None:
    histories = {"DE": measured(300, 200, 250, 250), "FR": measured(80, 90, 50, 60, zone="FR")}
    (one,) = backtest(histories, [job()], Perfect(histories)).outcomes
    assert (one.zone, one.start) == ("FR", START + 2 * HOUR)
    assert (one.emitted_g_per_kwh, one.baseline_g_per_kwh, one.oracle_g_per_kwh) == (50.0, 300.0, 50.0)


def test_a_move_must_promise_the_least_saving_too() -> None:
    histories = {"DE": measured(300, 290, 295, 300), "FR": measured(285, 299, 299, 299, zone="FR")}
    (one,) = backtest(histories, [job()], Perfect(histories), min_saving_percent=10).outcomes
    assert (one.zone, one.start, one.shifted) == ("DE", START, False)


def test_zones_whose_numbers_mean_different_things_are_refused() -> None:
    histories = {"DE": measured(1, 2), "FR": measured(1, 2, zone="FR", signal=Signal.MARGINAL)}
    with pytest.raises(InvalidRequestError, match="do not compare"):
        backtest(histories, [job()], Perfect(histories))
    with pytest.raises(InvalidRequestError, match="histories: there is none"):
        backtest({}, [job()], Perfect({}))


@pytest.mark.parametrize("cut", [None, Interruption(max_chunks=2, min_chunk=timedelta(0))])
def test_a_plan_that_is_made_once_sees_nothing_issued_after_the_job_was_ready(cut: Interruption | None) -> None:
    histories = {"DE": measured(300, 290, 280, 100), "FR": measured(300, 299, 50, 300, zone="FR")}
    zones = ["DE"] if cut else ["DE", "FR"]
    known = {}
    for zone in zones:
        flat = Forecast(zone, START, HOUR, [300.0] * 4, issued_at=START)
        news = histories[zone].replaced(kind=Kind.FORECAST, issued_at=START + HOUR / 6)
        known[zone] = learn([(START, flat), (START + HOUR / 6, news)])
    ready = [job(0, delay=3), Job(START + HOUR / 6, HOUR, START + 3 * HOUR)]
    asked = {zone: histories[zone] for zone in zones}
    blind, told = backtest(asked, ready, Issued(known), interruption=cut).outcomes
    assert (blind.zone, blind.start, blind.shifted) == ("DE", START, False)
    # Ten minutes later the news is out.
    assert told.emitted_g_per_kwh == pytest.approx(100.0 if cut else 50.0)


def test_a_run_in_chunks_is_billed_for_its_resumes() -> None:
    history = measured(100, 900, 100, 900, 900, 900)
    cut = Interruption(max_chunks=2, min_chunk=HOUR / 2, resume_overhead=HOUR / 4)
    (one,) = backtest({"DE": history}, [job(duration=2, delay=3)], Perfect({"DE": history}), interruption=cut).outcomes
    # Two clean hours hold 1.75 h of work and the resume; what is left runs before or after them, at 900.
    assert one.chunks == 2
    assert one.emitted_g_per_kwh == pytest.approx((2 * 100 + 0.25 * 900) / 2)
    assert one.promised_saving_percent == pytest.approx(one.saving_percent)
    assert one.baseline_g_per_kwh == 500.0


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 500), min_size=8, max_size=8), st.integers(1, 3), st.integers(0, 5))
def test_the_oracle_of_pieces_takes_the_cheapest_hours_and_no_policy_beats_it(
    intensity: list[int], length: int, delay: int
) -> None:
    history = measured(*intensity)
    cut = Interruption(max_chunks=None, min_chunk=timedelta(0))
    one = job(duration=length, delay=delay)
    forecast = measured(*reversed(intensity))
    (told,) = backtest({"DE": history}, [one], Stitched({"DE": forecast}), interruption=cut).outcomes
    least = min(sum(hours) for hours in combinations(intensity[: length + delay], length))
    assert told.oracle_g_per_kwh == pytest.approx(least / length)
    assert told.emitted_g_per_kwh >= told.oracle_g_per_kwh - 1e-9
    assert told.end <= one.deadline


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 500), min_size=30, max_size=30), st.sampled_from([0.0, 5.0, 20.0]), st.integers(0, 6))
def test_with_perfect_foresight_nothing_emits_more_and_every_promise_is_kept(
    intensity: list[int], least: float, delay: int
) -> None:
    history = {"DE": measured(*intensity)}
    jobs = jobs_every(history["DE"], every=HOUR, duration=2 * HOUR, max_delay=delay * HOUR)
    for one in backtest(history, jobs, Perfect(history), min_saving_percent=least).outcomes:
        assert not one.emitted_more
        assert one.promised_saving_percent == pytest.approx(one.saving_percent, abs=1e-9)
        assert not one.shifted or one.saving_percent >= least - 1e-9
        assert one.job.ready_at <= one.start <= one.job.latest_start


# -- what it comes to ------------------------------------------------------------------------------------------------


def test_a_summary_is_worked_by_hand() -> None:
    one = summary(
        [
            outcome(100, 200, 80, promised=60.0),
            outcome(300, 200, 100, promised=20.0, hours=3),
            outcome(200, 200, 200, shifted=False),
        ]
    )
    # Emitted 100 + 900 + 200 of 200 + 600 + 200; the oracle 80 + 300 + 200.
    assert one.reduction_percent == pytest.approx(-20.0)
    assert one.oracle_reduction_percent == pytest.approx(42.0)
    assert one.kept_percent == pytest.approx(-100 * 20 / 42)
    assert (one.jobs, one.shifted, one.emitted_more, one.emitted_more_percent) == (3, 2, 1, 50.0)
    assert one.regret_percent == (25.0, 200.0, 200.0)
    assert (one.promised_percent, one.realised_percent, one.overpromised_points) == (40.0, 0.0, 40.0)


def test_where_nothing_was_shifted_there_is_no_share_and_no_promise() -> None:
    one = summary([outcome(200, 200, 200, shifted=False)])
    assert (one.emitted_more_percent, one.overpromised_points, one.kept_percent) == (None, None, None)


def test_a_clean_oracle_makes_any_emission_an_endless_regret_and_none_of_it_zero() -> None:
    assert outcome(10, 20, 0).regret_percent == math.inf
    assert outcome(0, 20, 0).regret_percent == 0.0
    assert outcome(0, 0, 0).saving_percent == 0.0


def test_what_is_emitted_against_nothing_is_no_reduction_of_zero() -> None:
    more = outcome(10, 0, 0, promised=40.0)
    assert (more.saving_percent, more.emitted_more) == (None, True)
    one = summary([more, more])
    assert (one.reduction_percent, one.kept_percent, one.emitted_more_percent) == (None, None, 100.0)
    assert one.regret_percent == (math.inf,) * 3
    # What has no percentage does not enter the means of promises.
    assert (one.promised_percent, one.realised_percent, one.overpromised_points) == (None, None, None)
    both = summary([more, outcome(50, 100, 50, promised=60.0)])
    assert (both.promised_percent, both.realised_percent) == (60.0, 50.0)
    assert both.reduction_percent == pytest.approx(40.0)


def test_no_job_is_no_summary() -> None:
    with pytest.raises(InvalidRequestError, match="no job could be replayed"):
        summary([])


def test_months_and_weeks_are_those_in_which_a_job_was_ready() -> None:
    outcomes = [outcome(100, 200, 100, day=day) for day in (0, 6, 7, 29, 30)]
    assert [(name, one.jobs) for name, one in by_month(outcomes)] == [("2026-03", 4), ("2026-04", 1)]
    assert [(name, one.jobs) for name, one in by_week(outcomes)] == [
        ("2026-03-02", 2),
        ("2026-03-09", 1),
        ("2026-03-30", 2),
    ]


def test_stretches_of_one_history_add_up_and_different_knowledge_does_not() -> None:
    one = Backtest((outcome(1, 2, 1),), 1, "perfect foresight")
    both = one + Backtest((outcome(2, 2, 1),), 2, "perfect foresight")
    assert (len(both.outcomes), both.unknown) == (2, 3)
    with pytest.raises(InvalidRequestError, match="do not add up"):
        one + Backtest((), 0, "same hour of yesterday")


def test_a_stitched_series_says_so() -> None:
    assert "stitched day-ahead" in backtest({"DE": measured(1)}, [], Stitched({"DE": measured(1)})).foresight


# -- calibration -----------------------------------------------------------------------------------------------------


def shares(more_at: dict[float, tuple[int, int]]):
    """Backtest so that of so many shifted jobs so many emit more, by the least saving that is asked for."""

    def run(least: float) -> Backtest:
        more, shifted = more_at[least]
        bad, good = outcome(300, 200, 100), outcome(100, 200, 100)
        return Backtest((*[bad] * more, *[good] * (shifted - more), outcome(200, 200, 100, shifted=False)), 0, "any")

    return run


def test_the_least_saving_that_keeps_the_limit_is_found() -> None:
    told = calibrate_min_saving(shares({0: (30, 200), 5: (10, 200), 10: (4, 200)}), tried=(0, 5, 10))
    assert told.min_saving_percent == 5
    assert [(least, one.emitted_more_percent) for least, one in told.rows] == [(0, 15.0), (5, 5.0), (10, 2.0)]
    assert told.foresight == "any"


def test_one_that_keeps_it_by_chance_is_not_taken() -> None:
    told = calibrate_min_saving(shares({0: (9, 200), 5: (30, 200), 10: (4, 200)}), tried=(0, 5, 10))
    assert told.min_saving_percent == 10


def test_too_few_shifted_jobs_tell_nothing() -> None:
    few = EVIDENCE - 1
    told = calibrate_min_saving(shares({0: (30, 200), 5: (0, few)}), tried=(0, 5))
    assert told.min_saving_percent is None


def test_calibrating_on_a_history_finds_what_a_forecast_s_error_asks_for() -> None:
    # Hours alternate between 100 and 100 + gap; a forecast that is wrong by 20 feigns a gain at every gap below that.
    rng = np.random.default_rng(2)
    truth = 100.0 + rng.uniform(0.0, 60.0, 4000)
    told = truth + rng.normal(0.0, 10.0, truth.size)
    history = {"DE": measured(*truth)}
    jobs = jobs_every(history["DE"], every=HOUR, duration=HOUR, max_delay=2 * HOUR)
    found = calibrate_min_saving(
        lambda least: backtest(history, jobs[:800], Stitched({"DE": measured(*told)}), min_saving_percent=least),
        tried=(0.0, 5.0, 10.0, 15.0, 20.0),
    )
    by_least = {least: one.emitted_more_percent for least, one in found.rows}
    assert by_least[0.0] > 5.0
    assert found.min_saving_percent is not None
    assert by_least[found.min_saving_percent] <= 5.0


@pytest.mark.parametrize(("limit", "tried"), [(-1.0, (0.0,)), (101.0, (0.0,)), (5.0, ()), (5.0, (5.0, 0.0))])
def test_a_calibration_that_cannot_be_meant_is_refused(limit: float, tried: tuple[float, ...]) -> None:
    with pytest.raises(InvalidRequestError, match=r"limit_percent|tried"):
        calibrate_min_saving(shares({}), limit_percent=limit, tried=tried)
