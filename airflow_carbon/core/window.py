"""The cleanest uninterrupted run: exact in continuous time, never late.

The mean over a window of fixed length is piecewise linear in its start and bends only where the start or the end meets
a step edge. So a best window has one of them on an edge, or begins at an end of what is allowed. A window of the first
sort is a core of whole steps, extended by a rest of one step to the left or to the right: to the cheaper side.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from airflow_carbon.core.moment import MICROSECOND, microseconds, moment_at, parse_moment
from airflow_carbon.core.power import run_of
from airflow_carbon.core.powered import Draw, Rows
from airflow_carbon.core.span import ROUNDING, Cores, Span, words
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.power import PowerProfile


@dataclass(frozen=True, slots=True)
class Window:
    """Hold one uninterrupted run.

    :param intensity_g_per_kwh: mean carbon intensity from start to end, weighted by the power drawn [gCO2eq/kWh].
    :param horizon_cut: True when the forecast ended before the deadline, so that later starts were not looked at.
    """

    start: datetime
    end: datetime
    intensity_g_per_kwh: float
    horizon_cut: bool = False


def best_window(
    forecast: Forecast,
    *,
    duration: timedelta | None = None,
    power: PowerProfile | None = None,
    earliest_start: datetime | None = None,
    deadline: datetime | None = None,
) -> Window:
    """Find the window of least mean intensity, weighted by the power that is drawn; of equal ones, the earliest.

    :param duration: how long the run takes; may be left away where the power profile tells.
    :param power: what the run draws as it goes on; None draws the same all along.
    :param earliest_start: no start before this; the forecast's start where not given, or where that is later.
    :param deadline: latest finish; the forecast's end where not given.
    :raises InvalidRequestError: if a moment is naive, the duration is not positive or is not that of the profile.
    :raises NoFeasibleWindowError: if no start ends by the deadline, or within the forecast.
    """
    length, power = run_of(duration, power)
    span = Span.of(forecast, length, earliest_start, deadline)
    return _window(forecast, _best_start(forecast, span, power), span, power)


def window_at(
    forecast: Forecast, *, start: datetime, duration: timedelta | None = None, power: PowerProfile | None = None
) -> Window:
    """Give the window that begins at a stated moment.

    :raises InvalidRequestError: if the start is naive, the duration is not positive or is not that of the profile.
    :raises NoFeasibleWindowError: if the forecast does not cover the run.
    """
    whole, power = run_of(duration, power)
    begin, length = microseconds(parse_moment(start, "start")), whole // MICROSECOND
    if begin < forecast.start_us or begin + length > forecast.end_us:
        raise NoFeasibleWindowError(
            f"start: a run of {words(length)} from {moment_at(begin).isoformat()} lies outside the series for "
            f"{forecast.zone}, which covers {forecast.start.isoformat()} to {forecast.end.isoformat()}"
        )
    return _window(forecast, begin, Span(begin, begin, length, horizon_cut=False), power)


def spread_window(
    forecast: Forecast,
    *,
    duration: timedelta | None = None,
    power: PowerProfile | None = None,
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
    length, power = run_of(duration, power)
    span = Span.of(forecast, length, earliest_start, deadline)
    best = _best_start(forecast, span, power)
    least = _integral(forecast, best, span, power)
    if power is None:
        starts, costs = _bends(forecast, span)
        slack = _slack(forecast, span.duration)
    else:
        draw = Draw(power, forecast)
        starts, costs = draw.bent(forecast, span)
        slack = draw.slack(forecast.cumulative[-1:]).item()
    limit = (1.0 + tolerance) * least
    # Rounding must neither keep an equal optimum out nor give width to a bare minimum.
    equal = least + slack
    clean = costs <= max(limit, equal)
    pieces = np.flatnonzero(clean[:-1] | clean[1:])
    costs = np.where(costs <= equal, least, costs)
    left, right, begin = costs[pieces], costs[pieces + 1], starts[pieces]
    slope = np.where(left == right, 1.0, right - left)
    crossing = np.minimum(np.maximum((limit - left) / slope, 0.0), 1.0)
    opens = np.where(left <= limit, 0.0, crossing)
    closes = np.where(right <= limit, 1.0, crossing)
    reach = starts[pieces + 1] - begin
    measure = np.concatenate(([0.0], ((closes - opens) * reach).cumsum()))
    wanted = place * measure.item(-1)
    piece = int(measure.searchsorted(wanted, side="right")) - 1
    if piece >= reach.size:
        return _window(forecast, best, span, power)
    chosen = int(begin[piece] + opens[piece] * reach[piece] + (wanted - measure[piece]))
    return _window(forecast, min(max(chosen, span.earliest), span.latest), span, power)


def turning_points(
    forecast: Forecast,
    *,
    duration: timedelta | None = None,
    power: PowerProfile | None = None,
    earliest_start: datetime | None = None,
    deadline: datetime | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """List the starts between which the mean intensity of a run goes straight, both ends of what is allowed included.

    Whatever is a straight function of start and mean intensity has its least value at one of them.

    :return: starts in order [us since the Unix epoch] and mean intensities [gCO2eq/kWh], both of shape ``(k,)``.
    :raises InvalidRequestError: as :func:`best_window`.
    :raises NoFeasibleWindowError: as :func:`best_window`.
    """
    length, power = run_of(duration, power)
    span = Span.of(forecast, length, earliest_start, deadline)
    starts, costs = _bends(forecast, span) if power is None else Draw(power, forecast).bent(forecast, span)
    return starts, costs / (span.duration / forecast.step_us)


def _best_start(forecast: Forecast, span: Span, power: PowerProfile | None) -> int:
    if power is not None:
        return Draw(power, forecast).best(Rows.of(forecast), span)[0].item()
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


def _integral(forecast: Forecast, start: int, span: Span, power: PowerProfile | None) -> float:
    if power is None:
        return _cost(forecast, start, span.duration)
    return Draw(power, forecast).integrals(Rows.of(forecast), start, 1).item()


def _window(forecast: Forecast, start: int, span: Span, power: PowerProfile | None) -> Window:
    mean = _integral(forecast, start, span, power) / (span.duration / forecast.step_us)
    return Window(moment_at(start), moment_at(start + span.duration), mean, span.horizon_cut)
