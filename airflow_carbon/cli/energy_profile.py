"""A series of measured energy, ``timestamp,kwh``, from any meter: read strictly, each fault named by its line."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from airflow_carbon.core.load import Load, Piece
from airflow_carbon.core.moment import parse_moment
from airflow_carbon.exceptions import InvalidRequestError

HEADER = ("timestamp", "kwh")


def read_energy(path: Path, location: str) -> Load:
    """Read a file into a load; each row lasts one step, and in a gap between rows nothing was drawn.

    :param location: where it was drawn, as the user named it.
    :raises InvalidRequestError: if the file cannot be read, or naming the line that is wrong and what would be right.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidRequestError(f"--energy: {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InvalidRequestError(f"--energy: {path.name} is no UTF-8 text; save it as CSV in UTF-8") from None
    rows = _rows(text, path.name)
    apart = [after[1] - before[1] for before, after in pairwise(rows)]
    step, _ = max(Counter(apart).items(), key=lambda item: (item[1], -item[0]))
    for (line, moment, _), distance in zip(rows[1:], apart, strict=True):
        if distance < step:
            raise InvalidRequestError(
                f"{path.name}: line {line}: {moment.isoformat()} comes {distance} after the row before it, where the "
                f"step is {step}; bring all rows to one step"
            )
    return Load(tuple(Piece(moment, moment + step, kwh, location) for _, moment, kwh in rows))


def _rows(text: str, file: str) -> list[tuple[int, datetime, float]]:
    reader = csv.reader(io.StringIO(text))
    rows: list[tuple[int, datetime, float]] = []
    time_at = energy_at = -1
    for fields in reader:
        if not any(field.strip() for field in fields):
            continue
        where = f"{file}: line {reader.line_num}"
        if energy_at < 0:
            names = [field.strip().lower() for field in fields]
            missing = [name for name in HEADER if name not in names]
            if missing:
                raise InvalidRequestError(f"{where}: no column {missing[0]!r}; begin the file with 'timestamp,kwh'")
            time_at, energy_at = (names.index(name) for name in HEADER)
            continue
        if len(fields) <= max(time_at, energy_at):
            raise InvalidRequestError(f"{where}: {len(fields)} fields; a timestamp and an energy are needed")
        moment = parse_moment(fields[time_at].strip(), f"{where}: timestamp")
        if rows and moment <= rows[-1][1]:
            raise InvalidRequestError(f"{where}: {moment.isoformat()} must be later than the row before; sort by time")
        rows.append((reader.line_num, moment, _kwh(fields[energy_at].strip(), where)))
    if len(rows) < 2:
        raise InvalidRequestError(
            f"{file}: {len(rows)} rows under the header; at least two are needed to tell the step"
        )
    return rows


def _kwh(text: str, where: str) -> float:
    try:
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value < math.inf:
        raise InvalidRequestError(f"{where}: {text!r} is no energy; write a number, zero or larger [kWh]")
    return value
