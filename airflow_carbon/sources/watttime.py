"""WattTime, version 3 of its API: marginal intensities, forecast up to 72 hours, measured for years back.

What it answers is read in :mod:`~airflow_carbon.sources.watttime_answer`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_carbon.core.moment import EPOCH, aware, interval
from airflow_carbon.exceptions import (
    CarbonError,
    InvalidRequestError,
    SourceAuthError,
    SourceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.sources.regions import lookup
from airflow_carbon.sources.watttime_answer import (
    AVERAGE,
    MARGINAL,
    NAME,
    SIGNALS,
    SignalIndex,
    read_access,
    read_forecast,
    read_history,
    read_region,
    read_signal_index,
)
from airflow_carbon.web.flights import Flights

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.sources.places import Places
    from airflow_carbon.sources.watttime_token import Token
    from airflow_carbon.web.http import Http

REFRESHES = {MARGINAL: timedelta(minutes=5), AVERAGE: timedelta(hours=1)}
HOUR, FIVE_MINUTES = timedelta(hours=1), timedelta(minutes=5)
LONGEST_HOURS = 72
#: 32 days are allowed; the service's own client asks for 30.
PIECE = timedelta(days=30)

_Told = TypeVar("_Told")


class WattTime:
    """Ask WattTime.

    :param http: asks the service.
    :param places: remembers the region of a place.
    :param token: logs in.
    :param signal_type: ``co2_moer`` (marginal) or ``co2_aoer`` (average; it has no forecast).
    :param refresh: how often a new answer can be expected; None for the service's own rhythm.
    :raises InvalidRequestError: if the signal type is neither.
    """

    name = NAME

    def __init__(
        self,
        http: Http,
        places: Places,
        token: Token,
        *,
        signal_type: str = MARGINAL,
        refresh: timedelta | None = None,
    ) -> None:
        if signal_type not in SIGNALS:
            raise InvalidRequestError(f"signal_type: {signal_type!r} must be one of {', '.join(SIGNALS)}")
        self.signal_type = signal_type
        self.refresh = REFRESHES[signal_type] if refresh is None else refresh
        self._http = http
        self._places = places
        self._token = token
        self._flights: Flights[str] = Flights()

    async def zone(self, location: Location) -> str:
        """Name WattTime's region; the location itself where the service was not asked yet.

        :raises UnknownZoneError: if the location is a cloud region that the embedded table does not know.
        """
        if location.is_zone:
            return location.name
        if location.is_region:
            lookup(location)
        return self._places.zone_of(location) or str(location)

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        """Give the marginal intensities from the step that holds ``now``, up to 72 hours of them.

        :raises UnknownZoneError: if WattTime covers no grid there.
        :raises SourceUnavailableError: if it cannot answer now, or the signal type has no forecast.
        :raises SourceAuthError: if it refuses the credentials, or the plan does not cover the region.
        :raises SourceResponseError: if its answer is not as it documents.
        :raises InvalidRequestError: if a moment has no timezone.
        """
        now, until = aware(now, "now"), aware(until, "until")
        await self.zone(location)
        if self.signal_type != MARGINAL:
            raise SourceUnavailableError(
                f"{NAME}: {self.signal_type} has no forecast; set signal_type to {MARGINAL}, which is marginal, or "
                "let a source with forecasts of averages follow"
            )
        # Counted from the step that holds now, with which the answer begins.
        begins = now - (now - EPOCH) % FIVE_MINUTES
        hours = 0 if until <= begins + FIVE_MINUTES else min(-((begins - until) // HOUR), LONGEST_HOURS)

        async def ask(region: str) -> Forecast:
            payload = await self._asked("/v3/forecast", location, region, horizon_hours=hours)
            return read_forecast(payload, region=region, signal_type=self.signal_type, now=now)

        return await self._in_region(location, ask)

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        """Give what WattTime holds for the steps that touch ``[start, end)``.

        :raises UnknownZoneError: if WattTime covers no grid there.
        :raises SourceUnavailableError: if it cannot answer now, or has nothing of that time.
        :raises SourceAuthError: if it refuses the credentials, or the plan does not cover the region.
        :raises SourceResponseError: if its answer is not as it documents.
        :raises InvalidRequestError: if a moment has no timezone or the end is not later than the start.
        """
        start, end = interval(start, end)
        await self.zone(location)

        async def ask(region: str) -> Forecast:
            payloads = [
                await self._asked("/v3/historical", location, region, start=first.isoformat(), end=last.isoformat())
                for first, last in _pieces(start, end)
            ]
            return read_history(payloads, region=region, signal_type=self.signal_type, start=start, end=end)

        return await self._in_region(location, ask)

    async def signal_index(self, location: Location) -> SignalIndex:
        """Tell where the marginal intensity of now stands among the coming 24 hours.

        :raises InvalidRequestError: if the signal type is not ``co2_moer``.
        :raises SourceError: as :meth:`forecast` does.
        """
        if self.signal_type != MARGINAL:
            raise InvalidRequestError(f"signal_type: {self.signal_type!r} has no signal index; {MARGINAL} has")
        await self.zone(location)

        async def ask(region: str) -> SignalIndex:
            payload = await self._asked("/v3/signal-index", location, region)
            return read_signal_index(payload, region=region)

        return await self._in_region(location, ask)

    async def access(self) -> str:
        """Ask what the plan allows, and tell it in words.

        :raises SourceAuthError: if user and password are refused, or the plan allows no region.
        """
        payload = await self._got("/v3/my-access", {"signal_type": self.signal_type}, lambda status, words: None)
        endpoint, what = ("forecast", "forecast") if self.signal_type == MARGINAL else ("historical", "history")
        regions = read_access(payload, signal_type=self.signal_type, endpoint=f"v3/{endpoint}")
        if not regions:
            raise SourceAuthError(
                f"{NAME}: the login is accepted, but the plan allows the {self.signal_type} {what} of no region; "
                "ask WattTime to extend it"
            )
        which = f"1 region, {regions[0]}" if len(regions) == 1 else f"{len(regions)} regions, {regions[0]} among them"
        lacking = "" if self.signal_type == MARGINAL else "; it has no forecast"
        return f"login accepted; {self.signal_type} {what} allowed for {which}{lacking}"

    async def _in_region(self, location: Location, ask: Callable[[str], Awaitable[_Told]]) -> _Told:
        if location.is_zone:
            return await ask(location.name)
        known = self._places.zone_of(location)
        if known is not None:
            try:
                return await ask(known)
            except UnknownZoneError:
                # Borders are redrawn: what was learnt weeks ago may have ceased to exist.
                found = await self._found(location)
                if found == known:
                    raise
                return await ask(found)
        return await ask(await self._found(location))

    async def _found(self, location: Location) -> str:
        return await self._flights.shared(location, lambda: self._region_of(location))

    async def _region_of(self, location: Location) -> str:
        latitude, longitude = location.point or (lookup(location).latitude, lookup(location).longitude)
        params = {"latitude": latitude, "longitude": longitude, "signal_type": self.signal_type}
        payload = await self._got("/v3/region-from-loc", params, self._refusal(location, str(location)))
        region = read_region(payload, signal_type=self.signal_type)
        self._places.learn(location, region)
        return region

    async def _asked(self, path: str, location: Location, region: str, **params: Any) -> Any:
        params = {"region": region, "signal_type": self.signal_type, **params}
        return await self._got(path, params, self._refusal(location, region))

    async def _got(self, path: str, params: Mapping[str, Any], meant: Callable[[int, str], CarbonError | None]) -> Any:
        def meaning(status: int, words: str) -> CarbonError | None:
            return meant(status, words) or (_StaleTokenError() if status in (401, 403) else None)

        token = await self._token.current()
        try:
            return await self._http.get(path, params, headers=_bearer(token), meaning=meaning)
        except _StaleTokenError:
            token = await self._token.current(refused=token)
        return await self._http.get(path, params, headers=_bearer(token), meaning=meant)

    def _refusal(self, location: Location, region: str) -> Callable[[int, str], CarbonError | None]:
        def meant(status: int, words: str) -> CarbonError | None:
            said = words.lower()
            if status in (400, 403) and ("invalid scope" in said or "sufficient access" in said):
                return SourceAuthError(
                    f"{NAME}: the plan does not cover {self.signal_type} for {region}; choose a region that it covers "
                    "(airflow carbon doctor names one), or ask WattTime to extend it"
                )
            if status in (400, 404, 422) and "coverage" in said:
                return UnknownZoneError(
                    f"{location}: {NAME} covers no grid there for {self.signal_type}; choose another source for it"
                )
            if status in (400, 404, 422) and "region" in said:
                return UnknownZoneError(
                    f"{location}: {NAME} knows no region {region!r} for {self.signal_type}; write for example "
                    "zone:CAISO_NORTH, a cloud region or coordinates"
                )
            return None

        return meant


class _StaleTokenError(SourceAuthError):
    """The service refuses a token that a new login may replace."""


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _pieces(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Cut a time into pieces whose ends, both included, share no step."""
    # From the full hour: a step of any length that holds the start begins no earlier.
    first = start - (start - EPOCH) % HOUR
    beyond = end + (EPOCH - end) % FIVE_MINUTES
    while first < end:
        last = min(first + PIECE, beyond) - FIVE_MINUTES
        yield first, max(last, first + FIVE_MINUTES)
        first += PIECE
