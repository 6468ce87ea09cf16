"""What goes wrong at a service on demand: each fault by its name, and the answers that it spoils."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from fakes.answers.common import Answer, Ask, instant
from fakes.answers.watttime import FORBIDDEN, SCOPE, TEXT

#: How long a server holds a connection that it never answers [s].
LONGEST_HANG = 120.0
#: Spoil the rows of an answer, and join with any other fault.
ROWS = ("nulls", "all_nulls", "duplicates", "unsorted", "short", "negative", "text_numbers")
#: Go before the answer, and join with any other fault.
BEFORE = ("skew", "slow")
#: Take the place of the answer: one at a time, the eldest first.
INSTEAD = ("hang", "refuse", "html", "not_json", "empty", "no_body", "no_zone", "redirect", "huge", "half", "drip")
REASONS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests"}
REASONS |= {500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable"}
REASONS |= {422: "Unprocessable Entity", 504: "Gateway Timeout"}
#: How each service names the moment at which a row begins.
TIMES = ("datetime", "point_time", "timestamp", "time", "from")
VALUES = ("carbonIntensity", "value", "rating", "forecast", "actual", "retailPrice")


@dataclass(eq=False)
class Fault:
    """One fault of one vendor, for so many requests whose path holds `path` and that ask for `zone`."""

    vendor: str
    name: str
    times: int | None = None
    path: str | None = None
    zone: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    healed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        status = self.name.isdecimal() and int(self.name) in REASONS
        if not status and self.name not in (*ROWS, *BEFORE, *INSTEAD):
            known = ", ".join([*ROWS, *BEFORE, *INSTEAD, *map(str, sorted(REASONS))])
            raise ValueError(f"no such fault: {self.name!r}; the faults are {known}")
        unknown = set(self.options) - set(OPTIONS.get("status" if status else self.name, ()))
        if unknown:
            raise ValueError(f"the fault {self.name!r} has no option {', '.join(sorted(unknown))}")

    @property
    def joins(self) -> bool:
        return self.name in ROWS or self.name in BEFORE

    def meets(self, vendor: str, path: str, query: dict[str, list[str]]) -> bool:
        words = {part.lower() for part in path.split("/")} | {one.lower() for many in query.values() for one in many}
        asked = self.zone is None or self.zone.lower() in words
        return vendor == self.vendor and (self.path is None or self.path in path) and asked


OPTIONS = {
    "slow": ("seconds",),
    "skew": ("seconds",),
    "short": ("hours",),
    "drip": ("seconds",),
    "unsorted": ("seed",),
    "redirect": ("to",),
    "huge": ("megabytes", "chunked"),
    "status": ("retry_after", "body"),
}


def instead(fault: Fault, ask: Ask) -> Answer | None:
    """Build the answer that stands in for the true one, or None where the fault spoils it on the wire alone."""
    if fault.name.isdecimal():
        return refusal(fault, ask)
    if fault.name == "no_zone":
        return unknown_zone(ask)
    if fault.name == "redirect":
        return Answer(b"", 307, TEXT, {"Location": fault.options["to"]})
    page = "<!doctype html>\n<html><head><title>Welcome</title></head><body>Sign in to the network.</body></html>\n"
    made = {
        "html": Answer(page, content_type="text/html; charset=utf-8"),
        "not_json": Answer('{"data": [{"value": 1'),
        "empty": Answer({}),
        "no_body": Answer(b""),
    }
    return made.get(fault.name)


def refusal(fault: Fault, ask: Ask) -> Answer:
    """Word an error status as the vendor does; a proxy that stands before it speaks HTML."""
    status = int(fault.name)
    reason, headers = REASONS[status], {}
    after = fault.options.get("retry_after")
    if after is not None:
        headers["Retry-After"] = format_datetime(after, usegmt=True) if isinstance(after, datetime) else str(after)
    problem = {"title": "WattTimeClientHttpException", "status": status, "detail": reason, "errors": {}}
    if status in (500, 501):
        problem["title"] = {500: "InternalServerError", 501: "NotImplementedException"}[status]
    body: Any = {
        "em": {
            "error": {401: "Invalid auth-token", 404: f'No recent data for zone "{ask.get("zone")}"'}.get(
                status, reason
            )
        },
        "wt": {401: "Jwt is expired", 403: SCOPE}.get(status, reason),
        "sdk": problem,
        "uk": {"error": {"code": f"{status} {reason}", "message": "Requested resource not found."}},
        "ec": {"detail": reason},
        "az": {"Error": {"Code": reason.replace(" ", ""), "Message": reason}},
    }[ask.vendor]
    if status == 403 and ask.path.endswith("/login"):
        body = FORBIDDEN
    if status in (502, 503, 504):
        body = f"<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>nginx</body>\r\n</html>\r\n"
    body = fault.options.get("body", body)
    kind = "application/problem+json" if ask.vendor == "sdk" else "application/json"
    if isinstance(body, str):
        kind = "text/html" if body.startswith("<") else TEXT
    return Answer(body, status, kind, headers)


def unknown_zone(ask: Ask) -> Answer:
    """Answer as the vendor does for a zone that it does not know."""
    zone = ask.get("zone") or ask.get("region") or ask.get("location") or ask.get("country")
    uncovered = {"error": "No coverage available for these coordinates and signal_type"}
    unknown = {"error": "INVALID_QUERY_PARAMS", "message": f"region {zone} not found"}
    words = f"Unknown Location: '{zone}' not found"
    return {
        "em": Answer({"error": f'No recent data for zone "{zone}"'}, 404),
        "wt": Answer(uncovered, 404) if "region-from-loc" in ask.path else Answer(unknown, 400),
        "sdk": Answer(
            {"title": "ArgumentException", "status": 400, "detail": words, "errors": {}},
            400,
            "application/problem+json",
        ),
        "uk": Answer({"error": {"code": "400 Bad Request", "message": "No postcode match can be found."}}, 400),
        "ec": Answer({"detail": f"'{zone}' is not the code for an available country"}, 400),
        "az": Answer({"BillingCurrency": "USD", "Items": [], "NextPageLink": None, "Count": 0}),
    }[ask.vendor]


def spoil(fault: Fault, body: Any, now: datetime, step: timedelta) -> Any:
    """Return an answer's JSON with its values or its rows spoiled."""
    if fault.name in ("duplicates", "unsorted", "short"):
        return with_rows(body, lambda rows: reordered(fault, rows, now, step))
    spoiled = {
        "nulls": lambda value, index: None if index % 3 == 1 else value,
        "all_nulls": lambda value, index: None,
        "negative": lambda value, index: -abs(value) - 1,
        "text_numbers": lambda value, index: str(value),
    }[fault.name]
    counted = iter(range(1_000_000_000))
    return with_values(body, lambda value: spoiled(value, next(counted)))


