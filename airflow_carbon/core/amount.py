"""Numbers as users write them: finite, zero or larger, with a unit to name where they are not."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

from airflow_carbon.exceptions import InvalidRequestError


def amount(value: Any, field: str, unit: str, *, most: float = math.inf) -> float:
    """Check a number that may be zero or larger.

    :param field: its name, for the error.
    :param unit: its unit, for the error.
    :param most: the largest that is allowed.
    :raises InvalidRequestError: if it is no number, not finite, negative, or larger than ``most``.
    """
    # bool is an int to Python, and a count of True orders is a mistake.
    number = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    if not 0.0 <= number < math.inf:
        raise InvalidRequestError(f"{field}: {value!r} must be a finite number, zero or larger [{unit}]")
    if number > most:
        raise InvalidRequestError(f"{field}: {value!r} must lie in 0..{most:g} [{unit}]")
    return number


def parse_amount(value: Any, field: str, unit: str, *, most: float = math.inf) -> float:
    """Read such a number, or its text as a template renders it.

    :raises InvalidRequestError: as :func:`amount`, or if the text is no number.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            # What a template makes of an XCom that is not there.
            why = (
                "there is none (did the task that gives it fail?)" if value.strip() == "None" else f"{value!r} is text"
            )
            raise InvalidRequestError(f"{field}: {why}, and must be a number, zero or larger [{unit}]") from None
    return amount(value, field, unit, most=most)
