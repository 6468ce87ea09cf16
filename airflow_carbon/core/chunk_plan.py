"""The decision about a run that may be cut: in chunks, in one window, or at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.forecast_error import ForecastError
from airflow_carbon.core.moment import aware
from airflow_carbon.core.schedule import Chunk, Schedule, best_schedule
from airflow_carbon.core.units import Kind
from airflow_carbon.core.window import Window, best_window, window_at

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.power import PowerProfile
    from airflow_carbon.core.request import WaitRequest


@dataclass(frozen=True, slots=True)
class Cuts:
    """State how a run may be cut; the fields are those of :func:`~airflow_carbon.core.schedule.best_schedule`."""

    power: PowerProfile | None = None
    max_chunks: int | None = 4
    min_chunk: timedelta = timedelta(0)
    resume_overhead: timedelta = timedelta(0)
    resume_watts: float | None = None


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """Hold what was decided, what was known for it, and why; intensities are what is believed, not what one issue says.

    :param chunks: the run, in the order of time; an intensity is NaN where no forecast covers it.
    :param reason: one readable sentence.
    :param run_now: the whole run at the soonest start; None where not known.
    :param baseline: the whole run when the task was first ready, where the forecast reaches back to it, else now.
    :param one_window: the cleanest run without a cut; None where none was looked for.
    :param schedule: the cleanest run with cuts, whether or not it was taken; None where none was looked for.
    """

    request: WaitRequest
    chunks: tuple[Chunk, ...]
    reason: str
    run_now: Window | None = None
    baseline: Window | None = None
    one_window: Window | None = None
    schedule: Schedule | None = None

    @classmethod
    def whole_at(cls, request: WaitRequest, start: datetime, reason: str, **known: Any) -> ChunkPlan:
        """Plan the whole run in one piece at a stated start.

        :param known: the windows that were looked at, by the names of the fields.
        """
        start = aware(start, "start")
        whole_runs = known.get("run_now"), known.get("baseline")
        at_start = next((window for window in whole_runs if window and window.start == start), None)
        intensity = at_start.intensity_g_per_kwh if at_start else math.nan
        chunk = Chunk(start, start + request.duration, timedelta(0), request.duration, intensity, 1.0)
        return cls(request, (chunk,), reason, **known)

    @property
    def intensity_g_per_kwh(self) -> float:
        """Emission of all chunks by the energy of the work alone [gCO2eq/kWh], as a schedule's own; NaN if unknown."""
        return sum(chunk.intensity_g_per_kwh * chunk.relative_energy for chunk in self.chunks)

    @property
    def promised_saving_percent(self) -> float:
        """How much cleaner the plan is than the baseline [%]; NaN if unknown."""
        return math.nan if self.baseline is None else _saving_percent(self.intensity_g_per_kwh, self.baseline)

    def windows(self, *, margin: timedelta = timedelta(0)) -> list[dict[str, Any]]:
        """Give each chunk as a plain dict, with the latest start that leaves time for it and for all that follow it.

        :param margin: kept free before each latest start; ``limit`` is the moment without it.
        """
        length, left, rows = self.request.duration, timedelta(0), list[dict[str, Any]]()
        for index, chunk in reversed(list(enumerate(self.chunks))):
            left += chunk.duration
            latest = self.request.latest_start + length - left
            rows.insert(0, {
                "index": index,
                "count": len(self.chunks),
                "start": chunk.start.isoformat(),
                "end": chunk.end.isoformat(),
                "latest_start": latest.isoformat(),
                "limit": (latest + margin).isoformat(),
                "work_begin_seconds": chunk.work_begin.total_seconds(),
                "work_end_seconds": chunk.work_end.total_seconds(),
                "work_begin_fraction": chunk.work_begin / length,
                "work_end_fraction": chunk.work_end / length,
                "intensity_g_per_kwh": _rounded(chunk.intensity_g_per_kwh),
            })  # fmt: skip
        return rows

    def record(self) -> dict[str, Any]:
        """Give the plain JSON record of the decision."""
        overhead = sum((chunk.overhead for chunk in self.chunks), timedelta(0))
        return {
            "start": self.chunks[0].start.isoformat(),
            "end": self.chunks[-1].end.isoformat(),
            "chunks": len(self.chunks),
            "intensity_g_per_kwh": _rounded(self.intensity_g_per_kwh),
            "overhead_seconds": overhead.total_seconds(),
            "relative_energy": round(sum(chunk.relative_energy for chunk in self.chunks), 6),
            "baseline_start": self.baseline.start.isoformat() if self.baseline else None,
            "baseline_intensity_g_per_kwh": _rounded(self.baseline.intensity_g_per_kwh if self.baseline else None),
            "run_now_intensity_g_per_kwh": _rounded(self.run_now.intensity_g_per_kwh if self.run_now else None),
            "promised_saving_percent": _rounded(self.promised_saving_percent),
            "one_window": self._one_window(),
            "exact": self.schedule.exact if self.schedule else None,
            "horizon_cut": bool(self.schedule and self.schedule.horizon_cut),
            "reason": self.reason,
        }

    def _one_window(self) -> dict[str, Any] | None:
        window, baseline = self.one_window, self.baseline
        if window is None:
            return None
        saving = math.nan if baseline is None else _saving_percent(window.intensity_g_per_kwh, baseline)
        return {
            "start": window.start.isoformat(),
            "end": window.end.isoformat(),
            "intensity_g_per_kwh": _rounded(window.intensity_g_per_kwh),
            "promised_saving_percent": _rounded(saving),
        }


