"""Those who wait in one triggerer for slots of one pool: each knows what the others have chosen."""

from __future__ import annotations

import asyncio
import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Self

# Numpy comes with the core; a worker that names this file must not pay for it, and the triggerer has it loaded.
if TYPE_CHECKING:
    from airflow_carbon.core.crowd import Room, Taken
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.wait import Wait

#: A start as near as this is not moved any more, whoever needs its place.
SETTLED = timedelta(minutes=2)


class Asking(NamedTuple):
    """Hold what a wait asks of a pool.

    :param slots: of the pool.
    :param need: slots that the task holds while it works.
    :param key: the identity of the wait.
    :param alike: what tasks that are placed together have in common.
    """

    pool: str
    slots: int
    need: int
    key: str
    alike: object


class Crowd:
    """Keep the places of one pool, as far as their tasks wait in this event loop.

    What they have chosen stands in their own waits, which outlive a restart; only work that began before it is
    forgotten, so for the length of one run the pool may be fuller than is known here.
    """

    def __init__(self, pool: str) -> None:
        self.pool = pool
        self.places: dict[str, Place] = {}

    def forget(self, now: datetime) -> None:
        """Forget the work that is over."""
        self.places = {key: one for key, one in self.places.items() if one.works_until is None or one.works_until > now}

    def taken(self, but: list[Place]) -> list[Taken]:
        """Tell which slots are held when, but for those of some."""
        return [held for one in self.places.values() if one not in but and (held := one.held()) is not None]


class Place:
    """Stand for one task in its crowd, from the begin of its wait to the end of its work.

    :param moved: set where somebody else's need has changed the plan: look again now.
    """

    def __init__(self, crowd: Crowd, wait: Wait, asking: Asking) -> None:
        self.crowd = crowd
        self.wait = wait
        self.asking = asking
        self.moved = asyncio.Event()
        self.assigned: datetime | None = None
        self.works_until: datetime | None = None

    def __enter__(self) -> Self:
        self.crowd.places[self.asking.key] = self
        return self

    def __exit__(self, *_: object) -> None:
        # Stopped, or taken to another triggerer: nobody will work at this place.
        if self.works_until is None and self.crowd.places.get(self.asking.key) is self:
            del self.crowd.places[self.asking.key]

    @property
    def start(self) -> datetime | None:
        """The start that is taken: that of the task's own plan, or of the common one."""
        return self.wait.standing.start if self.wait.standing is not None else self.assigned

    def held(self) -> Taken | None:
        """Tell when the task holds its slots, None where it has no plan."""
        from airflow_carbon.core.crowd import Taken

        duration = self.wait.request.duration
        if self.works_until is not None:
            return Taken(self.works_until - duration, self.works_until, self.asking.need)
        return None if self.start is None else Taken(self.start, self.start + duration, self.asking.need)

    def begun(self, now: datetime) -> None:
        """Note that the work begins; its slots are free again when its stated duration is over."""
        self.works_until = now + self.wait.request.duration

    def room(self, forecast: Forecast, now: datetime) -> Room:
        """Tell what the others leave; of those who have no plan yet, all are placed together first."""
        from airflow_carbon.core.crowd import Room

        self.crowd.forget(now)
        self.moved.clear()
        if self.start is None and self.wait.request.power is None:
            self._place(forecast, now)
        slots, need = self.asking.slots, self.asking.need
        return Room(slots, self.crowd.taken([self]), need, self.assigned)

    def tell(self) -> None:
        """Say in the wait's own words where it stands, once it has decided."""
        from airflow_carbon.core.policy import Action

        self.assigned = None
        if self.wait.action is Action.WAIT:
            said = self.words()
            self.wait.origin["crowd"] = said
            self.wait.reason = f"{self.wait.reason}; {said}"

    def words(self) -> str:
        """Say where a task stands in its crowd: ``third of 40 for 4 slots of pool etl``."""
        waiting = [one for one in self.crowd.places.values() if one.works_until is None]
        mine = self.start, self.asking.key
        before = sum(one.start is not None and (one.start, one.asking.key) < mine for one in waiting)
        slots = f"{self.asking.slots} slot{'' if self.asking.slots == 1 else 's'}"
        return f"{ordinal(before + 1)} of {len(waiting)} for {slots} of pool {self.crowd.pool}"

    def _place(self, forecast: Forecast, now: datetime) -> None:
        """Place all who have no plan yet together; where they do not fit, those who only wait make room."""
        from airflow_carbon.core.crowd import Room

        # Who knows what it draws in each phase is placed by that, alone.
        alike = [
            one
            for one in self.crowd.places.values()
            if one.asking.alike == self.asking.alike and one.works_until is None and one.wait.request.power is None
        ]
        new = [one for one in alike if one.start is None]
        if len(new) > 1 and self._together(new, forecast, now):
            return
        request, room = self.wait.request, Room(self.asking.slots, self.crowd.taken([self]), self.asking.need)
        first = max(now, request.earliest_start)
        if room.best(request, forecast, first) is None:
            self._together([self, *(one for one in alike if one.movable(now))], forecast, now)

    def movable(self, now: datetime) -> bool:
        """Tell whether the plan lies far enough ahead to be changed for somebody else's sake."""
        return self.wait.standing is not None and self.wait.standing.start > now + SETTLED

    def _together(self, places: list[Place], forecast: Forecast, now: datetime) -> bool:
        """Give some places one common plan, if there is one that keeps every promise."""
        from airflow_carbon.core.crowd import Waiter, place_together
        from airflow_carbon.core.window import Window

        waiters = [Waiter(one.asking.key, one.wait.request, one.asking.need) for one in places]
        taken = self.crowd.taken(places)
        starts = place_together(waiters, forecast, now=now, slots=self.asking.slots, taken=taken)
        for one in places if starts else ():
            planned = one.wait.standing
            one.assigned = starts[one.asking.key]
            if planned is not None and planned.start != one.assigned:
                # Without an intensity: planned for others' sake, and to be looked at before it is defended.
                one.wait.standing = Window(one.assigned, one.assigned + one.wait.request.duration, math.nan)
                one.wait.replans += 1
                one.wait.note(
                    f"{now.isoformat(timespec='seconds')}: moved from {planned.start.isoformat(timespec='seconds')}, "
                    f"so that another task finds room in pool {self.crowd.pool}"
                )
                one.moved.set()
        return bool(starts)


_WORDS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def ordinal(number: int) -> str:
    """Give a place in a row as people say it: ``third``, ``21st``."""
    if number <= len(_WORDS):
        return _WORDS[number - 1]
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
