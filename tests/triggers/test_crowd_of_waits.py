"""Waits for slots of one pool in one event loop: their plans over new issues, restarts and latecomers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_carbon.core.crowd import held_times
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.policy import Action
from airflow_carbon.core.power import PowerProfile
from airflow_carbon.core.request import WaitRequest
from airflow_carbon.core.wait import Wait
from airflow_carbon.triggers.crowd import Asking, Crowd, Place, ordinal

START = datetime(2026, 11, 22, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
#: Dirty, then clean from the third hour to the eighth, then dirty.
NIGHT = [400.0] * 3 + [100.0, 105.0, 110.0, 115.0, 120.0] + [400.0] * 6


def forecast(values: list[float] | None = None) -> Forecast:
    return Forecast("XX", START, HOUR, np.array(NIGHT if values is None else values))


def waiting(latest: timedelta = 9 * HOUR, *, duration: timedelta = HOUR, power: str = "") -> Wait:
    request = WaitRequest.checked(
        duration=duration,
        ready_at=START,
        latest_start=START + latest,
        power=PowerProfile.parse(power) if power else None,
    )
    return Wait(request, "zone:XX")


class Pool:
    """Let waits join, look and leave, as their triggers do."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.crowd = Crowd("etl")
        self.places: dict[str, Place] = {}
        self._stack = ExitStack()

    def join(self, key: str, wait: Wait, need: int = 1) -> Place:
        asking = Asking("etl", self.slots, need, key, ("zone:XX", wait.request.duration))
        self.places[key] = self._stack.enter_context(Place(self.crowd, wait, asking))
        return self.places[key]

    def look(self, key: str, now: datetime, values: list[float] | None = None) -> Wait:
        place, known = self.places[key], forecast(values)
        if not place.wait.due(now):
            place.wait.decide(known, now, None, place.room(known, now))
            place.tell()
        if place.wait.action is Action.RUN:
            place.begun(now)
        return place.wait

    @property
    def fullest(self) -> int:
        return max((held for _, _, held in held_times(self.crowd.taken([]))), default=0)

    @property
    def starts(self) -> dict[str, datetime]:
        return {key: one.wait.standing.start for key, one in self.places.items() if one.wait.standing is not None}


@contextmanager
def pool(slots: int) -> Iterator[Pool]:
    one = Pool(slots)
    with one._stack:
        yield one


