"""UK Carbon Intensity: what Great Britain's electricity emits, by the half hour, for the country or a part of it.

The service of Great Britain's system operator NESO needs no key; its data is under CC BY 4.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.moment import EPOCH, aware, interval
from airflow_carbon.core.units import Accounting, Kind
from airflow_carbon.exceptions import (
    CarbonError,
    InvalidRequestError,
    SourceResponseError,
    SourceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.sources.regions import country_of
from airflow_carbon.sources.series import Meaning, Series, moment

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.web.http import Http

NAME = "uk_carbon_intensity"
NATIONAL = "GB"
STEP = timedelta(minutes=30)
#: The longest past that one request may ask for.
LONGEST = timedelta(days=14)
#: Operational CO2 of what is consumed: imports and losses are in it, building and fuel supply are not.
ACCOUNTING = Accounting("direct", "consumption", "CO2")
#: Id of a region, or the outward half of a postcode.
_PART = re.compile(r"[1-9]|1[0-7]|[A-Z]{1,2}[0-9][0-9A-Z]?")
_FORMS = "write zone:GB, zone:GB-13 (a region's id, 1 to 17) or zone:GB-SE1 (the first half of a postcode alone)"


class UkCarbonIntensity:
    """Ask for the average intensity of Great Britain, 48 hours ahead; a part of it is forecast, never measured.

    :param http: asks the service.
    :param region: the part that stands for all places in Great Britain: an id of 1 to 17, or the outward half of a
        postcode; empty for the country as a whole.
    :param refresh: how often to ask; None for every half hour, as the service makes its forecasts.
    :raises InvalidRequestError: if the region is neither.
    """

    name = NAME

    def __init__(self, http: Http, *, region: str = "", refresh: timedelta | None = None) -> None:
        if region and not _PART.fullmatch(region.upper()):
            raise InvalidRequestError(
                f"region: {region[:20]!r} must be an id of 1 to 17, or the first half of a postcode alone, such as SE1"
            )
        self.refresh = STEP if refresh is None else refresh
        self._http = http
        self._own = f"{NATIONAL}-{region.upper()}" if region else NATIONAL

    async def zone(self, location: Location) -> str:
        """Name the part of Great Britain that is answered for: ``GB``, ``GB-13`` or ``GB-SE1``.

        :raises UnknownZoneError: if the location lies elsewhere, or names no part that the service could know.
        """
        return _zone(location, self._own)

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        """Give the 48 hours from the half hour that holds ``now``.

        :raises UnknownZoneError: if the service does not know the location.
        :raises SourceUnavailableError: if it has no forecast now.
        :raises SourceResponseError: if the answer is not as documented.
        :raises InvalidRequestError: if a moment has no timezone.
        """
        now, _ = aware(now, "now"), aware(until, "until")
        zone = _zone(location, self._own)
        return read_forecast(await self._asked(zone, f"{_within_step(now)}/fw48h"), zone=zone, now=now)

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        """Give what was measured over ``[start, end)``; what had been forecast where its kind and source say so.

        :raises UnknownZoneError: if the service does not know the location.
        :raises SourceUnavailableError: if it has no data of that time.
        :raises SourceResponseError: if the answer is not as documented.
        :raises InvalidRequestError: if a moment has no timezone or the end is not later than the start.
        """
        start, end = interval(start, end)
        zone = _zone(location, self._own)
        first, last = start - (start - EPOCH) % STEP, end + (EPOCH - end) % STEP
        payloads = []
        while first < last:
            until = min(first + LONGEST, last)
            payloads.append(await self._asked(zone, f"{_stamp(first)}/{_stamp(until)}"))
            first = until
        return read_history(payloads, zone=zone, start=start, end=end)

    async def access(self) -> str:
        """Tell until when the coming day is known.

        :raises SourceError: if the service cannot answer.
        """
        now = datetime.now(UTC)
        answer = read_forecast(await self._asked(self._own, f"{_within_step(now)}/fw24h"), zone=self._own, now=now)
        return f"answers without a key; forecast for {answer.zone} known until {answer.end:%Y-%m-%d %H:%M} UTC"

    async def _asked(self, zone: str, times: str) -> Any:
        part = zone.partition("-")[2]
        path = f"/intensity/{times}"
        if part:
            path = f"/regional{path}/{'regionid' if part.isdecimal() else 'postcode'}/{part}"

        def meaning(status: int, words: str) -> CarbonError | None:
            if status == 400 and re.search("postcode|region", words, re.IGNORECASE):
                return UnknownZoneError(f"{NAME} does not find {zone}: {words}; {_FORMS}")
            return None

        # It now and then answers nothing at all, or an empty object, and the same question succeeds a moment later.
        return await self._http.get(path, meaning=meaning, empty_is_transient=True)


def read_forecast(payload: Any, *, zone: str, now: datetime) -> Forecast:
    """Read the forecasts of an answer, national or of one part, from the half hour that holds a moment on.

    :raises SourceResponseError: if it is not as documented.
    :raises SourceUnavailableError: if it does not cover the moment.
    """
    rows = ((stamp, forecast) for stamp, forecast, _ in _half_hours(payload, zone))
    return Series(zone, rows, Meaning(NAME, accounting=ACCOUNTING), step=STEP).holding(now)


def read_history(payloads: Iterable[Any], *, zone: str, start: datetime, end: datetime) -> Forecast:
    """Read answers of a range, one for each piece of the time.

    What was forecast fills the holes between measured half hours, and stands alone where none was measured. Past the
    last measured one nothing is filled: that half hour is still to be measured.

    :raises SourceResponseError: if one is not as documented.
    :raises SourceUnavailableError: if they hold nothing of the time.
    """
    measured: list[tuple[datetime, Any]] = []
    foreseen: list[tuple[datetime, Any]] = []
    for payload in payloads:
        for stamp, forecast, actual in _half_hours(payload, zone):
            begin = moment(stamp, NAME)
            if actual is None:
                foreseen.append((begin, forecast))
            else:
                measured.append((begin, actual))
    known = {begin for begin, _ in measured if begin < end and start - begin < STEP}
    last = max(known, default=None)
    # Of two rows for one half hour the first one counts: the measured one.
    rows = [*measured, *(row for row in foreseen if last is None or row[0] <= last)]
    meaning = Meaning(NAME, accounting=ACCOUNTING, kind=Kind.MEASURED)
    answer = Series(zone, rows, meaning, step=STEP).overlapping(start, end)
    count = sum(answer.start <= begin < answer.end for begin in known)
    if count == len(answer):
        return answer
    return answer.replaced(kind=Kind.FORECAST, source=f"{NAME}, {'partly forecast' if count else 'forecast alone'}")


def _half_hours(payload: Any, zone: str) -> Iterator[tuple[Any, Any, Any]]:
    """Give begin, forecast and measured value of each half hour."""
    if payload is None or payload == {}:
        raise SourceUnavailableError(f"{NAME}: no data for {zone}")
    data = payload.get("data") if isinstance(payload, dict) else None
    for row, one in enumerate(_rows(data) if zone == NATIONAL else _rows_of_part(data)):
        intensity = one.get("intensity") if isinstance(one, dict) else None
        if not isinstance(intensity, dict):
            raise SourceResponseError(f"{NAME}: row {row} for {zone} is no object with from and intensity")
        yield one.get("from"), intensity.get("forecast"), intensity.get("actual")


def _rows(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise SourceResponseError(f"{NAME}: the answer holds no list of half hours as data")
    return data


def _rows_of_part(data: Any) -> list[Any]:
    # An object on the wire, a list of one in the service's documents.
    parts = data if isinstance(data, list) else [data]
    if not all(isinstance(part, dict) for part in parts):
        raise SourceResponseError(f"{NAME}: the answer holds no region as data")
    # By name: the id beside a postcode may be the neighbour's.
    if len({str(part.get("shortname")) for part in parts}) > 1:
        raise SourceResponseError(f"{NAME}: the answer is of several regions, and one was asked for")
    return [row for part in parts for row in _rows(part.get("data"))]


def _zone(location: Location, own: str) -> str:
    country = country_of(location)
    if country != NATIONAL:
        raise UnknownZoneError(
            f"{location}: {NAME} covers Great Britain alone, not {country}; name a connection of another type for it"
        )
    part = location.name.upper().partition("-")[2] if location.is_zone else ""
    if part and not _PART.fullmatch(part):
        raise UnknownZoneError(f"{location}: {NAME} has no such part of Great Britain; {_FORMS}")
    return f"{NATIONAL}-{part}" if part else own


def _within_step(now: datetime) -> str:
    """Write a moment inside the half hour that holds ``now``; its very begin would count to the one before."""
    return _stamp(now - (now - EPOCH) % STEP + timedelta(minutes=1))


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%MZ}"
