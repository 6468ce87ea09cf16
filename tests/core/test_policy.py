from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.backtest import learn, replay
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.forecast_error import MIN_HYSTERESIS_PERCENT, ForecastError
from airflow_carbon.core.policy import Action, decide
from airflow_carbon.core.request import SPREAD_TOLERANCE, WaitRequest
from airflow_carbon.core.units import Kind
from airflow_carbon.core.window import Window, best_window, window_at
from airflow_carbon.exceptions import InvalidRequestError

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def forecast(values, at=0.0, **more):
    start = NOON + at * HOUR
    return Forecast("GB", start, HOUR, values, **{"issued_at": start, **more})


def request(duration=1.0, latest=10.0, **more):
    return WaitRequest.checked(
        **{"duration": duration * HOUR, "ready_at": NOON, "latest_start": NOON + latest * HOUR, **more}
    )


#: 300 g/kWh now, 100 g/kWh in the hour from 17:00.
DIP = [300.0] * 5 + [100.0] + [300.0] * 18


def test_a_first_decision_waits_for_the_cleanest_window():
    decision = decide(request(), forecast(DIP), now=NOON)
    assert decision.action is Action.WAIT
    assert decision.window == Window(NOON + 5 * HOUR, NOON + 6 * HOUR, 100.0)
    assert decision.baseline_at == NOON
    assert decision.baseline_intensity_g_per_kwh == decision.run_now_intensity_g_per_kwh == 300.0
    assert decision.promised_saving_percent == pytest.approx(200 / 3)
    assert not decision.moved
    assert decision.reason == "2026-11-22 17:00 UTC is 67 % cleaner than now (100 instead of 300 g/kWh)"


def test_the_run_starts_when_the_start_of_the_plan_has_come():
    standing = Window(NOON + 5 * HOUR, NOON + 6 * HOUR, 100.0)
    for late in (0, 1, 20):
        now = NOON + 5 * HOUR + timedelta(minutes=late)
        decision = decide(request(), forecast(DIP[5:], at=5), now=now, standing=standing)
        assert (decision.action, decision.window.start) == (Action.RUN, now)
        assert "the start of the plan has come" in decision.reason


def test_the_run_starts_at_the_latest_start_whatever_the_forecast_promises():
    falling = forecast(np.linspace(500, 10, 48))
    decision = decide(request(latest=2), falling, now=NOON + 2 * HOUR)
    assert (decision.action, decision.window.start) == (Action.RUN, NOON + 2 * HOUR)
    assert "latest start, 2026-11-22 14:00 UTC, is reached" in decision.reason


def test_a_task_that_comes_after_its_latest_start_runs_at_once():
    decision = decide(request(latest=2), forecast(DIP), now=NOON + 3 * HOUR)
    assert (decision.action, decision.window.start) == (Action.RUN, NOON + 3 * HOUR)


def test_a_saving_below_the_least_one_asked_for_is_not_waited_for():
    shallow = forecast([100.0] * 3 + [91.0] + [100.0] * 20)
    refused = decide(request(), shallow, now=NOON)
    assert refused.action is Action.RUN
    assert refused.reason == "starts now: waiting promises 9.0 %, less than the 10 % asked for"
    assert decide(request(min_saving_percent=8.9), shallow, now=NOON).action is Action.WAIT


def test_where_only_an_annual_average_is_known_the_run_starts_now_and_says_why():
    decision = decide(request(min_saving_percent=0), forecast([250.0] * 48, kind=Kind.ANNUAL_AVERAGE), now=NOON)
    assert decision.action is Action.RUN
    assert "no daily shape" in decision.reason


def test_a_flat_forecast_is_not_waited_for_even_if_no_saving_is_asked():
    decision = decide(request(min_saving_percent=0), forecast([250.0] * 48), now=NOON)
    assert decision.action is Action.RUN
    assert "no later start is cleaner" in decision.reason


def test_the_reason_tells_that_the_horizon_ends_before_the_last_start():
    decision = decide(request(latest=40), forecast(DIP), now=NOON)
    assert decision.window.horizon_cut
    assert "known only until 2026-11-23 12:00 UTC" in decision.reason


def test_a_forecast_too_short_for_one_run_starts_it_now_with_an_unknown_intensity():
    decision = decide(request(duration=30), forecast(DIP), now=NOON)
    assert decision.action is Action.RUN
    assert math.isnan(decision.window.intensity_g_per_kwh)
    assert decision.promised_saving_percent is None
    assert decision.baseline_intensity_g_per_kwh is None
    assert "no whole run from 2026-11-22 12:00 UTC" in decision.reason


