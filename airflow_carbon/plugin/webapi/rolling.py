"""The SDK's rolling average: means over windows that step along the forecast's own points.

Kept beside the exact optimum of ``core.window``, since clients of the SDK expect its numbers: a window begins on a
point's edge, or as far behind one as ``dataStartAt`` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_carbon.core.forecast import Forecast


@dataclass(frozen=True, slots=True)
class Points:
    """Hold points of equal length, one after the other.

    :param start_us: begin of the first [us since the Unix epoch].
    :param step_us: from the begin of one to that of the next [us].
    :param duration_us: length of each [us].
    :param values: mean intensity of each [gCO2eq/kWh], shape ``(n,)``.
    """

    start_us: int
    step_us: int
    duration_us: int
    values: NDArray[np.float64]

    def lowest(self) -> NDArray[np.intp]:
        """Tell which ones have the least value: the SDK names every tie."""
        return np.flatnonzero(self.values == self.values.min()) if self.values.size else np.empty(0, dtype=np.intp)


def scoped(forecast: Forecast, start_us: int, end_us: int) -> Points:
    """Keep the points that end after a moment and begin by another [us since the Unix epoch]."""
    step = forecast.step_us
    first = max(0, (start_us - forecast.start_us) // step)
    last = min(len(forecast) - 1, (end_us - forecast.start_us) // step)
    return Points(forecast.start_us + first * step, step, step, forecast.intensity[first : max(first, last + 1)])


def rolling(points: Points, window_us: int, start_us: int, end_us: int) -> Points:
    """Average over windows, a point's length apart, which end by ``end_us``; the first window alone may pass it.

    :param points: at least the time from ``start_us`` to ``end_us``, as far as it is known.
    :param window_us: length of a window [us]; 0 averages nothing.
    """
    if not window_us or not points.values.size:
        return points
    step = points.step_us
    begin = max(start_us, points.start_us)
    covered = points.start_us + points.values.size * step
    within_data = (covered - window_us - begin) // step + 1
    within_end = (end_us - window_us - begin) // step + 1
    count = max(0, min(within_data, max(1, within_end)))
    sums = np.zeros(count)
    if count:
        offset = begin - points.start_us
        first, last = offset // step, (offset + window_us - 1) // step
        # Added up point by point, as the SDK does: equal windows come out equal to the last bit, and tie.
        for row in range(first, last + 1):
            overlap = min((row + 1) * step, offset + window_us) - max(row * step, offset)
            sums += points.values[row : row + count] * overlap
    return Points(begin, step, window_us, sums / window_us)
