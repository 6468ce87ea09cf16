"""One job whose number of workers may change as it goes on: how many at which time, for least emission by a deadline.

Each further worker in each slot adds some work and some energy. They are taken in the order of work per gram, most
first, until the work is done (Hanafy et al., CarbonScaler, POMACS 7(3), 2023). That is a fractional knapsack, so it is
optimal where each further worker adds no more than the one before it: then no worker is wanted before those below it.

A curve that bends the other way is replaced by its concave hull, that is by the numbers of workers that some mix of
others does not beat. On it the plan is optimal among all that may change the number of workers at any time, because a
mix is nothing but a slot that is shared between two numbers. No worker at all is always allowed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from airflow_carbon.core.moment import MICROSECOND, microseconds, moment_at, parse_duration, parse_moment
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_carbon.core.forecast import Forecast

_HOUR_US = timedelta(hours=1) // MICROSECOND
#: Work that is left over by rounding alone, as a share of the whole.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Stretch:
    """Hold a time with one number of workers.

    :param work: what they get done, in the units of the request.
    :param emitted_g: what they emit meanwhile [gCO2eq].
    """

    start: datetime
    end: datetime
    workers: int
    work: float
    emitted_g: float


@dataclass(frozen=True, slots=True)
class ElasticPlan:
    """Hold how many workers run when; between stretches there are none.

    :param stretches: by time; neighbours differ in their number of workers, or do not touch.
    :param numbers: the numbers of workers that the plan chose from: the corners of the concave hull.
    :param concave: whether the curve was concave as it was given, so that the hull left out no number of workers.
    """

    stretches: tuple[Stretch, ...]
    emitted_g: float
    numbers: tuple[int, ...]
    concave: bool

    @property
    def end(self) -> datetime:
        """When the work is done."""
        return self.stretches[-1].end

    def workers_at(self, moment: datetime) -> int:
        """Give the number of workers at a moment."""
        return next((each.workers for each in self.stretches if each.start <= moment < each.end), 0)


class _Corner(NamedTuple):
    """Hold a corner of the hull: its number of workers, work per hour, and power [kW]."""

    workers: int
    throughput: float
    kw: float


def elastic_plan(
    forecast: Forecast,
    *,
    work: float,
    throughput: Sequence[float] | NDArray[np.float64],
    power_kw: float | Sequence[float] | NDArray[np.float64] = 1.0,
    slot: timedelta | None = None,
    earliest_start: datetime | None = None,
    deadline: datetime | None = None,
) -> ElasticPlan:
    """Choose the number of workers over time that does the work by the deadline at least emission.

    :param work: work to do, in any unit.
    :param throughput: work per hour with 1, 2, 3, ... workers, shape ``(w,)``.
    :param power_kw: power of each worker [kW], or of 1, 2, 3, ... workers together, shape ``(w,)``.
    :param slot: how long the number of workers stays at least, but for the one slot in which the work runs out; the
        forecast's step where not given.
    :param earliest_start: no work before this; the forecast's start where not given, or where that is later.
    :param deadline: latest finish; the forecast's end where not given, or where that is earlier.
    :raises InvalidRequestError: naming the field that is wrong.
    :raises NoFeasibleWindowError: if all workers at all times do not get it done; the message says how much they do.
    """
    if not 0.0 < work < math.inf:
        raise InvalidRequestError(f"work: {work} must be a number larger than zero")
    hull, concave = _hull(*_curve(throughput, power_kw))
    starts, ends, means = _slots(forecast, slot, earliest_start, deadline)
    hours = (ends - starts) / _HOUR_US
    rates = np.diff([each.throughput for each in hull])
    kws = np.diff([each.kw for each in hull])
    possible = float(hours.sum() * rates.sum())
    if possible < work * (1.0 - _ROUNDING):
        raise NoFeasibleWindowError(
            f"work: {work:g} cannot be done by {moment_at(int(ends[-1])).isoformat()}; {hull[-1].workers} workers do "
            f"{possible:g} from {moment_at(int(starts[0])).isoformat()} on: allow a later deadline or more workers"
        )
    adds = hours[:, None] * rates
    # On the hull these rise but for rounding; so a stable sort takes each slot's workers from the first on.
    ratios = np.maximum.accumulate(kws / rates)
    order = np.argsort((means[:, None] * ratios).ravel(), kind="stable")
    before = np.concatenate(([0.0], adds.ravel()[order].cumsum()))
    whole = int(before[1:].searchsorted(work * (1.0 - _ROUNDING)))
    taken = np.zeros(adds.size)
    taken[order[:whole]] = 1.0
    taken[order[whole]] = min(1.0, (work - before[whole]) / adds.ravel()[order[whole]])
    pieces = []
    for at, share in enumerate(taken.reshape(adds.shape)):
        levels = int(np.count_nonzero(share))
        if not levels:
            continue
        begin, end, part = int(starts[at]), int(ends[at]), float(share[levels - 1])
        turn = end if part == 1.0 else min(end, begin + math.ceil(part * (end - begin)))
        pieces.append(_stretch(begin, turn, hull[levels], means[at]))
        if turn < end and levels > 1:
            pieces.append(_stretch(turn, end, hull[levels - 1], means[at]))
    stretches = _joined(pieces)
    return ElasticPlan(
        stretches, sum(each.emitted_g for each in stretches), tuple(each.workers for each in hull[1:]), concave
    )


def _curve(
    throughput: Sequence[float] | NDArray[np.float64], power_kw: float | Sequence[float] | NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rates = np.asarray(throughput, dtype=np.float64)
    if rates.ndim != 1 or not rates.size or not (np.isfinite(rates) & (rates >= 0.0)).all() or not rates.any():
        raise InvalidRequestError(
            f"throughput: {throughput!r} must list the work per hour of 1, 2, 3, ... workers, zero or larger each"
        )
    power = np.asarray(power_kw, dtype=np.float64)
    if power.ndim == 0:
        power = power * np.arange(1, rates.size + 1)
    if power.shape != rates.shape or not (np.isfinite(power) & (power > 0.0)).all() or (np.diff(power) < 0.0).any():
        raise InvalidRequestError(
            f"power_kw: {power_kw!r} must be a number above zero, or list that of 1 to {rates.size} workers, none "
            f"below the one before"
        )
    return rates, power


def _hull(rates: NDArray[np.float64], power: NDArray[np.float64]) -> tuple[list[_Corner], bool]:
    """Keep the numbers of workers on the upper concave hull of work over power, from none on (Andrew's chain)."""
    hull = [_Corner(0, 0.0, 0.0)]
    left_out = False
    for workers, (rate, kw) in enumerate(zip(rates.tolist(), power.tolist(), strict=True), start=1):
        if rate <= hull[-1].throughput:
            # More power for no more work: never worth it, and no bend of the curve upwards.
            continue
        corner = _Corner(workers, rate, kw)
        while len(hull) > 1 and _bends_up(hull[-2], hull[-1], corner):
            hull.pop()
            left_out = True
        hull.append(corner)
    return hull, not left_out


def _bends_up(first: _Corner, middle: _Corner, last: _Corner) -> bool:
    rise, run = middle.throughput - first.throughput, middle.kw - first.kw
    return rise * (last.kw - first.kw) < (last.throughput - first.throughput) * run * (1.0 - _ROUNDING)


def _slots(
    forecast: Forecast, slot: timedelta | None, earliest_start: datetime | None, deadline: datetime | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Cut the time into slots: their begins and ends [us], and mean intensities [gCO2eq/kWh]."""
    begin, end = forecast.start_us, forecast.end_us
    if earliest_start is not None:
        begin = max(begin, microseconds(parse_moment(earliest_start, "earliest_start")))
    if deadline is not None:
        end = min(end, microseconds(parse_moment(deadline, "deadline")))
    if begin >= end:
        raise NoFeasibleWindowError(
            f"deadline: nothing of the series for {forecast.zone} lies between {moment_at(begin).isoformat()} and "
            f"{moment_at(end).isoformat()}; allow a later deadline or an earlier start"
        )
    if slot is None:
        # On the forecast's own edges: the first and the last slot may be shorter.
        length, anchor = forecast.step_us, forecast.start_us
    else:
        length, anchor = parse_duration(slot, "slot") // MICROSECOND, begin
    inner = np.arange(anchor + ((begin - anchor) // length + 1) * length, end, length)
    edges = np.concatenate(([begin], inner, [end])).astype(np.int64)
    integral = np.array([forecast.integral_to(edge) for edge in edges.tolist()])
    means = np.maximum(np.diff(integral), 0.0) / (np.diff(edges) / forecast.step_us)
    # What differs by rounding of the prefix sums is equal, and the earlier slot then comes first.
    return edges[:-1], edges[1:], np.round(means, 9)


def _stretch(begin: int, end: int, corner: _Corner, mean: float) -> Stretch:
    hours = (end - begin) / _HOUR_US
    emitted = hours * corner.kw * float(mean)
    return Stretch(moment_at(begin), moment_at(end), corner.workers, hours * corner.throughput, emitted)


def _joined(pieces: list[Stretch]) -> tuple[Stretch, ...]:
    joined: list[Stretch] = []
    for each in pieces:
        if joined and joined[-1].end == each.start and joined[-1].workers == each.workers:
            last = joined.pop()
            each = Stretch(last.start, each.end, each.workers, last.work + each.work, last.emitted_g + each.emitted_g)
        joined.append(each)
    return tuple(joined)
