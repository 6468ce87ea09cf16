"""What each service answers: its paths, keys, units and refusals, word for word as it sends them."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fakes.grid_server import GridServer

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
#: g/kWh = lb/MWh x this: grams in a pound over kilowatt-hours in a megawatt-hour.
KILOGRAMS_PER_POUND = 0.45359237

#: latitude, longitude, zone of Electricity Maps, region of WattTime, data centers that stand there.
PLACES = (
    (51.5, -0.12, "GB", "UK", "azure:uksouth aws:eu-west-2 gcp:europe-west2"),
    (50.11, 8.68, "DE", "DE", "azure:germanywestcentral aws:eu-central-1 gcp:europe-west3"),
    (48.86, 2.35, "FR", "FR", "azure:francecentral aws:eu-west-3 gcp:europe-west9"),
    (60.67, 17.14, "SE", "SE", "azure:swedencentral aws:eu-north-1"),
    (60.17, 24.94, "FI", "FI", "gcp:europe-north1"),
    (52.37, 4.9, "NL", "NL", "azure:westeurope gcp:europe-west4"),
    (53.35, -6.26, "IE", "IE", "azure:northeurope aws:eu-west-1"),
    (52.23, 21.02, "PL", "PL", "azure:polandcentral gcp:europe-central2"),
    (38.5, -78.7, "US-MIDA-PJM", "PJM_DC", "azure:eastus aws:us-east-1 gcp:us-east4"),
    (37.4, -121.5, "US-CAL-CISO", "CAISO_NORTH", "azure:westus aws:us-west-1"),
    (41.57, -93.61, "US-MIDW-MISO", "MISO_MASON_CITY", "azure:centralus gcp:us-central1"),
    (39.7, -105.0, "US-NW-PSCO", "PSCO", ""),
    (-33.87, 151.2, "AU-NSW", "NEM_NSW", "azure:australiaeast aws:ap-southeast-2"),
)
DATA_CENTERS = {tuple(name.split(":")): row for row in PLACES for name in row[4].split()}
#: The Carbon Aware SDK names its locations by Azure's regions and reads them from WattTime.
SDK_LOCATIONS = {region: row for (provider, region), row in DATA_CENTERS.items() if provider == "azure"}
WORDS = {
    "zones": "AE AT AU-VIC BE BG BR-CS CA-AB CA-ON CA-QC CH CL-SEN CZ DK-DK1 DK-DK2 EE ES GR HK HR HU ID IL IN-NO "
    "IN-SO IN-WE IS IT-NO IT-SO JP-KN JP-TK KR LT LV NO-NO1 NO-NO2 NZ PT RO RS SE-SE1 SE-SE2 SE-SE3 SE-SE4 SG SI SK "
    "TR TW UA US-CAR-SC US-NW-BPAT US-NW-PACE US-SW-AZPS US-TEX-ERCO ZA",
    "countries": "at be bg ch cz de dk ee es fi fr gr hr hu ie it lt lv nl no pl pt ro rs se si sk",
    "great britain": "North Scotland,South Scotland,North West England,North East England,Yorkshire,"
    "North Wales & Merseyside,South Wales,West Midlands,East Midlands,East England,South West England,South England,"
    "London,South East England,England,Scotland,Wales",
}
EM_ZONES = {row[2] for row in PLACES} | set(WORDS["zones"].split())
WT_REGIONS = {row[3] for row in PLACES}
EC_COUNTRIES = set(WORDS["countries"].split())
UK_REGIONS = tuple(WORDS["great britain"].split(","))
#: Region by the letters that a postcode begins with; those with W alone match nothing, as on the wire.
UK_POSTCODES = {"AB": 1, "EH": 2, "G": 2, "M": 3, "NE": 4, "LS": 5, "L": 6, "CF": 7, "B": 8, "NG": 9, "CB": 10}
UK_POSTCODES |= {"BS": 11, "RG": 12, "OX": 12, "SE": 13, "EC": 13, "N": 13, "E": 13, "BN": 14}
#: Past half hours: what Great Britain's forecast was, less what came [g/kWh].
UK_FORECAST_ERROR = 2


@dataclass
class Answer:
    """An answer before it is sent: a dict or list goes out as JSON, text and bytes as they stand."""

    body: Any = None
    status: int = 200
    content_type: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


class RefusedError(Exception):
    """Carry the answer that ends a request early."""

    def __init__(self, status: int, body: Any, content_type: str = "application/json; charset=utf-8") -> None:
        super().__init__(status)
        self.answer = Answer(body, status, content_type)


@dataclass(frozen=True)
class Ask:
    """A request as a vendor sees it; `path` is without the vendor's prefix, `now` the vendor's own clock."""

    vendor: str
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    now: datetime

    def get(self, name: str, default: str = "") -> str:
        return self.query[name][-1] if name in self.query else default

    def flag(self, name: str) -> bool:
        return self.get(name).lower() == "true"


def floor(moment: datetime, step: timedelta) -> datetime:
    return EPOCH + (moment - EPOCH) // step * step


def starts(first: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    while first < end:
        yield first
        first += step


def number(value: float) -> float | int:
    return int(value) if value == int(value) else value


def instant(text: str) -> datetime | None:
    """Read a moment that carries its zone, else None."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def nearest(latitude: str, longitude: str) -> tuple[Any, ...] | None:
    """Find the place within some 300 km of the coordinates, or None."""
    try:
        here = (float(latitude), float(longitude))
    except ValueError:
        return None
    far, row = min((math.dist(here, place[:2]), place) for place in PLACES)
    return row if far <= 3 else None


