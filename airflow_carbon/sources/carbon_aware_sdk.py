"""Carbon Aware SDK WebApi: a server of the Green Software Foundation's that the user runs, before a source of its own.

Its rolling averages are never averaged again: only the points that they are made of are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.location import Location
from airflow_carbon.core.moment import EPOCH, aware, interval
from airflow_carbon.core.units import Kind, Signal
from airflow_carbon.exceptions import (
    CarbonError,
    SourceAuthError,
    SourceResponseError,
    SourceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.sources.regions import lookup
from airflow_carbon.sources.series import Meaning, Series, moment

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.web.http import Http

NAME = "carbon_aware_sdk"
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
#: Pieces of a past: each of the sources that the server may stand before gives so much at once, with room to spare.
LONGEST = timedelta(days=7)
#: So much later than asked an answer may begin: the next step has begun meanwhile, or the clocks differ.
LATE = timedelta(minutes=5)
#: .NET's TimeSpan: ``00:05:00``, ``1.00:00:00``, ``00:00:00.5000000``.
_TIME_SPAN = re.compile(r"(?:([0-9]{1,3})\.)?([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]{1,7})?")


class CarbonAwareSdk:
    """Ask a server for the intensity at its locations, which are named as clouds name their regions.

    :param http: asks the server.
    :param signal: what the server's data source gives, since its answers do not say.
    :param refresh: how often to ask; None for every five minutes, as its fastest data source is renewed.
    """

    name = NAME

    def __init__(self, http: Http, *, signal: Signal, refresh: timedelta | None = None) -> None:
        self.refresh = timedelta(minutes=5) if refresh is None else refresh
        self._http = http
        self._signal = signal

    async def zone(self, location: Location) -> str:
        """Name the server's location: a cloud region by its own name, a zone as it is written.

        :raises UnknownZoneError: if the location is a point, or a cloud region that is not in the embedded table.
        """
        return _named(location)

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        """Give the forecast from the step that holds ``now``, as far as the server's data source reaches.

        :raises UnknownZoneError: if the server does not know the location.
        :raises SourceUnavailableError: if it has no forecast now, or no data source for forecasts.
        :raises SourceAuthError: if the server's data source refuses the server.
        :raises SourceResponseError: if the answer is not as documented.
        :raises InvalidRequestError: if a moment has no timezone.
        """
        now, _ = aware(now, "now"), aware(until, "until")
        zone = _named(location)
        payload = await self._asked("/emissions/forecasts/current", zone)
        return read_forecast(payload, zone=zone, now=now, signal=self._signal)

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        """Give what the server's data source knows of ``[start, end)``.

        :raises UnknownZoneError: if the server does not know the location.
        :raises SourceUnavailableError: if it has no data of that time, or no data source for it.
        :raises SourceAuthError: if the server's data source refuses the server.
        :raises SourceResponseError: if the answer is not as documented.
        :raises InvalidRequestError: if a moment has no timezone or the end is not later than the start.
        """
        start, end = interval(start, end)
        zone, first, last = _named(location), start - (start - EPOCH) % HOUR, end + (EPOCH - end) % SECOND
        payloads = []
        while first < last:
            until = min(first + LONGEST, last)
            times = {"time": _stamp(first), "toTime": _stamp(until)}
            payloads.append(await self._asked("/emissions/bylocation", zone, **times))
            first = until
        return read_history(payloads, zone=zone, start=start, end=end, signal=self._signal)

    async def access(self) -> str:
        """Tell how many locations the server knows, once the forecast of the first one has come.

        :raises SourceError: if the server cannot answer.
        """
        names = read_locations(await self._http.get("/locations"))
        now = datetime.now(UTC)
        answer = await self.forecast(Location(name=names[0]), now=now, until=now + HOUR)
        count = f"{len(names)} location{'s' if len(names) > 1 else ''}"
        return f"server answers; {count}, forecast works for {answer.zone}"

    async def _asked(self, path: str, zone: str, **times: str) -> Any:
        def meaning(status: int, words: str) -> CarbonError | None:
            missing = re.search(r"\b(\w+DataSource) is not configured", words)
            if missing:
                return SourceUnavailableError(
                    f"{NAME}: the server has no {missing[1]}; set DataSources__{missing[1]} in its configuration"
                )
            if status == 501:
                return SourceUnavailableError(f"{NAME}: the server's data source has nothing of the kind: {words}")
            if status == 400 and "unknown location" in words.lower():
                return UnknownZoneError(f"zone:{zone}: {NAME}: the server does not list it under /locations: {words}")
            if status in (401, 403):
                return SourceAuthError(
                    f"{NAME}: the server's own data source refuses the server ({status}: {words}); set its credentials "
                    "right in the server's configuration"
                )
            return None

        return await self._http.get(path, {"location": zone, **times}, meaning=meaning)


def read_forecast(payload: Any, *, zone: str, now: datetime, signal: Signal) -> Forecast:
    """Read an answer of ``/emissions/forecasts/current``, from the step that holds a moment on.

    Where the answer begins less than five minutes after the moment, because the next step had begun, its first step
    stands for the one before it as well.

    :raises SourceResponseError: if it is not as documented, or holds rolling averages.
    :raises SourceUnavailableError: if it does not cover the moment.
    """
    answer = _only(payload, zone)
    points = _objects(answer.get("forecastData"), "forecastData", zone)
    step = _step_of_points(points, zone)
    generated = answer.get("generatedAt")
    issued_at = None if generated is None else moment(generated, f"{NAME}: generatedAt")
    meaning = Meaning(NAME, signal, issued_at=issued_at)
    rows = [(one.get("timestamp"), one.get("value")) for one in points]
    series = Series(zone, rows, meaning, step=step if len(rows) == 1 else None)
    if series.step != step or answer.get("windowSize") not in (None, 0, step // MINUTE):
        raise SourceResponseError(
            f"{NAME}: the answer for {zone} holds rolling averages (windowSize {str(answer.get('windowSize'))[:20]}, "
            f"points of {step // MINUTE} min, {series.step / MINUTE:g} min apart); averaged again they would be wrong, "
            "and the points themselves were asked for"
        )
    return series.holding(now, late=LATE)


def read_history(payloads: Iterable[Any], *, zone: str, start: datetime, end: datetime, signal: Signal) -> Forecast:
    """Read answers of ``/emissions/bylocation``, one for each piece of the time; None where a piece has no data.

    :raises SourceResponseError: if one is not as documented.
    :raises SourceUnavailableError: if they hold nothing of the time.
    """
    found = [one for payload in payloads if payload is not None for one in _objects(payload, "answer", zone)]
    step = _step_of_rows([one.get("duration") for one in found], zone)
    rows = [(one.get("time"), one.get("rating")) for one in found]
    meaning = Meaning(NAME, signal, kind=Kind.MEASURED)
    return Series(zone, rows, meaning, step=step).overlapping(start, end)


def read_locations(payload: Any) -> list[str]:
    """Read the names of an answer of ``/locations``.

    :raises SourceResponseError: if it is not as documented.
    :raises SourceUnavailableError: if there is none.
    """
    if not isinstance(payload, dict):
        raise SourceResponseError(f"{NAME}: /locations gives no object of locations by their names")
    if not payload:
        raise SourceUnavailableError(f"{NAME}: the server knows no location; give its configuration a locations file")
    return list(payload)


def _only(payload: Any, zone: str) -> dict[str, Any]:
    if payload is None or payload == []:
        raise SourceUnavailableError(f"{NAME}: no forecast for {zone}")
    answers = _objects(payload, "answer", zone)
    if len(answers) != 1:
        raise SourceResponseError(f"{NAME}: {len(answers)} forecasts for {zone}, and one was asked for")
    return answers[0]


def _objects(given: Any, what: str, zone: str) -> list[dict[str, Any]]:
    """Take a list of objects that are all of one location."""
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise SourceResponseError(f"{NAME}: the {what} for {zone} is no list of objects")
    if len({str(one.get("location")) for one in given}) > 1:
        raise SourceResponseError(f"{NAME}: the {what} for {zone} is of several locations, and one was asked for")
    return given


def _step_of_points(points: list[dict[str, Any]], zone: str) -> timedelta:
    """Read the length that all points have [min on the wire]."""
    if not points:
        raise SourceUnavailableError(f"{NAME}: the forecast for {zone} is empty")
    minutes = points[0].get("duration")
    # A boolean is an int to Python, and a text is no number.
    if type(minutes) is not int or not 1 <= minutes <= 1440 or any(one.get("duration") != minutes for one in points):
        raise SourceResponseError(f"{NAME}: the points for {zone} have no common duration of 1 to 1440 minutes")
    return minutes * MINUTE


def _step_of_rows(durations: list[Any], zone: str) -> timedelta | None:
    """Read the length that all rows have, a .NET TimeSpan; None where none is stated, or .NET's default of zero."""
    if not all(one is None or isinstance(one, str) for one in durations):
        raise SourceResponseError(f"{NAME}: a row for {zone} has a duration that is no text such as 00:05:00")
    lengths = {_length(one, zone) for one in set(durations) if one is not None} - {timedelta(0)}
    if len(lengths) > 1:
        raise SourceResponseError(f"{NAME}: steps of {min(lengths)} and of {max(lengths)} in one series for {zone}")
    return next(iter(lengths), None)


def _length(duration: str, zone: str) -> timedelta:
    match = _TIME_SPAN.fullmatch(duration)
    if match is None:
        raise SourceResponseError(f"{NAME}: {duration[:40]!r} for {zone} is no duration, such as 00:05:00")
    days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _named(location: Location) -> str:
    if location.point is not None:
        raise UnknownZoneError(
            f"{location}: {NAME} takes no coordinates; name a cloud region, or a location of the server's as zone:NAME"
        )
    return lookup(location).name if location.is_region else location.name


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
