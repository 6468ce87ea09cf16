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

from dataclasses import dataclass
from math import gcd, isqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from airflow_carbon.core.span import ROUNDING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.span import Span

#: More states than these (numbers of 8 bytes) are not searched: the slots are made longer instead.
MOST_STATES = 2**23
#: Where no grid holds every length, slots are made shorter up to so many states: some ten milliseconds.
REFINED_STATES = 2**19
#: A row of states takes as long as this many states more.
_ROW = 64


@dataclass(frozen=True, slots=True)
class Run:
    """Hold a run that may be cut, with lengths in microseconds of its own time.

    :param edges: begin of the first phase, 0, and the end of each [us], one more than phases.
    :param watts: power of each phase [W]; of a run whose power is not known, 1.
    :param least: least work of a chunk [us].
    :param overhead: time that each chunk but the first begins with [us].
    :param overhead_watts: power meanwhile [W].
    :param most: most chunks; None for any number.
    """

    edges: tuple[int, ...]
    watts: tuple[float, ...]
    least: int
    overhead: int
    overhead_watts: float
    most: int | None

    @property
    def duration(self) -> int:
        """Length of the work [us]."""
        return self.edges[-1]

    def parts(self, begin: int, end: int) -> list[tuple[int, int, float]]:
        """Cut out what is drawn between two moments of the work: begin [us], end [us] and power [W] of each phase."""
        bounds = zip(self.edges[:-1], self.edges[1:], self.watts, strict=True)
        cut = ((max(left, begin), min(right, end), watts) for left, right, watts in bounds)
        return [(left, right, watts) for left, right, watts in cut if left < right]


class Part(NamedTuple):
    """Hold one chunk: the work from ``begin`` to ``end`` [us of the run's own time], done from ``at`` on [us]."""

    at: int
    begin: int
    end: int


