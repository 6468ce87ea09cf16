"""The cleanest run in chunks: cut, paused and resumed where that saves more than the resumes cost.

The emission of a plan is its exact integral. Write each chunk by its idle time so far, ``u = start - work``, and by the
work done at its end: every rule (order, least work, overhead, ends) then bounds a difference of two of these numbers,
and between the edges of the forecast and of the power profile the emission is linear in them. Such a program has an
optimum in whole slots when all its bounds are whole slots (its matrix is totally unimodular; Schrijver, Theory of
Linear and Integer Programming, 1986, section 19.3). So on a slot that divides the forecast's step, the duration, the
profile's edges, the least chunk, the overhead, and both ends counted from the forecast's begin, the best plan on the
grid is the best of all plans, on the grid or off it: ``Schedule.exact`` says so.

Where no such slot is long enough to be searched, another one is taken, lengths are rounded up to it and the ends in.
The best plan on that grid is then moved, with every length as it is, to where it emits least of all plans around it
(:mod:`~airflow_carbon.core.schedule_band`); that one is never late and billed exactly, but another cut far from it may
be a little cleaner. In either case the uninterrupted run of ``best_window``, exact in continuous time, is compared, and
it stays where the chunks do not emit less.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.chunks import Chunk
from airflow_carbon.core.moment import MICROSECOND, microseconds, moment_at, parse_duration
from airflow_carbon.core.power import PowerProfile, run_of
from airflow_carbon.core.schedule_band import refined_parts
from airflow_carbon.core.schedule_grid import cheapest_parts
from airflow_carbon.core.schedule_slots import Part, Run, Slots
from airflow_carbon.core.span import ROUNDING, Span
from airflow_carbon.core.window import best_window
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast


@dataclass(frozen=True, slots=True)
class Schedule:
    """Hold a run in chunks, in the order of time.

    :param intensity_g_per_kwh: emission of all chunks by the energy of the work alone, so that overhead counts against
        the plan [gCO2eq/kWh]; it compares with the mean of an uninterrupted run.
    :param work_kwh: energy of the work [kWh]; None where the power is not known.
    :param slot: slot of the grid that was searched; zero where the run may not be cut.
    :param exact: True where no other plan, on that grid or off it, emits less.
    :param horizon_cut: True when the forecast ended before the deadline, so that nothing later was looked at.
    """

    chunks: tuple[Chunk, ...]
    intensity_g_per_kwh: float
    work_kwh: float | None
    slot: timedelta
    exact: bool
    horizon_cut: bool = False

    @property
    def start(self) -> datetime:
        """Start of the first chunk."""
        return self.chunks[0].start

    @property
    def end(self) -> datetime:
        """End of the last chunk."""
        return self.chunks[-1].end

    @property
    def overhead(self) -> timedelta:
        """Time of all resumes."""
        return sum((chunk.overhead for chunk in self.chunks), timedelta(0))

    @property
    def relative_energy(self) -> float:
        """Energy with overhead by the energy of the work alone [1]."""
        return sum(chunk.relative_energy for chunk in self.chunks)

    @property
    def energy_kwh(self) -> float | None:
        """Energy with overhead [kWh]; None where the power is not known."""
        return None if self.work_kwh is None else self.work_kwh * self.relative_energy

    @property
    def emitted_g(self) -> float | None:
        """Emission [gCO2eq]; None where the power is not known."""
        return None if self.work_kwh is None else self.work_kwh * self.intensity_g_per_kwh

    def record(self) -> list[dict[str, Any]]:
        """Give each chunk as plain JSON values."""
        return [
            {
                "index": index,
                "chunks": len(self.chunks),
                "start": chunk.start.isoformat(),
                "end": chunk.end.isoformat(),
                "duration_seconds": chunk.duration.total_seconds(),
                "overhead_seconds": chunk.overhead.total_seconds(),
                "work_begin_seconds": chunk.work_begin.total_seconds(),
                "work_end_seconds": chunk.work_end.total_seconds(),
                "intensity_g_per_kwh": chunk.intensity_g_per_kwh,
                "relative_energy": chunk.relative_energy,
            }
            for index, chunk in enumerate(self.chunks)
        ]


def best_schedule(
    forecast: Forecast,
    *,
    duration: timedelta | None = None,
    power: PowerProfile | None = None,
    earliest_start: datetime | None = None,
    deadline: datetime | None = None,
    max_chunks: int | None,
    min_chunk: timedelta = timedelta(0),
    resume_overhead: timedelta = timedelta(0),
    resume_watts: float | None = None,
) -> Schedule:
    """Find the chunks of least emission; of equal plans the one of fewest chunks, and of these one that ends first.

    :param duration: length of the work; may be left out where ``power`` tells it.
    :param power: what the work draws; it is done in this order, whatever the cuts.
    :param earliest_start: no start before this; the forecast's start where not given, or where that is later.
    :param deadline: latest finish; the forecast's end where not given.
    :param max_chunks: most chunks; None for any number.
    :param min_chunk: least work of a chunk; a shorter run is one chunk.
    :param resume_overhead: time at the begin of each chunk but the first that does no work and is billed.
    :param resume_watts: power meanwhile [W]; the mean power of the run where not given.
    :raises InvalidRequestError: naming the field, for a number of chunks below 1, a negative length, a run of neither
        or two durations, a power of the resume without a power of the run, or a naive moment.
    :raises NoFeasibleWindowError: as :func:`best_window`, for the run in one chunk: no plan is sooner done.
    """
    if max_chunks is not None and (type(max_chunks) is not int or max_chunks < 1):
        raise InvalidRequestError(f"max_chunks: {max_chunks!r} must be a whole number, 1 or larger, or None for any")
    run = _run(duration, power, max_chunks, min_chunk, resume_overhead, resume_watts)
    span = Span.of(forecast, timedelta(microseconds=run.duration), earliest_start, deadline)
    window = best_window(forecast, duration=duration, power=power, earliest_start=earliest_start, deadline=deadline)
    parts, length, exact = [Part(microseconds(window.start), 0, run.duration)], 0, True
    if max_chunks != 1 and run.duration >= 2 * run.least and span.earliest < span.latest:
        slots = Slots.of(forecast, span, run)
        length, exact = slots.length, slots.exact
        # Differences of the forecast's integral round as ROUNDING has it; chunks must save more than that.
        slack = ROUNDING * (run.duration + 2 * forecast.step_us) * forecast.cumulative.item(-1) * max(run.watts)
        found = cheapest_parts(forecast, run, slots)
        if not exact:
            found = refined_parts(forecast, run, span, found, slots.length, run.whole(forecast))
        if found and _emission(forecast, run, found) < _emission(forecast, run, parts) - slack:
            parts = found
    work = _energy(run, Part(0, 0, run.duration))
    # The same window, summed in another order, would differ from that of `best_window` in the last digits.
    cut = len(parts) > 1
    return Schedule(
        chunks=tuple(_chunk(forecast, run, part, work) for part in parts) if cut else (Chunk.whole(window),),
        intensity_g_per_kwh=_emission(forecast, run, parts) / work if cut else window.intensity_g_per_kwh,
        work_kwh=None if power is None else power.energy_kwh,
        slot=timedelta(microseconds=length),
        exact=exact,
        horizon_cut=span.horizon_cut,
    )


def _run(
    duration: timedelta | None,
    power: PowerProfile | None,
    max_chunks: int | None,
    min_chunk: timedelta,
    resume_overhead: timedelta,
    resume_watts: float | None,
) -> Run:
    length, _ = run_of(duration, power)
    # Of a run whose power is not known, only ratios of energies count.
    phases = ((length, 1.0),) if power is None else power.phases
    if resume_watts is None:
        resume_watts = sum(each / length * watts for each, watts in phases)
    elif power is None:
        raise InvalidRequestError("resume_watts: it tells nothing without the run's own power; give `power` too")
    elif not 0.0 <= resume_watts < math.inf:
        raise InvalidRequestError(f"resume_watts: {resume_watts} must be a number, zero or larger [W]")
    least = parse_duration(min_chunk, "min_chunk", zero_allowed=True) // MICROSECOND
    overhead = parse_duration(resume_overhead, "resume_overhead", zero_allowed=True) // MICROSECOND
    edges = (0, *accumulate(each // MICROSECOND for each, _ in phases))
    return Run(edges, tuple(watts for _, watts in phases), least, overhead, resume_watts, max_chunks)


def _chunk(forecast: Forecast, run: Run, part: Part, work: float) -> Chunk:
    # Never zero: work that draws nothing goes on in the chunk beside it, which is one chunk fewer.
    energy = _energy(run, part)
    start, end = part.at - _overhead(run, part), part.at + part.end - part.begin
    lengths = timedelta(microseconds=part.begin), timedelta(microseconds=part.end)
    mean = _emission(forecast, run, [part]) / energy
    return Chunk(moment_at(start), moment_at(end), *lengths, mean, energy / work)


def _overhead(run: Run, part: Part) -> int:
    return run.overhead if part.begin else 0


def _energy(run: Run, part: Part) -> float:
    """Add up what a chunk draws [W us]."""
    work = sum((end - begin) * watts for begin, end, watts in run.parts(part.begin, part.end))
    return work + _overhead(run, part) * run.overhead_watts


def _emission(forecast: Forecast, run: Run, parts: Iterable[Part]) -> float:
    """Integrate over chunks and their overheads [W us gCO2eq/kWh]."""
    total = 0.0
    for part in parts:
        spans = [(part.at + begin - part.begin, part.at + end - part.begin, watts)
                 for begin, end, watts in run.parts(part.begin, part.end)]  # fmt: skip
        if overhead := _overhead(run, part):
            spans.append((part.at - overhead, part.at, run.overhead_watts))
        for begin, end, watts in spans:
            total += watts * (forecast.integral_to(end) - forecast.integral_to(begin))
    return total * forecast.step_us
