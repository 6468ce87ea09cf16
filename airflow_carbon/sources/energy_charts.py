"""Energy-Charts: what the electricity of European countries emits, by the quarter of an hour.

The service of Fraunhofer ISE needs no key; most of its data is under CC BY 4.0.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.location import Location
from airflow_carbon.core.moment import EPOCH, aware, interval
from airflow_carbon.core.units import Accounting, Kind
from airflow_carbon.exceptions import (
    CarbonError,
    SourceResponseError,
    SourceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.sources.regions import country_of
from airflow_carbon.sources.series import Meaning, Series

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.web.http import Http

NAME = "energy_charts"
#: CO2 equivalents; the rest is not stated.
ACCOUNTING = Accounting("", "", "CO2e")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: Asked about to prove access.
_PROBE = Location(name="DE")


class EnergyCharts:
    """Ask for the average intensity of a country, to the end of today or, once it is known, of tomorrow.

    :param http: asks the service.
    :param refresh: how often to ask; None for every quarter of an hour, as the service measures.
    """

    name = NAME

    def __init__(self, http: Http, *, refresh: timedelta | None = None) -> None:
        self.refresh = timedelta(minutes=15) if refresh is None else refresh
        self._http = http

    async def zone(self, location: Location) -> str:
        """Name the country that the location lies in; only the service can tell whether it has data of it.

        :raises UnknownZoneError: if no country is known there.
        """
        return country_of(location)

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        """Give the steps from the one that holds ``now``; it may be measured already.

        :raises UnknownZoneError: if the service does not know the country.
        :raises SourceUnavailableError: if it has no forecast now.
        :raises SourceResponseError: if the answer is not as documented.
        :raises InvalidRequestError: if a moment has no timezone.
        """
        now, until = aware(now, "now"), aware(until, "until")
        # Nothing is known of the days after tomorrow.
        farthest = now - (now - EPOCH) % DAY + 2 * DAY
        payload = await self._asked(location, now, min(max(until, now + HOUR), farthest))
        return read_forecast(payload, zone=country_of(location), now=now)

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        """Give what was measured over ``[start, end)``; where nothing was yet, what is forecast, marked so.

        :raises UnknownZoneError: if the service does not know the country.
        :raises SourceUnavailableError: if it has no data of that time.
        :raises SourceResponseError: if the answer is not as documented.
        :raises InvalidRequestError: if a moment has no timezone or the end is not later than the start.
        """
        start, end = interval(start, end)
        payload = await self._asked(location, start, end)
        return read_history(payload, zone=country_of(location), start=start, end=end)

    async def access(self) -> str:
        """Tell until when one country's intensity is known.

        :raises SourceError: if the service cannot answer.
        """
        now = datetime.now(UTC)
        answer = await self.forecast(_PROBE, now=now, until=now + DAY)
        return f"answers without a key; forecast for {answer.zone} known until {answer.end:%Y-%m-%d %H:%M} UTC"

    async def _asked(self, location: Location, start: datetime, end: datetime) -> Any:
        country = country_of(location).lower()

        def meaning(status: int, words: str) -> CarbonError | None:
            if status == 404 or (status == 400 and "country" in words.lower()):
                return UnknownZoneError(f"{location}: {NAME} has no country {country!r} ({status}: {words})")
            return None

        # Whole hours hold whole steps. A date alone would be a day of the country's own clock.
        first, last = start - (start - EPOCH) % HOUR, end + (EPOCH - end) % HOUR
        query = {"country": country, "start": _stamp(first), "end": _stamp(last)}
        return await self._http.get("/co2eq", query, meaning=meaning)


def read_forecast(payload: Any, *, zone: str, now: datetime) -> Forecast:
    """Read what was measured and what is forecast, from the step that holds a moment on.

    :raises SourceResponseError: if it is not as documented.
    :raises SourceUnavailableError: if it does not cover the moment.
    """
    stamps, measured, foreseen = _columns(payload, zone)
    values = (later if value is None else value for value, later in zip(measured, foreseen, strict=True))
    return Series(zone, zip(stamps, values, strict=True), Meaning(NAME, accounting=ACCOUNTING)).holding(now)


def read_history(payload: Any, *, zone: str, start: datetime, end: datetime) -> Forecast:
    """Read what was measured; where nothing was, what is forecast.

    :raises SourceResponseError: if it is not as documented.
    :raises SourceUnavailableError: if it holds nothing of the time.
    """
    stamps, measured, foreseen = _columns(payload, zone)
    meaning = Meaning(NAME, accounting=ACCOUNTING, kind=Kind.MEASURED)
    try:
        return Series(zone, zip(stamps, measured, strict=True), meaning).overlapping(start, end)
    except SourceUnavailableError:
        meaning = Meaning(f"{NAME}, forecast alone", accounting=ACCOUNTING)
        return Series(zone, zip(stamps, foreseen, strict=True), meaning).overlapping(start, end)


def _columns(payload: Any, zone: str) -> tuple[list[datetime], list[Any], list[Any]]:
    if payload is None:
        raise SourceUnavailableError(f"{NAME}: no data for {zone}")
    given = payload if isinstance(payload, dict) else {}
    columns = [given.get(name) for name in ("unix_seconds", "co2eq", "co2eq_forecast")]
    seconds, measured, foreseen = ([] if column is None else column for column in columns)
    if any(not isinstance(column, list) for column in columns) or not len(seconds) == len(measured) == len(foreseen):
        raise SourceResponseError(
            f"{NAME}: the answer for {zone} holds no three lists of equal length as unix_seconds, co2eq, co2eq_forecast"
        )
    return _moments(seconds, zone), measured, foreseen


def _moments(seconds: list[Any], zone: str) -> list[datetime]:
    # A boolean is an int to Python, and a text is no number.
    if set(map(type, seconds)) <= {int}:
        try:
            return [datetime.fromtimestamp(one, UTC) for one in seconds]
        except (ValueError, OverflowError, OSError):
            pass
    raise SourceResponseError(f"{NAME}: what stands in unix_seconds for {zone} is not all counts of seconds since 1970")


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%MZ}"
