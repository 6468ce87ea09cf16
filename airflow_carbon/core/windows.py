"""The best windows of many zones in one vectorised call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, overload

import numpy as np

from airflow_carbon.core.moment import moment_at
from airflow_carbon.core.window import ROUNDING, Cores, Span, Window
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_carbon.core.forecast import Forecast

_NEVER = np.iinfo(np.int64).max
#: Cores whose least cost is taken at once.
_RUN = 96


class Windows(Sequence[Window]):
    """Hold one window for each of many forecasts, in their order; a Window is made when it is asked for.

    :param duration: length of every run.
    :param starts_us: start of each [us since the Unix epoch], shape ``(z,)``.
    :param intensity_g_per_kwh: mean carbon intensity of each [gCO2eq/kWh], shape ``(z,)``.
    :param horizon_cut: as of :class:`Window`, shape ``(z,)``.
    """

    __slots__ = ("duration", "horizon_cut", "intensity_g_per_kwh", "starts_us")

    def __init__(
        self,
        duration: timedelta,
        starts_us: NDArray[np.int64],
        intensity_g_per_kwh: NDArray[np.float64],
        horizon_cut: NDArray[np.bool_],
    ) -> None:
        self.duration = duration
        self.starts_us = starts_us
        self.intensity_g_per_kwh = intensity_g_per_kwh
        self.horizon_cut = horizon_cut

    @property
    def starts(self) -> NDArray[np.datetime64]:
        """Start of each in UTC, ``datetime64[us]``, shape ``(z,)``."""
        return self.starts_us.astype("datetime64[us]")

    def __len__(self) -> int:
        return int(self.starts_us.size)

    @overload
    def __getitem__(self, index: int) -> Window: ...
    @overload
    def __getitem__(self, index: slice) -> Windows: ...
    def __getitem__(self, index: int | slice) -> Window | Windows:
        starts, means, cut = self.starts_us[index], self.intensity_g_per_kwh[index], self.horizon_cut[index]
        if isinstance(index, slice):
            return Windows(self.duration, starts, means, cut)
        start = moment_at(int(starts))
        return Window(start, start + self.duration, float(means), bool(cut))


class ForecastStack:
    """Hold many forecasts beside each other, those of one grid in one table, so that all are searched at once.

    :param forecasts: one for each zone; their grids may differ.
    :param allow_mixed: let forecasts of different signal or accounting stand beside each other.
    :raises InvalidRequestError: if there is none, or they do not compare and ``allow_mixed`` is not set.
    """

    __slots__ = ("forecasts", "tables")

    def __init__(self, forecasts: Iterable[Forecast], *, allow_mixed: bool = False) -> None:
        self.forecasts = tuple(forecasts)
        if not self.forecasts:
            raise InvalidRequestError("forecasts: there is none; give one at least")
        if not allow_mixed:
            refuse_mixed([(forecast.zone, forecast) for forecast in self.forecasts])
        grids: dict[tuple[int, int, int], list[int]] = {}
        for index, forecast in enumerate(self.forecasts):
            grids.setdefault((forecast.start_us, forecast.step_us, len(forecast)), []).append(index)
        self.tables = tuple(Table([self.forecasts[i] for i in indices], indices) for indices in grids.values())

    def __len__(self) -> int:
        return len(self.forecasts)


def best_windows(
    forecasts: ForecastStack | Iterable[Forecast],
    *,
    duration: timedelta,
    earliest_start: datetime | None = None,
    deadline: datetime | None = None,
    allow_mixed: bool = False,
) -> Windows:
    """Find the best window of each forecast, as ``best_window`` does, for all at once.

    :param forecasts: a stack, where the same forecasts are asked more than once, or the forecasts themselves.
    :param allow_mixed: as of :class:`ForecastStack`; a stack was checked when it was built.
    :raises InvalidRequestError: as ``best_window`` and :class:`ForecastStack`.
    :raises NoFeasibleWindowError: if one of the forecasts has no feasible window; the message names its zone.
    """
    stack = forecasts if isinstance(forecasts, ForecastStack) else ForecastStack(forecasts, allow_mixed=allow_mixed)
    starts = np.empty(len(stack), dtype=np.int64)
    means = np.empty(len(stack))
    cut = np.empty(len(stack), dtype=np.bool_)
    for table in stack.tables:
        span = Span.of(table.grid, duration, earliest_start, deadline)
        starts[table.indices], means[table.indices] = table.best(span)
        cut[table.indices] = span.horizon_cut
    return Windows(timedelta(microseconds=span.duration), starts, means, cut)


def refuse_mixed(named: Sequence[tuple[str, Forecast]]) -> None:
    """Refuse forecasts whose numbers do not mean the same.

    :raises InvalidRequestError: naming one of each sort.
    """
    for name, forecast in named:
        first, one = named[0]
        if not forecast.comparable_with(one):
            raise InvalidRequestError(
                f"{first} is {one.signal} ({one.accounting}) but {name} is {forecast.signal} ({forecast.accounting}): "
                f"these numbers do not compare; keep to one sort, or set allow_mixed"
            )


class Table:
    """Hold forecasts of one grid as rows: each one's integral, and its intensity with a zero behind it.

    All is kept flat: numpy is several times as fast on one long array as on as many short rows.

    :param indices: where the rows stand in the stack.
    """

    __slots__ = ("_spare", "begins", "cumulative", "grid", "indices", "intensity", "totals", "width")

    def __init__(self, forecasts: Sequence[Forecast], indices: Sequence[int]) -> None:
        self.grid = forecasts[0]
        self.indices = np.array(indices)
        self.width = len(self.grid) + 1
        self.begins = np.arange(len(forecasts)) * self.width
        self.cumulative: NDArray[np.float64] = np.concatenate([forecast.cumulative for forecast in forecasts])
        self.totals = self.cumulative[self.begins + self.width - 1]
        self._spare: list[NDArray[np.float64]] = []
        intensity = np.zeros((len(forecasts), self.width))
        intensity[:, :-1] = [forecast.intensity for forecast in forecasts]
        self.intensity: NDArray[np.float64] = intensity.ravel()

    def best(self, span: Span) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Find each row's best start [us since the Unix epoch] and its mean [gCO2eq/kWh], both of shape ``(z,)``."""
        step, begins = self.grid.step_us, self.begins
        cores = Cores.of(span, self.grid.start_us, step)
        bound: NDArray[np.float64] = np.full(begins.size, np.inf)
        starts: NDArray[np.int64] = np.full(begins.size, _NEVER)
        slack = ROUNDING * (cores.whole + 2) * self.totals
        if cores.corners:
            offsets = np.array(cores.corners)
            bends = self._cost(begins[:, None], offsets, span.duration)
            bound = bends.min(axis=1) + slack
        if cores.first <= cores.last:
            bound, core, found = self._search(cores, bound, slack)
            start = core * step
            if cores.rest:
                at = begins + core
                to_the_left = self.cumulative[at + cores.whole] - self.cumulative[at]
                to_the_left += cores.rest / step * self.intensity[at - 1]
                start -= cores.rest * (to_the_left <= bound)
            starts = np.where(found, start, _NEVER)
        if cores.corners:
            starts = np.minimum(starts, np.where(bends <= bound[:, None], offsets, _NEVER).min(axis=1))
        means = self._cost(begins, starts, span.duration) / (span.duration / step)
        return starts + self.grid.start_us, means

    def _search(
        self, cores: Cores, bound: NDArray[np.float64], slack: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.bool_]]:
        """Lower each row's bound to its least cost, and tell the first core within it and whether there is one."""
        costs = self._costs(cores)
        # The least cost of each run of cores first: then only one run of each row is compared with the row's bound.
        runs = np.arange(cores.first, cores.last + 1, _RUN)
        edges = self.begins[:, None] + np.append(runs, cores.last + 1)
        least = np.minimum.reduceat(costs, edges.ravel()).reshape(edges.shape)[:, :-1]
        bound = np.minimum(bound, least.min(axis=1) + slack)
        run = runs[(least <= bound[:, None]).argmax(axis=1)]
        core = np.minimum(run[:, None] + np.arange(_RUN), cores.last)
        clean = costs[self.begins[:, None] + core] <= bound[:, None]
        self._spare.append(costs)
        return bound, run + clean.argmax(axis=1), clean.any(axis=1)

    def _costs(self, cores: Cores) -> NDArray[np.float64]:
        """Integrate from each step over a core and its cheaper extension; what is no allowed core is junk."""
        # Fresh memory of this size comes page by page from the system, which costs more than the search; popping and
        # appending are atomic, so that threads never share an array.
        costs = self._spare.pop() if self._spare else np.zeros(self.cumulative.size)
        size = costs.size - cores.whole
        np.subtract(self.cumulative[cores.whole :], self.cumulative[:size], out=costs[:size])
        if cores.rest:
            other = self._spare.pop() if self._spare else np.zeros(costs.size)
            extension = np.minimum(self.intensity[: size - 1], self.intensity[cores.whole + 1 :], out=other[1:size])
            extension *= cores.rest / self.grid.step_us
            costs[1:size] += extension
            self._spare.append(other)
        return costs

    def _cost(self, begins: NDArray[np.intp], offsets: NDArray[np.int64], duration: int) -> NDArray[np.float64]:
        return self._integral(begins, offsets + duration) - self._integral(begins, offsets)

    def _integral(self, begins: NDArray[np.intp], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
        step = self.grid.step_us
        steps = offsets // step
        at = begins + steps
        integral: NDArray[np.float64] = self.cumulative[at] + self.intensity[at] * ((offsets - steps * step) / step)
        return integral
