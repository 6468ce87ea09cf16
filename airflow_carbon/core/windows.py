"""The best windows of many zones in one vectorised call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, overload

import numpy as np

from airflow_carbon.core.moment import moment_at
from airflow_carbon.core.power import run_of
from airflow_carbon.core.powered import Draw, Rows
from airflow_carbon.core.span import ROUNDING, Cores, Span
from airflow_carbon.core.window import Window
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.power import PowerProfile

_NEVER = np.iinfo(np.int64).max


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
    duration: timedelta | None = None,
    power: PowerProfile | None = None,
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
    length, power = run_of(duration, power)
    starts = np.empty(len(stack), dtype=np.int64)
    means = np.empty(len(stack))
    cut = np.empty(len(stack), dtype=np.bool_)
    for table in stack.tables:
        span = Span.of(table.grid, length, earliest_start, deadline)
        starts[table.indices], means[table.indices] = table.best(span, power)
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
    """Hold forecasts of one grid as rows: each one's integral, and its intensity with infinity before and behind it.

    All is kept flat: numpy is several times as fast on one long array as on as many short rows.

    :param indices: where the rows stand in the stack.
    """

    __slots__ = ("_spare", "before", "begins", "cumulative", "grid", "indices", "intensity", "totals", "width")

    def __init__(self, forecasts: Sequence[Forecast], indices: Sequence[int]) -> None:
        self.grid = forecasts[0]
        self.indices = np.array(indices)
        self.width = len(self.grid) + 1
        self.begins = np.arange(len(forecasts)) * self.width
        self.cumulative: NDArray[np.float64] = np.concatenate([forecast.cumulative for forecast in forecasts])
        self.totals = self.cumulative[self.width - 1 :: self.width].copy()
        #: Intensity of the step before each edge, and of the one behind it: the same numbers, one place apart.
        self.before: NDArray[np.float64] = np.full(self.cumulative.size + 1, np.inf)
        self.intensity = self.before[1:]
        for begin, forecast in zip(self.begins.tolist(), forecasts, strict=True):
            self.intensity[begin : begin + self.width - 1] = forecast.intensity
        self._spare: list[NDArray[np.float64]] = []

    def best(self, span: Span, power: PowerProfile | None = None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Find each row's best start [us since the Unix epoch] and its mean [gCO2eq/kWh], both of shape ``(z,)``."""
        if power is not None:
            shape = (-1, self.width)
            rows = Rows(self.cumulative.reshape(shape), self.intensity.reshape(shape)[:, : self.width - 1])
            return Draw(power, self.grid).best(rows, span)
        cores = self._widened(Cores.of(span, self.grid.start_us, self.grid.step_us), span)
        slack = ROUNDING * (cores.whole + 2) * self.totals
        bends = [self._integral(corner + span.duration) - self._integral(corner) for corner in cores.corners]
        bound = np.min(bends, axis=0) + slack if bends else None
        if cores.first <= cores.last:
            core, bound, least = self._search(cores, bound, slack)
            starts, costs = self._extended(cores, core, bound)
            if bends:
                starts[least > bound] = _NEVER
        else:
            # Without a core the allowed starts have ends, and these are corners.
            assert bound is not None
            starts, costs = np.full(bound.size, _NEVER), bound
        for corner, cost in zip(cores.corners, bends, strict=True):
            chosen = (cost <= bound) & (corner < starts)
            starts, costs = np.where(chosen, corner, starts), np.where(chosen, cost, costs)
        return starts + self.grid.start_us, costs / (span.duration / self.grid.step_us)

    def _widened(self, cores: Cores, span: Span) -> Cores:
        """Take in the cores at both ends of the grid: infinity beyond it has them extended to the inside."""
        if not cores.rest:
            return cores
        corners = set(cores.corners)
        first, last = cores.first, cores.last
        if span.earliest == self.grid.start_us:
            first = 0
            corners.discard(0)
        if span.latest + span.duration == self.grid.end_us:
            last = len(self.grid) - cores.whole
            corners.discard(span.latest - self.grid.start_us)
        return cores._replace(first=first, last=last, corners=sorted(corners))

    def _search(
        self, cores: Cores, bound: NDArray[np.float64] | None, slack: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
        """Give each row's first core within its bound, that bound lowered to the least cost, and this cost."""
        costs = self._costs(cores)
        rows = costs.reshape(-1, self.width)
        if cores.first:
            rows[:, : cores.first] = np.inf
        rows[:, cores.last + 1 :] = np.inf
        core = rows.argmin(axis=1)
        at = core + self.begins
        least = costs[at]
        bound = least + slack if bound is None else np.minimum(bound, least + slack)
        # Comparing every core with its bound takes longer than all else: do so only in a row with a second one in it.
        costs[at] = np.inf
        second = costs[rows.argmin(axis=1) + self.begins]
        equal = (second <= bound).nonzero()[0]
        if equal.size:
            costs[at] = least
            for row in equal.tolist():
                core[row] = (rows[row] <= bound[row]).argmax()
        self._spare.append(costs)
        return core, bound, least

    def _costs(self, cores: Cores) -> NDArray[np.float64]:
        """Integrate from each step over a core and its cheaper extension; what is no allowed core is junk."""
        costs, size = self._array(), self.cumulative.size - cores.whole
        np.subtract(self.cumulative[cores.whole :], self.cumulative[:size], out=costs[:size])
        if cores.rest:
            extension = self._array()
            np.minimum(self.before[:size], self.intensity[cores.whole :], out=extension[:size])
            extension *= cores.rest / self.grid.step_us
            costs += extension
            self._spare.append(extension)
        return costs

    def _extended(
        self, cores: Cores, core: NDArray[np.intp], bound: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Extend a core of each row to its first side within the bound: the start [us], and the integral from it."""
        step, rest, at = self.grid.step_us, cores.rest, core + self.begins
        opens, closes = self.cumulative[at], self.cumulative[at + cores.whole]
        starts, costs = core * step, closes - opens
        if not rest:
            return starts, costs
        left, right = self.before[at], self.intensity[at + cores.whole]
        to_the_left = costs + rest / step * left <= bound
        from_the_left = closes - (self.cumulative[at - 1] + left * ((step - rest) / step))
        costs = np.where(to_the_left, from_the_left, closes + right * (rest / step) - opens)
        return np.where(to_the_left, starts - rest, starts), costs

    def _integral(self, offset: int) -> NDArray[np.float64]:
        """Integrate each row up to one moment [us from the begin of the grid], shape ``(z,)``."""
        steps, rest = divmod(offset, self.grid.step_us)
        whole = self.cumulative[steps :: self.width]
        return whole + self.intensity[steps :: self.width] * (rest / self.grid.step_us) if rest else whole

    def _array(self) -> NDArray[np.float64]:
        """Lend an array as long as the table: fresh memory of its size costs more than the search that it serves."""
        try:
            # Popping and appending are atomic, so that threads never share an array.
            return self._spare.pop()
        except IndexError:
            # Numbers that straddle cache lines take twice as long to write: begin on a line of 64 bytes.
            array = np.zeros(self.cumulative.size + 7)
            skip = -array.ctypes.data % 64 // 8
            return array[skip : skip + self.cumulative.size]
