"""A run in chunks: how it may be cut, what was planned, and the record of it; plain values, without numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.moment import aware

if TYPE_CHECKING:
    from airflow_carbon.core.power import PowerProfile
    from airflow_carbon.core.request import WaitRequest
    from airflow_carbon.core.schedule import Schedule
    from airflow_carbon.core.window import Window


@dataclass(frozen=True, slots=True)
class Chunk:
    """Hold one uninterrupted part of a run; a resume overhead lies at its begin.

    :param work_begin: how much of the run is done before it, in the run's own time.
    :param work_end: how much is done after it.
    :param intensity_g_per_kwh: emission by energy of the chunk, its overhead included [gCO2eq/kWh].
    :param relative_energy: energy of the chunk, its overhead included, by the energy of the whole run's work [1].
    """

    start: datetime
    end: datetime
    work_begin: timedelta
    work_end: timedelta
    intensity_g_per_kwh: float
    relative_energy: float

    @classmethod
    def whole(cls, window: Window) -> Chunk:
        """Make one chunk of an uninterrupted run."""
        length = window.end - window.start
        return cls(window.start, window.end, timedelta(0), length, window.intensity_g_per_kwh, 1.0)

    @property
    def duration(self) -> timedelta:
        """Time from start to end, the overhead included."""
        return self.end - self.start

    @property
    def overhead(self) -> timedelta:
        """Time at the start that does no work."""
        return self.duration - (self.work_end - self.work_begin)


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
    :param power: what the run draws; None where it is not known.
    """

    request: WaitRequest
    chunks: tuple[Chunk, ...]
    reason: str
    run_now: Window | None = None
    baseline: Window | None = None
    one_window: Window | None = None
    schedule: Schedule | None = None
    power: PowerProfile | None = None

    @classmethod
    def whole_at(cls, request: WaitRequest, start: datetime, reason: str, **known: Any) -> ChunkPlan:
        """Plan the whole run in one piece at a stated start.

        :param known: the windows that were looked at and the power, by the names of the fields.
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
        """How much cleaner the plan is than the baseline [%], as :func:`saving_percent`; NaN if unknown."""
        return math.nan if self.baseline is None else saving_percent(self.intensity_g_per_kwh, self.baseline)

    @property
    def relative_energy(self) -> float:
        """Energy with the overheads by the energy of the work alone [1]."""
        return sum(chunk.relative_energy for chunk in self.chunks)

    @property
    def energy_kwh(self) -> float | None:
        """Energy with the overheads [kWh]; None where the power is not known."""
        return None if self.power is None else self.power.energy_kwh * self.relative_energy

    @property
    def emitted_g(self) -> float | None:
        """Emission [gCO2eq]; None where the power is not known, NaN where the intensity is not."""
        return None if self.power is None else self.power.energy_kwh * self.intensity_g_per_kwh

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
            "relative_energy": round(self.relative_energy, 6),
            "power": str(self.power) if self.power else None,
            "energy_kwh": _rounded(self.energy_kwh, 6),
            "emitted_g": _rounded(self.emitted_g),
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
        saving = math.nan if baseline is None else saving_percent(window.intensity_g_per_kwh, baseline)
        return {
            "start": window.start.isoformat(),
            "end": window.end.isoformat(),
            "intensity_g_per_kwh": _rounded(window.intensity_g_per_kwh),
            "promised_saving_percent": _rounded(saving),
        }


def saving_percent(intensity_g_per_kwh: float, against: Window) -> float:
    """Say how much cleaner an intensity is than a window [%]: minus infinity for any emission against none."""
    if against.intensity_g_per_kwh == 0.0:
        return -math.inf if intensity_g_per_kwh > 0.0 else 0.0
    return 100.0 * (1.0 - intensity_g_per_kwh / against.intensity_g_per_kwh)


def _rounded(value: float | None, digits: int = 3) -> float | None:
    # What no forecast covers has no intensity, and JSON no word for one that is not a number, nor a use for minus zero.
    return None if value is None or not math.isfinite(value) else round(value, digits) + 0.0
