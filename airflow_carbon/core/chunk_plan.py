"""The decision about a run that may be cut: in chunks, in one window, or at once."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.chunks import Chunk, ChunkPlan, Cuts, saving_percent
from airflow_carbon.core.forecast_error import MIN_HYSTERESIS_PERCENT, ForecastError
from airflow_carbon.core.moment import aware
from airflow_carbon.core.schedule import best_schedule
from airflow_carbon.core.units import Kind
from airflow_carbon.core.window import Window, best_window, window_at

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.request import WaitRequest


def plan_chunks(
    request: WaitRequest, cuts: Cuts, forecast: Forecast, *, now: datetime, error: ForecastError | None = None
) -> ChunkPlan:
    """Decide whether to cut a run, to let it wait in one piece, or to run it at once.

    The cleanest plan is taken if it saves ``request.min_saving_percent`` against a run at the soonest start, with the
    cost of its resumes counted against it. Where one window saves as much, a cut must gain at least
    ``MIN_HYSTERESIS_PERCENT`` on it: what a cut costs is certain. No plan ends later than a run that begins at
    ``request.latest_start``.

    :param forecast: the newest answer of the source; it may end before the deadline.
    :param error: what this source's past issues taught; None takes the newest issue at its word.
    :raises InvalidRequestError: naming the field of ``cuts`` that is wrong, or if ``now`` has no timezone.
    """
    now = aware(now, "now")
    error = (error or ForecastError()).observed(forecast)
    believed = error.believed(forecast)
    first = max(now, request.earliest_start)
    soonest = "now" if first <= now else f"at the earliest start, {_utc(first)}"
    known: dict[str, Any] = {"power": cuts.power, "run_now": _whole(believed, first, request, cuts)}
    known["baseline"] = _whole(believed, request.ready_at, request, cuts) or _whole(believed, now, request, cuts)
    run_now = known["run_now"]
    if now >= request.latest_start:
        reached = f"starts now: the latest start, {_utc(request.latest_start)}, is reached"
        return ChunkPlan.whole_at(request, first, reached, **known)
    if run_now is None:
        covered = f"the {forecast.kind} covers {_utc(forecast.start)} to {_utc(forecast.end)}"
        return ChunkPlan.whole_at(request, first, f"starts {soonest}: {covered}, no whole run from then", **known)
    bounds: dict[str, Any] = {
        "duration": request.duration,
        "power": cuts.power,
        "earliest_start": first,
        "deadline": request.latest_start + request.duration,
    }
    known["one_window"] = best_window(believed, **bounds)
    schedule = best_schedule(
        believed,
        **bounds,
        max_chunks=cuts.max_chunks,
        min_chunk=cuts.min_chunk,
        resume_overhead=cuts.resume_overhead,
        resume_watts=cuts.resume_watts,
    )
    one_window = known["one_window"]
    saving = saving_percent(schedule.intensity_g_per_kwh, run_now)
    in_one = saving_percent(one_window.intensity_g_per_kwh, run_now)
    limit = f"; known only until {_utc(forecast.end)}" if schedule.horizon_cut else ""
    if saving < request.min_saving_percent or schedule.end <= run_now.end:
        if forecast.kind is Kind.ANNUAL_AVERAGE:
            why = f"only an annual average is known for {forecast.zone}, no daily shape to wait for"
        elif saving <= 0.0:
            why = f"neither a later start nor a cut is cleaner{limit}"
        else:
            asked = f"less than the {request.min_saving_percent:g} % asked for"
            why = f"waiting promises {in_one:.1f} %, and cutting {saving:.1f} %, {asked}{limit}"
        return ChunkPlan.whole_at(request, first, f"starts {soonest}: {why}", schedule=schedule, **known)
    soonest_g = f"{run_now.intensity_g_per_kwh:.0f} g/kWh"
    gain = saving_percent(schedule.intensity_g_per_kwh, one_window)
    is_cut = len(schedule.chunks) > 1
    # Both stand on the same issue, whose error shifts both alike; but more freedom finds more of its noise.
    if is_cut and (in_one < request.min_saving_percent or gain > MIN_HYSTERESIS_PERCENT):
        chunks = f"{len(schedule.chunks)} chunks from {_utc(schedule.start)} to {_utc(schedule.end)}"
        cleaner = f"{saving:.0f} % cleaner than {soonest} ({schedule.intensity_g_per_kwh:.0f} instead of {soonest_g})"
        gains = f"in one window it would be {in_one:.0f} %, and the cut gains {gain:.1f} % on it"
        reason = f"{chunks} are {cleaner}; {gains}{limit}"
        return ChunkPlan(request, schedule.chunks, reason, schedule=schedule, **known)
    little = f"a cut gains {gain:.1f} % on it, less than the {MIN_HYSTERESIS_PERCENT:g} % that make it worth it"
    cut = little if is_cut else "no cut gains on it"
    if one_window.start <= first:
        reason = f"starts {soonest}: no later start is cleaner, and {cut}{limit}"
        return ChunkPlan.whole_at(request, first, reason, schedule=schedule, **known)
    cleaner = f"{in_one:.0f} % cleaner than {soonest} ({one_window.intensity_g_per_kwh:.0f} instead of {soonest_g})"
    reason = f"one window at {_utc(one_window.start)} is {cleaner}, and {cut}{limit}"
    return ChunkPlan(request, (Chunk.whole(one_window),), reason, schedule=schedule, **known)


def _whole(forecast: Forecast, start: datetime, request: WaitRequest, cuts: Cuts) -> Window | None:
    if not forecast.covers(start, start + request.duration):
        return None
    return window_at(forecast, start=start, duration=request.duration, power=cuts.power)


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