# Electricity Maps -----------------------------------------------------------------------------------------------------

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


# WattTime -------------------------------------------------------------------------------------------------------------

TEXT = "text/plain; charset=utf-8"
FORBIDDEN = (
    "<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body>\r\n<center><h1>403 Forbidden</h1></center>\r\n"
)
FORBIDDEN += "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
SCOPE = {
    "error": "Invalid query parameters",
    "message": "Invalid scope. You do not have sufficient access to this resource with your current plan.",
}


def wt_time(moment: datetime) -> str:
    return moment.isoformat()


def wt_invalid(message: str) -> RefusedError:
    return RefusedError(400, {"error": "INVALID_QUERY_PARAMS", "message": message, "docs": "https://docs.watttime.org"})


def watttime(server: GridServer, ask: Ask) -> Answer:
    scheme, _, secret = ask.headers.get("authorization", "").partition(" ")
    path = ask.path.rstrip("/")
    if path == "/login":
        given = base64.b64decode(secret).decode() if scheme.lower() == "basic" else ""
        if given != f"{server.wt_user}:{server.wt_password}":
            raise RefusedError(403, FORBIDDEN, "text/html")
        return Answer({"token": server.new_token()})
    if scheme.lower() != "bearer" or not secret:
        raise RefusedError(401, "Jwt is missing", TEXT)
    if not server.knows_token(secret):
        raise RefusedError(401, "Jwt is expired", TEXT)
    if path == "/v3/my-access":
        return wt_my_access(server, ask)
    if path == "/v3/region-from-loc":
        wt_required(ask, "latitude", "longitude", "signal_type")
        place = nearest(ask.get("latitude"), ask.get("longitude"))
        if place is None:
            error = "No coverage available for these coordinates and signal_type"
            asked = {name: ask.get(name) for name in ("latitude", "longitude", "signal_type")}
            raise RefusedError(404, {"error": error} | asked)
        answer = {"region": place[3], "region_full_name": f"Full name of {place[3]}"}
        return Answer(answer | {"signal_type": ask.get("signal_type")})
    answers = {"/v3/forecast": wt_forecast, "/v3/historical": wt_historical, "/v3/signal-index": wt_signal_index}
    if path not in answers:
        raise RefusedError(404, {"error": "Not found"})
    wt_required(ask, "region", "signal_type")
    region = ask.get("region")
    if region not in WT_REGIONS and region not in server.series:
        raise wt_invalid(f"region {region} not found")
    if server.wt_regions is not None and region not in server.wt_regions:
        raise RefusedError(403, SCOPE)
    return answers[path](server, ask, region)


def wt_required(ask: Ask, *names: str) -> None:
    missing = [name for name in names if not ask.get(name)]
    if missing:
        detail = [{"loc": ["query", name], "msg": "field required", "type": "value_error.missing"} for name in missing]
        raise RefusedError(422, {"detail": detail})


def wt_points(server: GridServer, region: str, first: datetime, end: datetime, step: timedelta) -> list[dict[str, Any]]:
    return [
        {"point_time": wt_time(start), "value": server.value(region, start) / KILOGRAMS_PER_POUND}
        for start in starts(first, end, step)
    ]