def plan_chunks(
    request: WaitRequest, cuts: Cuts, forecast: Forecast, *, now: datetime, error: ForecastError | None = None
) -> ChunkPlan:
    """Decide whether to cut a run, to let it wait in one piece, or to run it at once.

    The cleanest plan is taken if it saves ``request.min_saving_percent`` against a run at the soonest start, with the
    cost of its resumes counted against it. No plan ends later than a run that begins at ``request.latest_start``.

    :param forecast: the newest answer of the source; it may end before the deadline.
    :param error: what this source's past issues taught; None takes the newest issue at its word.
    :raises InvalidRequestError: naming the field of ``cuts`` that is wrong, or if ``now`` has no timezone.
    """
    now = aware(now, "now")
    believed = (ForecastError() if error is None else error.observed(forecast)).believed(forecast)
    first = max(now, request.earliest_start)
    soonest = "now" if first <= now else f"at the earliest start, {_utc(first)}"
    known: dict[str, Any] = {"run_now": _whole(believed, first, request, cuts)}
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
    saving = _saving_percent(schedule.intensity_g_per_kwh, run_now)
    in_one = _saving_percent(known["one_window"].intensity_g_per_kwh, run_now)
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
    numbers = f"({schedule.intensity_g_per_kwh:.0f} instead of {run_now.intensity_g_per_kwh:.0f} g/kWh)"
    cleaner = f"{saving:.0f} % cleaner than {soonest} {numbers}"
    if len(schedule.chunks) == 1:
        reason = f"one window at {_utc(schedule.start)} is {cleaner}, and no cut gains on it{limit}"
    else:
        chunks = f"{len(schedule.chunks)} chunks from {_utc(schedule.start)} to {_utc(schedule.end)}"
        reason = f"{chunks} are {cleaner}; in one window it would be {in_one:.0f} %{limit}"
    return ChunkPlan(request, schedule.chunks, reason, schedule=schedule, **known)


def _whole(forecast: Forecast, start: datetime, request: WaitRequest, cuts: Cuts) -> Window | None:
    if not forecast.covers(start, start + request.duration):
        return None
    return window_at(forecast, start=start, duration=request.duration, power=cuts.power)


def _saving_percent(intensity_g_per_kwh: float, against: Window) -> float:
    """Say how much cleaner an intensity is than a window [%]; nothing can be cleaner than zero."""
    if against.intensity_g_per_kwh == 0.0:
        return 0.0
    return 100.0 * (1.0 - intensity_g_per_kwh / against.intensity_g_per_kwh)


def _rounded(value: float | None) -> float | None:
    # What no forecast covers has no intensity, and JSON no word for one that is not a number.
    return None if value is None or not math.isfinite(value) else round(value, 3)


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
