"""The form fields of the connection types: declared once, read by the provider metadata and by the hooks."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from airflow_carbon.core.moment import parse_duration, parse_moment
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


def duration(value: Any, name: str) -> timedelta:
    """Read a duration such as ``30m``."""
    return parse_duration(value if isinstance(value, timedelta) else text(value, name), name)


def address(value: Any, name: str) -> str:
    """Read the address of a service; ``https`` where no scheme is written."""
    written = text(value, name).rstrip("/")
    with_scheme = written if "://" in written else f"https://{written}"
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", with_scheme):
        raise InvalidRequestError(f"{name}: {written[:80]!r} is no address; write for example https://host.example")
    return with_scheme


def dotted_path(value: Any, name: str) -> str:
    """Read the dotted path of a function."""
    path = text(value, name)
    if not re.fullmatch(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+", path):
        raise InvalidRequestError(f"{name}: {value!r} is no dotted path; write for example my_company.grid.intensity")
    return path


def region_or_postcode(value: Any, name: str) -> str:
    """Read a region's id (1 to 17) or the outward part of a postcode, in Great Britain."""
    written = (str(value) if isinstance(value, int) else text(value, name)).upper()
    if not re.fullmatch(r"[1-9]|1[0-7]|[A-Z]{1,2}[0-9][0-9A-Z]?", written):
        raise InvalidRequestError(
            f"{name}: {str(value)[:20]!r} must be an id of 1 to 17, or the first half of a postcode alone, such as SE1"
        )
    return written


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
    :param secret: the form hides what is typed, and no message repeats it.
    """

    name: str
    label: str
    description: str
    read: Callable[[Any, str], Any] = text
    default: Any = None
    required: bool = False
    choices: tuple[str, ...] = ()
    secret: bool = False

    def as_conn_field(self) -> dict[str, Any]:
        """Give the entry of ``conn-fields`` in the provider metadata."""
        schema: dict[str, Any] = {"type": ["number", "null"] if self.read is positive_number else ["string", "null"]}
        if self.choices:
            schema["enum"] = list(self.choices)
        if isinstance(self.default, (str, int, float)):
            schema["default"] = self.default
        if self.secret:
            schema["format"] = "password"
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
    return {name: read_field(field, given.get(name), conn_id) for name, field in known.items()}


def read_field(field: Field, value: Any, conn_id: str) -> Any:
    """Read one field.

    :param value: what the user wrote; None or empty for nothing.
    :raises InvalidRequestError: naming the connection and the field, if it is needed and empty, or wrong.
    """
    if value is None or value == "":
        if field.required:
            raise InvalidRequestError(f"connection {conn_id!r}: field {field.name!r} is needed: {field.description}")
        return field.default
    where = f"connection {conn_id!r}: field {field.name!r}"
    setting = field.read(value, where)
    if field.choices and setting not in field.choices:
        raise InvalidRequestError(f"{where}: {value!r} must be one of {', '.join(field.choices)}")
    return setting


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