def wt_meta(ask: Ask, step: timedelta, units: str) -> dict[str, Any]:
    seconds = int(step.total_seconds())
    return {
        "data_point_period_seconds": seconds,
        "region": ask.get("region"),
        "warnings": [],
        "signal_type": ask.get("signal_type"),
        "model": {"date": ask.get("model", "2024-01-15")},
        "units": units,
        "generated_at_period_seconds": 300,
        "generated_at": wt_time(floor(ask.now, min(step, 5 * MINUTE))),
    }


def wt_forecast(server: GridServer, ask: Ask, region: str) -> Answer:
    text, step = ask.get("horizon_hours", "24"), server.step["wt"]
    if not text.isdecimal() or int(text) > 72:
        raise wt_invalid("horizon_hours must be an integer between 0 and 72")
    if ask.get("signal_type") != "co2_moer":
        raise wt_invalid("signal_type has no forecast")
    here = floor(ask.now, step)
    points = wt_points(server, region, here, here + max(int(text) * HOUR, step), step)
    return Answer({"data": points, "meta": wt_meta(ask, step, "lbs_co2_per_mwh")})


def wt_historical(server: GridServer, ask: Ask, region: str) -> Answer:
    wt_required(ask, "start", "end")
    start, end = instant(ask.get("start")), instant(ask.get("end"))
    if start is None or end is None:
        raise wt_invalid("start and end must be ISO 8601 datetimes with a UTC offset")
    if end < start or end - start > 32 * DAY:
        raise wt_invalid("end must be after start and at most 32 days from it")
    step = HOUR if ask.get("signal_type") == "co2_aoer" else server.step["wt"]
    first = floor(start + step - timedelta(microseconds=1), step)
    # Both ends are included, as far as anything has been measured.
    last = min(floor(end, step), floor(ask.now, step) - step)
    points = wt_points(server, region, first, last + step, step)
    if ask.flag("include_imputed_marker"):
        points = [point | {"last_updated": wt_time(ask.now), "imputed_data_used": False} for point in points]
    meta = wt_meta(ask, step, "lbs_co2_per_mwh")
    meta["model"]["type"] = "average" if ask.get("signal_type") == "co2_aoer" else "binned_regression"
    return Answer({"data": points, "meta": meta})


def wt_signal_index(server: GridServer, ask: Ask, region: str) -> Answer:
    step = server.step["wt"]
    here = floor(ask.now, step)
    ahead = [server.value(region, start) for start in starts(here, here + DAY, step)]
    share = 100.0 * sum(value <= ahead[0] for value in ahead) / len(ahead)
    return Answer({"data": [{"point_time": wt_time(here), "value": share}], "meta": wt_meta(ask, step, "percentile")})


def wt_my_access(server: GridServer, ask: Ask) -> Answer:
    model = {"model": "2024-01-15", "data_start": "2018-01-01", "train_start": "2021-01-01", "train_end": "2023-12-31"}
    model |= {"type": "binned_regression"}
    names = ("v3/forecast", "v3/historical", "v3/signal-index")
    endpoints = [{"endpoint": name, "models": [model]} for name in names]
    regions = [
        {"region": region, "region_full_name": f"Full name of {region}", "parent": "USA"}
        | {"data_point_period_seconds": int(server.step["wt"].total_seconds()), "endpoints": endpoints}
        for region in sorted(WT_REGIONS if server.wt_regions is None else server.wt_regions)
        if ask.get("region") in ("", region)
    ]
    if ask.get("signal_type") not in ("", "co2_moer") or not regions:
        return Answer({"signal_types": []})
    return Answer({"signal_types": [{"signal_type": "co2_moer", "regions": regions}]})


# Carbon Aware SDK -----------------------------------------------------------------------------------------------------


def problem(status: int, title: str, detail: str, **errors: list[str]) -> RefusedError:
    body: dict[str, Any] = {"title": title, "status": status, "detail": detail, "errors": errors}
    return RefusedError(
        status, body | {"traceId": "00-0af7651916cd43dd8448eb211c80319c-00"}, "application/problem+json"
    )


def bad_argument(detail: str, **errors: list[str]) -> RefusedError:
    return problem(400, "ArgumentException", detail, **errors)


def dotnet_duration(length: timedelta) -> str:
    days, seconds = length.days, length.seconds
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{days}.{clock}" if days else clock


def sdk_time(moment: datetime) -> str:
    """Write a moment as .NET does: a fraction without its last zeros."""
    fraction = f".{moment.microsecond:06d}".rstrip("0").rstrip(".") if moment.microsecond else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}+00:00"


