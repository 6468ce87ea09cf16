"""The cleanest uninterrupted run: exact in continuous time, never late.

The mean over a window of fixed length is piecewise linear in its start and bends only where the start or the end meets
a step edge. So a best window has one of them on an edge, or begins at an end of what is allowed. A window of the first
sort is a core of whole steps, extended by a rest of one step to the left or to the right: to the cheaper side.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from airflow_carbon.core.moment import MICROSECOND, in_words, microseconds, moment_at, parse_duration, parse_moment
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_carbon.core.forecast import Forecast

#: Sums over k steps that differ by less than this share of (k + 2) whole integrals are equal: it bounds the rounding of
#: a difference of prefix sums (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 4.2) eightfold.
ROUNDING = 2.0**-50


@dataclass(frozen=True, slots=True)
class Window:
    """Hold one uninterrupted run.

    :param intensity_g_per_kwh: mean carbon intensity from start to end [gCO2eq/kWh].
    :param horizon_cut: True when the forecast ended before the deadline, so that later starts were not looked at.
    """

    start: datetime
    end: datetime
    intensity_g_per_kwh: float
    horizon_cut: bool = False


class Span(NamedTuple):
    """Hold the starts that one forecast allows a run of one length [us since the Unix epoch; us]."""

    earliest: int
    latest: int
    duration: int
    horizon_cut: bool

    @classmethod
    def of(
        cls, forecast: Forecast, duration: timedelta, earliest_start: datetime | None, deadline: datetime | None
    ) -> Span:
        """Read a request against one forecast.

        :raises InvalidRequestError: if a moment is naive or the duration is not positive.
        :raises NoFeasibleWindowError: if no start ends by the deadline, or within the forecast.
        """
        length = parse_duration(duration, "duration") // MICROSECOND
        earliest = horizon_start = forecast.start_us
        if earliest_start is not None:
            earliest = max(horizon_start, microseconds(parse_moment(earliest_start, "earliest_start")))
        horizon = forecast.end_us
        limit = horizon if deadline is None else microseconds(parse_moment(deadline, "deadline"))
        if earliest + length > limit and deadline is not None:
            raise NoFeasibleWindowError(
                f"deadline: a run of {_words(length)} that starts at {moment_at(earliest).isoformat()} or later cannot "
                f"end by {moment_at(limit).isoformat()}; allow {moment_at(earliest + length).isoformat()} or later, or "
                f"a shorter duration"
            )
        if earliest + length > horizon:
            raise NoFeasibleWindowError(
                f"duration: a run of {_words(length)} that starts at {moment_at(earliest).isoformat()} or later does "
                f"not fit into the series for {forecast.zone}, which ends at {forecast.end.isoformat()}; use one that "
                f"reaches {moment_at(earliest + length).isoformat()}, an earlier start or a shorter duration"
            )
        return cls(earliest, min(limit, horizon) - length, length, horizon < limit)


class Cores(NamedTuple):
    """Tell where the windows to look at lie on a grid.

    :param whole: length of a core [steps].
    :param rest: length of its extension [us], shorter than a step.
    :param first: first step at which a core begins that may be extended to either side.
    :param last: last such step; before ``first`` where there is none.
    :param corners: the starts that these leave out, and both ends, sorted [us from the begin of the grid].
    """

    whole: int
    rest: int
    first: int
    last: int
    corners: list[int]

    @classmethod
    def of(cls, span: Span, start: int, step: int) -> Cores:
        """Lay a span over the grid that begins at ``start`` and has steps of length ``step`` [us]."""
        whole, rest = divmod(span.duration, step)
        earliest, latest = span.earliest - start, span.latest - start
        first, last = -(-(earliest + rest) // step), latest // step
        if rest:
            # The core before the first may still be extended to the right, the one after the last to the left.
            to_the_right, to_the_left = -(-earliest // step), (latest + rest) // step
            corners = {earliest, latest}
            if to_the_right < first and to_the_right * step <= latest:
                corners.add(to_the_right * step)
            if to_the_left > last and to_the_left * step - rest >= earliest:
                corners.add(to_the_left * step - rest)
            return cls(whole, rest, first, last, sorted(corners))
        return cls(whole, rest, first, last, sorted(start for start in {earliest, latest} if start % step))


def best_window(
    forecast: Forecast, *, duration: timedelta, earliest_start: datetime | None = None, deadline: datetime | None = None
) -> Window:
    """Find the window of least mean intensity; of equal ones, the earliest.

    :param earliest_start: no start before this; the forecast's start where not given, or where that is later.
    :param deadline: latest finish; the forecast's end where not given.
    :raises InvalidRequestError: if a moment is naive or the duration is not positive.
    :raises NoFeasibleWindowError: if no start ends by the deadline, or within the forecast.
    """
    span = Span.of(forecast, duration, earliest_start, deadline)
    return _window(forecast, _best_start(forecast, span), span)


def window_at(forecast: Forecast, *, start: datetime, duration: timedelta) -> Window:
    """Give the window that begins at a stated moment.

    :raises InvalidRequestError: if the start is naive or the duration is not positive.
    :raises NoFeasibleWindowError: if the forecast does not cover the run.
    """
    begin, length = microseconds(parse_moment(start, "start")), parse_duration(duration, "duration") // MICROSECOND
    if begin < forecast.start_us or begin + length > forecast.end_us:
        raise NoFeasibleWindowError(
            f"start: a run of {_words(length)} from {moment_at(begin).isoformat()} lies outside the series for "
            f"{forecast.zone}, which covers {forecast.start.isoformat()} to {forecast.end.isoformat()}"
        )
    return _window(forecast, begin, Span(begin, begin, length, horizon_cut=False))


def spread_window(
    forecast: Forecast,
    *,
    duration: timedelta,
    earliest_start: datetime | None = None,
    deadline: datetime | None = None,
    tolerance: float,
    place: float,
) -> Window:
    """Give one of all windows that are about as clean as the best, so that many runs do not meet on one minute.

    :param tolerance: means up to ``1 + tolerance`` times the least count as about as clean.
    :param place: the share of such starts, by length of time, that lies before the one to give; in ``[0, 1)``.
    :raises InvalidRequestError: as :func:`best_window`, or if tolerance or place lie outside their range.
    :raises NoFeasibleWindowError: as :func:`best_window`.
    """
    if not 0.0 <= tolerance < float("inf"):
        raise InvalidRequestError(f"tolerance: {tolerance} must be a finite number, zero or larger")
    if not 0.0 <= place < 1.0:
        raise InvalidRequestError(f"place: {place} must lie in [0, 1)")
    span = Span.of(forecast, duration, earliest_start, deadline)
    best = _best_start(forecast, span)
    starts, costs = _bends(forecast, span)
    least = _cost(forecast, best, span.duration)
    limit = (1.0 + tolerance) * least
    # Rounding must neither keep an equal optimum out nor give width to a bare minimum.
    equal = least + _slack(forecast, span.duration)
    clean = costs <= max(limit, equal)
    pieces = np.flatnonzero(clean[:-1] | clean[1:])
    costs = np.where(costs <= equal, least, costs)
    left, right, begin = costs[pieces], costs[pieces + 1], starts[pieces]
    slope = np.where(left == right, 1.0, right - left)
    crossing = np.minimum(np.maximum((limit - left) / slope, 0.0), 1.0)
    opens = np.where(left <= limit, 0.0, crossing)
    closes = np.where(right <= limit, 1.0, crossing)
    length = starts[pieces + 1] - begin
    measure = np.concatenate(([0.0], ((closes - opens) * length).cumsum()))
    wanted = place * measure.item(-1)
    piece = int(measure.searchsorted(wanted, side="right")) - 1
    if piece >= length.size:
        return _window(forecast, best, span)
    chosen = int(begin[piece] + opens[piece] * length[piece] + (wanted - measure[piece]))
    return _window(forecast, min(max(chosen, span.earliest), span.latest), span)


def _best_start(forecast: Forecast, span: Span) -> int:
    cumulative, intensity, step = forecast.cumulative, forecast.intensity, forecast.step_us
    whole, rest, first, last, corners = Cores.of(span, forecast.start_us, step)
    begin, stop, share = first, last + 1, rest / step
    starts = [forecast.start_us + corner for corner in corners]
    bends = [(start, _cost(forecast, start, span.duration)) for start in starts]
    bound = min([cost for _, cost in bends], default=np.inf) + _slack(forecast, span.duration)
    if first > last:
        return min(start for start, cost in bends if cost <= bound)
    costs = cumulative[begin + whole : stop + whole] - cumulative[begin:stop]
    if rest:
        extension = np.minimum(intensity[begin - 1 : stop - 1], intensity[begin + whole : stop + whole])
        extension *= share
        costs += extension
    cleanest = costs.argmin()
    bound = min(bound, costs.item(cleanest) + _slack(forecast, span.duration))
    starts = [start for start, cost in bends if cost <= bound]
    if costs.item(cleanest) <= bound:
        core = begin + int((costs[: cleanest + 1] <= bound).argmax())
        start = forecast.start_us + core * step
        if rest and cumulative[core + whole] - cumulative[core] + share * intensity[core - 1] <= bound:
            start -= rest
        starts.append(start)
    return min(starts)


def _bends(forecast: Forecast, span: Span) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """List all starts at which the mean bends, and both ends [us], with the integral from each [g/kWh x steps]."""
    cumulative, intensity, step = forecast.cumulative, forecast.intensity, forecast.step_us
    whole, rest, first, last, corners = Cores.of(span, forecast.start_us, step)
    begin, stop = first, max(first, last + 1)
    edges = np.arange(begin, stop) * float(step) + forecast.start_us
    cores = cumulative[begin + whole : stop + whole] - cumulative[begin:stop]
    if rest:
        sides = np.empty((2, 2 * edges.size))
        left, right = intensity[begin - 1 : stop - 1], intensity[begin + whole : stop + whole]
        sides[0, ::2], sides[0, 1::2] = edges - rest, edges
        sides[1, ::2], sides[1, 1::2] = cores + rest / step * left, cores + rest / step * right
        edges, cores = sides
    outer = [forecast.start_us + corner for corner in corners]
    before = [start for start in outer if not edges.size or start <= edges[0]]
    after = outer[len(before) :]
    costs = [_cost(forecast, start, span.duration) for start in outer]
    return (
        np.concatenate((before, edges, after)),
        np.concatenate((costs[: len(before)], cores, costs[len(before) :])),
    )


def _cost(forecast: Forecast, start: int, duration: int) -> float:
    return forecast.integral_to(start + duration) - forecast.integral_to(start)


def _slack(forecast: Forecast, duration: int) -> float:
    return ROUNDING * (duration // forecast.step_us + 2) * forecast.cumulative.item(-1)


def _window(forecast: Forecast, start: int, span: Span) -> Window:
    mean = _cost(forecast, start, span.duration) / (span.duration / forecast.step_us)
    return Window(moment_at(start), moment_at(start + span.duration), mean, span.horizon_cut)


def _words(duration: int) -> str:
    return in_words(timedelta(microseconds=duration))