def test_a_plan_that_the_newest_forecast_does_not_reach_stands():
    standing = Window(NOON + 9 * HOUR, NOON + 10 * HOUR, 100.0)
    short = forecast([300.0, 250.0, 200.0], at=1)
    decision = decide(request(), short, now=NOON + HOUR, standing=standing)
    assert (decision.action, decision.window) == (Action.WAIT, standing)
    assert "does not cover it" in decision.reason


def test_before_the_earliest_start_nothing_runs_and_savings_count_from_there():
    later = request(earliest_start=NOON + 3 * HOUR)
    flat = decide(later, forecast([200.0] * 24), now=NOON)
    assert (flat.action, flat.window.start) == (Action.WAIT, NOON + 3 * HOUR)
    assert "starts at the earliest start, 2026-11-22 15:00 UTC: no later start is cleaner" in flat.reason
    again = decide(later, forecast([200.0] * 24, at=1), now=NOON + HOUR, standing=flat.window)
    assert (again.action, again.window.start, again.moved) == (Action.WAIT, NOON + 3 * HOUR, False)


def test_a_plan_not_to_wait_past_the_earliest_start_is_left_only_for_the_saving_asked_for():
    later = request(earliest_start=NOON + 3 * HOUR, min_saving_percent=50)
    standing = Window(NOON + 3 * HOUR, NOON + 4 * HOUR, 300.0)
    for least, moved in ((150.0, True), (160.0, False)):
        issue = forecast([300.0] * 6 + [least] + [300.0] * 10, at=1)
        decision = decide(later, issue, now=NOON + HOUR, standing=standing)
        assert decision.moved is moved
        assert decision.window.start == NOON + (7 if moved else 3) * HOUR


def test_a_plan_made_blind_is_made_anew_once_the_forecast_reaches_it():
    later = request(earliest_start=NOON + 30 * HOUR, latest=40)
    blind = decide(later, forecast(DIP), now=NOON)
    assert (blind.action, blind.window.start) == (Action.WAIT, NOON + 30 * HOUR)
    known = forecast([300.0] * 24 + [100.0] + [300.0] * 20, at=10)
    seen = decide(later, known, now=NOON + 10 * HOUR, standing=blind.window)
    assert seen.window.start == NOON + 34 * HOUR
    assert not seen.moved


def test_a_small_gain_leaves_the_plan_where_it_is():
    first, second = list(DIP), list(DIP)
    second[7] = 97.0
    error = ForecastError().observed(forecast(first))
    standing = decide(request(), forecast(first), now=NOON, error=error).window
    decision = decide(request(), forecast(second[1:], at=1), now=NOON + HOUR, standing=standing, error=error)
    assert (decision.window.start, decision.moved) == (standing.start, False)
    assert decision.hysteresis_percent >= MIN_HYSTERESIS_PERCENT


def test_a_profile_says_the_same_each_time_so_the_least_hysteresis_holds():
    values = list(DIP)
    values[7] = 99.0
    standing = Window(NOON + 5 * HOUR, NOON + 6 * HOUR, 100.0)
    kept = decide(request(), forecast(values[1:], at=1, kind=Kind.TYPICAL), now=NOON + HOUR, standing=standing)
    assert (kept.window.start, kept.hysteresis_percent) == (standing.start, MIN_HYSTERESIS_PERCENT)
    assert "gains 1 % on it, within the source's own error of 2 %" in kept.reason
    values[7] = 97.0
    moved = decide(request(), forecast(values[1:], at=1, kind=Kind.TYPICAL), now=NOON + HOUR, standing=standing)
    assert (moved.window.start, moved.moved) == (NOON + 7 * HOUR, True)


def collapse(share):
    """A day with two equal dips; then the first, which a plan took, turns out dirtier by a share."""
    day = np.full(48, 300.0)
    day[[6, 7, 10, 11]] = 200.0
    worse = day.copy()
    worse[[6, 7]] *= 1.0 + share
    return day, worse


@pytest.mark.parametrize("seen", ["nothing", "a day of issues that hardly change"])
def test_a_plan_that_turns_out_half_as_dirty_again_is_given_up(seen):
    day, worse = collapse(0.5)
    error = None
    if seen != "nothing":
        noise = np.random.default_rng(7).normal(0, 0.04, (24, 72))
        for hour in range(-24, 1):
            stretch = np.concatenate([np.full(-hour, 300.0), day])
            error = (error or ForecastError()).observed(forecast(stretch * (1 + noise[hour, : stretch.size]), at=hour))
    job = request(duration=2, latest=20)
    standing = decide(job, forecast(day), now=NOON, error=error).window
    assert standing.start == NOON + 6 * HOUR
    decision = decide(job, forecast(worse[1:], at=1), now=NOON + HOUR, standing=standing, error=error)
    assert decision.moved
    assert decision.window.start == NOON + 10 * HOUR
    assert "is given up" in decision.reason