def test_forty_tasks_that_come_together_are_planned_in_ten_waves_of_four() -> None:
    with pool(4) as etl:
        for number in range(20):
            etl.join(f"{number:02}", waiting(duration=HOUR))
        for key in etl.places:
            etl.look(key, START)
        assert sorted(etl.starts.values()) == [START + (3 + number // 4) * HOUR for number in range(20)]
        assert etl.fullest == 4


def test_tasks_that_come_one_after_another_each_take_the_cleanest_room_that_is_left() -> None:
    with pool(2) as etl:
        for number in range(6):
            etl.join(str(number), waiting())
            etl.look(str(number), START)
        assert [(etl.starts[str(number)] - START) / HOUR for number in range(6)] == [3, 3, 4, 4, 5, 5]


def test_the_reason_says_where_a_task_stands() -> None:
    with pool(4) as etl:
        for number in range(9):
            etl.join(str(number), waiting())
        for key in etl.places:
            etl.look(key, START)
        third = etl.places["2"].wait
        assert third.reason.endswith("; third of 9 for 4 slots of pool etl")
        assert third.record()["crowd"] == "third of 9 for 4 slots of pool etl"


@pytest.mark.parametrize(
    ("number", "said"),
    [(1, "first"), (10, "tenth"), (11, "11th"), (12, "12th"), (21, "21st"), (40, "40th"), (113, "113th")],
)
def test_places_are_said_as_people_say_them(number: int, said: str) -> None:
    assert ordinal(number) == said


def test_looking_again_at_the_same_numbers_moves_nobody() -> None:
    with pool(3) as etl:
        for number in range(12):
            etl.join(str(number), waiting())
        for key in etl.places:
            etl.look(key, START)
        before = etl.starts
        for minutes in (5, 10, 60):
            for key in etl.places:
                etl.look(key, START + minutes * MINUTE)
        assert etl.starts == before
        assert all(one.wait.replans == 0 for one in etl.places.values())


def test_after_a_restart_all_keep_the_places_that_they_had_whoever_comes_first() -> None:
    with pool(2) as before:
        for number in range(8):
            before.join(str(number), waiting())
        for key in before.places:
            before.look(key, START)
        kept = {key: json.loads(json.dumps(one.wait.state())) for key, one in before.places.items()}
        planned = before.starts
    with pool(2) as after:
        for key in reversed(list(kept)):
            after.join(key, waiting().resume(kept[key]))
            after.look(key, START + 10 * MINUTE)
        assert after.starts == planned
        assert after.fullest == 2


def test_one_who_can_wait_longer_makes_room_for_a_latecomer_who_cannot() -> None:
    with pool(1) as etl:
        patient = etl.join("patient", waiting(9 * HOUR))
        etl.look("patient", START)
        assert etl.starts["patient"] == START + 3 * HOUR
        urgent = waiting()
        urgent.request = WaitRequest.checked(
            duration=HOUR, ready_at=START, earliest_start=START + 2.5 * HOUR, latest_start=START + 3 * HOUR
        )
        etl.join("urgent", urgent)
        etl.look("urgent", START)
        assert patient.moved.is_set()
        etl.look("patient", START)
        assert START + 2.5 * HOUR <= etl.starts["urgent"] <= START + 3 * HOUR
        assert etl.starts["patient"] >= etl.starts["urgent"] + HOUR
        assert etl.fullest == 1
        assert patient.wait.replans == 1
        assert "so that another task finds room in pool etl" in patient.wait.notes[-1]


def test_one_whose_start_is_near_is_not_moved_any_more() -> None:
    with pool(1) as etl:
        etl.join("near", waiting(9 * HOUR))
        etl.look("near", START)
        now = START + 3 * HOUR - MINUTE
        late = waiting()
        late.request = WaitRequest.checked(duration=HOUR, ready_at=now, latest_start=now + 30 * MINUTE)
        etl.join("late", late)
        etl.look("late", now)
        assert not etl.places["near"].moved.is_set()
        assert etl.starts["near"] == START + 3 * HOUR


def test_work_holds_its_slots_to_its_end_and_no_longer() -> None:
    with pool(1) as etl:
        etl.join("first", waiting())
        assert etl.look("first", START + 3 * HOUR).action is Action.RUN
        etl.join("second", waiting())
        second = etl.look("second", START + 3 * HOUR + MINUTE)
        assert second.reason.startswith("the pool is full now; of the starts that find room, 2026-11-22 04:00 UTC is")
        assert etl.starts["second"] == START + 4 * HOUR
        etl.crowd.forget(START + 4 * HOUR)
        assert list(etl.crowd.places) == ["second"]


def test_one_who_is_stopped_leaves_its_place_to_others() -> None:
    etl = Crowd("etl")
    with Place(etl, waiting(), Asking("etl", 1, 1, "stopped", "alike")):
        assert list(etl.places) == ["stopped"]
    assert etl.places == {}


def test_a_trigger_that_was_replaced_does_not_take_its_successors_place_away() -> None:
    etl = Crowd("etl")
    asking = Asking("etl", 1, 1, "same", "alike")
    with ExitStack() as stack:
        with Place(etl, waiting(), asking):
            successor = stack.enter_context(Place(etl, waiting(), asking))
        assert etl.places == {"same": successor}


def test_one_that_draws_unevenly_is_placed_by_its_own_profile_in_the_room_that_is_left() -> None:
    with pool(1) as etl:
        etl.join("flat", waiting())
        etl.look("flat", START)
        etl.join("uneven", waiting(duration=2 * HOUR, power="1h@10W, 1h@300W"))
        etl.look("uneven", START)
        assert etl.starts["uneven"] == START + 4 * HOUR
        assert etl.fullest == 1


@settings(max_examples=60)
@given(
    st.integers(1, 4),
    st.lists(
        st.tuples(st.integers(0, 240), st.integers(0, 600), st.sampled_from([20, 60, 90])), min_size=1, max_size=14
    ),
    st.lists(st.integers(50, 500), min_size=16, max_size=16),
    st.lists(st.integers(50, 500), min_size=16, max_size=16),
)
def test_nobody_starts_late_whatever_the_crowd_does(
    slots: int, tasks: list[tuple[int, int, int]], first: list[int], then: list[int]
) -> None:
    """Play a day in steps of ten minutes: tasks join, look again every half hour, and numbers change in the middle."""
    started: dict[str, datetime] = {}
    with pool(slots) as etl:
        for step in range(100):
            now = START + step * 10 * MINUTE
            values = [float(one) for one in (first if step < 12 else then)] + [400.0] * 10
            for number, (ready, delay, length) in enumerate(tasks):
                key = f"{number:02}"
                if key in started or now < START + ready * MINUTE:
                    continue
                if key not in etl.places:
                    joined = START + ready * MINUTE
                    request = WaitRequest.checked(
                        duration=length * MINUTE, ready_at=joined, latest_start=joined + delay * MINUTE
                    )
                    etl.join(key, Wait(request, "zone:XX"))
                place = etl.places[key]
                moment = min(place.wait.next_look(now, 10 * MINUTE), now + 10 * MINUTE)
                for look in dict.fromkeys((now, moment)):
                    if key not in started and etl.look(key, look, values).action is Action.RUN:
                        started[key] = look
        for number, (ready, delay, _) in enumerate(tasks):
            latest = START + (ready + delay) * MINUTE
            # The first look comes with the next step of this game, which may be after so short a wait.
            assert started[f"{number:02}"] <= max(latest, START + -(-ready // 10) * 10 * MINUTE)