def carbon_aware_sdk(server: GridServer, ask: Ask) -> Answer:
    path = ask.path.rstrip("/")
    if path == "/health":
        return Answer("Healthy", content_type=TEXT)
    if path == "/locations":
        known = {
            name: {"latitude": str(row[0]), "longitude": str(row[1]), "name": name}
            for name, row in SDK_LOCATIONS.items()
        }
        return Answer(known)
    if path == "/emissions/average-carbon-intensity/batch" and ask.method == "POST":
        rows = json.loads(ask.body)
        averages = [sdk_average(server, ask, row["location"], row["startTime"], row["endTime"]) for row in rows]
        return Answer(averages)
    places = ask.query.get("location", [])
    if path.startswith("/emissions/") and not places:
        raise bad_argument("Invalid parameters", location=["location is not set"])
    if path == "/emissions/average-carbon-intensity":
        return Answer(sdk_average(server, ask, places[-1], ask.get("startTime"), ask.get("endTime")))
    if path in ("/emissions/bylocation", "/emissions/bylocations", "/emissions/bylocations/best"):
        rows = [row for place in places for row in sdk_emissions(server, ask, place)]
        if path.endswith("best"):
            lowest = min((row["rating"] for row in rows), default=0)
            rows = [row for row in rows if row["rating"] == lowest]
        return Answer(rows) if rows else Answer(b"", 204)
    if path == "/emissions/forecasts/current":
        if not server.sdk_forecasts:
            raise problem(501, "NotImplementedException", "The data source has no forecast of this kind")
        return Answer([sdk_forecast(server, ask, place) for place in places])
    raise RefusedError(404, b"", TEXT)


def sdk_region(server: GridServer, place: str) -> str:
    if place.lower() in SDK_LOCATIONS:
        return str(SDK_LOCATIONS[place.lower()][3])
    if place in server.series:
        return place
    raise bad_argument(f"Unknown Location: '{place}' not found")


def sdk_moment(name: str, text: str, default: datetime | None = None) -> datetime:
    if not text and default:
        return default
    if not text:
        raise bad_argument("Invalid parameters", **{name: [f"{name} is not set"]})
    moment = instant(text)
    if moment is None:
        raise bad_argument("Invalid parameters", **{name: [f"The value '{text}' is not valid."]})
    return moment


def sdk_emissions(server: GridServer, ask: Ask, place: str) -> list[dict[str, Any]]:
    region, step = sdk_region(server, place), server.step["sdk"]
    if ask.get("toTime") and not ask.get("time"):
        raise bad_argument("Invalid parameters", time=["time must be set when toTime is set"])
    start = sdk_moment("time", ask.get("time"), ask.now)
    end = sdk_moment("toTime", ask.get("toTime"), start)
    if end < start:
        raise bad_argument("Invalid parameters", time=["time must be before toTime"])
    return [
        {"location": region, "time": sdk_time(at), "rating": number(server.value(region, at))}
        | {"duration": dotnet_duration(step)}
        for at in starts(floor(start, step), min(end, ask.now) + timedelta(microseconds=1), step)
    ]


def sdk_average(server: GridServer, ask: Ask, place: str, begin: str, finish: str) -> dict[str, Any]:
    region, step = sdk_region(server, place), server.step["sdk"]
    start, end = sdk_moment("startTime", begin), sdk_moment("endTime", finish)
    if start >= end or end > floor(ask.now, step) + step:
        raise bad_argument("Invalid parameters", startTime=["the data does not cover startTime to endTime"])
    points = [(at, server.value(region, at)) for at in starts(floor(start, step), end, step)]
    [(_, mean)] = rolling(points, step, end - start, start, end)
    times = {"location": place, "startTime": sdk_time(start), "endTime": sdk_time(end)}
    return times | {"carbonIntensity": mean}


