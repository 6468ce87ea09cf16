"""What a DAG file asks of a task that is made carbon-aware, and what of it can be seen to be wrong at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.moment import aware, parse_duration, parse_moment_after, stated
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.core.power import PowerProfile

#: Fields that are read as they are; all others are templated.
PLAIN = ("spread", "wait_in_backfill", "wait_on_retry", "deferrable", "lenient")

_PERCENTILE = re.compile(r"[pP](\d{1,2})")
#: What a duration is counted from while only its form is looked at.
_ANY_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


#: Each keyword of :func:`~airflow_carbon.decorators.carbon_aware.carbon_aware`, and what holds where it is not given.
DEFAULTS: dict[str, Any] = {
    "location": None,
    "duration": None,
    "duration_default": None,
    "max_delay": None,
    "deadline": None,
    "tail": None,
    "earliest_start": None,
    "power": None,
    "min_saving_percent": 10.0,
    "on_outage": "run",
    "carbon_conn_id": None,
    "carbon_mode": None,
    "spread": True,
    "wait_in_backfill": False,
    "wait_on_retry": False,
    "deferrable": True,
    "lenient": False,
}


class Wished:
    """Hold what was asked, as it was written.

    No dataclass: that compiles its methods anew at each parse of a DAG, which costs more than all else here.
    """

    __slots__ = tuple(DEFAULTS)

    location: str
    duration: timedelta | str | None
    duration_default: timedelta | str | None
    max_delay: timedelta | str | None
    deadline: datetime | timedelta | str | None
    tail: timedelta | str | None
    earliest_start: datetime | timedelta | str | None
    power: PowerProfile | str | Sequence[Any] | None
    min_saving_percent: float | str
    on_outage: str
    carbon_conn_id: str | Sequence[str] | None
    carbon_mode: str | None
    spread: bool
    wait_in_backfill: bool
    wait_on_retry: bool
    deferrable: bool
    lenient: bool

    def __init__(self, **asked: Any) -> None:
        for name, value in {**DEFAULTS, **asked}.items():
            setattr(self, name, value)

    def given(self) -> dict[str, Any]:
        """Give the templated fields that say something, by name."""
        return {name: value for name, value in self.as_dict().items() if name not in PLAIN and _says(name, value)}

    def rendered(self, values: Mapping[str, Any]) -> Wished:
        """Take over what templates made of the fields."""
        return Wished(**{**self.as_dict(), **values})

    def as_dict(self) -> dict[str, Any]:
        """Give every field by name."""
        return {name: getattr(self, name) for name in DEFAULTS}

    @property
    def percentile(self) -> int | None:
        """Which percentile of the past runs the duration is; None where it is a duration itself."""
        match = _PERCENTILE.fullmatch(self.duration.strip()) if isinstance(self.duration, str) else None
        return int(match[1]) if match and int(match[1]) else None

    def default_length(self) -> timedelta:
        """Read how long the work is taken to be while its past does not tell.

        :raises InvalidRequestError: if it is not given, or no duration.
        """
        if (given := stated(self.duration_default)) is None:
            raise InvalidRequestError(
                f"duration_default: duration {self.duration!r} is learned from past runs; say how long the work is "
                f"taken to be until there are enough, for example duration_default='1h'"
            )
        return parse_duration(given, "duration_default")

    def check(self) -> None:
        """Refuse what can be seen to be wrong before the task runs; what is templated shows itself later.

        :raises InvalidRequestError: naming the field and what would be right.
        """
        if stated(self.duration) is None and stated(self.power) is None:
            raise InvalidRequestError("duration: say how long the work takes, for example 2h; or give its power")
        if stated(self.deadline) is None and stated(self.max_delay) is None:
            raise InvalidRequestError(
                "deadline, max_delay: give one of them; without it nothing says how long the task may wait"
            )
        if self.percentile is not None:
            if stated(self.power) is not None:
                raise InvalidRequestError(f"duration, power: the phases tell how long; leave {self.duration!r} away")
            if not _templated(self.duration_default):
                self.default_length()
        elif stated(self.duration_default) is not None and not _templated(self.duration):
            raise InvalidRequestError("duration_default: it stands in for a duration from past runs, such as 'p90'")
        if stated(self.tail) is not None and stated(self.deadline) is None:
            raise InvalidRequestError("tail: it is kept off the deadline, and there is none; give one, or no tail")
        for name in ("duration", "max_delay", "tail"):
            if _readable(length := getattr(self, name)) and not (name == "duration" and self.percentile):
                parse_duration(length, name, zero_allowed=name != "duration")
        for name in ("deadline", "earliest_start"):
            if isinstance(moment := getattr(self, name), datetime):
                aware(moment, name)
            elif _readable(moment):
                parse_moment_after(moment, _ANY_MOMENT, name)
        if _readable(least := self.min_saving_percent):
            _check_percentage(least)
        self._check_words()

    def _check_words(self) -> None:
        # Not above, and each only where there is something to read: every process that meets the DAG file does this.
        if not _templated(self.location):
            from airflow_carbon.core.location import Location

            Location.parse(self.location)
        if _says("on_outage", self.on_outage) and _readable(self.on_outage):
            from airflow_carbon.core.request import OnOutage

            if self.on_outage not in tuple(OnOutage):
                raise InvalidRequestError(f"on_outage: {self.on_outage!r} must be one of {', '.join(OnOutage)}")
        if _readable(self.carbon_mode):
            from airflow_carbon.hooks.settings import parse_mode

            parse_mode(self.carbon_mode, "carbon_mode")
        if (power := stated(self.power)) is not None and not _templated(power):
            from airflow_carbon.core.power import PowerProfile

            PowerProfile.parse(power)


def _says(name: str, value: Any) -> bool:
    # What another task returns compares as it likes.
    return not (type(value) is type(DEFAULTS[name]) and value == DEFAULTS[name])


def _check_percentage(value: Any) -> None:
    try:
        fits = 0.0 <= float(value) <= 100.0
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise InvalidRequestError(f"min_saving_percent: {value!r} must be a number between 0 and 100 [%]")


def _templated(value: Any) -> bool:
    """Tell whether only the running task will know the value."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, list | tuple):
        return any(_templated(one) for one in value)
    # What another task returns, or a function that Airflow calls where others render a text.
    return hasattr(value, "iter_references") or callable(value)


def _readable(value: Any) -> bool:
    return stated(value) is not None and not _templated(value)
