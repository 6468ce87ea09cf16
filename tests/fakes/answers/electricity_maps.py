"""What Electricity Maps answers: its paths, keys, units and refusals, word for word as it sends them."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fakes.answers.common import (
    DATA_CENTERS,
    DAY,
    EM_ZONES,
    HOUR,
    MINUTE,
    Answer,
    Ask,
    RefusedError,
    floor,
    instant,
    nearest,
    number,
    starts,
)

if TYPE_CHECKING:
    from fakes.grid_server import GridServer

EM_GRANULARITIES = {"5_minutes": 5 * MINUTE, "15_minutes": 15 * MINUTE, "hourly": HOUR, "daily": DAY}
EM_LONGEST = {"5_minutes": DAY, "15_minutes": 3 * DAY, "hourly": 10 * DAY, "daily": 100 * DAY}
EM_TEMPORALITIES = ("latest", "history", "past", "past-range", "forecast")


def em_time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def em_granularity(step: timedelta) -> str:
    return next((name for name, length in EM_GRANULARITIES.items() if length == step), f"{step // MINUTE}_minutes")


def electricity_maps(server: GridServer, ask: Ask) -> Answer:
    version, _, rest = ask.path.strip("/").partition("/")
    if version not in ("v3", "v4"):
        raise RefusedError(404, {"error": "Not found"})
    token = ask.headers.get("auth-token", "")
    scheme, _, basic = ask.headers.get("authorization", "").partition(" ")
    if not token and scheme.lower() == "basic":
        token = base64.b64decode(basic).decode().strip(":")
    if rest == "health":
        return Answer({"status": "ok"})
    if (token or rest != "zones") and token != server.em_token:
        raise RefusedError(401, {"error": "Invalid auth-token"})
    if rest == "zones":
        zones = {zone: em_zone_row(server, zone, version, token) for zone in sorted(EM_ZONES | {*server.series})}
        return Answer({"zones": zones} if server.em_wrapped else zones)
    if rest == "zone":
        return Answer(em_zone_row(server, em_zone(ask, server), version, token))
    if rest == "data-centers":
        return em_data_centers(ask)
    signal, _, temporality = rest.partition("/")
    if signal != "carbon-intensity":
        raise RefusedError(404, {"error": "Not found"})
    if temporality not in EM_TEMPORALITIES:
        raise RefusedError(400, {"error": f"Expected one of {', '.join(EM_TEMPORALITIES)}"})
    zone = em_zone(ask, server)
    closed = server.em_zones is not None and zone not in server.em_zones and temporality == "forecast"
    if closed or temporality in server.em_refused:
        error = f"Request unauthorized for zoneKey={zone},requestType={temporality},dataType=carbon-intensity."
        why = (
            "You do not have access to this specific endpoint for this specific zone. Upgrade your plan to get access."
        )
        raise RefusedError(401, {"error": error, "message": why})
    return Answer(em_carbon_intensity(server, ask, zone, version, temporality))


def em_zone(ask: Ask, server: GridServer) -> str:
    zone, provider, latitude = ask.get("zone"), ask.get("dataCenterProvider"), ask.get("lat")
    found: str | None = None
    if zone:
        found = zone if zone in EM_ZONES or zone in server.series else None
    elif provider:
        place = DATA_CENTERS.get((provider, ask.get("dataCenterRegion")))
        found = place[2] if place else None
    elif latitude:
        place = nearest(latitude, ask.get("lon"))
        found = place[2] if place else None
    if found:
        return found
    # The trap that this service sets: a place that it cannot resolve becomes the place of the caller.
    if not ask.flag("disableCallerLookup"):
        return "FR"
    if not (zone or provider or latitude):
        raise RefusedError(400, {"error": 'Missing arguments "zone"'})
    raise RefusedError(404, {"error": f'No recent data for zone "{zone}"' if zone else "No zone found for this place"})


def em_zone_row(server: GridServer, zone: str, version: str, token: str) -> dict[str, Any]:
    allowed = [name for name in EM_TEMPORALITIES if name not in server.em_refused]
    if server.em_zones is not None and zone not in server.em_zones:
        allowed.remove("forecast")
    access = [f"carbon-intensity/{name}" for name in (allowed if token else ["latest"])]
    if token and len(allowed) == len(EM_TEMPORALITIES) and server.em_zones is None:
        access = ["*"]
    country = zone.partition("-")[0]
    row = {"zoneName": zone, "countryName": country, "zoneKey": zone, "countryCode": country, "access": access}
    if version == "v3":
        return {"countryName": country, "zoneName": zone, "access": access}
    more = {"zoneParentKey": country if zone != country else None, "subZoneKeys": [], "tier": "TIER_A"}
    return row | more | {"isCommerciallyAvailable": True}


def em_data_centers(ask: Ask) -> Answer:
    rows = [
        {"provider": provider, "region": region, "displayName": region, "lonlat": [row[1], row[0]], "zoneKey": row[2]}
        | {"status": "operational", "source": "https://example.org", "operationalSince": "2016-01-01"}
        for (provider, region), row in sorted(DATA_CENTERS.items())
        if ask.get("dataCenterProvider") in ("", provider)
    ]
    page, limit = int(ask.get("page", "1")), int(ask.get("limit", "100"))
    return Answer(rows[(page - 1) * limit : page * limit])


def em_carbon_intensity(server: GridServer, ask: Ask, zone: str, version: str, temporality: str) -> dict[str, Any]:
    asked = ask.get("temporalGranularity", "hourly")
    ranged = temporality in ("past", "past-range")
    if asked not in EM_GRANULARITIES or (asked == "daily" and not ranged):
        raise RefusedError(400, {"error": f'Invalid temporalGranularity "{asked}"'})
    step = DAY if asked == "daily" else min(EM_GRANULARITIES[asked], server.step["em"])
    granularity, here = em_granularity(step), floor(ask.now, step)

    def row(start: datetime) -> dict[str, Any]:
        hours = [start + hour * HOUR for hour in range(24)] if step == DAY else [start]
        value = sum(server.value(zone, hour) for hour in hours) / len(hours)
        estimated = start >= here - step
        if estimated and ask.flag("disableEstimations"):
            value = None
        full = {
            "zone": zone,
            "carbonIntensity": value if value is None else number(value),
            "datetime": em_time(start),
            "updatedAt": em_time(min(start + step, ask.now)),
            "createdAt": em_time(start - 19 * HOUR),
            "emissionFactorType": ask.get("emissionFactorType", "lifecycle"),
            "isEstimated": estimated,
            "estimationMethod": "FORECASTS_HIERARCHY" if estimated else None,
            "temporalGranularity": granularity,
        }
        return full | ({"flowTraced": ask.get("flowTraced", "true") == "true"} if version == "v4" else {})

    def rows(first: datetime, end: datetime) -> list[dict[str, Any]]:
        found = [row(start) for start in starts(first, end, step)]
        return [one for one in found if not (one["isEstimated"] and ask.flag("disableEstimations"))]

    if temporality == "latest":
        return row(here)
    if temporality == "history":
        found = rows(here + step - DAY, here + step)
        return {"zone": zone, "history": found, "temporalGranularity": granularity}
    if temporality == "past":
        start = em_moment(ask, "datetime")
        if start > ask.now:
            raise RefusedError(404, {"error": f'No recent data for zone "{zone}"'})
        one = row(floor(start, step))
        return {"zone": zone, "aggregationPeriod": granularity, "data": one} if server.em_wrapped else one
    if temporality == "past-range":
        start, end = em_moment(ask, "start"), em_moment(ask, "end")
        if end - start > EM_LONGEST[asked]:
            raise RefusedError(400, {"error": f"The range of dates is too large for granularity {asked}"})
        first = floor(start + step - timedelta(microseconds=1), step)
        answer = {"zone": zone, "data": rows(first, min(end, here)), "temporalGranularity": granularity}
        return answer | {"aggregationPeriod": granularity}
    if ask.get("horizonHours", "24") not in ("6", "24", "48", "72"):
        raise RefusedError(400, {"error": "Invalid horizonHours. Expected one of 6, 24, 48, 72"})
    end = here + int(ask.get("horizonHours", "24")) * HOUR + step
    ahead = [
        {"carbonIntensity": number(server.value(zone, start)), "datetime": em_time(start)}
        for start in starts(here, end, step)
    ]
    answer = {"zone": zone, "forecast": ahead, "updatedAt": em_time(ask.now)}
    return answer | ({"temporalGranularity": granularity} if version == "v4" else {})


def em_moment(ask: Ask, name: str) -> datetime:
    moment = instant(ask.get(name))
    if moment is None:
        raise RefusedError(400, {"error": f'Missing or invalid date parameter "{name}"'})
    return moment
