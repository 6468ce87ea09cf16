"""A run that may be cut, and the grid of slots that its cuts are searched on."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, isqrt
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.span import Span

#: More states than these are not searched: the slots are made longer instead. A search holds one number of 8 bytes for
#: each, 64 MiB at the most, and some rows.
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

    def whole(self, forecast: Forecast) -> int:
        """Give the longest slot that holds the forecast's step and every length of the run [us]."""
        return gcd(forecast.step_us, self.least, self.overhead, *self.edges)

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
        whole = run.whole(forecast)
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
