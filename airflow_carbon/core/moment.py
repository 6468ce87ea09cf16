"""Moments and durations as users write them: aware datetimes, timedeltas, or their texts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from airflow_carbon.exceptions import InvalidRequestError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
#: Longer is a slip of the pen, and would leave the calendar when it is added to a moment.
LONGEST = timedelta(days=36_600)

_Value = TypeVar("_Value")

_SHORT = re.compile(r"(?=.)(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?:in)?)?(?:(\d+(?:\.\d+)?)s)?")
_ISO = re.compile(
    r"P(?=.)(?:(\d+(?:\.\d+)?)D)?(?:T(?=.)(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
_DATE = re.compile(r"\s*\d{4}-|\s*\d{8}T")
_CLOCK = re.compile(r"(?:(\d+) days?, )?(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def microseconds(moment: datetime) -> int:
    """Count the microseconds [us] from the Unix epoch to an aware datetime, exactly."""
    # Subclasses such as pendulum's answer `-` with an interval of their own, which timedelta cannot divide.
    return datetime.__sub__(moment, EPOCH) // MICROSECOND


def moment_at(microseconds_since_epoch: int) -> datetime:
    """Give the UTC datetime of a count of microseconds [us] since the Unix epoch."""
    return EPOCH + timedelta(microseconds=microseconds_since_epoch)


def aware(moment: datetime, field: str) -> datetime:
    """Return the moment in UTC, or refuse a naive one by the name of its field.

    :raises InvalidRequestError: if ``moment`` has no timezone.
    """
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise InvalidRequestError(
            f"{field}: {moment.isoformat()} has no timezone; write one, for example {moment.isoformat()}+00:00"
        )
    return moment_at(microseconds(moment))


def interval(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Return both ends of a time in UTC.

    :raises InvalidRequestError: if a moment has no timezone, or the end is not later than the start.
    """
    start, end = aware(start, "start"), aware(end, "end")
    if end <= start:
        raise InvalidRequestError(f"end: {end.isoformat()} must be later than the start {start.isoformat()}")
    return start, end


def parse_moment(value: datetime | str, field: str) -> datetime:
    """Read an aware datetime or its ISO 8601 text, and return it in UTC.

    :raises InvalidRequestError: if the text is no ISO 8601 datetime, or it has no timezone.
    """
    if isinstance(value, datetime):
        return aware(value, field)
    try:
        moment = datetime.fromisoformat(value.strip())
    except (ValueError, AttributeError, TypeError):
        raise InvalidRequestError(
            f"{field}: {value!r} is not a moment; write ISO 8601 with a timezone, for example 2026-11-22T18:00:00+00:00"
        ) from None
    return aware(moment, field)


def stated(value: _Value) -> _Value | None:
    """Give None for a field that is left empty, as a template renders one: ``""`` or ``"None"``."""
    return None if isinstance(value, str) and value.strip() in ("", "None") else value


def parse_moment_after(value: datetime | timedelta | str, base: datetime, field: str) -> datetime:
    """Read a moment, or a duration counted from ``base``; texts of both are told apart by a leading year.

    :param base: aware moment that a duration is counted from.
    :raises InvalidRequestError: if the value is neither, or the moment has no timezone.
    """
    if isinstance(value, timedelta) or (isinstance(value, str) and not _DATE.match(value)):
        return aware(base, field) + parse_duration(value, field, zero_allowed=True)
    return parse_moment(value, field)


def parse_duration(value: timedelta | str, field: str, *, zero_allowed: bool = False) -> timedelta:
    """Read a timedelta or its text: ``"90m"``, ``"1h30m"``, ``"2d"``, ``"PT1H30M"`` or ``"1:30:00"``.

    :raises InvalidRequestError: if the text is none of these, or the duration is not positive.
    """
    if isinstance(value, timedelta):
        # Unary plus of timedelta itself makes a plain one of a subclass such as pendulum's.
        duration = timedelta.__pos__(value)
    elif isinstance(value, str):
        duration = _duration_of_text(value, field)
    else:
        raise InvalidRequestError(
            f"{field}: {value!r} is no duration; give a timedelta or a text like '1h30m' (a bare number has no unit)"
        )
    if duration < timedelta(0) or (duration == timedelta(0) and not zero_allowed):
        wanted = "zero or longer" if zero_allowed else "longer than zero"
        raise InvalidRequestError(f"{field}: {duration} must be {wanted}")
    if duration > LONGEST:
        raise InvalidRequestError(f"{field}: {duration} is longer than a hundred years; is its unit right?")
    return duration


def _duration_of_text(value: str, field: str) -> timedelta:
    text = value.strip()
    if text == "0":
        return timedelta(0)
    for pattern in (_SHORT, _ISO, _CLOCK):
        match = pattern.fullmatch(text)
        if match is not None:
            days, hours, minutes, seconds = (float(group or 0) for group in match.groups())
            try:
                return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
            except OverflowError:
                break
    raise InvalidRequestError(f"{field}: {value!r} is no duration; write for example '90m', '1h30m', '2d' or 'PT1H30M'")


def in_words(duration: timedelta) -> str:
    """Say a duration as people do: ``2 d 3 h``, ``1 h 30 min``, ``45 s``."""
    seconds = round(duration.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    if seconds < 60:
        return f"{sign}{seconds} s"
    minutes = round(seconds / 60)
    days, minutes = divmod(minutes, 1440)
    hours, minutes = divmod(minutes, 60)
    parts = ((days, "d"), (hours, "h"), (0 if days else minutes, "min"))
    return sign + " ".join(f"{count} {unit}" for count, unit in parts if count)
