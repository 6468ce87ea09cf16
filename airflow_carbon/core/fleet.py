"""Many tasks over regions and slots under capacity: where and when each batch of them runs.

Time is cut into slots of one length. A batch starts with a slot and holds its cores until the slot in which it ends is
over, so that a task shorter than a slot is counted as filling it.

- One class of tasks that fit into a slot: the cheapest places are filled first. Exact: places share nothing but the
  number of tasks, so that in any other plan a task could move from a dearer place to a free cheaper one.
- Several such classes with equal cores: a transportation problem, solved exactly (``fleet_flow``); greedily, which is
  exact too, where a task of any of them emits the same at a place (``fleet_alike``).
- Such classes with different cores: tasks do not divide, and packing them is NP-hard. The same solver, with tasks cut
  into cores, gives a bound; its plan is rounded to whole tasks.
- Tasks longer than a slot, not interrupted: a heuristic with a bound (``fleet_runs``).

The answer carries the bound: no plan on these slots emits less, whatever solver finds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from airflow_carbon.core.fleet_fill import planned
from airflow_carbon.core.fleet_plan import Demand
from airflow_carbon.core.fleet_slots import FleetRegion, Slots
from airflow_carbon.core.moment import MICROSECOND, microseconds, moment_at, parse_duration, parse_moment
from airflow_carbon.core.windows import refuse_mixed
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Batch", "FleetRegion", "Placements", "TaskClass", "place_fleet"]

_HOUR_US = timedelta(hours=1) // MICROSECOND


@dataclass(frozen=True, slots=True)
class TaskClass:
    """Hold tasks that are alike.

    :param count: how many there are.
    :param duration: how long each runs.
    :param cores: cores that each holds.
    :param energy_kwh: what each uses at the computer [kWh]; None takes 1 kWh for each core and hour, which weighs the
        classes against each other by what they occupy.
    :param earliest_start: no start before this; the fleet's where not given.
    :param deadline: latest finish; the fleet's where not given.
    :param regions: names of the regions that may run it; None allows all.
    """

    name: str
    count: int
    duration: timedelta
    cores: int = 1
    energy_kwh: float | None = None
    earliest_start: datetime | None = None
    deadline: datetime | None = None
    regions: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Hold tasks of one class that start together in one region.

    :param first: number of the first task of the batch within its class, counted from 0 by start.
    :param intensity_g_per_kwh: mean intensity from start to end x PUE [gCO2eq/kWh].
    """

    task_class: str
    region: str
    start: datetime
    end: datetime
    count: int
    first: int
    intensity_g_per_kwh: float

    @property
    def last(self) -> int:
        """Number of the last task of the batch."""
        return self.first + self.count - 1


@dataclass(frozen=True)
class Placements:
    """Hold where and when all tasks run; a Batch is made when it is asked for.

    :param which: class, region and slot of each batch, as indices, shape ``(3, b)``.
    :param counts: tasks of each, shape ``(b,)``.
    :param intensity_g_per_kwh: mean intensity x PUE over all energy used [gCO2eq/kWh].
    :param energy_kwh: energy of all tasks [kWh].
    :param bound_g: no plan on these slots emits less [gCO2eq].
    :param exact: whether this plan is known to be optimal on these slots.
    """

    classes: tuple[TaskClass, ...]
    slots: Slots
    which: NDArray[np.intp]
    counts: NDArray[np.int64]
    intensities: NDArray[np.float64]
    energy_kwh: float
    emitted_g: float
    bound_g: float
    exact: bool

    @property
    def intensity_g_per_kwh(self) -> float:
        """Mean intensity x PUE over all energy used [gCO2eq/kWh]."""
        return self.emitted_g / self.energy_kwh

    @property
    def gap(self) -> float:
        """How much more this plan emits than the bound, at most, as a share of the bound [1]."""
        return 0.0 if self.exact or self.emitted_g <= self.bound_g else self.emitted_g / max(self.bound_g, 1e-300) - 1.0

    @cached_property
    def batches(self) -> tuple[Batch, ...]:
        """Every batch: the classes in their order, each by start and then by region."""
        regions = [region.name for region in self.slots.regions]
        taken = [0] * len(self.classes)
        batches = []
        rows = zip(*self.which.tolist(), self.counts.tolist(), self.intensities.tolist(), strict=True)
        for kind, region, slot, count, intensity in rows:
            task_class = self.classes[kind]
            start = moment_at(self.slots.start_us + slot * self.slots.length_us)
            end = start + task_class.duration
            batches.append(Batch(task_class.name, regions[region], start, end, count, taken[kind], intensity))
            taken[kind] += count
        return tuple(batches)


