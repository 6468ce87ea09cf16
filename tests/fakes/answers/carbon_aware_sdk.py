"""What the Carbon Aware SDK answers: its paths, keys, units and refusals, word for word as it sends them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fakes.answers.common import (
    DAY,
    MINUTE,
    SDK_LOCATIONS,
    Answer,
    Ask,
    RefusedError,
    floor,
    instant,
    number,
    starts,
)
from fakes.answers.watttime import TEXT

if TYPE_CHECKING:
    from fakes.grid_server import GridServer


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
