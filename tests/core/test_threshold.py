"""A limit on the intensity, worked by hand and against a look at every minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.policy import Action, decide
from airflow_carbon.core.request import OnOutage, WaitRequest
from airflow_carbon.core.threshold import Threshold
from airflow_carbon.core.wait import Wait
from airflow_carbon.exceptions import InvalidRequestError

T0 = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def forecast(*intensity: float, step: timedelta = HOUR) -> Forecast:
    return Forecast("GB", T0, step, intensity)


def request(threshold: Threshold, latest: timedelta = 8 * HOUR) -> WaitRequest:
    return WaitRequest.checked(
        duration=MINUTE, ready_at=T0, latest_start=T0 + latest, min_saving_percent=0.0, threshold=threshold
    )


def under(limit: float) -> Threshold:
    return Threshold.checked(below_g_per_kwh=limit)


def lowest(percent: float, horizon: timedelta = 10 * HOUR) -> Threshold:
    return Threshold.checked(lowest_percent=percent, horizon=horizon)


def test_a_limit_is_waited_for_until_the_first_hour_that_is_under_it() -> None:
    decision = decide(request(under(200)), forecast(300, 250, 200, 199, 100), now=T0)
    assert (decision.action, decision.window.start, decision.reached) == (Action.WAIT, T0 + 3 * HOUR, True)
    assert decision.reason == "2026-01-05 03:00 UTC, with 199 g/kWh, is the first moment under 200 g/kWh"


def test_an_intensity_that_is_under_the_limit_runs_at_once_though_a_cleaner_hour_follows() -> None:
    decision = decide(request(under(301)), forecast(300, 20), now=T0 + 5 * MINUTE)
    assert (decision.action, decision.window.start) == (Action.RUN, T0 + 5 * MINUTE)
    assert decision.reason == "starts now: 300 g/kWh is under 301 g/kWh"


def test_a_limit_that_no_hour_meets_is_waited_for_until_the_latest_start() -> None:
    decision = decide(request(under(50)), forecast(*[300] * 12), now=T0)
    assert (decision.action, decision.window.start, decision.reached) == (Action.WAIT, T0 + 8 * HOUR, False)
    assert "nor is any moment until the latest start, 2026-01-05 08:00 UTC" in decision.reason


def test_a_clean_hour_after_the_latest_start_does_not_count() -> None:
    assert decide(request(under(50), HOUR), forecast(300, 300, 40), now=T0).reached is False


def test_the_lowest_share_of_ten_hours_is_so_many_of_them() -> None:
    hours = forecast(10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
    assert [lowest(percent).limit(hours, T0) for percent in (1, 10, 10.1, 30, 99, 100)] == [10, 10, 20, 30, 100, 100]


def test_the_share_is_one_of_time_where_the_horizon_cuts_a_step() -> None:
    # From half past: half an hour at 10, one at 20, half an hour at 30.
    hours = forecast(10, 20, 30)
    shares = [lowest(percent, 2 * HOUR).limit(hours, T0 + 30 * MINUTE) for percent in (25, 26, 75, 76)]
    assert shares == [10, 20, 20, 30]


def test_a_forecast_that_ends_before_the_horizon_shortens_it() -> None:
    assert lowest(50, 100 * HOUR).limit(forecast(10, 20, 30, 40), T0) == 20


def test_nothing_known_of_the_horizon_is_no_limit_and_no_reason_to_run() -> None:
    decision = decide(request(lowest(10)), forecast(10), now=T0 + 2 * HOUR)
    assert (decision.action, decision.limit_g_per_kwh, decision.reached) == (Action.WAIT, None, False)
    assert "is not known" in decision.reason


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "give one of them"),
        ({"below_g_per_kwh": 1.0, "lowest_percent": 1.0}, "not both"),
        ({"below_g_per_kwh": 0.0}, "larger than zero"),
        ({"below_g_per_kwh": float("nan")}, "larger than zero"),
        ({"lowest_percent": 0.0}, "above 0"),
        ({"lowest_percent": 100.5}, "at most at 100"),
        ({"lowest_percent": 5.0, "horizon": timedelta(0)}, "horizon"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_the_name_of_its_field(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        Threshold.checked(**asked)


@given(
    intensity=st.lists(st.integers(0, 12), min_size=1, max_size=12),
    limit=st.integers(1, 12),
    now=st.integers(0, 700),
    latest=st.integers(0, 900),
)
@settings(max_examples=200, deadline=None)
def test_the_first_moment_under_a_limit_is_that_of_a_look_at_every_minute(
    intensity: list[int], limit: int, now: int, latest: int
) -> None:
    known = forecast(*intensity)
    clean = [m for m in range(now, latest + 1) if m // 60 < len(intensity) and intensity[m // 60] < limit]
    expected = T0 + clean[0] * MINUTE if clean else None
    assert under(limit).first(known, limit, T0 + now * MINUTE, T0 + latest * MINUTE) == expected


@given(
    intensity=st.lists(st.integers(0, 9), min_size=1, max_size=12),
    percent=st.integers(1, 100),
    now=st.integers(0, 60),
    horizon=st.integers(1, 900),
)
@settings(max_examples=200, deadline=None)
def test_the_limit_of_a_share_is_that_of_all_minutes_sorted(
    intensity: list[int], percent: int, now: int, horizon: int
) -> None:
    minutes = sorted(intensity[m // 60] for m in range(now, now + horizon) if m // 60 < len(intensity))
    if not minutes:
        return
    expected = minutes[-(-percent * len(minutes) // 100) - 1]
    assert lowest(percent, horizon * MINUTE).limit(forecast(*intensity), T0 + now * MINUTE) == expected


@given(intensity=st.lists(st.integers(1, 9), min_size=10, max_size=20), percent=st.integers(1, 100))
@settings(max_examples=100, deadline=None)
def test_some_moment_of_the_horizon_is_always_among_its_lowest_share(intensity: list[int], percent: int) -> None:
    decision = decide(request(lowest(percent), 10 * HOUR), forecast(*intensity), now=T0)
    assert decision.reached
    assert decision.window.start < T0 + 10 * HOUR


def test_a_wait_whose_limit_is_met_starts_then_and_says_so() -> None:
    wait = Wait(request(under(200)))
    wait.decide(forecast(300, 150), T0)
    assert wait.due(T0 + HOUR)
    record = wait.record()
    assert (record["reached"], record["condition"], record["limit_g_per_kwh"]) == (True, "under 200 g/kWh", 200.0)
    assert record["reason"].startswith("started as planned")


def test_a_wait_whose_limit_is_never_met_ends_at_the_latest_start_and_says_so() -> None:
    wait = Wait(request(under(20)))
    wait.decide(forecast(*[300] * 12), T0)
    assert not wait.due(T0 + 8 * HOUR - MINUTE)
    assert wait.due(T0 + 8 * HOUR)
    assert wait.record()["reached"] is False
    assert wait.reason.startswith("the latest start was reached: 300 g/kWh is not under 20 g/kWh")


def test_a_decision_at_the_latest_start_itself_is_not_taken_for_a_success() -> None:
    wait = Wait(request(under(20)))
    wait.decide(forecast(*[300] * 12), T0 + 8 * HOUR)
    assert wait.action is Action.RUN
    assert wait.record()["reached"] is False


def test_an_outage_does_not_end_a_wait_whose_limit_is_known_not_to_be_met_yet() -> None:
    wait = Wait(request(under(20)))
    wait.decide(forecast(*[300] * 12), T0)
    wait.outage("no answer", T0 + HOUR, OnOutage.RUN)
    assert wait.action is Action.WAIT


def test_a_start_that_nobody_took_is_looked_for_anew() -> None:
    wait = Wait(request(under(200)))
    wait.decide(forecast(300, 150, 300, 300, 100), T0)
    assert not wait.due(T0 + 2 * HOUR + 5 * MINUTE)
    wait.decide(forecast(300, 150, 300, 300, 100), T0 + 2 * HOUR + 5 * MINUTE)
    assert wait.standing is not None
    assert wait.standing.start == T0 + 4 * HOUR


def test_what_was_kept_is_taken_up_again_and_another_limit_is_not() -> None:
    wait = Wait(request(under(20)))
    wait.decide(forecast(*[300] * 12), T0)
    again = Wait(request(under(20))).resume(wait.state())
    assert again.due(T0 + 8 * HOUR)
    assert again.record()["reached"] is False
    assert Wait(request(under(30))).resume(wait.state()).standing is None


def test_a_limit_survives_the_way_through_plain_json() -> None:
    for one in (under(20.5), lowest(12.5, 7 * HOUR)):
        assert Threshold.of(one.plain()) == one
    assert Threshold.of(None) is None
