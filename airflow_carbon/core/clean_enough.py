"""The decision of a wait for a limit: run as soon as the intensity meets it, and not for what lies behind."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_carbon.core.policy import Action, Decision
from airflow_carbon.core.window import Window, window_at
from airflow_carbon.exceptions import InvalidForecastError

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.request import WaitRequest
    from airflow_carbon.core.threshold import Threshold


def decide_for_limit(
    request: WaitRequest, threshold: Threshold, forecast: Forecast, *, now: datetime, standing: Window | None = None
) -> Decision:
    """Decide between running now and waiting for the first moment that meets a limit, by what is known now.

    A limit is a number that people look up, so the forecast is taken at its word, and each look plans afresh.

    :param standing: the window that an earlier decision for this request chose.
    """
    first = max(now, request.earliest_start)
    try:
        limit: float | None = threshold.limit(forecast, now)
    except InvalidForecastError:
        limit = None
    found = None if limit is None else threshold.first(forecast, limit, first, request.latest_start)
    start = max(first, request.latest_start) if found is None else found
    window = _window(forecast, request, start)
    baseline_at = request.ready_at if forecast.covers(request.ready_at, request.ready_at + request.duration) else now
    baseline, at_first = _mean(forecast, request, baseline_at), _mean(forecast, request, first)
    saving = None
    if baseline and math.isfinite(window.intensity_g_per_kwh):
        saving = 100.0 * (1.0 - window.intensity_g_per_kwh / baseline)
    late = now >= request.latest_start
    return Decision(
        action=Action.RUN if start <= now or late else Action.WAIT,
        window=window,
        baseline_at=baseline_at,
        baseline_intensity_g_per_kwh=baseline,
        run_now_intensity_g_per_kwh=at_first,
        promised_saving_percent=saving,
        moved=standing is not None and standing.start != window.start,
        hysteresis_percent=0.0,
        reason=_reason(threshold, forecast, limit, found, first, now, request.latest_start),
        limit_g_per_kwh=limit,
        reached=found is not None,
    )


def _reason(
    threshold: Threshold,
    forecast: Forecast,
    limit: float | None,
    found: datetime | None,
    first: datetime,
    now: datetime,
    latest: datetime,
) -> str:
    if limit is None:
        covered = f"{forecast.start:%Y-%m-%d %H:%M} to {forecast.end:%Y-%m-%d %H:%M} UTC"
        return f"whether the intensity is {threshold} is not known: the {forecast.kind} covers {covered}"
    asked = str(threshold) if threshold.below_g_per_kwh is not None else f"{threshold} ({limit:.0f} g/kWh or less)"
    at_first = _at(forecast, first)
    there = "" if at_first is None else f"{at_first:.0f} g/kWh is "
    if found is None:
        known = "" if latest < forecast.end else f"; known only until {forecast.end:%Y-%m-%d %H:%M} UTC"
        return f"{there}not {asked}, nor is any moment until the latest start, {latest:%Y-%m-%d %H:%M} UTC{known}"
    if found <= now:
        return f"starts now: {there}{asked}"
    return f"{found:%Y-%m-%d %H:%M} UTC, with {_at(forecast, found) or 0.0:.0f} g/kWh, is the first moment {asked}"


def _at(forecast: Forecast, moment: datetime) -> float | None:
    from airflow_carbon.core.moment import microseconds

    row = (microseconds(moment) - forecast.start_us) // forecast.step_us
    return float(forecast.intensity[row]) if 0 <= row < len(forecast) else None


def _window(forecast: Forecast, request: WaitRequest, start: datetime) -> Window:
    end = start + request.duration
    if not forecast.covers(start, end):
        return Window(start, end, math.nan, horizon_cut=True)
    return window_at(forecast, start=start, duration=request.duration, power=request.power)


def _mean(forecast: Forecast, request: WaitRequest, start: datetime) -> float | None:
    mean = _window(forecast, request, start).intensity_g_per_kwh
    return mean if math.isfinite(mean) else None