def test_one_view_against_one_is_confirmed_first_and_the_collapsed_plan_given_up_in_time():
    day = np.full(72, 300.0)
    day[[14, 15, 20, 21]] = 200.0
    worse = day.copy()
    worse[[14, 15]] = 300.0
    job, error = request(duration=2, latest=40), ForecastError().observed(forecast(day))
    decision = decide(job, forecast(day), now=NOON, error=error)
    assert decision.window.start == NOON + 14 * HOUR
    hour = 0
    while not decision.moved:
        hour += 1
        newest = forecast(worse[hour:], at=hour)
        error = error.observed(newest)
        decision = decide(job, newest, now=NOON + hour * HOUR, standing=decision.window, error=error)
    assert 1 < hour <= 8
    assert decision.window.start == NOON + 20 * HOUR


def test_an_error_that_saw_the_newest_issue_and_one_that_did_not_decide_alike():
    day, worse = collapse(0.3)
    before = ForecastError().observed(forecast(day))
    newest = forecast(worse[1:], at=1)
    standing = Window(NOON + 6 * HOUR, NOON + 8 * HOUR, 200.0)
    one, other = (
        decide(request(duration=2), newest, now=NOON + HOUR, standing=standing, error=error)
        for error in (before, before.observed(newest))
    )
    assert one == other


def test_waiting_that_has_become_worthless_ends():
    standing = Window(NOON + 5 * HOUR, NOON + 6 * HOUR, 60.0)
    profile = forecast([90.0] + [100.0] * 22, at=1, kind=Kind.TYPICAL)
    decision = decide(request(), profile, now=NOON + HOUR, standing=standing)
    assert (decision.action, decision.moved) == (Action.RUN, True)
    mild = forecast([106.0] + [100.0] * 22, at=1, kind=Kind.TYPICAL)
    ended = decide(request(), mild, now=NOON + HOUR, standing=standing)
    assert ended.action is Action.RUN
    assert "waiting on promises 6 %: below the 10 % asked for" in ended.reason


def test_a_wait_goes_on_to_its_end_while_its_promise_is_being_kept():
    """Near the start of the plan, now is nearly as clean: no reason to stop short of what was promised."""
    standing = Window(NOON + 5 * HOUR, NOON + 6 * HOUR, 100.0)
    falling = forecast([106.0, 104.0, 102.0, 101.0] + [100.0] * 19, at=1, kind=Kind.TYPICAL)
    assert decide(request(), falling, now=NOON + HOUR, standing=standing).action is Action.WAIT


def test_a_promise_just_below_the_least_saving_does_not_end_a_wait():
    standing = Window(NOON + 5 * HOUR, NOON + 6 * HOUR, 60.0)
    profile = forecast([110.0] + [100.0] * 22, at=1, kind=Kind.TYPICAL)
    assert decide(request(), profile, now=NOON + HOUR, standing=standing).action is Action.WAIT


def test_the_baseline_moves_to_now_where_the_forecast_no_longer_reaches_back():
    decision = decide(request(), forecast(DIP[2:], at=2), now=NOON + 2.5 * HOUR)
    assert decision.baseline_at == NOON + 2.5 * HOUR


def test_a_plan_from_before_another_request_is_not_defended():
    past_latest = Window(NOON + 20 * HOUR, NOON + 21 * HOUR, 10.0)
    assert decide(request(), forecast(DIP), now=NOON, standing=past_latest).window.start == NOON + 5 * HOUR


def test_a_moment_in_another_timezone_decides_the_same_and_a_naive_one_is_refused():
    elsewhere = NOON.astimezone(timezone(timedelta(hours=9)))
    assert decide(request(), forecast(DIP), now=elsewhere) == decide(request(), forecast(DIP), now=NOON)
    with pytest.raises(InvalidRequestError, match="now"):
        decide(request(), forecast(DIP), now=NOON.replace(tzinfo=None))


