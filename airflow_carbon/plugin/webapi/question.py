"""What is asked, read from a query or a JSON body as ASP.NET binds them: names without regard to case."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from airflow_carbon.plugin.webapi.place import Place, place
from airflow_carbon.plugin.webapi.problem import Problem, refused, shown, unreadable
from airflow_carbon.plugin.webapi.wire import moment

if TYPE_CHECKING:
    from fastapi import Request

#: Of one question: locations, items of a batch, bytes of a body, fields of a query.
MOST_LOCATIONS, MOST_ITEMS, LARGEST_BODY, MOST_FIELDS = 100, 200, 256 * 1024, 500
#: How far ahead a forecast is looked at, how long a window is, and how much of the past is told at once.
AHEAD, LONGEST_WINDOW, LONGEST_PAST = timedelta(days=7), timedelta(days=7), timedelta(days=31)
_TRUE, _FALSE = frozenset({"true", "1", "yes", ""}), frozenset({"false", "0", "no"})


@dataclass(frozen=True, slots=True)
class ForecastQuestion:
    """Ask for the forecast of one place.

    :param start: ``dataStartAt``; None for the forecast's own begin.
    :param end: ``dataEndAt``; None for its end.
    :param window: length of the run; zero averages nothing.
    :param exact: the optimum of any minute in place of the one on the forecast's grid.
    :param requested_at: when the forecast was the newest one; None for now.
    """

    place: Place
    start: datetime | None = None
    end: datetime | None = None
    window: timedelta = timedelta(0)
    exact: bool = False
    requested_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """Ask for a past time of some places."""

    places: Sequence[Place]
    start: datetime
    end: datetime


class Fields:
    """Hold parameters by name, in small letters; texts from a query, anything from a body.

    :param strict: moments must be written as .NET's JSON wants them.
    """

    def __init__(self, pairs: Sequence[tuple[str, Any]], *, strict: bool = False) -> None:
        self._strict = strict
        self._given: dict[str, list[Any]] = {}
        for name, value in pairs:
            if value not in (None, ""):
                self._given.setdefault(name.lower(), []).append(value)

    @classmethod
    def of_query(cls, query: bytes) -> Fields:
        """Read a query string.

        :raises Problem: 400, if it has too many fields.
        """
        try:
            return cls(parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_FIELDS))
        except ValueError:
            raise refused({"": [f"the query has more than {MOST_FIELDS} fields"]}) from None

    def places(self) -> list[Place]:
        """Read every ``location``; the SDK's documentation also writes ``locations``.

        :raises Problem: 400, if there is none, one is not known, or there are too many.
        """
        names = [*self._given.get("location", ()), *self._given.get("locations", ())]
        if not names:
            raise refused({"location": ["location is not set"]})
        if len(names) > MOST_LOCATIONS:
            raise refused({"location": [f"{len(names)} locations; ask for {MOST_LOCATIONS} at most"]})
        return [place(self._text("location", name)) for name in names]

    def place(self) -> Place:
        """Read the one ``location``; of several, ASP.NET takes the first."""
        return self.places()[0]

    def moment(self, name: str) -> datetime | None:
        """Read a moment, None where it is not given.

        :raises Problem: 400, if it cannot be read.
        """
        given = self._given.get(name.lower())
        return None if given is None else moment(name, self._text(name, given[0]), strict=self._strict)

    def set_moments(self, *names: str) -> list[datetime]:
        """Read moments that must be given.

        :raises Problem: 400, naming all that are not, or the first that cannot be read.
        """
        read = {name: self.moment(name) for name in names}
        missing = [name for name, at in read.items() if at is None]
        if not self._given.keys() & {"location", "locations"}:
            missing.insert(0, "location")
        if missing:
            raise refused({name: [f"{name} is not set"] for name in missing})
        return [at for at in read.values() if at is not None]

    def window(self) -> timedelta:
        """Read ``windowSize`` [min].

        :raises Problem: 400, if it is no whole number or out of its bounds.
        """
        given = self._given.get("windowsize", [0])[0]
        try:
            # A JSON body holds a number, a query its text; a boolean is an int to Python alone.
            if isinstance(given, (bool, float)) or (self._strict and not isinstance(given, int)):
                raise TypeError
            size = int(given)
        except (ValueError, TypeError):
            raise unreadable("windowSize", given) from None
        longest = LONGEST_WINDOW // timedelta(minutes=1)
        if not 0 <= size <= longest:
            raise refused({"windowSize": [f"windowSize must lie between 0 and {longest} minutes, not {shown(given)}"]})
        return timedelta(minutes=size)

    def exact(self) -> bool:
        """Read ``exact``, which the SDK does not have.

        :raises Problem: 400, if it is neither true nor false.
        """
        if "exact" not in self._given:
            return False
        given = str(self._given["exact"][0]).lower()
        if given not in _TRUE | _FALSE:
            raise unreadable("exact", given)
        return given in _TRUE

    def forecasts(self, *, now: datetime) -> list[ForecastQuestion]:
        """Read a question of ``forecasts/current``: one for each location.

        :raises Problem: 400, naming the parameter that is wrong.
        """
        places, (start, end) = self.places(), self._scope(now)
        window, exact = self.window(), self.exact()
        return [ForecastQuestion(one, start, end, window, exact) for one in places]

    def earlier_forecast(self, *, now: datetime) -> ForecastQuestion:
        """Read one question of ``forecasts/batch``.

        :raises Problem: 400, naming the parameter that is wrong.
        """
        [requested_at] = self.set_moments("requestedAt")
        if requested_at > now:
            raise refused({"requestedAt": ["requestedAt must not lie in the future"]})
        start, end = self._scope(now)
        return ForecastQuestion(self.place(), start, end, self.window(), self.exact(), requested_at)

    def emissions(self, *, now: datetime) -> Past:
        """Read a question of the ``bylocation`` family.

        :raises Problem: 400, naming the parameter that is wrong.
        """
        places, start, end = self.places(), self.moment("time"), self.moment("toTime")
        if start is None and end is not None:
            raise refused({"time": ["time must be defined if toTime is defined"]})
        if start is not None and end is not None:
            _ordered("time", start, "toTime", end)
        start = now if start is None else start
        return Past(places, start, start if end is None else end)

    def average(self, *, now: datetime) -> Past:
        """Read a question of ``average-carbon-intensity``.

        :raises Problem: 400, naming the parameter that is wrong.
        """
        start, end = self.set_moments("startTime", "endTime")
        one = self.place()
        _ordered("startTime", start, "endTime", end)
        if end > now:
            raise refused({"endTime": ["endTime must not lie in the future: nothing is measured there yet"]})
        return Past([one], start, end)

    def _scope(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        start, end = self.moment("dataStartAt"), self.moment("dataEndAt")
        if start is not None and end is not None and start >= end:
            raise refused({"dataStartAt": ["dataStartAt must be earlier than dataEndAt"]})
        for name, at in (("dataStartAt", start), ("dataEndAt", end)):
            if at is not None and at > now + AHEAD:
                raise refused({name: [f"{name} must lie within {AHEAD.days} days from now"]})
        return start, end

    def _text(self, name: str, given: Any) -> str:
        if not isinstance(given, str):
            raise unreadable(name, given)
        return given


async def items_of(request: Request) -> list[Fields]:
    """Read a body: a JSON list of objects.

    :raises Problem: 400, if it is none, too large or too long; 415, if it does not say that it is JSON.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/json", "text/json") and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        raise Problem(415, "Unsupported Media Type", "send the batch as application/json")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise refused({"": [f"the body is larger than {LARGEST_BODY // 1024} KiB; send several batches"]})
    try:
        given = json.loads(bytes(body)) if body else None
    except (ValueError, RecursionError):
        raise unreadable("$", "the body", " It must be JSON.") from None
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        raise unreadable("$", "the body", " It must be a list of objects.")
    if len(given) > MOST_ITEMS:
        raise refused({"": [f"{len(given)} items; send {MOST_ITEMS} at most"]})
    return [Fields(list(one.items()), strict=True) for one in given]


def _ordered(first: str, start: datetime, last: str, end: datetime) -> None:
    if start >= end:
        raise refused({first: [f"{first} must be before {last}"]})
    if end - start > LONGEST_PAST:
        raise refused({last: [f"{first} to {last} must not be longer than {LONGEST_PAST.days} days"]})
