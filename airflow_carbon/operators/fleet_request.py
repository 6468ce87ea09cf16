"""What the fields of a fleet's task say: classes, regions and limits as the core takes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.candidate import ASSUMED_PUE, Candidate
from airflow_carbon.core.fleet import FleetRegion, TaskClass
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.literal import literal
from airflow_carbon.core.moment import parse_duration, parse_moment_after, stated
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.operators.rendered import names_of

if TYPE_CHECKING:
    from airflow_carbon.operators.place_fleet import PlaceFleetOperator

_KEYS = ("name", "count", "duration", "cores", "energy_kwh", "earliest_start", "deadline", "regions")
#: Where no carbon counts, a slot's cost is its place in time, and this much more for each region after the first.
_LATER_REGION = 1e-6


@dataclass(frozen=True, slots=True)
class FleetRequest:
    """Hold what a fleet's task asks for.

    :param deadline: latest finish of all tasks; each class has it, or its own where that is earlier.
    :param capacity: cores of each region, in the order of the names.
    :param backlog: what is queued there, as :class:`~airflow_carbon.core.fleet.FleetRegion` takes it.
    """

    names: tuple[str, ...]
    classes: tuple[TaskClass, ...]
    slot: timedelta
    deadline: datetime
    capacity: tuple[float, ...]
    backlog: tuple[float | timedelta, ...]
    batch_size: int | None

    @classmethod
    def of(cls, task: PlaceFleetOperator, run_after: datetime) -> FleetRequest:
        """Read the fields of a task, rendered; durations count from ``run_after``.

        :raises InvalidRequestError: naming the field that is wrong.
        """
        names = tuple(names_of(task.regions, "regions"))
        deadline = parse_moment_after(task.deadline, run_after, "deadline")
        batch_size = stated(task.batch_size)
        return cls(
            names,
            _classes(task, run_after, deadline),
            parse_duration(task.slot, "slot"),
            deadline,
            tuple(_by_region(task.capacity, "capacity", names, None)),
            tuple(_queue(one) for one in _by_region(task.backlog, "backlog", names, 0.0)),
            None if batch_size is None else _whole(batch_size, "batch_size"),
        )

    def within(self, margin: timedelta) -> tuple[TaskClass, ...]:
        """Give the classes with some time kept free before every deadline."""
        return tuple(replace(each, deadline=self.deadline_of(each) - margin) for each in self.classes)

    def deadline_of(self, each: TaskClass) -> datetime:
        """Give the latest finish of a class."""
        return each.deadline or self.deadline

    def regions(self, found: Sequence[Candidate]) -> list[FleetRegion]:
        """Give the regions whose intensities are known."""
        return [
            FleetRegion(one.name, one.forecast, capacity, backlog, pue=one.pue)
            for one, capacity, backlog in zip(found, self.capacity, self.backlog, strict=True)
            if one.forecast is not None
        ]

    def queue(self, now: datetime, until: datetime) -> list[FleetRegion]:
        """Give all regions with time itself as their cost: a plan on them starts everything as soon as it can.

        :param until: the plan may look no farther.
        """
        slots = max(1, math.ceil((until - now) / self.slot))
        return [
            FleetRegion(
                name,
                Forecast(name, now, self.slot, [(slot + 1.0) * (1.0 + at * _LATER_REGION) for slot in range(slots)]),
                capacity,
                backlog,
                pue=1.0,
            )
            for at, (name, capacity, backlog) in enumerate(zip(self.names, self.capacity, self.backlog, strict=True))
        ]

    def soonest(self, now: datetime) -> datetime:
        """Give a moment by which all is done that fits at all, if it starts as soon as it can."""
        backlog = max(_hours(one, cores) for one, cores in zip(self.backlog, self.capacity, strict=True))
        slots = 2
        for each in self.classes:
            open_to_it = each.regions or self.names
            free = max(cores for name, cores in zip(self.names, self.capacity, strict=True) if name in open_to_it)
            slots += math.ceil(each.count / max(1, int(free // each.cores))) * math.ceil(each.duration / self.slot)
        released = max([now, *(each.earliest_start for each in self.classes if each.earliest_start is not None)])
        return released + slots * self.slot + timedelta(hours=backlog)


def pue_of(candidate: Candidate) -> float:
    """Give the power usage effectiveness that counts [1]."""
    return ASSUMED_PUE if candidate.pue is None else candidate.pue


def _classes(task: PlaceFleetOperator, run_after: datetime, deadline: datetime) -> tuple[TaskClass, ...]:
    given = _read(task.tasks, "tasks")
    if not isinstance(given, Sequence) or isinstance(given, str):
        given = [{"name": "tasks", "count": given}]
    classes = []
    for at, each in enumerate(given):
        if not isinstance(each, Mapping) or not each.get("name") or not set(each) <= set(_KEYS):
            raise InvalidRequestError(
                f"tasks: class {at + 1}, {each!r}, must be a mapping with a name and a count, and perhaps "
                f"{', '.join(_KEYS[2:])}"
            )
        name = str(each["name"])
        where = f"tasks: {name}: "
        duration = each.get("duration", stated(task.duration))
        if duration is None:
            raise InvalidRequestError(f"{where}duration: none is given, neither with the class nor for all")
        energy, regions = each.get("energy_kwh"), each.get("regions")
        earliest, latest = (
            None if each.get(field) is None else parse_moment_after(each[field], run_after, f"{where}{field}")
            for field in ("earliest_start", "deadline")
        )
        classes.append(
            TaskClass(
                name,
                _whole(each.get("count"), f"{where}count"),
                parse_duration(duration, f"{where}duration"),
                cores=_whole(each.get("cores", task.cores), f"{where}cores"),
                energy_kwh=None if energy is None else _number(energy, f"{where}energy_kwh"),
                earliest_start=earliest,
                deadline=deadline if latest is None else min(latest, deadline),
                regions=None if regions is None else tuple(names_of(regions, f"{where}regions")),
            )
        )
    if not classes:
        raise InvalidRequestError("tasks: there is none; give a count, or a list of one class at least")
    return tuple(classes)


def _by_region(value: Any, field: str, names: Sequence[str], default: Any) -> list[Any]:
    given = _read(stated(value), field)
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        given = dict.fromkeys(names, given)
    if strangers := [name for name in given if name not in names]:
        raise InvalidRequestError(f"{field}: {strangers[0]!r} is none of the regions; there are {', '.join(names)}")
    for name in names:
        if name not in given and default is None:
            raise InvalidRequestError(f"{field}: region {name} has none; give a number for it, or one for all")
    found = [given.get(name, default) for name in names]
    return (
        [_number(one, f"{field}: {name}") for one, name in zip(found, names, strict=True)] if default is None else found
    )


def _queue(value: Any) -> float | timedelta:
    if isinstance(value, timedelta):
        return parse_duration(value, "backlog", zero_allowed=True)
    try:
        return _number(value, "backlog")
    except InvalidRequestError:
        return parse_duration(value, "backlog", zero_allowed=True)


def _hours(backlog: float | timedelta, cores: float) -> float:
    return backlog / timedelta(hours=1) if isinstance(backlog, timedelta) else backlog / max(cores, 1.0)


def _read(value: Any, field: str) -> Any:
    """Read the text of a list or a mapping, as a template gives it; other values, and other texts, stay."""
    return literal(value.strip(), field) if isinstance(value, str) and value.strip()[:1] in ("[", "{") else value


def _number(value: Any, field: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not 0.0 <= number < math.inf:
        raise InvalidRequestError(f"{field}: {value!r} must be a number, zero or larger")
    return number


def _whole(value: Any, field: str) -> int:
    number = _number(value, field)
    if number < 1 or number != int(number):
        raise InvalidRequestError(f"{field}: {value!r} must be a whole number, 1 or larger")
    return int(number)
