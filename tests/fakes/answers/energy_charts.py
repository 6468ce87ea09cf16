"""What Energy-Charts answers: its paths, keys, units and refusals, word for word as it sends them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from fakes.answers.common import DAY, EC_COUNTRIES, Answer, Ask, RefusedError, floor, instant, number, starts

if TYPE_CHECKING:
    from fakes.grid_server import GridServer


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
