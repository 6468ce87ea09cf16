"""Many waiting tasks and a pool of few slots: no more start on one window than can run in it.

A task alone takes the cleanest start at which a slot is free all through its run: exact in continuous time. Tasks that
come together are placed together, by ``place_fleet``, on slots as long as the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from airflow_carbon.core.fleet import FleetRegion, TaskClass, place_fleet
from airflow_carbon.core.window import Window, best_window
from airflow_carbon.exceptions import NoFeasibleWindowError

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.request import WaitRequest

#: No finer than this many slots between the first start and the last end; shorter runs share one.
MAX_SLOTS = 1000


@dataclass(frozen=True, slots=True)
class Taken:
    """Hold slots that another task has for a time.

    :param slots: how many.
    """

    start: datetime
    end: datetime
    slots: int = 1


@dataclass(frozen=True, slots=True)
class Room:
    """Hold what a pool leaves to one task.

    :param slots: of the pool.
    :param taken: by others, in any order.
    :param need: slots that the task itself holds.
    :param assigned: the start that a common plan keeps for it; it counts among the others' then.
    """

    slots: int
    taken: Sequence[Taken] = ()
    need: int = 1
    assigned: datetime | None = None

    def best(self, request: WaitRequest, forecast: Forecast, first: datetime) -> Window | None:
        """Find the cleanest window in which the pool has room all the time; None where there is none.

        :param first: no start before it.
        """
        if self.assigned is not None and first <= self.assigned <= request.latest_start:
            ranges = [(self.assigned, self.assigned)]
        else:
            ranges = list(self.starts(request.duration, first, request.latest_start))
        found: Window | None = None
        for begin, last in ranges:
            try:
                window = best_window(
                    forecast,
                    duration=request.duration,
                    power=request.power,
                    earliest_start=begin,
                    deadline=last + request.duration,
                )
            except NoFeasibleWindowError:
                # The forecast ends before.
                continue
            if found is None or window.intensity_g_per_kwh < found.intensity_g_per_kwh:
                found = window
        return found

    def has(self, start: datetime, duration: timedelta) -> bool:
        """Tell whether a run from this start finds room to its end."""
        return next(self.starts(duration, start, start), None) is not None

    def starts(self, duration: timedelta, first: datetime, last: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Give the ranges of starts, both ends included, from which a run finds room to its end."""
        if self.need > self.slots:
            return
        begin = first
        for full, free in full_times(self.taken, self.slots - self.need):
            # A run that ends just as the pool fills up is not in its way.
            if full - duration >= begin:
                yield begin, min(full - duration, last)
            begin = max(begin, free)
            if begin > last:
                return
        if begin <= last:
            yield begin, last


def held_times(taken: Iterable[Taken]) -> Iterator[tuple[datetime, datetime, int]]:
    """Give how many slots are held from when until when, in order; only times in which any is."""
    steps: dict[datetime, int] = {}
    for one in taken:
        if one.start < one.end:
            steps[one.start] = steps.get(one.start, 0) + one.slots
            steps[one.end] = steps.get(one.end, 0) - one.slots
    held, moments = 0, sorted(steps)
    for moment, after in pairwise(moments):
        held += steps[moment]
        if held:
            yield moment, after, held


def full_times(taken: Iterable[Taken], most: int) -> Iterator[tuple[datetime, datetime]]:
    """Give the times at which more than so many slots are held, in order."""
    since: datetime | None = None
    until: datetime | None = None
    for begin, end, held in held_times(taken):
        if held <= most:
            continue
        if since is not None and until is not None and begin > until:
            yield since, until
            since = None
        since, until = since or begin, end
    if since is not None and until is not None:
        yield since, until


@dataclass(frozen=True, slots=True)
class Waiter:
    """Hold one of the tasks that are placed together.

    :param key: tells it from the others; decides who goes first among equals.
    :param need: slots that it holds.
    """

    key: str
    request: WaitRequest
    need: int = 1


def place_together(
    waiters: Sequence[Waiter], forecast: Forecast, *, now: datetime, slots: int, taken: Sequence[Taken]
) -> Mapping[str, datetime]:
    """Find a start for each of several tasks with equal durations, so that none waits for a slot of its pool.

    :param now: no start before it.
    :param taken: by tasks that keep their place.
    :return: starts by key; empty where not all find room within their promises, or the forecast ends before.
    """
    if not waiters or any(one.need > slots for one in waiters):
        return {}
    duration = waiters[0].request.duration
    first = min(max(now, one.request.earliest_start) for one in waiters)
    end = min(max(one.request.latest_start for one in waiters) + duration, forecast.end)
    if first + duration > end or first < forecast.start:
        return {}
    slot = max(duration, (end - first) / MAX_SLOTS)
    classes = _classes(waiters, now, duration)
    best, starts = None, {}
    for origin in _origins(waiters, forecast, taken, first, end, slot):
        region = FleetRegion("pool", forecast, _free(taken, slots, origin, end, slot), pue=1.0)
        tasks = [kind for kind, _ in classes]
        try:
            placed = place_fleet(tasks, [region], slot=slot, earliest_start=origin, deadline=end)
        except NoFeasibleWindowError:
            continue
        if best is None or placed.emitted_g < best:
            best = placed.emitted_g
            members = {kind.name: keys for kind, keys in classes}
            starts = {
                members[batch.task_class][number]: batch.start
                for batch in placed.batches
                for number in range(batch.first, batch.last + 1)
            }
    return starts


def _classes(waiters: Sequence[Waiter], now: datetime, duration: timedelta) -> list[tuple[TaskClass, list[str]]]:
    alike: dict[tuple[datetime, datetime, int], list[str]] = {}
    for one in sorted(waiters, key=lambda one: one.key):
        bounds = max(now, one.request.earliest_start), one.request.latest_start, one.need
        alike.setdefault(bounds, []).append(one.key)
    return [
        (
            TaskClass(str(number), len(keys), duration, cores=need, earliest_start=begin, deadline=last + duration),
            keys,
        )
        for number, ((begin, last, need), keys) in enumerate(sorted(alike.items()))
    ]


def _origins(
    waiters: Sequence[Waiter],
    forecast: Forecast,
    taken: Sequence[Taken],
    first: datetime,
    end: datetime,
    slot: timedelta,
) -> list[datetime]:
    """Give first slots that are worth a try: on the cleanest window, at once, up to the end, beside those who stand."""
    best = best_window(forecast, duration=waiters[0].request.duration, earliest_start=first, deadline=end)
    anchors = [best.start, first, end - slot, *sorted({one.start for one in taken if one.start >= first})[:1]]
    # The last slot that begins at ``first`` or before would be cut off; so the grid begins with the first one after.
    return list(dict.fromkeys(first + (anchor - first) % slot for anchor in anchors))


def _free(taken: Sequence[Taken], slots: int, origin: datetime, end: datetime, slot: timedelta) -> list[float]:
    """Count the slots of the pool that are free all through each slot of time."""
    count = max(1, -((origin - end) // slot))
    free = [float(slots)] * count
    for begin, until, held in held_times(taken):
        for number in range(max(0, (begin - origin) // slot), min(count, -((origin - until) // slot))):
            free[number] = min(free[number], float(max(0, slots - held)))
    return free
