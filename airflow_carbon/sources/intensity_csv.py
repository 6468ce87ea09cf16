"""The CSV of timestamps and intensities that a user writes, read strictly: each fault is named by its line."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from airflow_carbon.exceptions import InvalidForecastError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: No grid comes near [gCO2eq/kWh]; a larger number is in another unit.
LARGEST_INTENSITY = 10_000.0
#: A stamp outside these years is a slip of the pen.
_FIRST_YEAR, _LAST_YEAR = 1900, 2200

#: So much of a field is told [characters], and of so many names of columns.
_LONGEST, _MOST_NAMES = 40, 10
TIME_COLUMNS = ("timestamp", "time", "datetime")
INTENSITY_COLUMNS = ("intensity", "gco2_per_kwh", "carbon_intensity")


class Stretch(NamedTuple):
    """Hold an unbroken run of rows.

    :param start: begin of the first step, UTC.
    :param step: length of every step.
    :param intensity: mean intensity of each step [gCO2eq/kWh].
    """

    start: datetime
    step: timedelta
    intensity: Sequence[float]


class _Row(NamedTuple):
    line: int
    moment: datetime
    intensity: float


def parse(
    text: str, *, file: str, column: str = "", timezone: tzinfo | None = None, split: bool = False
) -> list[Stretch]:
    """Read a CSV with a header, one row for each step, in order of time.

    :param text: the whole file.
    :param file: its name, for errors.
    :param column: header of the intensities; by default ``intensity``, ``gCO2_per_kwh``, ``carbon_intensity``, or else
        the first column that is not the time.
    :param timezone: for stamps without an offset; None makes such a stamp an error.
    :param split: give each unbroken stretch where the series has gaps, instead of refusing it.
    :raises InvalidForecastError: naming the first line that is wrong, and what would be right.
    """
    rows = _rows(text, file, column, timezone)
    apart = [after.moment - before.moment for before, after in pairwise(rows)]
    # The most common distance is the step, so that a gap between the first two rows is named as one.
    step, _ = max(Counter(apart).items(), key=lambda item: (item[1], -item[0]))
    begins = [0]
    for index, distance in enumerate(apart, start=1):
        if distance == step:
            continue
        if distance < step or not split:
            cure = (
                "bring all rows to one step" if distance < step else "fill the gap, or allow gaps to split the series"
            )
            raise InvalidForecastError(
                f"{file}: line {rows[index].line}: {rows[index].moment.isoformat()} comes {distance} after "
                f"the row before it, where the step is {step}; {cure}"
            )
        begins.append(index)
    return [
        Stretch(rows[first].moment, step, [row.intensity for row in rows[first:end]])
        for first, end in pairwise([*begins, len(rows)])
    ]


def _rows(text: str, file: str, column: str, timezone: tzinfo | None) -> list[_Row]:
    reader = csv.reader(io.StringIO(text), strict=True)
    rows: list[_Row] = []
    columns: tuple[int, int, int] | None = None
    try:
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            where = f"{file}: line {reader.line_num}"
            if columns is None:
                columns = _columns(fields, where, column)
                continue
            time_at, intensity_at, width = columns
            if len(fields) != width:
                raise InvalidForecastError(f"{where}: the number of fields is {len(fields)}, but {width} in the header")
            before = rows[-1].moment if rows else None
            moment = _moment(fields[time_at].strip(), where, timezone, before)
            if before is not None and moment <= before:
                fault = (
                    "repeats the row before it"
                    if moment == before
                    else "is earlier than the row before it; sort by time"
                )
                raise InvalidForecastError(f"{where}: {moment.isoformat()} {fault}")
            rows.append(_Row(reader.line_num, moment, _intensity(fields[intensity_at].strip(), where)))
    except csv.Error as error:
        raise InvalidForecastError(f"{file}: line {reader.line_num}: no CSV: {error}") from None
    if columns is None:
        raise InvalidForecastError(f"{file}: empty; a header 'timestamp,intensity' and at least two rows are needed")
    if len(rows) < 2:
        raise InvalidForecastError(
            f"{file}: {len(rows)} rows under the header; at least two are needed to tell the step"
        )
    return rows


def _columns(header: Sequence[str], where: str, column: str) -> tuple[int, int, int]:
    """Find the columns of time and intensity, and how many there are."""
    names = [name.strip() for name in header]
    if _is_moment(names[0]):
        raise InvalidForecastError(f"{where}: the header is missing; begin the file with 'timestamp,intensity'")
    if len(names) < 2:
        raise InvalidForecastError(f"{where}: one column, {_shown(names[0])}; two are needed, set apart by a comma")
    lower = [name.lower() for name in names]
    time_at = next((lower.index(name) for name in TIME_COLUMNS if name in lower), 0)
    if column:
        if column not in names or names.index(column) == time_at:
            has = ", ".join(map(_cut, names[:_MOST_NAMES]))
            raise InvalidForecastError(f"{where}: no intensities in a column {column!r}; the header has {has}")
        return time_at, names.index(column), len(names)
    not_time = 1 if time_at == 0 else 0
    return time_at, next((lower.index(name) for name in INTENSITY_COLUMNS if name in lower), not_time), len(names)


def _cut(text: str) -> str:
    # The path may name a file that is no series at all, and whoever reads the message need not be allowed to read that.
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _shown(text: str) -> str:
    return repr(_cut(text))


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _moment(text: str, where: str, timezone: tzinfo | None, before: datetime | None) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if not _FIRST_YEAR <= moment.year < _LAST_YEAR:
            raise ValueError(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        if timezone is not None:
            once = moment.replace(tzinfo=timezone).astimezone(UTC)
            # When clocks go back, an hour of local stamps comes twice: the second time is meant after the first.
            twice = moment.replace(tzinfo=timezone, fold=1).astimezone(UTC)
            return twice if before is not None and once <= before < twice else once
    except (ValueError, OverflowError):
        raise InvalidForecastError(
            f"{where}: {_shown(text)} is no timestamp; write ISO 8601, for example 2026-11-22T18:00:00Z"
        ) from None
    raise InvalidForecastError(
        f"{where}: {_shown(text)} has no timezone; write Z or +00:00 after it, or set the timezone of the series"
    )


def _intensity(text: str, where: str) -> float:
    try:
        # Python reads 1_0 as 10; nobody who writes a CSV means that.
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= LARGEST_INTENSITY:
        raise InvalidForecastError(
            f"{where}: {_shown(text)} is no carbon intensity; write a number from 0 to {LARGEST_INTENSITY:g} "
            "[gCO2eq/kWh]"
        )
    return value
