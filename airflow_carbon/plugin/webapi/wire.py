"""Moments, durations and numbers as .NET writes them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

from airflow_carbon.core.moment import EPOCH, moment_at
from airflow_carbon.plugin.webapi.problem import unreadable

#: Moments outside are slips of the pen, and would leave the calendar where something is added.
EARLIEST, LATEST = EPOCH, datetime(2200, 1, 1, tzinfo=UTC)
#: What .NET's JSON takes for a moment: two digits each, a ``T``, at most an offset.
_STRICT = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}([.]\d{1,16})?)?(Z|[+-]\d{2}:\d{2})?)?", re.ASCII)


def stamp(moment_us: int) -> str:
    """Write a moment [us since the Unix epoch] in UTC, a fraction of a second without its last zeros."""
    moment = moment_at(moment_us)
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}+00:00"


def time_span(length_us: int) -> str:
    """Write a duration [us] as ``hh:mm:ss``, ``d.hh:mm:ss`` from a day on, with seven digits of a fraction."""
    seconds, rest = divmod(length_us, 1_000_000)
    days, seconds = divmod(seconds, 86_400)
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{f'{days}.' if days else ''}{clock}{f'.{rest:06d}0' if rest else ''}"


def text(value: str) -> str:
    """Write a JSON text."""
    return json.dumps(value)


def moment(name: str, given: str, *, strict: bool = False) -> datetime:
    """Read a moment; one without an offset is UTC, as on the SDK's own server.

    :param name: of the parameter.
    :param strict: as in a JSON body, where .NET takes no other form of ISO 8601.
    :raises Problem: 400, if it is none, or lies before 1970 or after 2199.
    """
    try:
        if strict and not _STRICT.fullmatch(given):
            raise ValueError
        read = datetime.fromisoformat(given.strip())
        read = read.replace(tzinfo=UTC) if read.utcoffset() is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        hint = " Write + as %2B." if " " in given.strip() and not strict else ""
        raise unreadable(name, given, hint) from None
    if not EARLIEST <= read < LATEST:
        raise unreadable(name, given)
    return read


def minutes(length: timedelta) -> int:
    """Count the whole minutes [min]."""
    return length // timedelta(minutes=1)
