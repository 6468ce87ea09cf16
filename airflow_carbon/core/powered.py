"""The best start of a run whose power changes: exact in continuous time, for many zones at once.

The emission of a run is a sum, over the edges of its power profile, of the integral of the intensity up to each edge
times the power that ends there less the power that begins. Each integral is piecewise linear in the start and bends
where its edge meets a step edge. So the whole is piecewise linear, and a best start has one profile edge on one step
edge, or lies at an end of what is allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from airflow_carbon.core.moment import MICROSECOND
from airflow_carbon.core.span import ROUNDING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.power import PowerProfile
    from airflow_carbon.core.span import Span


class Rows(NamedTuple):
    """Hold the integrals of ``z`` zones on one grid of ``n`` steps.

    :param cumulative: integral up to each edge [gCO2eq/kWh x steps], shape ``(z, n + 1)``.
    :param intensity: mean intensity of each step [gCO2eq/kWh], shape ``(z, n)`` or wider.
    """

    cumulative: NDArray[np.float64]
    intensity: NDArray[np.float64]

    @classmethod
    def of(cls, forecast: Forecast) -> Rows:
        """Take one forecast as the only row."""
        return cls(forecast.cumulative[None], forecast.intensity[None])


class Draw:
    """Lay a power profile over the grid of a forecast.

    :param grid: any forecast of that grid.
    """

    __slots__ = ("bends", "grid", "total")

    def __init__(self, power: PowerProfile, grid: Forecast) -> None:
        self.grid = grid
        mean = power.energy_kwh * 1000.0 / (power.duration.total_seconds() / 3600.0)
        #: Edges [us since the start of the run] and how much less is drawn behind each [1, of the mean power].
        self.bends = [(edge, watts / mean) for edge, watts in power.bends]
        self.total = power.duration // MICROSECOND

    def slack(self, totals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bound the rounding of an integral [gCO2eq/kWh x steps], as ``ROUNDING`` does for two edges."""
        heaviest = sum(abs(weight) for _, weight in self.bends) / 2.0
        bound: NDArray[np.float64] = ROUNDING * (self.total // self.grid.step_us + 2) * heaviest * totals
        return bound

    def integrals(self, rows: Rows, begin: int, count: int) -> NDArray[np.float64]:
        """Integrate power x intensity over runs that start a step apart.

        :param begin: the first start [us since the Unix epoch].
        :return: in units of the mean power [gCO2eq/kWh x steps], shape ``(z, count)``.
        """
        step = self.grid.step_us
        whole = np.zeros((rows.cumulative.shape[0], count))
        for edge, weight in self.bends:
            at, rest = divmod(begin + edge - self.grid.start_us, step)
            whole += weight * rows.cumulative[:, at : at + count]
            if rest:
                whole += (weight * (rest / step)) * rows.intensity[:, at : at + count]
        return whole

    def starts(self, span: Span) -> list[tuple[int, int]]:
        """List the starts to look at: the first of each series that goes on in steps [us], and its length."""
        step, origin = self.grid.step_us, self.grid.start_us
        rests = {(origin - edge) % step for edge, _ in self.bends}
        firsts = [span.earliest + (rest - span.earliest) % step for rest in rests]
        series = [(first, (span.latest - first) // step + 1) for first in firsts if first <= span.latest]
        return [(span.earliest, 1), *series, (span.latest, 1)]

    def best(self, rows: Rows, span: Span) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Find each row's best start [us since the Unix epoch] and its mean [gCO2eq/kWh]; of equal ones the earliest.

        :return: two arrays of shape ``(z,)``.
        """
        slack = self.slack(rows.cumulative[:, len(self.grid)])
        series = self.starts(span)
        costs = [self.integrals(rows, begin, count) for begin, count in series]
        least = np.min([cost.min(axis=1) for cost in costs], axis=0)
        starts, found = np.full(least.size, np.iinfo(np.int64).max), least
        for (begin, _), cost in zip(series, costs, strict=True):
            equal = cost <= (least + slack)[:, None]
            at = equal.argmax(axis=1)
            start = begin + at * self.grid.step_us
            earlier = equal.any(axis=1) & (start < starts)
            starts = np.where(earlier, start, starts)
            found = np.where(earlier, cost[np.arange(at.size), at], found)
        return starts, found / (self.total / self.grid.step_us)

    def bent(self, forecast: Forecast, span: Span) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """List every start of one forecast at which the integral bends, in order [us], and the integral from each."""
        rows, series = Rows.of(forecast), self.starts(span)
        starts = np.concatenate([begin + np.arange(count) * self.grid.step_us for begin, count in series])
        costs = np.concatenate([self.integrals(rows, begin, count)[0] for begin, count in series])
        starts, kept = np.unique(starts, return_index=True)
        return starts.astype(np.float64), costs[kept]
