from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.exceptions import SourceUnavailableError
from airflow_carbon.web.quota import Quota
from airflow_carbon.web.shelf import Shelf

#: 2026-08-22 12:00:00 UTC.
NOON = 1_787_400_000.0
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["in memory", "on a shelf", "on a shelf that keeps nothing"])
def quota(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Quota:
    shelf = {"on a shelf": Shelf(tmp_path), "on a shelf that keeps nothing": Shelf(Path("/dev/null/cache"))}
    return Quota(3, shelf.get(request.param), clock)


def taken(quota: Quota, tries: int = 100) -> int:
    """Count how many requests may be made now."""
    for number in range(tries):
        try:
            quota.take("uk")
        except SourceUnavailableError:
            return number
    return tries


def test_no_more_than_the_allowed_requests_are_made(quota: Quota) -> None:
    assert taken(quota) == 3
    assert taken(quota) == 0


def test_the_message_names_the_next_moment_and_the_setting(quota: Quota) -> None:
    taken(quota)
    with pytest.raises(SourceUnavailableError) as raised:
        quota.take("uk")
    assert str(raised.value) == (
        "uk: the 3 requests that this connection may make in an hour are spent; the next one at "
        "2026-08-22 13:01 UTC, or set requests_per_hour higher"
    )


def test_the_hour_slides(quota: Quota, clock: Clock) -> None:
    quota.take("uk")
    clock.now += 30 * MINUTE
    assert taken(quota) == 2
    clock.now = NOON + HOUR + MINUTE
    assert taken(quota) == 1
    clock.now = NOON + HOUR + 31 * MINUTE
    assert taken(quota) == 2


def test_requests_of_a_minutes_last_second_count_for_a_whole_hour(quota: Quota, clock: Clock) -> None:
    clock.now = NOON + 59
    assert taken(quota) == 3
    clock.now = NOON + HOUR + 58
    assert taken(quota) == 0
    clock.now = NOON + HOUR + 60
    assert taken(quota) == 3


@given(st.lists(st.integers(0, 500), min_size=1, max_size=120), st.integers(1, 12))
def test_in_no_hour_are_more_requests_made_than_allowed(pauses: list[int], per_hour: int) -> None:
    clock = Clock()
    quota, made = Quota(per_hour, clock=clock), []
    for pause in pauses:
        clock.now += pause
        if taken(quota, tries=1):
            made.append(clock.now)
    for first in made:
        assert sum(first <= one < first + HOUR for one in made) <= per_hour


def test_a_service_that_asked_for_quiet_is_left_alone(quota: Quota, clock: Clock) -> None:
    quota.take("uk")
    quota.hold(90)
    clock.now = NOON + 89
    with pytest.raises(SourceUnavailableError, match=r"^uk asked to be left alone until 2026-08-22 12:01 UTC$"):
        quota.take("uk")
    clock.now = NOON + 90
    assert taken(quota) == 2


def test_a_service_is_left_alone_for_a_day_at_most(quota: Quota, clock: Clock) -> None:
    quota.hold(30 * DAY)
    clock.now = NOON + DAY - 1
    assert taken(quota) == 0
    clock.now = NOON + DAY
    assert taken(quota) == 3


@pytest.mark.parametrize("back", [2 * HOUR, 400 * DAY])
def test_a_clock_that_was_set_back_closes_nothing(quota: Quota, clock: Clock, back: float) -> None:
    taken(quota)
    quota.hold(12 * HOUR)
    clock.now -= back
    assert taken(quota) == 3
    assert taken(quota) == 0


def test_a_quota_of_none_makes_no_request(clock: Clock) -> None:
    with pytest.raises(SourceUnavailableError, match="the 0 requests"):
        Quota(0, clock=clock).take("uk")


def test_the_count_outlives_the_process(tmp_path: Path, clock: Clock) -> None:
    assert taken(Quota(3, Shelf(tmp_path), clock)) == 3
    assert taken(Quota(3, Shelf(tmp_path), clock)) == 0
    assert taken(Quota(5, Shelf(tmp_path), clock)) == 2
    Quota(3, Shelf(tmp_path), clock).hold(2 * HOUR)
    clock.now += 2 * HOUR - 1
    assert taken(Quota(3, Shelf(tmp_path), clock)) == 0
    clock.now += 1
    assert taken(Quota(3, Shelf(tmp_path), clock)) == 3


def test_objects_of_one_shelf_count_together(tmp_path: Path, clock: Clock) -> None:
    one, other = (Quota(4, Shelf(tmp_path), clock) for _ in range(2))
    for quota in (one, other, one):
        quota.take("uk")
    assert taken(other) == 1
    assert taken(one) == 0


def test_processes_count_together(tmp_path: Path, clock: Clock) -> None:
    children = []
    for _ in range(8):
        child = os.fork()
        if child == 0:
            code = 255
            try:
                # A busy machine may hold the lock from somebody for longer than the moment that is usual.
                code = taken(Quota(50, Shelf(tmp_path, briefly=60.0), clock), tries=10)
            finally:
                os._exit(code)
        children.append(child)
    made = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert sum(made) == 50
    assert all(0 <= one <= 10 for one in made)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"minutes": [1, 2], "closed_from": 0, "closed_until": 0},
        {"minutes": {"a": 1}, "closed_from": 0, "closed_until": 0},
        {"minutes": {"1": None}, "closed_from": 0, "closed_until": 0},
        {"minutes": {}, "closed_from": "x", "closed_until": 0},
        {"minutes": {}, "closed_from": NOON, "closed_until": 1e300},
        {"minutes": {}, "closed_from": NOON, "closed_until": float("nan")},
        {"minutes": {}, "closed_from": 0, "closed_until": NOON + HOUR},
        {"minutes": {}, "closed_from": 10**400, "closed_until": 0},
        {"minutes": {"99999999999": 7}, "closed_from": 0, "closed_until": 0},
        {"minutes": {}},
    ],
)
def test_a_damaged_count_counts_as_none(tmp_path: Path, clock: Clock, document: dict[str, object]) -> None:
    shelf = Shelf(tmp_path)
    shelf.write("requests", document)
    assert taken(Quota(3, shelf, clock)) == 3
    assert taken(Quota(3, shelf, clock)) == 0
