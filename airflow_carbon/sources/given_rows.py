"""Rows as a user's own function gives them, checked one by one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from itertools import islice
from numbers import Real
from typing import Any

from airflow_carbon.core.moment import aware
from airflow_carbon.sources.intensity_csv import LARGEST_INTENSITY

#: Begins of the steps, UTC, and their mean intensities [gCO2eq/kWh].
Columns = tuple[list[datetime], list[float]]

#: Three years at five minutes; what gives more never ends.
MOST_ROWS = 320_000


class NoSeriesError(Exception):
    """What was given is no series; the message names the row and holds no words of the function's."""


class NoRowError(Exception):
    """What was given is empty."""


def columns_of(given: object) -> Columns:
    """Read rows of ``(begin of a step, mean intensity [gCO2eq/kWh])``, two at least.

    :raises NoSeriesError: naming the first row that is wrong.
    :raises NoRowError: if there is none.
    """
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise NoSeriesError(f"it gave {_kind_of(given)}, not rows of (datetime, number)")
    stamps: list[datetime] = []
    intensity: list[float] = []
    for row, pair in enumerate(islice(given, MOST_ROWS + 1)):
        if row == MOST_ROWS:
            raise NoSeriesError(f"more than {MOST_ROWS} rows; give those between the two moments alone")
        stamp, value = _fields(row, pair)
        stamps.append(_moment(row, stamp))
        intensity.append(_intensity(row, value))
    if not stamps:
        raise NoRowError
    if len(stamps) == 1:
        raise NoSeriesError("one row alone does not tell the step; give two at least")
    return stamps, intensity


def _fields(row: int, pair: object) -> tuple[Any, Any]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise NoSeriesError(f"row {row}: {_kind_of(pair)} where a pair (datetime, number) is wanted")
    return pair[0], pair[1]


def _moment(row: int, stamp: object) -> datetime:
    if not isinstance(stamp, datetime):
        raise NoSeriesError(f"row {row}: it begins with {_kind_of(stamp)}; give a datetime with a timezone")
    if stamp.utcoffset() is None:
        raise NoSeriesError(f"row {row}: {stamp.isoformat()} has no timezone; give a datetime with one")
    return aware(stamp, f"row {row}")


def _intensity(row: int, value: object) -> float:
    if not isinstance(value, (Real, Decimal)) or isinstance(value, bool):
        raise NoSeriesError(f"row {row}: {_kind_of(value)} is no carbon intensity; give a number [gCO2eq/kWh]")
    number = float(value)
    if not 0.0 <= number <= LARGEST_INTENSITY:
        raise NoSeriesError(
            f"row {row}: {number:g} is no carbon intensity; give a number from 0 to {LARGEST_INTENSITY:g} [gCO2eq/kWh]"
        )
    return number


def _kind_of(value: object) -> str:
    return f"a {type(value).__name__}"