def sdk_forecast(server: GridServer, ask: Ask, place: str) -> dict[str, Any]:
    region, step = sdk_region(server, place), server.step["sdk"]
    here = floor(ask.now, step)
    points = [(at, server.value(region, at)) for at in starts(here, here + DAY, step)]
    last = here + DAY
    start = sdk_moment("dataStartAt", ask.get("dataStartAt"), here)
    end = sdk_moment("dataEndAt", ask.get("dataEndAt"), last)
    if start >= end:
        raise bad_argument("Invalid parameters", dataStartAt=["dataStartAt must be earlier than dataEndAt"])
    for name, moment in (("dataStartAt", start), ("dataEndAt", end)):
        if not here <= moment <= last:
            bounds = f"'{sdk_time(here)}' through '{sdk_time(last)}'"
            words = f"{name} must be within time range of the forecasted data, {bounds}"
            raise bad_argument("Invalid parameters", **{name: [words]})
    if not ask.get("windowSize", "0").isdecimal():
        raise bad_argument("Invalid parameters", windowSize=[f"The value '{ask.get('windowSize')}' is not valid."])
    minutes = int(ask.get("windowSize", "0"))
    kept = [(at, value) for at, value in points if at + step > start and at <= end]
    found = rolling(kept, step, minutes * MINUTE, start, end) if minutes else kept
    rows = [
        {"location": region, "timestamp": sdk_time(at), "duration": minutes or step // MINUTE, "value": number(value)}
        for at, value in found
    ]
    lowest = min((row["value"] for row in rows), default=0)
    return {
        "generatedAt": sdk_time(floor(ask.now, min(step, 5 * MINUTE))),
        "requestedAt": sdk_time(ask.now),
        "location": place,
        "dataStartAt": sdk_time(start),
        # By default the start of the last point, not its end.
        "dataEndAt": sdk_time(end if ask.get("dataEndAt") else points[-1][0]),
        "windowSize": minutes,
        "optimalDataPoints": [row for row in rows if row["value"] == lowest],
        "forecastData": rows,
    }


def rolling(
    points: list[tuple[datetime, float]], step: timedelta, window: timedelta, start: datetime, end: datetime
) -> list[tuple[datetime, float]]:
    """Average regular points over windows, one per step; the first window alone may pass `end`."""
    found: list[tuple[datetime, float]] = []
    if not points:
        return found
    first, covered = points[0][0], points[-1][0] + step
    at = max(start, first)
    while at + window <= covered and (not found or at + window <= end):
        low, high = (at - first) // step, -((first - at - window) // step)
        parts = (
            value * ((min(begin + step, at + window) - max(begin, at)) / window) for begin, value in points[low:high]
        )
        found.append((at, sum(parts)))
        at += step
    return found


# UK Carbon Intensity --------------------------------------------------------------------------------------------------

UK_BANDS = ((50, "very low"), (130, "low"), (200, "moderate"), (300, "high"))
FULL_POSTCODE = re.compile(r"[A-Z]{1,2}\d[A-Z\d]?\s*\d[A-Z]{2}")


def uk_error(status: int, message: str) -> RefusedError:
    words = {400: "400 Bad Request", 500: "500 Internal Server Error"}
    return RefusedError(status, {"error": {"code": words[status], "message": message}})


def uk_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%MZ}"


def uk_index(value: float) -> str:
    return next((name for limit, name in UK_BANDS if value < limit), "very high")


def uk_carbon_intensity(server: GridServer, ask: Ask) -> Answer:
    parts = ask.path.strip("/").split("/")
    if parts[0] == "intensity":
        first, end = uk_range(server, ask, parts[1:])
        return Answer({"data": [uk_national(server, ask, at) for at in starts(first, end, server.step["uk"])]})
    if parts[0] != "regional":
        raise uk_error(500, "Requested resource not found.")
    ranged = parts[1:2] == ["intensity"]
    # /regional/intensity/{from}/{to or fw48h}/regionid/{id}, or /regional/regionid/{id}
    times, which = (parts[2:4], parts[4:]) if ranged else ([], parts[1:])
    first, end = uk_range(server, ask, times)
    spans = list(starts(first, end, server.step["uk"]))
    if not which:
        everywhere = range(1, len(UK_REGIONS) + 1)
        rows = [
            uk_span(server, at) | {"regions": [uk_region(one) | uk_regional(server, one, at) for one in everywhere]}
            for at in spans
        ]
        return Answer({"data": rows})
    region, postcode = uk_which(which)
    if region is None:
        return Answer(b"")
    named = uk_region(region) | ({"postcode": postcode} if postcode else {})
    named["data"] = [uk_span(server, at) | uk_regional(server, region, at) for at in spans]
    return Answer({"data": named if ranged else [named]})


