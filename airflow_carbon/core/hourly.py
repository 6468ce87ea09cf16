"""The mean of a series over each whole hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_carbon.core.forecast import Forecast

HOUR_US = 3_600_000_000


def hourly(series: Forecast) -> tuple[int, NDArray[np.float64]]:
    """Give the first whole hour of a series [h since the epoch] and its mean over each whole hour, shape ``(n,)``.

    The mean over a part of an hour does not compare with the mean over all of it, or over another part.
    """
    first, last = -(-series.start_us // HOUR_US), series.end_us // HOUR_US
    if last <= first:
        return first, np.empty(0)
    edges = np.arange(first, last + 1) * HOUR_US
    steps, rest = np.divmod(edges - series.start_us, series.step_us)
    # The last edge is the end of the last step: its rest is zero, whatever intensity stands in for the step after it.
    within = series.intensity[np.minimum(steps, len(series) - 1)] * (rest / series.step_us)
    integral = series.cumulative[steps] + within
    return first, (integral[1:] - integral[:-1]) * series.step_us / (edges[1:] - edges[:-1])
