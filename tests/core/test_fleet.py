"""Many tasks over regions and slots: numbers worked by hand, limits that hold, and faults by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_carbon.core.fleet import FleetRegion, Placements, TaskClass, place_fleet
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.units import Signal
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR, SLOT = timedelta(hours=1), timedelta(minutes=30)


def series(values: list[float], zone: str = "DE", step: timedelta = SLOT, **more: Any) -> Forecast:
    return Forecast(zone, START, step, values, **more)


def region(name: str, values: list[float], capacity: Any = 10, **more: Any) -> FleetRegion:
    return FleetRegion(name, series(values, name), capacity, **{"pue": 1.0, **more})


def tasks(count: int, duration: timedelta = SLOT, name: str = "a", **more: Any) -> TaskClass:
    return TaskClass(name, count, duration, **more)


def placed(classes: list[TaskClass], regions: list[FleetRegion], **more: Any) -> Placements:
    return place_fleet(classes, regions, **{"slot": SLOT, **more})


def rows(plan: Placements) -> list[tuple[str, str, int, int]]:
    return [(each.task_class, each.region, (each.start - START) // SLOT, each.count) for each in plan.batches]


def test_the_cheapest_places_are_filled_first_and_the_dearest_of_them_in_part() -> None:
    plan = placed([tasks(25)], [region("DE", [300, 100, 200]), region("FR", [90, 250, 400])])
    assert rows(plan) == [("a", "FR", 0, 10), ("a", "DE", 1, 10), ("a", "DE", 2, 5)]
    assert plan.intensity_g_per_kwh == pytest.approx((10 * 90 + 10 * 100 + 5 * 200) / 25)
    assert plan.energy_kwh == pytest.approx(25 * 0.5)
    assert plan.exact
    assert plan.gap == 0.0


def test_of_equally_cheap_places_the_earliest_is_taken() -> None:
    plan = placed([tasks(15)], [region("DE", [100, 50, 50, 50]), region("FR", [100, 80, 50, 50])])
    assert rows(plan) == [("a", "DE", 1, 10), ("a", "DE", 2, 5)]


def test_equal_means_of_odd_steps_count_as_equal() -> None:
    # Eleven thirds of an hour: their prefix sums differ by rounding from slot to slot.
    plan = placed([tasks(1, timedelta(minutes=7))], [region("DE", [0.1 + 0.2] * 11)], slot=timedelta(minutes=7))
    assert plan.batches[0].start == START


def test_each_task_knows_its_own_number() -> None:
    plan = placed([tasks(25), tasks(4, name="b")], [region("DE", [300, 100, 200])])
    assert [(each.task_class, each.first, each.last) for each in plan.batches] == [
        ("a", 0, 4),
        ("a", 5, 14),
        ("a", 15, 24),
        ("b", 0, 3),
    ]


def test_the_overhead_of_the_building_counts() -> None:
    plan = placed([tasks(1)], [region("DE", [100, 100], pue=1.5), region("FR", [120, 120], pue=1.1)])
    assert plan.batches[0].region == "FR"
    assert plan.intensity_g_per_kwh == pytest.approx(132.0)


def test_a_task_of_part_of_a_slot_is_billed_for_its_own_minutes() -> None:
    # Its ten minutes lie in the first of two steps of a slot of an hour.
    plan = placed([tasks(1, timedelta(minutes=10), energy_kwh=2.0)], [region("DE", [100, 900])], slot=HOUR)
    assert plan.emitted_g == pytest.approx(200.0)
    assert plan.batches[0].end == START + timedelta(minutes=10)


def test_a_class_keeps_to_its_regions_its_release_and_its_deadline() -> None:
    regions = [region("DE", [10, 50, 60, 5]), region("FR", [1, 1, 1, 1])]
    only = tasks(3, regions=["DE"], earliest_start=START + timedelta(minutes=1), deadline=START + 3 * SLOT)
    assert rows(placed([only], regions)) == [("a", "DE", 1, 3)]
    assert rows(placed([only, tasks(1, name="b")], regions)) == [("a", "DE", 1, 3), ("b", "FR", 0, 1)]


def test_no_task_ends_after_the_deadline_of_the_fleet() -> None:
    long = tasks(1, timedelta(minutes=40))
    plan = placed([long], [region("DE", [90, 80, 70, 10, 10])], deadline=START + timedelta(minutes=100))
    assert plan.batches[0].end <= START + timedelta(minutes=100)
    assert rows(plan) == [("a", "DE", 2, 1)]


def test_capacity_may_differ_from_slot_to_slot() -> None:
    plan = placed([tasks(6, cores=2)], [region("DE", [10, 20, 30], capacity=[3, 9, 100])])
    assert rows(plan) == [("a", "DE", 0, 1), ("a", "DE", 1, 4), ("a", "DE", 2, 1)]


def test_the_queue_that_is_there_goes_first() -> None:
    # Seven core hours at ten cores: five in the first slot, two in the second, where six cores are left.
    plan = placed([tasks(8)], [region("DE", [10, 20, 30], backlog=7.0)])
    assert rows(plan) == [("a", "DE", 1, 6), ("a", "DE", 2, 2)]


def test_a_queue_may_be_told_as_the_time_for_which_all_is_busy() -> None:
    plan = placed([tasks(8)], [region("DE", [10, 20, 30], backlog=timedelta(minutes=31))])
    assert rows(plan) == [("a", "DE", 2, 8)]


def test_cores_held_until_a_moment_are_missing_until_then() -> None:
    plan = placed([tasks(8)], [region("DE", [10, 20, 30], occupied=[(7, START + SLOT), (5, START + HOUR)])])
    assert rows(plan) == [("a", "DE", 1, 5), ("a", "DE", 2, 3)]


def test_a_class_that_uses_more_gets_the_cleaner_place() -> None:
    heavy, light = tasks(10, name="heavy", energy_kwh=3.0), tasks(10, name="light", energy_kwh=1.0)
    plan = placed([light, heavy], [region("DE", [100, 50])])
    assert rows(plan) == [("light", "DE", 0, 10), ("heavy", "DE", 1, 10)]
    assert plan.emitted_g == pytest.approx(10 * 100 + 30 * 50)


def test_a_class_gives_way_where_the_other_has_no_other_place() -> None:
    # Filling the heavy class first would push the light one to 100: 20 + 100 against 22 + 10.
    heavy, bound = tasks(1, name="heavy", energy_kwh=2.0), tasks(1, name="bound", energy_kwh=1.0, regions=["DE"])
    plan = placed([heavy, bound], [region("DE", [10, 100], 1), region("FR", [11, 500], 1)])
    assert rows(plan) == [("heavy", "FR", 0, 1), ("bound", "DE", 0, 1)]
    assert plan.emitted_g == pytest.approx(32.0)


def test_a_long_task_holds_its_cores_all_along() -> None:
    plan = placed([tasks(10, HOUR), tasks(10, name="b")], [region("DE", [50, 10, 20, 90])])
    assert rows(plan) == [("a", "DE", 1, 10), ("b", "DE", 0, 10)]
    assert plan.bound_g <= plan.emitted_g


def test_an_answer_without_room_says_how_many_fit_and_what_is_missing() -> None:
    with pytest.raises(
        NoFeasibleWindowError, match=r"30 of 40 tasks find room, 10 of a do not.*need 5 core hours more"
    ):
        placed([tasks(40)], [region("DE", [300, 100, 200])])
    with pytest.raises(NoFeasibleWindowError, match=r"33 of 50 tasks find room, "):
        placed([tasks(3), tasks(47, name="b")], [region("DE", [300, 100, 200]), region("FR", [1], 3)])
    with pytest.raises(NoFeasibleWindowError, match=r"1 of 2 tasks find room"):
        placed([tasks(2, HOUR)], [region("DE", [1, 2, 3], 1)])
    with pytest.raises(NoFeasibleWindowError, match=r"1 of 3 tasks find room, 2 of b"):
        placed([tasks(1, cores=4), tasks(2, cores=9, name="b")], [region("DE", [1], 8)])


def test_a_class_that_cannot_start_in_time_is_refused_with_its_name() -> None:
    late = tasks(1, name="late", deadline=START + timedelta(minutes=5))
    with pytest.raises(NoFeasibleWindowError, match="1 of late"):
        placed([tasks(1), late], [region("DE", [1, 2])])


def test_cores_of_different_number_are_packed_into_whole_tasks() -> None:
    plan = placed([tasks(3, cores=3), tasks(4, cores=2, name="b")], [region("DE", [10, 20, 30], 7)])
    held = dict.fromkeys(range(3), 0)
    for each in plan.batches:
        held[(each.start - START) // SLOT] += each.count * (3 if each.task_class == "a" else 2)
    assert all(cores <= 7 for cores in held.values())
    assert sum(each.count for each in plan.batches) == 7
    assert plan.bound_g <= plan.emitted_g


def test_numbers_that_mean_different_things_are_not_compared() -> None:
    marginal = FleetRegion("FR", series([1, 2], "FR", signal=Signal.MARGINAL), 10)
    with pytest.raises(InvalidRequestError, match=r"DE is average.*FR is marginal"):
        placed([tasks(1)], [region("DE", [10, 20]), marginal])
    assert placed([tasks(1)], [region("DE", [10, 20]), marginal], allow_mixed=True).batches[0].region == "FR"


def test_a_region_takes_nothing_beyond_its_own_series() -> None:
    plan = placed([tasks(15)], [region("DE", [10]), region("FR", [900, 800, 700])])
    assert rows(plan) == [("a", "DE", 0, 10), ("a", "FR", 2, 5)]


@pytest.mark.parametrize(
    ("classes", "regions", "more", "fault"),
    [
        ([], [region("DE", [1])], {}, "classes, regions"),
        ([tasks(1), tasks(1)], [region("DE", [1])], {}, "classes: a is named twice"),
        ([tasks(1)], [region("DE", [1]), region("DE", [1])], {}, "regions: DE is named twice"),
        ([tasks(0)], [region("DE", [1])], {}, "count: 0 of a"),
        ([tasks(1, cores=0)], [region("DE", [1])], {}, "cores: 0 of a"),
        ([tasks(1, energy_kwh=-1.0)], [region("DE", [1])], {}, "energy_kwh: -1.0 of a"),
        ([tasks(1, timedelta(0))], [region("DE", [1])], {}, "duration of a"),
        ([tasks(1, regions=["SE"])], [region("DE", [1])], {}, "regions: .*SE.*out of DE"),
        ([tasks(1)], [region("DE", [1], -1)], {}, "capacity: that of DE"),
        ([tasks(1)], [region("DE", [1, 2], [3])], {}, "capacity: DE has shape"),
        ([tasks(1)], [region("DE", [1], backlog=-1.0)], {}, "backlog: -1.0 h of DE"),
        ([tasks(1)], [region("DE", [1], pue=0.9)], {}, "pue: 0.9 of DE"),
        ([tasks(1)], [region("DE", [1])], {"slot": timedelta(0)}, "slot"),
        ([tasks(1)], [region("DE", [1])], {"deadline": START - HOUR}, "deadline: no slot"),
        ([tasks(1)], [region("DE", [1])], {"deadline": START.replace(tzinfo=None)}, "deadline.*no timezone"),
    ],
)
def test_bad_input_is_refused_by_name(
    classes: list[TaskClass], regions: list[FleetRegion], more: dict[str, Any], fault: str
) -> None:
    with pytest.raises(InvalidRequestError, match=fault):
        placed(classes, regions, **more)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(0, 2**32 - 1),
)
def test_no_plan_breaks_a_limit(regions: int, kinds: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    slots = int(rng.integers(2, 12))
    places = [
        region(f"R{row}", rng.uniform(0, 500, slots).tolist(), rng.integers(0, 20, slots), backlog=rng.uniform(0, 9))
        for row in range(regions)
    ]
    classes = [
        tasks(
            int(rng.integers(1, 12)),
            SLOT * int(rng.integers(1, 4)) if rng.random() < 0.5 else SLOT * 0.4,
            f"c{kind}",
            cores=int(rng.integers(1, 4)),
            earliest_start=START + SLOT * rng.uniform(0, 3),
            deadline=START + SLOT * rng.uniform(2, slots + 1),
        )
        for kind in range(kinds)
    ]
    try:
        plan = placed(classes, places)
    except NoFeasibleWindowError:
        return
    by_name = {each.name: each for each in classes}
    held = {(place.name, slot): 0 for place in places for slot in range(slots)}
    for each in plan.batches:
        asked = by_name[each.task_class]
        assert asked.earliest_start <= each.start
        assert each.end == each.start + asked.duration <= asked.deadline
        first = (each.start - START) // SLOT
        for slot in range(first, first - (-asked.duration // SLOT)):
            held[each.region, slot] += each.count * asked.cores
    for row, place in enumerate(places):
        assert all(held[place.name, slot] <= plan.slots.free[row, slot] for slot in range(slots))
    for each in classes:
        mine = [batch for batch in plan.batches if batch.task_class == each.name]
        numbers = [number for batch in mine for number in range(batch.first, batch.last + 1)]
        assert numbers == list(range(each.count))
    assert plan.bound_g <= plan.emitted_g * (1 + 1e-12)