class Slots(NamedTuple):
    """Hold a grid of slots, and a run measured on it.

    :param length: length of a slot [us].
    :param first: first slot that may be used, counted from the begin of the forecast.
    :param usable: slots that may be used.
    :param units: slots of work; the last may be used in part.
    :param least: least units of a chunk.
    :param overhead: slots that a resume takes.
    :param most: most chunks that fit or are allowed.
    :param limited: whether more would fit than are allowed.
    :param exact: whether every length and both ends are whole slots.
    """

    length: int
    first: int
    usable: int
    units: int
    least: int
    overhead: int
    most: int
    limited: bool
    exact: bool

    @property
    def states(self) -> int:
        """Size of the search [states]."""
        rows = (self.units + 1) * (max(self.usable - self.units, 0) + 1 + _ROW)
        return rows * self.most if self.limited else rows

    @classmethod
    def of(cls, forecast: Forecast, span: Span, run: Run) -> Slots:
        """Choose the longest slot on which all is whole; where there is none, a short one, and round up to it."""
        begin, end = span.earliest - forecast.start_us, span.latest + span.duration - forecast.start_us
        whole = gcd(forecast.step_us, run.least, run.overhead, *run.edges)
        exact = cls._laid(gcd(whole, begin, end), begin, end, run)
        if exact.states <= MOST_STATES:
            return exact
        base = whole if cls._laid(whole, begin, end, run).states <= MOST_STATES else forecast.step_us
        # States grow with the square of the parts that a slot is cut in.
        for parts in range(isqrt(REFINED_STATES // cls._laid(base, begin, end, run).states) + 1, 1, -1):
            finer = cls._laid(base // parts, begin, end, run)
            if base % parts == 0 and finer.states <= REFINED_STATES:
                return finer
        longer = 1
        while (slots := cls._laid(base * longer, begin, end, run)).states > MOST_STATES:
            longer += 1
        return slots

    @classmethod
    def _laid(cls, length: int, begin: int, end: int, run: Run) -> Slots:
        first, last = -(-begin // length), end // length
        units = -(-run.duration // length)
        # The last unit may be cut short: the last chunk must not fall below the least work by that.
        least = max(1, -(-(run.least and run.least + units * length - run.duration) // length))
        overhead = -(-run.overhead // length)
        idle = last - first - units
        fitting = max(1, min(units // least, 1 + idle // overhead if overhead else units))
        limited = run.most is not None and run.most < fitting
        exact = not any(value % length for value in (begin, end, run.least, run.overhead, *run.edges))
        most = fitting if run.most is None else min(run.most, fitting)
        return cls(length, first, last - first, units, least, overhead, most, limited, exact)


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

    :ivar done: cost of the units before each, at each idle, shape ``(units + 1, idles)``.
    :ivar resume: cost of a resume that ends at a slot, less ``done`` there, shape as ``done``.
    :ivar slack: costs that differ by less are equal.
    """

    def __init__(self, forecast: Forecast, run: Run, slots: Slots) -> None:
        self.slots = slots
        intensity = _of_slots(forecast, slots)
        idles = slots.usable - slots.units + 1
        bounds = np.minimum(np.arange(slots.units + 1) * float(slots.length), run.duration)
        energy = np.concatenate(([0.0], np.cumsum(np.diff(run.edges) * np.array(run.watts))))
        watts = np.diff(np.interp(bounds, run.edges, energy)) / slots.length
        self.done = np.zeros((slots.units + 1, idles))
        np.multiply(sliding_window_view(intensity, idles), watts[:, None], out=self.done[1:])
        for row in range(1, slots.units + 1):
            self.done[row] += self.done[row - 1]
        resume = _overheads(intensity, run.overhead / slots.length, slots.overhead) * run.overhead_watts
        self.resume = sliding_window_view(resume, idles) - self.done
        # As ROUNDING has it; the sums are over the units of a run, and nothing larger is subtracted.
        largest = float(self.done[-1].max()) + float(resume.max()) * slots.most
        self.slack = ROUNDING * (slots.units + 2) * largest

    def limited(self) -> list[tuple[int, int, int]]:
        """Find the idle, the first unit and the end of each chunk, of at most so many."""
        done, resume = self.done, self.resume
        units, least, overhead, most = self.slots.units, self.slots.least, self.slots.overhead, self.slots.most
        paused = np.full((most, *done.shape), np.inf)
        np.minimum.accumulate(done[least:], axis=1, out=paused[0, least:])
        begun = np.full((units + 1 - least, done.shape[1]), np.inf)
        stop = done.shape[1] - overhead
        for chunk in range(1, most):
            first = chunk * least
            np.add(paused[chunk - 1, first : units + 1 - least, :stop], resume[first:-least, overhead:],
                   out=begun[first:, overhead:])  # fmt: skip
            for row in range(first + 1, units + 1 - least):
                np.minimum(begun[row], begun[row - 1], out=begun[row])
            ends = paused[chunk, first + least :]
            np.add(begun[first:], done[first + least :], out=ends)
            np.minimum.accumulate(ends, axis=1, out=ends)
        totals = paused[:, units, -1]
        chunk = int((totals <= totals.min() + self.slack).argmax())
        parts: list[tuple[int, int, int]] = []
        end, limit = units, float(totals[chunk])
        while True:
            idle = int((paused[chunk, end] <= limit + self.slack).argmax())
            if chunk == 0:
                return [(idle, 0, end), *reversed(parts)]
            costs = paused[chunk - 1, : end + 1 - least, idle - overhead] + resume[: end + 1 - least, idle]
            first = int(costs.argmin())
            parts.append((idle, first, end))
            chunk, end, limit = chunk - 1, first, float(paused[chunk - 1, first, idle - overhead])

    def unlimited(self) -> list[tuple[int, int, int]]:
        """Find the same for any number of chunks; each costs a little, more than rounding can pretend to save."""
        done, resume, charge = self.done, self.resume + self.slack, self.slack
        units, least, overhead = self.slots.units, self.slots.least, self.slots.overhead
        paused = np.full(done.shape, np.inf)
        # The first chunk begins with no work done and no overhead: its begin costs nothing.
        begun = np.zeros(done.shape[1])
        stop = done.shape[1] - overhead
        for end in range(least, units + 1):
            first = end - least
            if first >= least:
                begin = paused[first, :stop] + resume[first, overhead:]
                np.minimum(begun[overhead:], begin, out=begun[overhead:])
            np.minimum.accumulate(begun + done[end], out=paused[end])
        parts: list[tuple[int, int, int]] = []
        end, limit = units, float(paused[units, -1])
        while True:
            idle = int((paused[end] <= limit + charge / 2).argmax())
            first = 0
            if idle >= overhead and end >= 2 * least:
                costs = paused[: end + 1 - least, idle - overhead] + resume[: end + 1 - least, idle]
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