def place_fleet(
    classes: Sequence[TaskClass],
    regions: Sequence[FleetRegion],
    *,
    slot: timedelta,
    earliest_start: datetime | None = None,
    deadline: datetime | None = None,
    allow_mixed: bool = False,
) -> Placements:
    """Place every task in a region and a slot at least emission.

    :param slot: length of a slot; batches start with one.
    :param earliest_start: begin of the first slot; the latest of the forecasts' starts where not given.
    :param deadline: latest finish of all tasks; the end of the series where not given.
    :param allow_mixed: compare intensities of different signal or accounting.
    :raises InvalidRequestError: naming the field that is wrong, or if the intensities do not compare.
    :raises NoFeasibleWindowError: if not all tasks find room; the message says how many do.
    """
    if not classes or not regions:
        raise InvalidRequestError("classes, regions: give one of each at least")
    _distinct([each.name for each in classes], "classes")
    names = [region.name for region in regions]
    _distinct(names, "regions")
    if not allow_mixed:
        refuse_mixed([(region.name, region.forecast) for region in regions])
    slots = Slots(regions, slot, earliest_start, deadline)
    costs: dict[int, NDArray[np.float64]] = {}
    demands = []
    for each in classes:
        length_us = parse_duration(each.duration, f"duration of {each.name}") // MICROSECOND
        if length_us not in costs:
            costs[length_us] = slots.costs(length_us)
        demands.append(_demand(each, length_us, costs[length_us], slots, names, deadline))
    plan = planned(demands, slots.free)
    if plan.left_out.any():
        raise NoFeasibleWindowError(_shortage(classes, demands, slots, plan.left_out))
    which, counts = plan.which, plan.counts
    intensities = np.empty(counts.size)
    for kind, demand in enumerate(demands):
        mine = which[0] == kind
        intensities[mine] = demand.costs[which[1, mine], which[2, mine] - demand.first]
    energy = np.array([demand.energy_kwh for demand in demands])
    used = energy[which[0]] * counts
    bound = min(plan.emitted_g, plan.bound_g)
    return Placements(
        tuple(classes), slots, which, counts, intensities, float(used.sum()), plan.emitted_g, bound, plan.exact
    )


def _demand(
    each: TaskClass,
    length_us: int,
    costs: NDArray[np.float64],
    slots: Slots,
    names: list[str],
    deadline: datetime | None,
) -> Demand:
    if each.count < 1 or int(each.count) != each.count:
        raise InvalidRequestError(f"count: {each.count} of {each.name} must be a whole number, 1 or larger")
    if each.cores < 1 or int(each.cores) != each.cores:
        raise InvalidRequestError(f"cores: {each.cores} of {each.name} must be a whole number, 1 or larger")
    energy = each.cores * length_us / _HOUR_US if each.energy_kwh is None else each.energy_kwh
    if not 0.0 < energy < float("inf"):
        raise InvalidRequestError(f"energy_kwh: {each.energy_kwh} of {each.name} must be a number larger than zero")
    first, limits = (
        0,
        [microseconds(parse_moment(one, "deadline")) for one in (deadline, each.deadline) if one is not None],
    )
    if each.earliest_start is not None:
        earliest = microseconds(parse_moment(each.earliest_start, f"earliest_start of {each.name}"))
        first = max(0, -((slots.start_us - earliest) // slots.length_us))
    latest = slots.count - 1
    if limits:
        latest = min(latest, (min(limits) - length_us - slots.start_us) // slots.length_us)
    width = -(-length_us // slots.length_us)
    latest = min(latest, slots.count - width)
    allowed = costs[:, first : latest + 1] if first <= latest else costs[:, :0]
    if each.regions is not None:
        if isinstance(each.regions, str) or not set(each.regions) <= set(names):
            raise InvalidRequestError(
                f"regions: {each.regions!r} of {each.name} must be a list of names out of {', '.join(names)}"
            )
        allowed = allowed.copy()
        allowed[[name not in each.regions for name in names]] = np.inf
    return Demand(int(each.count), int(each.cores), width, float(energy), first, allowed)


def _distinct(names: list[str], field: str) -> None:
    if len(set(names)) != len(names):
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise InvalidRequestError(f"{field}: {twice} is named twice; give each its own name")


def _shortage(classes: Sequence[TaskClass], demands: list[Demand], slots: Slots, left_out: NDArray[np.int64]) -> str:
    asked, hours = sum(demand.count for demand in demands), slots.length_us / _HOUR_US
    missing = ", ".join(f"{left} of {each.name}" for each, left in zip(classes, left_out.tolist(), strict=True) if left)
    lacking = sum(left * one.cores * one.width for one, left in zip(demands, left_out.tolist(), strict=True)) * hours
    return (
        f"capacity: {asked - int(left_out.sum())} of {asked} tasks find room, {missing} do not: they need {lacking:g} "
        f"core hours more, in one piece each, in the regions and before the deadlines that they allow; {slots.count} "
        f"slots hold {slots.free.sum() * hours:g} free core hours in all"
    )