def test_spread_tasks_start_beside_each_other_and_none_much_dirtier():
    wide = forecast([300.0] * 4 + [100.0] * 6 + [300.0] * 14)
    starts = {decide(request(spread=place / 10), wide, now=NOON).window.start for place in range(10)}
    assert len(starts) == 10
    assert all(NOON + 3.9 * HOUR < start < NOON + 9.1 * HOUR for start in starts)


intensities = st.lists(st.floats(0, 600), min_size=1, max_size=72)


@st.composite
def situations(draw):
    values = draw(intensities)
    quarter = HOUR / 4
    ready = NOON + draw(st.integers(-40, 40)) * quarter
    earliest = ready + draw(st.integers(0, 40)) * quarter
    latest = earliest + draw(st.integers(0, 120)) * quarter
    job = WaitRequest.checked(
        duration=draw(st.integers(1, 40)) * quarter,
        ready_at=ready,
        earliest_start=earliest,
        latest_start=latest,
        min_saving_percent=draw(st.sampled_from([0.0, 10.0, 50.0])),
        spread=draw(st.none() | st.floats(0, 1, exclude_max=True)),
    )
    now = ready + draw(st.floats(0, 1)) * (latest - ready)
    standing = None
    if draw(st.booleans()):
        start = earliest + draw(st.floats(0, 1)) * (latest - earliest)
        standing = Window(start, start + job.duration, draw(st.floats(0, 600) | st.just(math.nan)))
    error = None
    if draw(st.booleans()):
        error = ForecastError().observed(forecast(draw(intensities), at=-draw(st.integers(1, 30))))
    issue = forecast(values, at=draw(st.integers(-2, 2)), kind=draw(st.sampled_from(Kind)))
    return {"request": job, "forecast": issue, "now": now, "standing": standing, "error": error}


@given(situations())
def test_no_start_is_late_early_or_past_and_every_decision_is_explained(situation):
    job, now = situation["request"], situation["now"]
    decision = decide(**situation)
    window = decision.window
    assert max(now, job.earliest_start) <= window.start <= job.latest_start
    assert window.end - window.start == job.duration
    assert decision.action is (Action.RUN if window.start == now else Action.WAIT)
    assert decision.reason
    assert not decision.moved or (situation["standing"] is not None and window.start != situation["standing"].start)
    assert not decision.moved or decision.hysteresis_percent >= MIN_HYSTERESIS_PERCENT
    assert repr(decide(**situation)) == repr(decision)


@given(situations())
def test_a_first_plan_is_the_best_within_the_tolerance_or_the_soonest(situation):
    job, issue, now = situation["request"], situation["forecast"], situation["now"]
    decision = decide(job, issue, now=now)
    first = max(now, job.earliest_start)
    if now >= job.latest_start or not issue.covers(first, first + job.duration):
        assert decision.window.start == first
        return
    best = best_window(
        issue, duration=job.duration, earliest_start=first, deadline=job.latest_start + job.duration
    ).intensity_g_per_kwh
    at_once = window_at(issue, start=first, duration=job.duration).intensity_g_per_kwh
    if decision.window.start > first:
        tolerance = 0.0 if job.spread is None else SPREAD_TOLERANCE
        assert decision.window.intensity_g_per_kwh <= best * (1 + tolerance) + 1e-6, (
            issue.intensity.tolist(),
            best,
            at_once,
            decision,
        )
        assert best <= at_once * (1 - job.min_saving_percent / 100) + 1e-6
    elif job.spread is None:
        assert best >= at_once * (1 - job.min_saving_percent / 100) - 1e-6


@given(situations())
def test_a_plan_decided_on_stands_when_nothing_new_is_said(situation):
    job, issue, error = situation["request"], situation["forecast"], situation["error"]
    first = decide(job, issue, now=situation["now"], error=error)
    if first.action is Action.RUN:
        return
    now = situation["now"] + (first.window.start - situation["now"]) / 3
    later = decide(job, issue, now=now, standing=first.window, error=error)
    # Time may pass into a cleaner moment that could not be chosen before only where the plan was made blind.
    if not math.isnan(first.window.intensity_g_per_kwh):
        assert later.window.start == first.window.start or "waiting on promises" in later.reason
    assert later.window.start <= job.latest_start


def test_a_replay_decides_when_ready_at_each_issue_and_at_the_start():
    issues = learn([(NOON + hour * HOUR, forecast(DIP[hour:], at=hour)) for hour in (0, 2, 4, 6)])
    told = replay(request(), issues)
    assert (told.start, told.moves, told.decisions) == (NOON + 5 * HOUR, 0, 4)
    with pytest.raises(InvalidRequestError, match="nothing had been issued"):
        replay(request(), issues[1:])
