"""Values of fields as templates and DAG Params render them: lists, mappings, numbers and waits that became texts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow_carbon.core.literal import literal
from airflow_carbon.core.moment import parse_duration, stated
from airflow_carbon.exceptions import CarbonError, InvalidRequestError


def names_of(value: Any, field: str) -> list[str]:
    """Read a list of names, or its text: JSON, a Python list as a template prints one, or names with commas between.

    :raises InvalidRequestError: if it is no list of names, there is none, or one is named twice.
    """
    if isinstance(value, str):
        text = value.strip()
        value = literal(text, field) if text.startswith("[") else [one.strip() for one in text.split(",")]
    names = list(value) if isinstance(value, list | tuple | set | frozenset) else []
    if not names or not all(isinstance(one, str) and one.strip() for one in names):
        raise InvalidRequestError(f"{field}: {value!r} must be a list of at least one name")
    if len(set(names)) != len(names):
        raise InvalidRequestError(f"{field}: {', '.join(names)} names one twice")
    return names


def mapping_of(value: Any, field: str, example: str) -> Mapping[str, Any]:
    """Read a mapping, or its text: JSON, a Python dict as a template prints one, or ``a=1, b=2``.

    :param example: of a mapping that is right, for the error.
    :raises InvalidRequestError: if it is no mapping.
    """
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("{"):
            value = literal(text, field)
        elif all("=" in one for one in text.split(",")):
            value = dict([part.strip() for part in one.split("=", 1)] for one in text.split(","))
    if not isinstance(value, Mapping):
        raise InvalidRequestError(f"{field}: {value!r} must be a mapping, for example {example}")
    return {str(key): one for key, one in value.items()}


def number_of(value: Any, field: str, otherwise: Any = None) -> Any:
    """Read a number; what is left empty gives ``otherwise``.

    :raises InvalidRequestError: if it is none.
    """
    if (value := stated(value)) is None:
        return otherwise
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidRequestError(f"{field}: {value!r} is no number") from None


def wait_of(value: Any, region: str, field: str = "queue_wait") -> timedelta:
    """Read an expected wait: a duration, a number of seconds, or a function of the region that gives either.

    :raises InvalidRequestError: if it is none of them, or the function fails.
    """
    named = f"{field} of {region}"
    if callable(value):
        try:
            value = value(region)
        except CarbonError:
            raise
        except Exception as error:
            raise InvalidRequestError(f"{named}: its function raised {type(error).__name__}: {error}") from error
    if (value := stated(value)) is None:
        return timedelta(0)
    try:
        seconds = math.nan if isinstance(value, bool | timedelta) else float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if math.isfinite(seconds) and abs(seconds) < 1e10:
        value = timedelta(seconds=seconds)
    return parse_duration(value, named, zero_allowed=True)
