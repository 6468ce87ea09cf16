"""A forecast as a record keeps it: short, and exact where a window begins or ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.moment import microseconds, parse_moment

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast

#: More values than this are joined to means.
MOST_VALUES = 500


def document(forecast: Forecast, *edges: datetime | None, most: int = MOST_VALUES) -> dict[str, Any]:
    """Give a forecast as plain JSON: ``start``, ``step_seconds`` and ``values`` [gCO2eq/kWh].

    Where it has more than ``most`` values, neighbours are joined to their mean, and ``steps`` says how many steps each
    value stands for. A step that holds an edge is never joined, and none is joined across an edge: the integral between
    any two edges stays what it was.

    :param edges: starts and ends of the windows that are shown with it; None and those outside are passed over.
    :param most: values to be had, beside up to three for each edge.
    """
    values: list[float] = forecast.intensity.tolist()
    told: dict[str, Any] = {
        "start": forecast.start.isoformat(),
        "step_seconds": forecast.step.total_seconds(),
        "values": values,
    }
    if len(values) <= most:
        return told
    group = -(-len(values) // most)
    cuts = {*range(0, len(values), group), len(values)}
    for edge in edges:
        if edge is not None:
            at, rest = divmod(microseconds(edge) - forecast.start_us, forecast.step_us)
            cuts |= {cut for cut in ((at, at + 1) if rest else (at,)) if 0 <= cut <= len(values)}
    marks = sorted(cuts)
    pairs = list(pairwise(marks))
    told["values"] = [sum(values[first:last]) / (last - first) for first, last in pairs]
    told["steps"] = [last - first for first, last in pairs]
    return told


def spans(told: Mapping[str, Any]) -> Iterator[tuple[datetime, datetime, float]]:
    """Give the begin, the end and the mean of each value of a kept forecast [gCO2eq/kWh]."""
    begin, step = parse_moment(told["start"], "forecast: start"), timedelta(seconds=told["step_seconds"])
    values = told["values"]
    for value, count in zip(values, told.get("steps") or [1] * len(values), strict=True):
        end = begin + step * count
        yield begin, end, value
        begin = end
