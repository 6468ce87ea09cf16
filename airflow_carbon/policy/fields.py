"""What a rule may ask of a wait: each field, how it is read, and what it cannot do without."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.moment import parse_duration
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.policy.document import Entry

MODE, SHADOW, OFF = "mode", "shadow", "off"
MODES = ("enforce", SHADOW, OFF)
OUTAGES = ("run", "latest_start", "fail")
#: The one duration that is a word: what this task's own past runs took.
P90 = "p90"

_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _location(text: str, key: str) -> str:
    from airflow_carbon.core.location import Location

    Location.parse(text, key)
    return text


def _positive(text: str, key: str) -> str:
    parse_duration(text, key)
    return text


def _delay(text: str, key: str) -> str:
    parse_duration(text, key, zero_allowed=True)
    return text


def _duration(text: str, key: str) -> str:
    try:
        return text if text == P90 else _positive(text, key)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{error}, or {P90} for what the task's past runs took") from None


def _power(text: str, key: str) -> str:
    from airflow_carbon.core.power import PowerProfile

    PowerProfile.parse(text)
    return text


def _percent(text: str, key: str) -> float:
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 100.0:
        raise InvalidRequestError(f"{key}: {text!r} must be a number between 0 and 100 [%]")
    return value


def _one_of(known: tuple[str, ...]) -> Callable[[str, str], str]:
    def read(text: str, key: str) -> str:
        word = text.lower()
        if word not in known:
            raise InvalidRequestError(f"{key}: {text!r} must be one of {', '.join(known)}")
        return word

    return read


def _truth(text: str, key: str) -> bool:
    if text.lower() not in _WORDS:
        raise InvalidRequestError(f"{key}: {text!r} must be true or false")
    return _WORDS[text.lower()]


def _plain(text: str, key: str) -> str:
    return text


#: Every field, in the words of ``carbon_aware``; ``mode`` is its ``carbon_mode``.
ASKED: Mapping[str, Callable[[str, str], Any]] = {
    "location": _location,
    "duration": _duration,
    "duration_default": _positive,
    "power": _power,
    "max_delay": _delay,
    "deadline": _delay,
    "tail": _delay,
    "earliest_start": _delay,
    "min_saving_percent": _percent,
    "on_outage": _one_of(OUTAGES),
    "carbon_conn_id": _plain,
    MODE: _one_of(MODES),
    "spread": _truth,
    "wait_in_backfill": _truth,
    "wait_on_retry": _truth,
    "deferrable": _truth,
}

#: Fields that are read as they are; all others may be templates.
PLAIN = (MODE, "spread", "wait_in_backfill", "wait_on_retry", "deferrable")


def check(key: str, value: Entry, at: str) -> Any:
    """Read one field.

    :raises InvalidRequestError: naming it, and what would be right.
    """
    if key == "carbon_conn_id" and value.is_list:
        return list(value.texts(at))
    text = value.text(at)
    return text if key not in PLAIN and templated(text) else ASKED[key](text, key)


def templated(text: str) -> bool:
    """Tell whether only the running task will know the value."""
    return "{{" in text or "{%" in text


def lacking(asked: Mapping[str, Any]) -> tuple[str, str] | None:
    """Name what a rule cannot do without, and say what to write; None where nothing is missing."""
    if asked[MODE] == OFF:
        return None
    if "location" not in asked:
        return "location", "is missing, here and in defaults; say where the work runs: azure:swedencentral or zone:DE"
    if "duration" not in asked and "power" not in asked:
        return "duration", "is missing, here and in defaults; say how long the work takes: 1h, or p90"
    if asked.get("duration") == P90 and "duration_default" not in asked:
        return "duration_default", "is missing, here and in defaults; p90 needs it until the task has run ten times: 1h"
    if "max_delay" not in asked and "deadline" not in asked:
        return "max_delay", "is missing, here and in defaults; say how long a task may wait: 8h"
    return None
