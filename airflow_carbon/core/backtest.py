"""Replay a policy over a history: what jobs would have emitted, against running at once and against the oracle."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

from airflow_carbon.core.moment import aware, parse_duration
from airflow_carbon.core.outcome import Job, Outcome, saving_percent
from airflow_carbon.core.replay import Issue, Replay, learn, replay
from airflow_carbon.core.request import WaitRequest
from airflow_carbon.core.schedule import best_schedule
from airflow_carbon.core.window import best_window
from airflow_carbon.core.windows import refuse_mixed
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.foresight import Foresight

__all__ = [
    "Backtest", "Interruption", "Issue", "Job", "Outcome", "Replay", "backtest", "jobs_every", "learn", "replay",
    "saving_percent",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Interruption:
    """State how a run may be cut into chunks.

    :param max_chunks: at most so many; None leaves it open.
    :param min_chunk: shortest chunk.
    :param resume_overhead: extra run time that each chunk but the first costs, billed like any other.
    """

    max_chunks: int | None
    min_chunk: timedelta
    resume_overhead: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Backtest:
    """Hold what became of every job.

    :param outcomes: of the jobs that could be replayed, in their order.
    :param unknown: jobs left out, because nothing was known when they were ready or not all of their time was measured.
    :param foresight: what the jobs were allowed to know, in words; every output shows it.
    """

    outcomes: tuple[Outcome, ...]
    unknown: int
    foresight: str

    def __add__(self, other: Backtest) -> Backtest:
        """Put two stretches of one history together.

        :raises InvalidRequestError: if their jobs were allowed to know different things.
        """
        if other.foresight != self.foresight:
            raise InvalidRequestError(f"foresight: {self.foresight} and {other.foresight} do not add up")
        return Backtest(self.outcomes + other.outcomes, self.unknown + other.unknown, self.foresight)


class _Plan(NamedTuple):
    """Say where and in which chunks a job runs, at which intensity for each kWh of its bare run."""

    zone: str
    chunks: tuple[tuple[datetime, datetime], ...]
    g_per_kwh: float


class Covered(Protocol):
    """Say from when until when something was measured, whether or not there are gaps."""

    @property
    def start(self) -> datetime: ...

    @property
    def end(self) -> datetime: ...


def jobs_every(
    history: Covered, *, every: timedelta, duration: timedelta, max_delay: timedelta, first: datetime | None = None
) -> list[Job]:
    """Give a job at every so often, as long as its latest finish lies within the history.

    :param first: when the first is ready; the begin of the history where not given.
    :raises InvalidRequestError: if a duration is not positive, or the delay negative.
    """
    every, duration = parse_duration(every, "every"), parse_duration(duration, "duration")
    max_delay = parse_duration(max_delay, "max_delay", zero_allowed=True)
    ready = history.start if first is None else aware(first, "first")
    count = max(0, (history.end - max_delay - duration - ready) // every + 1)
    moments = (ready + index * every for index in range(count))
    return [Job(moment, duration, moment + max_delay) for moment in moments]


def backtest(
    histories: Mapping[str, Forecast],
    jobs: Iterable[Job],
    foresight: Foresight,
    *,
    min_saving_percent: float = 10.0,
    interruption: Interruption | None = None,
) -> Backtest:
    """Replay every job.

    In one zone and one piece it is the policy itself, which looks again at each new forecast. A job that may choose its
    zone or be cut into chunks plans once, when it is ready, as the task does that chooses for it.

    :param histories: what came, by zone; the first is home, where the baseline runs.
    :param foresight: what each job may know.
    :param min_saving_percent: waiting or moving must promise at least this [%].
    :raises InvalidRequestError: if there is no zone, or their numbers do not compare.
    """
    if not histories:
        raise InvalidRequestError("histories: there is none; give one zone at least, the first is home")
    refuse_mixed(list(histories.items()))
    outcomes, unknown = [], 0
    for job in jobs:
        outcome = _outcome(histories, job, foresight, min_saving_percent, interruption)
        if outcome is None:
            unknown += 1
        else:
            outcomes.append(outcome)
    return Backtest(tuple(outcomes), unknown, foresight.label)


def _outcome(
    histories: Mapping[str, Forecast],
    job: Job,
    foresight: Foresight,
    min_saving_percent: float,
    interruption: Interruption | None,
) -> Outcome | None:
    if not all(one.covers(job.ready_at, job.deadline) for one in histories.values()):
        return None
    home = next(iter(histories))
    known = {zone: foresight.issues(zone, job.ready_at, job.deadline) for zone in histories}
    if not known[home]:
        return None
    oracle = _best(histories, job, interruption)
    baseline = histories[home].mean(job.ready_at, job.ready_at + job.duration)
    at_once = _Plan(home, ((job.ready_at, job.ready_at + job.duration),), baseline)
    if len(histories) == 1 and interruption is None:
        request = WaitRequest.checked(
            duration=job.duration,
            ready_at=job.ready_at,
            latest_start=job.latest_start,
            min_saving_percent=min_saving_percent,
        )
        told = replay(request, known[home])
        chosen = _Plan(home, ((told.start, told.start + job.duration),), math.nan)
        promised = told.promised_saving_percent
    else:
        soonest = job.ready_at, job.ready_at + job.duration
        newest = {zone: issues[0].believed for zone, issues in known.items() if issues}
        believed = {zone: forecast for zone, forecast in newest.items() if forecast.covers(*soonest)}
        if home not in believed:
            return None
        best = _best(believed, job, interruption)
        now = believed[home].mean(job.ready_at, job.ready_at + job.duration)
        promised = saving_percent(best.g_per_kwh, now)
        if promised is None or promised <= 0.0 or promised < min_saving_percent:
            promised, best = 0.0, at_once
        chosen = best
    shifted = chosen.zone != home or chosen.chunks != at_once.chunks
    history, bare = histories[chosen.zone], job.duration / timedelta(hours=1)
    emitted = math.fsum(history.mean(start, end) * ((end - start) / timedelta(hours=1)) for start, end in chosen.chunks)
    return Outcome(
        job=job,
        zone=chosen.zone,
        start=chosen.chunks[0][0],
        end=chosen.chunks[-1][1],
        chunks=len(chosen.chunks),
        shifted=shifted,
        emitted_g_per_kwh=emitted / bare,
        baseline_g_per_kwh=baseline,
        oracle_g_per_kwh=oracle.g_per_kwh,
        promised_saving_percent=promised if shifted else 0.0,
    )


def _best(forecasts: Mapping[str, Forecast], job: Job, interruption: Interruption | None) -> _Plan:
    """Find the cleanest zone and time; of equal ones, the first zone's."""
    plans = [_best_in(zone, forecast, job, interruption) for zone, forecast in forecasts.items()]
    return min(plans, key=lambda plan: plan.g_per_kwh)


def _best_in(zone: str, forecast: Forecast, job: Job, interruption: Interruption | None) -> _Plan:
    if interruption is None:
        window = best_window(forecast, duration=job.duration, earliest_start=job.ready_at, deadline=job.deadline)
        return _Plan(zone, ((window.start, window.end),), window.intensity_g_per_kwh)
    schedule = best_schedule(
        forecast,
        duration=job.duration,
        earliest_start=job.ready_at,
        deadline=job.deadline,
        max_chunks=interruption.max_chunks,
        min_chunk=interruption.min_chunk,
        resume_overhead=interruption.resume_overhead,
    )
    return _Plan(zone, tuple((one.start, one.end) for one in schedule.chunks), schedule.intensity_g_per_kwh)