def uk_range(server: GridServer, ask: Ask, parts: list[str]) -> tuple[datetime, datetime]:
    step = server.step["uk"]
    if not parts:
        # What it calls the current period is the last complete one.
        return floor(ask.now, step) - step, floor(ask.now, step)
    start = uk_moment(parts[0])
    first = floor(start, step)
    if len(parts) == 1:
        return first, first + step
    if parts[1] == "pt24h":
        return first - DAY, first
    if parts[1] in ("fw24h", "fw48h"):
        return first, first + int(parts[1][2:4]) * HOUR
    end = uk_moment(parts[1])
    if end < start or end - start > 14 * DAY:
        raise uk_error(400, "Please enter a range of at most 14 days, its start before its end.")
    return first, min(end, floor(ask.now, step) + 2 * DAY)


def uk_moment(text: str) -> datetime:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ", text) or instant(text) is None:
        raise uk_error(400, "Please enter a valid date in ISO8601 format 'YYYY-MM-DDThh:mmZ'.")
    return datetime.fromisoformat(text)


def uk_span(server: GridServer, at: datetime) -> dict[str, Any]:
    return {"from": uk_time(at), "to": uk_time(at + server.step["uk"])}


def uk_national(server: GridServer, ask: Ask, at: datetime) -> dict[str, Any]:
    value = number(server.value("GB", at))
    past = at + server.step["uk"] <= ask.now
    forecast = value + UK_FORECAST_ERROR if past else value
    intensity = {"forecast": forecast, "actual": value if past else None, "index": uk_index(value)}
    return uk_span(server, at) | {"intensity": intensity}


def uk_which(parts: list[str]) -> tuple[int | None, str]:
    kind, _, name = "/".join(parts).partition("/")
    if kind in ("england", "scotland", "wales") and not name:
        return {"england": 15, "scotland": 16, "wales": 17}[kind], ""
    if kind == "regionid":
        if not name.isdecimal() or not 1 <= int(name) <= len(UK_REGIONS):
            raise uk_error(400, "Please enter a valid region ID i.e. 1 to 17.")
        return int(name), ""
    if kind == "postcode":
        if FULL_POSTCODE.fullmatch(name.upper()):
            return None, name
        outward = re.fullmatch(r"([A-Z]{1,2})\d[A-Z\d]?", name.upper())
        region = UK_POSTCODES.get(outward[1]) if outward else None
        if region is None:
            raise uk_error(400, "No postcode match can be found.")
        return region, name.upper()
    raise uk_error(500, "Requested resource not found.")


def uk_region(region: int) -> dict[str, Any]:
    name = UK_REGIONS[region - 1]
    return {"regionid": region, "dnoregion": f"Network of {name}", "shortname": name}


def uk_regional(server: GridServer, region: int, at: datetime) -> dict[str, Any]:
    value = number(server.value(f"GB-{region}", at))
    mix = [{"fuel": "gas", "perc": 40.2}, {"fuel": "wind", "perc": 59.8}]
    return {"intensity": {"forecast": value, "index": uk_index(value)}, "generationmix": mix}


# Energy-Charts --------------------------------------------------------------------------------------------------------


def energy_charts(server: GridServer, ask: Ask) -> Answer:
    if ask.path.rstrip("/") != "/co2eq":
        raise RefusedError(404, {"detail": "Not Found"})
    country, step = ask.get("country", "de"), server.step["ec"]
    if country not in EC_COUNTRIES and country.upper() not in server.series:
        raise RefusedError(400, {"detail": f"'{country}' is not the code for an available country"})
    midnight = floor(ask.now, DAY)
    first = ec_moment(ask, "start", midnight, timedelta(0))
    end = ec_moment(ask, "end", midnight + DAY, DAY)
    moments = list(starts(floor(first, step), min(end, midnight + 2 * DAY), step))
    values = [(number(server.value(country.upper(), at)), at + step <= ask.now) for at in moments]
    return Answer(
        {
            "unix_seconds": [int(at.timestamp()) for at in moments],
            "co2eq": [value if past else None for value, past in values],
            "co2eq_forecast": [None if past else value for value, past in values],
            "deprecated": False,
        }
    )


def ec_moment(ask: Ask, name: str, default: datetime, whole_day: timedelta) -> datetime:
    text = ask.get(name)
    if not text:
        return default
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return datetime.combine(date.fromisoformat(text), time(), UTC) + whole_day
    moment = instant(text)
    if moment is None:
        raise RefusedError(400, {"detail": f"'{text}' is not a valid {name}"})
    return moment


ANSWERS: dict[str, Callable[[GridServer, Ask], Answer]] = {
    "em": electricity_maps,
    "wt": watttime,
    "sdk": carbon_aware_sdk,
    "uk": uk_carbon_intensity,
    "ec": energy_charts,
}
