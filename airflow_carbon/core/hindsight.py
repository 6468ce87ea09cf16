"""The best that was possible, known afterwards: the start at which a load would have emitted least."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from airflow_carbon.core.moment import microseconds, moment_at, parse_moment
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.load import Load


def best_start(
    load: Load, series: Forecast, *, earliest_start: datetime, latest_start: datetime
) -> tuple[datetime, float] | None:
    """Find the start of least mean intensity, exact in continuous time; of equal ones, the earliest.

    The mean is piecewise linear in the start and bends only where an edge of a piece meets an edge of a step: so a
    least one lies there, or at an end of what is allowed.

    :param series: what was measured where it could have run.
    :param earliest_start: no start before this.
    :param latest_start: no start after this.
    :return: the start and its mean intensity [gCO2eq/kWh]; None where the series does not cover all that is allowed.
    :raises InvalidRequestError: if a moment is naive, or the latest start comes before the earliest.
    """
    first, last = parse_moment(earliest_start, "earliest_start"), parse_moment(latest_start, "latest_start")
    if last < first:
        raise InvalidRequestError(
            f"latest_start: {last.isoformat()} must not come before the earliest, {first.isoformat()}"
        )
    if not series.covers(first, last + load.duration):
        return None
    begin = microseconds(load.start)
    opens = np.array([microseconds(one.start) - begin for one in load.pieces], dtype=np.int64)
    closes = np.array([microseconds(one.end) - begin for one in load.pieces], dtype=np.int64)
    weights = np.array(load.weights)
    low, high = microseconds(first), microseconds(last)
    starts = _bends(series, np.unique(np.concatenate([opens, closes])), low, high)
    lengths = (closes - opens) / series.step_us
    means = [
        float(np.sum(weights * (_integral(series, at + closes) - _integral(series, at + opens)) / lengths))
        for at in starts
    ]
    # A mean that is less by rounding alone is no better.
    best = min(means)
    at = next(index for index, mean in enumerate(means) if mean <= best * (1.0 + 1e-12))
    return moment_at(int(starts[at])), means[at]


def _bends(series: Forecast, offsets: NDArray[np.int64], low: int, high: int) -> NDArray[np.int64]:
    """List the starts at which an edge of the load meets one of the series, within the bounds, and these."""
    found = [np.array([low, high], dtype=np.int64)]
    for offset in offsets:
        # Of each edge of the load only the steps that it can meet.
        begin = -((series.start_us - low - int(offset)) // series.step_us)
        end = (high + int(offset) - series.start_us) // series.step_us
        found.append(series.start_us + np.arange(begin, end + 1, dtype=np.int64) * series.step_us - offset)
    starts = np.unique(np.concatenate(found))
    return starts[(starts >= low) & (starts <= high)]


def _integral(series: Forecast, moments_us: NDArray[np.int64]) -> NDArray[np.float64]:
    """Integrate from the start of the series to each moment [gCO2eq/kWh x steps], shape ``(n,)``."""
    steps, rest = np.divmod(moments_us - series.start_us, series.step_us)
    within = series.intensity[np.minimum(steps, len(series) - 1)]
    integral: NDArray[np.float64] = series.cumulative[steps] + within * (rest / series.step_us)
    return integral
