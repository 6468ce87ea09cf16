"""What WattTime answers: its paths, keys, units and refusals, word for word as it sends them."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fakes.answers.common import (
    DAY,
    HOUR,
    KILOGRAMS_PER_POUND,
    MINUTE,
    WT_REGIONS,
    Answer,
    Ask,
    RefusedError,
    floor,
    instant,
    nearest,
    starts,
)

if TYPE_CHECKING:
    from fakes.grid_server import GridServer

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
