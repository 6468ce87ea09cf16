"""Electricity Maps: average intensities of what a zone consumes, by the hour, the quarter or five minutes.

Its answers are read in :mod:`~airflow_carbon.sources.electricity_maps_answer`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.location import Location
from airflow_carbon.core.moment import EPOCH, aware, interval
from airflow_carbon.exceptions import (
    CarbonError,
    InvalidRequestError,
    SourceAuthError,
    SourceResponseError,
    SourceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.sources.electricity_maps_answer import (
    DAY,
    GRANULARITIES,
    HOUR,
    NAME,
    SCOPES,
    ZONE,
    Answer,
    allows,
    is_beyond_plan,
    read_access,
    read_forecast,
    read_history,
    refusal,
)
from airflow_carbon.sources.regions import lookup

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.sources.places import Places
    from airflow_carbon.web.http import Http

#: The longest past that one request may ask for.
LONGEST = {"hourly": 10 * DAY, "15_minutes": 3 * DAY, "5_minutes": DAY}
#: How far ahead a forecast may be asked for [h].
HORIZONS = (6, 24, 48, 72)
#: Zones that are named first where a token opens many.
LIKELY = ("DE", "GB", "US-CAL-CISO", "US-MIDA-PJM", "FR", "SE", "NL", "IE")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ElectricityMaps:
    """Ask for the average intensity of a zone's consumption, imports followed to where they were generated.

    :param http: asks the service, the token among its headers.
    :param places: remembers the zone that the service named for a cloud region or a point.
    :param version: of the API, ``v4`` or ``v3``.
    :param emission_factor_type: ``lifecycle`` or ``direct``, of past intensities; forecasts are life-cycle.
    :param temporal_granularity: length of a step: ``hourly``, ``15_minutes`` or ``5_minutes``.
    :param refresh: how often to ask; None for once a step.
    :param clock: gives the present moment, timezone-aware; it tells which endpoint knows a past.
    :raises InvalidRequestError: naming the setting that is wrong.
    """

    name = NAME

    def __init__(
        self,
        http: Http,
        places: Places,
        *,
        version: str = "v4",
        emission_factor_type: str = "lifecycle",
        temporal_granularity: str = "hourly",
        refresh: timedelta | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        _check("version", version, ("v4", "v3"))
        _check("emission_factor_type", emission_factor_type, SCOPES)
        _check("temporal_granularity", temporal_granularity, GRANULARITIES)
        self.refresh = GRANULARITIES[temporal_granularity] if refresh is None else refresh
        self._http = http
        self._places = places
        self._version = version
        self._factors = emission_factor_type
        self._granularity = temporal_granularity
        self._clock = clock

    async def zone(self, location: Location) -> str:
        """Name the zone; the place itself as long as the service was not asked about it.

        :raises UnknownZoneError: if no zone is named so, or the cloud has no such region.
        """
        return _zone_name(location) or self._places.zone_of(location) or str(location)

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        """Give the forecast from the step that holds ``now``, of the shortest horizon that covers ``until``.

        :raises SourceAuthError: if the token is wrong, or its plan has no forecast there.
        :raises UnknownZoneError: if the service does not know the location.
        :raises SourceUnavailableError: if it has no forecast now.
        :raises SourceResponseError: if the answer is not as documented.
        :raises InvalidRequestError: if a moment has no timezone.
        """
        now, until = aware(now, "now"), aware(until, "until")
        hours = next((one for one in HORIZONS if until - now <= one * HOUR), HORIZONS[-1])
        payload = await self._asked(location, "forecast", {"horizonHours": hours})
        answer = read_forecast(payload, now=now, granularity=self._granularity)
        self._places.learn(location, answer.zone)
        return answer

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        """Give what was measured over ``[start, end)``, or estimated where its source says so.

        :raises SourceAuthError: if the token is wrong, or its plan does not reach so far back.
        :raises UnknownZoneError: if the service does not know the location.
        :raises SourceUnavailableError: if it has no data of that time.
        :raises SourceResponseError: if the answer is not as documented.
        :raises InvalidRequestError: if a moment has no timezone or the end is not later than the start.
        """
        start, end = interval(start, end)
        payloads = await self._past(location, start, end)
        answer = read_history(
            payloads, start=start, end=end, granularity=self._granularity, emission_factor_type=self._factors
        )
        self._places.learn(location, answer.zone)
        return answer

    async def access(self) -> str:
        """Tell for which zones the token's plan has forecasts, once one of them has come.

        :raises SourceAuthError: if the token is wrong, or its plan has no forecast.
        :raises SourceError: if the service cannot answer.
        """
        listed = read_access(await self._http.get(f"/{self._version}/zones", meaning=refusal("list of zones")))
        order = sorted(listed, key=lambda zone: (LIKELY.index(zone) if zone in LIKELY else len(LIKELY), zone))
        may = {what: [zone for zone in order if allows(listed[zone], what)] for what in ("forecast", "history")}
        zone = (may["forecast"] or order or LIKELY)[0]
        refused = refusal(f"forecast for {zone}")

        def meaning(status: int, words: str) -> CarbonError | None:
            if status == 404:
                return SourceUnavailableError(f"{NAME}: token accepted, but no forecast comes for {zone}: {words}")
            if may["forecast"] or not is_beyond_plan(status, words):
                return refused(status, words)
            past = f" but the past day for {_named(may['history'])}" if may["history"] else ""
            return SourceAuthError(
                f"{NAME}: token accepted, yet its plan has no forecast{past}; upgrade it, or name a connection that "
                "has forecasts beside this one"
            )

        # The list of zones is public: that it comes proves nothing of the token.
        query = self._query({"zone": zone}, {"horizonHours": HORIZONS[0]})
        Answer.read(await self._http.get(self._path("forecast"), query, meaning=meaning), "forecast")
        return f"token accepted; forecast allowed for {_named(may['forecast'] or [zone])}"

    async def _past(self, location: Location, start: datetime, end: datetime) -> list[Any]:
        """Ask what knows ``[start, end)``: the present step, the past day, the time before it, or the last two."""
        now, factors = aware(self._clock(), "clock"), {"emissionFactorType": self._factors}
        if start >= _floor(now, GRANULARITIES[self._granularity]):
            return [await self._asked(location, "latest", factors)]
        # The running hour is the last of the day that the service holds ready.
        day = _floor(now, HOUR) + HOUR - DAY
        payloads = [await self._asked(location, "history", factors)] if end > day else []
        # An hour of both, so that a service whose clock runs ahead leaves no gap between them.
        first, last = _floor(start, HOUR), min(end, day + HOUR)
        while start < day and first < last:
            until = min(first + LONGEST[self._granularity], last)
            try:
                asked = {**factors, "start": _stamp(first), "end": _stamp(until)}
                payloads.append(await self._asked(location, "past-range", asked))
            except SourceAuthError:
                # The last 24 hours begin in an hour that the day does not hold; it is not worth refusing the rest.
                if start < day - HOUR or not payloads:
                    raise
            first = until
        return payloads

    async def _asked(self, location: Location, temporality: str, more: Mapping[str, Any]) -> Any:
        zone = _zone_name(location) or self._places.zone_of(location)
        place = _place(location) if zone is None else {"zone": zone}
        refused = refusal(f"{temporality} for {location}")

        def meaning(status: int, words: str) -> CarbonError | None:
            return _NotFoundError(words) if status == 404 else refused(status, words)

        try:
            payload = await self._http.get(self._path(temporality), self._query(place, more), meaning=meaning)
        except _NotFoundError as missing:
            fault = await self._not_found(location, zone, str(missing))
            region = lookup(location) if location.is_region else None
            if isinstance(fault, UnknownZoneError) and region is not None and region.zone_confirmed:
                # A data centre that the service has not heard of still stands in a grid that it has.
                return await self._asked(Location(name=region.zone), temporality, more)
            raise fault from None
        answered = Answer.read(payload, "forecast", "history", "data").zone
        if zone is not None and answered != zone:
            raise SourceResponseError(f"{NAME}: asked about {zone}, it answers about {answered}")
        return payload

    async def _not_found(self, location: Location, zone: str | None, words: str) -> CarbonError:
        """Tell a zone without data from one that does not exist: the service says the same of both."""
        no_data = SourceUnavailableError(f"{NAME}: {location}: {words or 'no data'}")
        if zone is None:
            # Of a place that it has found, it names the zone.
            found = re.search(rf'zone "?{ZONE.pattern}\b', words)
            return no_data if found else UnknownZoneError(f"{location}: {NAME} knows no zone there; name the zone")
        if self._places.zone_of(location) == zone:
            return no_data
        try:
            listed = read_access(await self._http.get(f"/{self._version}/zones"))
        except CarbonError:
            return no_data
        if zone in listed:
            self._places.learn(location, zone)
            return no_data
        return UnknownZoneError(f"{location}: {NAME} has no zone {zone}{_meant(zone, listed)}")

    def _path(self, temporality: str) -> str:
        return f"/{self._version}/carbon-intensity/{temporality}"

    def _query(self, place: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
        # Without disableCallerLookup, a place that the service does not know becomes that of whoever asks.
        return {**place, "disableCallerLookup": "true", "temporalGranularity": self._granularity, **more}


class _NotFoundError(SourceUnavailableError):
    """A 404, before it is known what was not found; never leaves this module."""


def _named(zones: list[str]) -> str:
    """Count zones and name the first three of them: ``4 zones, DE, GB and AT among them``."""
    if len(zones) == 1:
        return f"1 zone: {zones[0]}"
    some = f"{', '.join(zones[:3][:-1])} and {zones[:3][-1]}"
    return f"{len(zones)} zones{f', {some} among them' if len(zones) > 3 else f': {some}'}"


def _zone_name(location: Location) -> str | None:
    """Give the name of a zone as the service writes it, None for a cloud region that exists or a point."""
    if location.is_region:
        lookup(location)
    if not location.is_zone:
        return None
    name = location.name.upper()
    if not ZONE.fullmatch(name):
        raise UnknownZoneError(f"{location}: {NAME} names zones by their country, as zone:DE or zone:US-CAL-CISO")
    return "GB" if name == "UK" else name


def _place(location: Location) -> dict[str, str]:
    if location.point is None:
        return {"dataCenterProvider": location.provider, "dataCenterRegion": location.name}
    latitude, longitude = location.point
    return {"lat": f"{latitude:.5f}", "lon": f"{longitude:.5f}"}


def _meant(zone: str, listed: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(zone, sorted(listed), n=3)
    return f"; did you mean {' or '.join(f'zone:{one}' for one in near)}?" if near else ""


def _floor(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - EPOCH) % step


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _check(name: str, value: str, allowed: Iterable[str]) -> None:
    if value not in allowed:
        raise InvalidRequestError(f"{name}: {value!r} must be one of {', '.join(allowed)}")
