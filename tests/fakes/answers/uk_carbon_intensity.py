"""What UK Carbon Intensity answers: its paths, keys, units and refusals, word for word as it sends them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fakes.answers.common import (
    DAY,
    HOUR,
    UK_FORECAST_ERROR,
    UK_POSTCODES,
    UK_REGIONS,
    Answer,
    Ask,
    RefusedError,
    floor,
    instant,
    number,
    starts,
)

if TYPE_CHECKING:
    from fakes.grid_server import GridServer

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