def reordered(
    fault: Fault, rows: list[tuple[datetime, Any]], now: datetime, step: timedelta
) -> list[tuple[datetime, Any]]:
    if fault.name == "duplicates":
        return [row for row in rows for _ in range(2)]
    if fault.name == "unsorted":
        shuffled = list(rows)
        random.Random(fault.options.get("seed", 1)).shuffle(shuffled)
        # A shuffle may leave a short list as it was.
        return shuffled if shuffled != rows else rows[::-1]
    end = now + timedelta(hours=fault.options.get("hours", 1))
    return [row for row in rows if row[0] + step <= end]


def began(row: Any) -> datetime | None:
    texts = [row[name] for name in TIMES if isinstance(row.get(name), str)] if isinstance(row, dict) else []
    return instant(texts[0]) if texts else None


def with_rows(body: Any, change: Callable[[list[tuple[datetime, Any]]], list[tuple[datetime, Any]]]) -> Any:
    """Change every list of rows in an answer; arrays that run in parallel change as one."""
    if isinstance(body, dict) and "unix_seconds" in body:
        names = [name for name, values in body.items() if isinstance(values, list)]
        columns = zip(*(body[name] for name in names), strict=True)
        rows = [(datetime.fromtimestamp(row[0], UTC), row) for row in columns] if names else []
        kept = [row for _, row in change(rows)]
        return body | {name: [row[place] for row in kept] for place, name in enumerate(names)}
    if isinstance(body, dict):
        return {name: with_rows(value, change) for name, value in body.items()}
    if not isinstance(body, list):
        return body
    timed = [(at, row) for row in body if (at := began(row)) is not None]
    if timed and len(timed) == len(body):
        return [row for _, row in change(timed)]
    return [with_rows(row, change) for row in body]


def with_values(body: Any, change: Callable[[Any], Any]) -> Any:
    """Change every number in an answer that is an intensity."""
    if isinstance(body, list):
        return [with_values(row, change) for row in body]
    if not isinstance(body, dict):
        return body
    changed = {}
    for name, value in body.items():
        if name in VALUES and isinstance(value, int | float):
            changed[name] = change(value)
        elif name in ("co2eq", "co2eq_forecast"):
            changed[name] = [None if one is None else change(one) for one in value]
        else:
            changed[name] = with_values(value, change)
    return changed
