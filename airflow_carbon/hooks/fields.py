"""The form fields of the connection types: declared once, read by the provider metadata and by the hooks."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from airflow_carbon.core.moment import parse_moment
from airflow_carbon.exceptions import InvalidRequestError


def text(value: Any, name: str) -> str:
    """Read a text."""
    if not isinstance(value, str):
        raise InvalidRequestError(f"{name}: {value!r} must be a text")
    return value.strip()


def positive_number(value: Any, name: str) -> float:
    """Read a number larger than zero."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not 0.0 < number < float("inf") or isinstance(value, bool):
        raise InvalidRequestError(f"{name}: {value!r} must be a number larger than zero")
    return number


def timezone_name(value: Any, name: str) -> str:
    """Read the IANA name of a timezone."""
    try:
        ZoneInfo(text(value, name))
    except (KeyError, ValueError, OSError):
        raise InvalidRequestError(f"{name}: {value!r} is no timezone; write for example UTC or Europe/Berlin") from None
    return text(value, name)


def moment(value: Any, name: str) -> datetime:
    """Read an ISO 8601 moment."""
    return parse_moment(text(value, name), name)


def moment_or_now(value: Any, name: str) -> datetime | str:
    """Read an ISO 8601 moment, or the word ``now``."""
    return "now" if value == "now" else moment(value, name)


@dataclass(frozen=True, slots=True)
class Field:
    """Declare one field of a connection form; it is kept in the connection's extra under its name.

    :param name: key in the extra.
    :param label: what the form shows.
    :param description: one sentence under the field.
    :param read: turns what the user wrote into the setting, or raises InvalidRequestError.
    :param default: the setting where the field is left empty.
    :param required: refuse the connection where the field is left empty.
    :param choices: the values allowed; empty allows all that ``read`` does.
    """

    name: str
    label: str
    description: str
    read: Callable[[Any, str], Any] = text
    default: Any = None
    required: bool = False
    choices: tuple[str, ...] = ()

    def as_conn_field(self) -> dict[str, Any]:
        """Give the entry of ``conn-fields`` in the provider metadata."""
        schema: dict[str, Any] = {"type": ["number", "null"] if self.read is positive_number else ["string", "null"]}
        if self.choices:
            schema["enum"] = list(self.choices)
        if isinstance(self.default, (str, int, float)):
            schema["default"] = self.default
        return {"label": self.label, "description": self.description, "schema": schema}


def read_fields(extra: str | None, fields: Iterable[Field], conn_id: str) -> dict[str, Any]:
    """Read a connection's extra by its declared fields.

    :param extra: JSON text of the connection's extra; None or empty for none.
    :param fields: the fields that the connection type declares.
    :param conn_id: the connection's id, for messages.
    :raises InvalidRequestError: naming the field, for a text that is no JSON object, an unknown name (with the nearest
        known one), a required field left empty, or a value that is not allowed.
    """
    known = {field.name: field for field in fields}
    given = _given(extra, conn_id)
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known fields: {', '.join(known) or 'none'}"
            raise InvalidRequestError(f"connection {conn_id!r}: unknown field {name!r}; {hint}")
    settings: dict[str, Any] = {}
    for name, field in known.items():
        value = given.get(name)
        if value is None or value == "":
            if field.required:
                raise InvalidRequestError(f"connection {conn_id!r}: field {name!r} is needed: {field.description}")
            settings[name] = field.default
            continue
        settings[name] = field.read(value, f"connection {conn_id!r}: field {name!r}")
        if field.choices and settings[name] not in field.choices:
            raise InvalidRequestError(
                f"connection {conn_id!r}: field {name!r}: {value!r} must be one of {', '.join(field.choices)}"
            )
    return settings


def _given(extra: str | None, conn_id: str) -> Mapping[str, Any]:
    if not extra or not extra.strip():
        return {}
    try:
        given = json.loads(extra)
    except json.JSONDecodeError as error:
        raise InvalidRequestError(
            f"connection {conn_id!r}: its extra is no JSON ({error.msg} at position {error.pos})"
        ) from None
    if not isinstance(given, dict):
        raise InvalidRequestError(f"connection {conn_id!r}: its extra must be a JSON object, for example {{}}")
    return given


SPEED = Field("speed", "Speed", "How many times faster than the clock to play, for demos.", positive_number, 1.0)
TYPICAL_FIELDS = (
    SPEED,
    Field("played_since", "Played since", "Moment on the clock at which playing begins (ISO 8601).", moment),
    Field("plays_from", "Plays from", "Moment of the profile that is played first (ISO 8601).", moment),
)
HISTORY_FIELDS = (
    Field("path", "Path", "CSV file of timestamp, intensity [gCO2eq/kWh].", required=True),
    Field("zone", "Zone", "Grid zone of the series; left empty, it answers for every location.", default=""),
    Field("column", "Column", "Name of the intensity column; left empty, the usual names are tried.", default=""),
    Field("timezone", "Timezone", "Timezone of stamps without one: UTC, Europe/Berlin.", timezone_name, ""),
    Field(
        "gaps",
        "Gaps",
        "error: a series with a gap is refused; split: the unbroken stretch that is asked for is used.",
        default="error",
        choices=("error", "split"),
    ),
    Field(
        "replay",
        "Replay",
        "Moment at which the first row is taken to lie (ISO 8601), or: now. Left empty, the stamps hold as they are.",
        moment_or_now,
    ),
    SPEED,
)
