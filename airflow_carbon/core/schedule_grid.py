"""The cheapest way to cut a run in chunks, on a grid of slots, by dynamic programming over chunks, work and time.

Let a run have got through ``work`` units at slot ``time``, and count ``idle = time - work``: the slots that it did not
work. While a chunk runs ``idle`` stands still; a pause and a resume overhead raise it. So with ``done[j, u]``, the cost
of the units up to ``j`` at idle ``u``, a chunk from unit a to unit j at idle u costs ``done[j, u] - done[a, u]``, and

    paused[k, j, u] = min over u' <= u, a <= j - least of
                      paused[k - 1, a, u' - overhead] + resume[u' + a] + done[j, u'] - done[a, u']

Both minima are running ones, along j and along u: each state costs the same few additions, and the whole is linear in
the length of the forecast. Without a limit on the chunks, k falls away and the rows are built one after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from airflow_carbon.core.schedule_slots import Part
from airflow_carbon.core.span import ROUNDING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.schedule_slots import Run, Slots


def cheapest_parts(forecast: Forecast, run: Run, slots: Slots) -> list[Part]:
    """Find the chunks of least emission on a grid; empty where no interrupted run fits.

    Of plans that are equal within rounding, one of the fewest chunks, and of these one that ends first.
    """
    if slots.most < 2 or slots.usable <= slots.units:
        return []
    table = _Table(forecast, run, slots)
    parts = table.limited() if slots.limited else table.unlimited()
    begin = forecast.start_us + slots.first * slots.length
    return [
        Part(begin + (idle + first) * slots.length, first * slots.length, min(last * slots.length, run.duration))
        for idle, first, last in parts
    ]


class _Table:
    """Hold the costs of a run on a grid [W gCO2eq/kWh x slots].

    Whole tables are kept only of what the way back asks for; the rest is made row by row, so that a search holds no
    more than ``Slots.states`` numbers.

    :ivar watts: power drawn in each unit [W], shape ``(units,)``.
    :ivar resume: cost of a resume that ends at each edge of a slot, shape ``(usable + 1,)``.
    :ivar slack: costs that differ by less are equal.
    """

    def __init__(self, forecast: Forecast, run: Run, slots: Slots) -> None:
        self.slots, self.idles = slots, slots.usable - slots.units + 1
        self.intensity = _of_slots(forecast, slots)
        bounds = np.minimum(np.arange(slots.units + 1) * float(slots.length), run.duration)
        energy = np.concatenate(([0.0], np.cumsum(np.diff(run.edges) * np.array(run.watts))))
        self.watts = np.diff(np.interp(bounds, run.edges, energy)) / slots.length
        self.resume = _overheads(self.intensity, run.overhead / slots.length, slots.overhead) * run.overhead_watts
        # As ROUNDING has it; the sums are over the units of a run, and nothing larger is subtracted.
        largest = float(np.convolve(self.intensity, self.watts[::-1], mode="valid").max())
        self.slack = ROUNDING * (slots.units + 2) * (largest + float(self.resume.max()) * slots.most)

    def done(self) -> Iterator[NDArray[np.float64]]:
        """Give the cost of no unit, one, two and so on, shape ``(idles,)``; each stands until the next."""
        row, more = np.zeros(self.idles), np.empty(self.idles)
        yield row
        for unit, watts in enumerate(self.watts):
            row += np.multiply(self.intensity[unit : unit + self.idles], watts, out=more)
            yield row

    def done_at(self, idle: int, units: int) -> NDArray[np.float64]:
        """Give the same at one idle, for up to so many units, shape ``(units + 1,)``."""
        costs = np.zeros(units + 1)
        np.cumsum(self.intensity[idle : idle + units] * self.watts[:units], out=costs[1:])
        return costs

    def limited(self) -> list[tuple[int, int, int]]:
        """Find the idle, the first unit and the end of each chunk, of at most so many."""
        units, least, overhead, most = self.slots.units, self.slots.least, self.slots.overhead, self.slots.most
        done = np.array(list(map(np.copy, self.done())))
        paused = np.full((most - 1, units + 1, self.idles), np.inf)
        np.minimum.accumulate(done[least:], axis=1, out=paused[0, least:])
        totals = [paused[0, units, -1]]
        stop, begin, last = self.idles - overhead, np.empty(self.idles), np.empty(self.idles)
        for chunk in range(1, most):
            begun = np.full(self.idles, np.inf)
            for first in range(chunk * least, units + 1 - least):
                np.subtract(self.resume[first : first + self.idles], done[first], out=begin)
                begin[overhead:] += paused[chunk - 1, first, :stop]
                np.minimum(begun[overhead:], begin[overhead:], out=begun[overhead:])
                # Of the last chunk only its last end counts.
                if chunk < most - 1 or first == units - least:
                    ends = paused[chunk, first + least] if chunk < most - 1 else last
                    np.minimum.accumulate(np.add(begun, done[first + least], out=ends), out=ends)
            totals.append((paused[chunk, units] if chunk < most - 1 else last)[-1])
        fewest = min(totals) + self.slack
        chunk = next(at for at, total in enumerate(totals) if total <= fewest)
        parts: list[tuple[int, int, int]] = []
        end, limit = units, float(totals[chunk])
        while True:
            row = last if chunk == most - 1 else paused[chunk, end]
            idle = int((row <= limit + self.slack).argmax())
            if chunk == 0:
                return [(idle, 0, end), *reversed(parts)]
            firsts = end + 1 - least
            resumed = self.resume[idle : idle + firsts] - done[:firsts, idle]
            first = int((paused[chunk - 1, :firsts, idle - overhead] + resumed).argmin())
            parts.append((idle, first, end))
            chunk, end, limit = chunk - 1, first, float(paused[chunk - 1, first, idle - overhead])

    def unlimited(self) -> list[tuple[int, int, int]]:
        """Find the same for any number of chunks; each costs a little, more than rounding can pretend to save."""
        units, least, overhead, charge = self.slots.units, self.slots.least, self.slots.overhead, self.slack
        paused = np.full((units + 1, self.idles), np.inf)
        # The first chunk begins with no work done and no overhead: its begin costs nothing.
        begun, begin = np.zeros(self.idles), np.empty(self.idles)
        stop, resume = self.idles - overhead, self.resume + charge
        ends, firsts = self.done(), self.done()
        for _ in range(least):
            next(ends)
        for first, (done_end, done_first) in enumerate(zip(ends, firsts, strict=False)):
            if first >= least:
                np.subtract(resume[first : first + self.idles], done_first, out=begin)
                begin[overhead:] += paused[first, :stop]
                np.minimum(begun[overhead:], begin[overhead:], out=begun[overhead:])
            np.minimum.accumulate(begun + done_end, out=paused[first + least])
        parts: list[tuple[int, int, int]] = []
        end, limit = units, float(paused[units, -1])
        while True:
            idle = int((paused[end] <= limit + charge / 2).argmax())
            first = 0
            if idle >= overhead and end >= 2 * least:
                resumed = resume[idle : idle + end + 1 - least] - self.done_at(idle, end - least)
                costs = paused[: end + 1 - least, idle - overhead] + resumed
                first = int(costs.argmin()) if costs.min() < 0.0 else 0
            parts.append((idle, first, end))
            if first == 0:
                return parts[::-1]
            end, limit = first, float(paused[first, idle - overhead])


def _of_slots(forecast: Forecast, slots: Slots) -> NDArray[np.float64]:
    """Give the mean intensity of each slot that may be used [gCO2eq/kWh], shape ``(usable,)``."""
    last = slots.first + slots.usable
    if slots.length <= forecast.step_us:
        each = forecast.step_us // slots.length
        begin = slots.first // each
        values = np.repeat(forecast.intensity[begin : -(-last // each)], each)
        return values[slots.first - begin * each : last - begin * each]
    many = slots.length // forecast.step_us
    means: NDArray[np.float64] = forecast.intensity[slots.first * many : last * many].reshape(-1, many).mean(axis=1)
    return means


def _overheads(intensity: NDArray[np.float64], length: float, slots: int) -> NDArray[np.float64]:
    """Integrate over the ``length`` [slots] before each edge, shape ``(usable + 1,)``; 0 where less lies before."""
    sums = np.zeros(intensity.size + 1)
    for back in range(1, slots + 1):
        share = min(1.0, length - (back - 1))
        sums[slots:] += share * intensity[slots - back : intensity.size + 1 - back]
    return sums
