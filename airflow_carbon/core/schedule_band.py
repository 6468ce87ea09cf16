"""The best plan in a band around another one: the same chunks, each begun and ended a little sooner or later.

Where no grid that is short enough to be searched holds every length, the grid leaves gaps: a resume of two minutes
takes up a slot of five, and a run that may begin between two slots begins at the next. Here each chunk of a plan may
move its idle time and its last unit of work (as :mod:`~airflow_carbon.core.schedule_grid` has them) by a few lengths to
either side, with every length as it is. The best of all such plans is found at once, by the same recursion over chunks
as on the grid, and the band is drawn closer around it again and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from airflow_carbon.core.schedule_slots import Part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.schedule_slots import Run
    from airflow_carbon.core.span import Span

#: Each chunk looks so many lengths to either side.
REACH = 8
#: The next length is this part of the last: the band around the new best reaches twice the old length.
_CLOSER = 4
#: Closer than this is nothing to be gained [us]: a second is a ten-thousandth of a short run.
_CLOSEST = 500_000
#: A band may move along so many times before it is drawn closer.
_MOVES = 4


def refined_parts(forecast: Forecast, run: Run, span: Span, parts: list[Part], length: int, whole: int) -> list[Part]:
    """Move the chunks of a plan to where they emit least, in bands from ``length`` on down; never to a worse plan.

    :param length: slot of the grid that the plan was found on [us].
    :param whole: longest slot that holds every length of the run [us]; bands keep to it while they can.
    """
    if len(parts) < 2:
        return parts
    band = _Band(forecast, run, span)
    least = np.inf
    while length > _CLOSEST:
        nearer = max(length // _CLOSER, 1)
        length = -(-nearer // whole) * whole if whole < length and whole > _CLOSEST else nearer
        for _ in range(_MOVES):
            cost, moved = band.best(parts, length)
            if not cost < least:
                break
            least, parts = cost, moved
    return _joined(parts)


def _joined(parts: list[Part]) -> list[Part]:
    """Make one chunk of neighbours between which no pause is left; only where a resume takes no time can they meet."""
    joined = parts[:1]
    for part in parts[1:]:
        before = joined[-1]
        if part.at - part.begin == before.at - before.begin:
            part = joined.pop()._replace(end=part.end)
        joined.append(part)
    return joined


class _Band:
    """Hold what a run in chunks costs at any moments [us from the begin of the forecast]."""

    def __init__(self, forecast: Forecast, run: Run, span: Span) -> None:
        self.run, self.start = run, forecast.start_us
        self.earliest, self.latest = span.earliest - self.start, span.latest - self.start
        self.edges = np.arange(len(forecast) + 1) * float(forecast.step_us)
        self.integral = forecast.cumulative

    def best(self, parts: list[Part], length: int) -> tuple[float, list[Part]]:
        """Give the least cost [W gCO2eq/kWh x steps] and its plan, of those within ``REACH`` lengths of a plan."""
        run, offsets = self.run, np.arange(-REACH, REACH + 1) * length
        idles = [self._idles(part.at - part.begin - self.start + offsets) for part in parts]
        ends = [np.unique(np.clip(part.end + offsets, 0, run.duration)) for part in parts[:-1]]
        ends.append(np.array([run.duration]))
        costs = [self._done(ends[0], idles[0])]
        costs[0][ends[0] < run.least] = np.inf
        ways: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
        for chunk in range(1, len(parts)):
            before, idle = idles[chunk - 1], idles[chunk]
            # Of the chunk before, at each of its ends, the best idle that leaves time for the resume.
            late = before[:, None] > idle - run.overhead
            paused = costs[-1][:, :, None] + np.where(late, np.inf, 0.0)
            idle_before = paused.argmin(axis=1)
            begun = np.take_along_axis(paused, idle_before[:, None], axis=1)[:, 0]
            begun += self._resume(ends[chunk - 1], idle) - self._done(ends[chunk - 1], idle)
            # And of its ends, at each end of this chunk, the best that leaves it enough work.
            short = ends[chunk - 1][:, None] > ends[chunk] - max(run.least, 1)
            each = begun[:, None, :] + np.where(short, np.inf, 0.0)[:, :, None]
            end_before = each.argmin(axis=0)
            costs.append(np.take_along_axis(each, end_before[None], axis=0)[0] + self._done(ends[chunk], idle))
            ways.append((idle_before, end_before))
        end, idle_at = 0, int(costs[-1][0].argmin())
        least, found = float(costs[-1][0, idle_at]), list[Part]()
        for chunk in range(len(parts) - 1, -1, -1):
            here, last = int(idles[chunk][idle_at]) + self.start, int(ends[chunk][end])
            first = 0
            if chunk:
                idle_before, end_before = ways[chunk - 1]
                end = int(end_before[end, idle_at])
                first, idle_at = int(ends[chunk - 1][end]), int(idle_before[end, idle_at])
            found.append(Part(here + first, first, last))
        return least, found[::-1]

    def _idles(self, idles: NDArray[np.int64]) -> NDArray[np.int64]:
        # Both ends of what is allowed are among them where the band reaches that far.
        return np.unique(np.clip(idles, self.earliest, self.latest))

    def _done(self, works: NDArray[np.int64], idles: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give the cost of the work up to each moment of it at each idle, shape ``(works, idles)``."""
        total = np.zeros((works.size, idles.size))
        for left, right, watts in self.run.parts(0, int(works[-1])):
            upto = self._to(np.clip(works, left, right)[:, None] + idles)
            total += watts * (upto - self._to(left + idles))
        return total

    def _resume(self, works: NDArray[np.int64], idles: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give the cost of a resume before the work from each moment of it on, at each idle, shape as of ``_done``."""
        ends = works[:, None] + idles
        return self.run.overhead_watts * (self._to(ends) - self._to(ends - self.run.overhead))

    def _to(self, moments: NDArray[np.int64]) -> NDArray[np.float64]:
        integral: NDArray[np.float64] = np.interp(moments, self.edges, self.integral)
        return integral
