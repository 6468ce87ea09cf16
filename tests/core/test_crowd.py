"""Room in a pool: against brute force on a grid of minutes, and properties that hold for any crowd."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.crowd import Room, Taken, Waiter, full_times, held_times, place_together
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.policy import Action, decide
from airflow_carbon.core.request import WaitRequest
from airflow_carbon.core.window import window_at

START = datetime(2026, 11, 22, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

#: Nights of some hours, in steps of half an hour; whole numbers, so that sums are exact.
series = st.lists(st.integers(10, 500), min_size=8, max_size=24)
minutes = st.integers(0, 600)


def forecast(values: list[int], step: timedelta = 30 * MINUTE) -> Forecast:
    return Forecast("XX", START, step, np.array(values, dtype=float))


def request(duration: timedelta, latest: timedelta, earliest: timedelta = timedelta(0)) -> WaitRequest:
    return WaitRequest.checked(
        duration=duration, ready_at=START, earliest_start=START + earliest, latest_start=START + latest
    )


@st.composite
def takers(draw: st.DrawFn) -> list[Taken]:
    found = []
    for _ in range(draw(st.integers(0, 8))):
        begin = START + draw(minutes) * MINUTE
        found.append(Taken(begin, begin + draw(st.integers(1, 200)) * MINUTE, draw(st.integers(1, 3))))
    return found


def held_at(moment: datetime, taken: list[Taken]) -> int:
    return sum(one.slots for one in taken if one.start <= moment < one.end)


def fits(start: datetime, duration: timedelta, taken: list[Taken], slots: int, need: int) -> bool:
    """Look at every minute of a run; all moments of these tests lie on minutes."""
    return all(held_at(start + at * MINUTE, taken) + need <= slots for at in range(duration // MINUTE))


@given(takers())
def test_the_slots_held_are_those_that_a_count_at_every_minute_finds(taken: list[Taken]) -> None:
    told = list(held_times(taken))
    for number in range(-5, 850):
        moment = START + number * MINUTE
        assert sum(held for begin, end, held in told if begin <= moment < end) == held_at(moment, taken)
    for most in range(4):
        times = list(full_times(taken, most))
        assert all(end < begin for (_, end), (begin, _) in pairwise(times))
        for number in range(0, 850, 7):
            moment = START + number * MINUTE
            assert any(begin <= moment < end for begin, end in times) == (held_at(moment, taken) > most)


@given(series, takers(), st.integers(1, 4), st.integers(1, 2), st.integers(1, 150), st.integers(0, 500))
def test_the_best_start_with_room_is_that_of_brute_force(
    values: list[int], taken: list[Taken], slots: int, need: int, length: int, delay: int
) -> None:
    known, duration = forecast(values), length * MINUTE
    asked = request(duration, delay * MINUTE)
    found = Room(slots, taken, need).best(asked, known, START)
    starts = [START + number * MINUTE for number in range(delay + 1)]
    possible = [
        window_at(known, start=start, duration=duration)
        for start in starts
        if known.covers(start, start + duration) and fits(start, duration, taken, slots, need)
    ]
    if not possible:
        assert found is None
        return
    assert found is not None
    assert START <= found.start <= asked.latest_start
    assert fits(found.start, duration, taken, slots, need)
    assert found.intensity_g_per_kwh == pytest.approx(min(one.intensity_g_per_kwh for one in possible))


@given(series, takers(), st.integers(1, 5), st.integers(2, 12), st.integers(5, 90), st.data())
def test_a_common_plan_keeps_every_promise_and_never_holds_more_than_the_pool_has(
    values: list[int], taken: list[Taken], slots: int, count: int, length: int, data: st.DataObject
) -> None:
    known, duration = forecast(values), length * MINUTE
    waiters = []
    for number in range(count):
        earliest = data.draw(st.integers(0, 100)) * MINUTE
        latest = earliest + data.draw(st.integers(0, 500)) * MINUTE
        waiters.append(Waiter(str(number), request(duration, latest, earliest), data.draw(st.integers(1, 2))))
    starts = place_together(waiters, known, now=START, slots=slots, taken=taken)
    if not starts:
        return
    assert set(starts) == {one.key for one in waiters}
    held = [Taken(starts[one.key], starts[one.key] + duration, one.need) for one in waiters]
    for one in waiters:
        assert one.request.earliest_start <= starts[one.key] <= one.request.latest_start
        assert known.covers(starts[one.key], starts[one.key] + duration)
    # What others hold already may be too much; a plan adds nothing there.
    for begin, _, full in held_times([*taken, *held]):
        added = held_at(begin, held)
        assert added == 0 or full <= slots


@given(series, st.integers(1, 4), st.integers(1, 30))
def test_tasks_that_are_alike_and_fill_steps_emit_as_little_together_as_possible(
    values: list[int], slots: int, count: int
) -> None:
    known = forecast(values)
    delay = known.end - START - 30 * MINUTE
    waiters = [Waiter(str(number), request(30 * MINUTE, delay)) for number in range(count)]
    starts = place_together(waiters, known, now=START, slots=slots, taken=[])
    if count > slots * len(values):
        assert starts == {}
        return
    emitted = sum(window_at(known, start=one, duration=30 * MINUTE).intensity_g_per_kwh for one in starts.values())
    assert emitted == pytest.approx(sum(sorted(values * slots)[:count]))


def test_forty_half_hours_for_four_slots_fill_the_ten_cleanest_half_hours() -> None:
    values = [300] * 10 + [100 + step for step in range(12)] + [300] * 10
    waiters = [Waiter(f"{number:02}", request(30 * MINUTE, 12 * HOUR)) for number in range(40)]
    starts = place_together(waiters, forecast(values), now=START, slots=4, taken=[])
    assert sorted(starts.values()) == [START + (10 + number // 4) * 30 * MINUTE for number in range(40)]


def test_the_same_crowd_gets_the_same_plan_in_whatever_order_it_came() -> None:
    known = forecast([300, 200, 100, 150, 120, 110, 300, 400])
    waiters = [Waiter(str(number), request(20 * MINUTE, (2 + number % 2) * HOUR)) for number in range(9)]
    plan = place_together(waiters, known, now=START, slots=2, taken=[])
    assert plan
    assert place_together(waiters[::-1], known, now=START, slots=2, taken=[]) == plan


def test_a_decision_takes_the_cleanest_window_that_has_room_and_says_what_it_brings() -> None:
    known = forecast([300, 300, 100, 150, 300, 300])
    taken = [Taken(START + HOUR, START + 1.5 * HOUR), Taken(START + HOUR, START + 1.5 * HOUR)]
    decision = decide(request(30 * MINUTE, 2 * HOUR), known, now=START, room=Room(2, taken))
    assert (decision.action, decision.window.start) == (Action.WAIT, START + 1.5 * HOUR)
    assert decision.promised_saving_percent == pytest.approx(50.0)


def test_where_the_room_that_is_left_is_not_worth_the_wait_the_task_starts_at_once() -> None:
    known = forecast([300, 300, 100, 290, 300, 300])
    taken = [Taken(START + 45 * MINUTE, START + 1.5 * HOUR)]
    decision = decide(request(30 * MINUTE, 2 * HOUR), known, now=START, room=Room(1, taken))
    assert (decision.action, decision.window.start) == (Action.RUN, START)


def test_a_task_that_would_only_queue_waits_for_the_cleanest_time_with_room_even_if_that_saves_nothing() -> None:
    known = forecast([100, 300, 300, 200, 300, 300])
    busy = [Taken(START - HOUR, START + 45 * MINUTE)]
    decision = decide(request(30 * MINUTE, 2 * HOUR), known, now=START, room=Room(1, busy))
    assert (decision.action, decision.window.start) == (Action.WAIT, START + 1.5 * HOUR)
    assert decision.reason.startswith("the pool is full now; of the starts that find room, ")


def test_where_the_pool_has_no_room_by_the_latest_start_the_task_plans_as_if_alone() -> None:
    known = forecast([300, 300, 100, 290, 300, 300])
    full = [Taken(START, START + 12 * HOUR)]
    decision = decide(request(30 * MINUTE, 2 * HOUR), known, now=START, room=Room(1, full))
    assert decision.window.start == START + HOUR


def test_a_standing_plan_that_has_its_room_is_kept_against_the_noise_of_new_issues() -> None:
    known = forecast([300, 300, 100, 100, 300, 300])
    asked = request(30 * MINUTE, 2 * HOUR)
    first = decide(asked, known, now=START, room=Room(1, [Taken(START + HOUR, START + 1.5 * HOUR)]))
    again = decide(asked, known, now=START + MINUTE, standing=first.window, room=Room(1))
    assert (again.window.start, again.moved) == (first.window.start, False)
