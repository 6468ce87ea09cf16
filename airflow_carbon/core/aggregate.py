"""Aggregation of metrics over time and over components, as Impact Framework's issue 991 asks for it.

Each metric has a method for each direction: over the rows of one component, and over the components of one row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from airflow_carbon.exceptions import InvalidRequestError

Row = Mapping[str, Any]

#: What every row says of itself.
TIMESTAMP, DURATION = "timestamp", "duration"


class Method(StrEnum):
    """How many values become one."""

    SUM = "sum"
    AVG = "avg"
    COPY = "copy"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Methods:
    """Hold a metric's methods.

    :param time: over the rows of a component.
    :param component: over the components of a row.
    """

    time: Method
    component: Method

    @classmethod
    def parse(cls, value: object, field: str) -> Methods:
        """Read ``"sum"``, ``{"time": "sum", "component": "copy"}``, or either half of it, which then applies to both.

        ``horizontal`` and ``vertical`` are the old names of ``time`` and ``component``.

        :raises InvalidRequestError: naming the field that is no method.
        """
        if isinstance(value, str):
            method = _method(value, field)
            return cls(method, method)
        old_names = {"horizontal": "time", "vertical": "component"}
        if not isinstance(value, Mapping) or not value:
            raise InvalidRequestError(f"{field}: {value!r} is no method; write {_HOW_TO}")
        halves: dict[str, Method] = {}
        for name, word in value.items():
            half = old_names.get(name, name)
            if half not in ("time", "component"):
                raise InvalidRequestError(f"{field}.{name}: there are two directions, time and component")
            if half in halves:
                raise InvalidRequestError(f"{field}.{name}: the method of {half} is given twice")
            halves[half] = _method(word, f"{field}.{name}")
        (any_half, *_) = halves.values()
        return cls(halves.get("time", any_half), halves.get("component", any_half))


_HOW_TO = "one of sum, avg, copy, none, or {time: sum, component: sum}"


def over_time(rows: Sequence[Row], methods: Mapping[str, Methods], *, where: str) -> dict[str, Any]:
    """Reduce the rows of one component to one value for each metric; one whose method is ``none`` is left out.

    ``avg`` is the plain mean of the rows, whatever their durations; ``copy`` takes the last row.

    :param rows: in order of time.
    :param methods: of each metric wanted.
    :param where: the rows' name, for messages.
    :raises InvalidRequestError: if a metric is missing in a row, or is no number where one is needed.
    """
    names = [f"{where}[{index}]" for index in range(len(rows))]
    wanted = {metric: one.time for metric, one in methods.items() if one.time is not Method.NONE}
    return {metric: combined(rows, names, metric, method) for metric, method in wanted.items()}


def over_components(parts: Mapping[str, Sequence[Row]], methods: Mapping[str, Methods]) -> list[dict[str, Any]]:
    """Reduce the components of each row to one row: the metrics, then ``timestamp`` and ``duration``.

    ``copy`` takes the last component; ``none`` leaves a metric out.

    :param parts: rows of each component by its name, all on the same timestamps.
    :param methods: of each metric wanted.
    :raises InvalidRequestError: if there is no component, their rows do not stand for the same times, a metric is
        missing in a row, or it is no number where one is needed.
    """
    refuse_other_times(parts)
    wanted = {metric: one.component for metric, one in methods.items() if one.component is not Method.NONE}
    *_, last = parts.values()
    answer = []
    for index, shown in enumerate(last):
        column = [rows[index] for rows in parts.values()]
        names = [f"{name}[{index}]" for name in parts]
        row = {metric: combined(column, names, metric, method) for metric, method in wanted.items()}
        answer.append({**row, TIMESTAMP: shown[TIMESTAMP], DURATION: shown[DURATION]})
    return answer


def combined(rows: Sequence[Row], names: Sequence[str], metric: str, method: Method) -> Any:
    """Make one value of a metric's values in some rows.

    :param rows: at least one.
    :param names: of the rows, for messages.
    :raises InvalidRequestError: if the metric is missing in a row, or is no number where one is needed.
    """
    for row, name in zip(rows, names, strict=True):
        if row.get(metric) is None:
            raise InvalidRequestError(f"{name}.{metric}: is missing, and is to be aggregated")
    if method is Method.COPY:
        return rows[-1][metric]
    total = 0.0
    for row, name in zip(rows, names, strict=True):
        total += _number(row[metric], f"{name}.{metric}")
    if not math.isfinite(total):
        raise InvalidRequestError(f"{names[-1]}.{metric}: the sum is too large for a number")
    return total / len(rows) if method is Method.AVG else total


def refuse_other_times(parts: Mapping[str, Sequence[Row]]) -> None:
    """Refuse components whose rows do not stand for the same times.

    :raises InvalidRequestError: naming the first component and row that differs.
    """
    if not parts:
        raise InvalidRequestError("components: there is none to aggregate; leave at least one in")
    (first, leading), *others = parts.items()
    for name, rows in parts.items():
        if not rows:
            raise InvalidRequestError(f"{name}: has no rows; give it the rows of the others")
        for index, row in enumerate(rows):
            for field in (TIMESTAMP, DURATION):
                if row.get(field) is None:
                    raise InvalidRequestError(f"{name}[{index}].{field}: is missing; each row must say when it was")
    for name, rows in others:
        if len(rows) != len(leading):
            raise InvalidRequestError(
                f"{name}: has {len(rows)} rows where {first} has {len(leading)}; components are aggregated row by row, "
                f"so give each the same rows"
            )
        for index, (ours, theirs) in enumerate(zip(rows, leading, strict=True)):
            if not _same_moment(ours[TIMESTAMP], theirs[TIMESTAMP]):
                raise InvalidRequestError(
                    f"{name}[{index}].{TIMESTAMP}: {ours[TIMESTAMP]} differs from {theirs[TIMESTAMP]} of {first}; "
                    f"components are aggregated row by row, so put all on the same timestamps"
                )


@dataclass(frozen=True, slots=True)
class SciOverTime:
    """Hold both readings of an SCI over many rows.

    :param carbon_g: total carbon [gCO2eq].
    :param functional_units: total R [1].
    :param mean_of_ratios: the unweighted mean of the rows' own SCIs, as Impact Framework has it.
    :param carbon_over_units: total carbon over total R, the one to report; None where R is 0.
    """

    carbon_g: float
    functional_units: float
    mean_of_ratios: float
    carbon_over_units: float | None


def sci_over_time(carbon_g: Sequence[float], functional_units: Sequence[float]) -> SciOverTime:
    """Take the SCI over many rows in both ways; a row with R = 0 keeps its carbon.

    In the mean of ratios such a row counts its carbon as its SCI, as in Impact Framework.

    :param carbon_g: of each row [gCO2eq], shape ``(n,)``, n >= 1.
    :param functional_units: of each row [1], shape ``(n,)``.
    :raises InvalidRequestError: if the shapes differ, nothing is given, or a number is negative or not finite.
    """
    if not carbon_g or len(carbon_g) != len(functional_units):
        raise InvalidRequestError(
            f"carbon_g and functional_units have {len(carbon_g)} and {len(functional_units)} rows; give one number of "
            f"each for at least one row"
        )
    for field, values in (("carbon_g", carbon_g), ("functional_units", functional_units)):
        for index, value in enumerate(values):
            if _number(value, f"{field}[{index}]") < 0.0:
                raise InvalidRequestError(f"{field}[{index}]: {value!r} must be zero or larger")
    ratios = [grams / units if units else grams for grams, units in zip(carbon_g, functional_units, strict=True)]
    grams, units = math.fsum(carbon_g), math.fsum(functional_units)
    return SciOverTime(grams, units, math.fsum(ratios) / len(ratios), grams / units if units else None)


def _same_moment(one: object, other: object) -> bool:
    if one == other:
        return True
    moments = []
    for value in (one, other):
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        except ValueError:
            return False
        # A manifest's timestamp without a timezone is UTC.
        moments.append(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)
    return moments[0] == moments[1]


def _method(word: object, field: str) -> Method:
    if not isinstance(word, str) or word not in list(Method):
        raise InvalidRequestError(f"{field}: {word!r} is no method; write {_HOW_TO}")
    return Method(word)


def _number(value: object, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
        raise InvalidRequestError(f"{field}: {value!r} must be a finite number")
    return float(value)


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
