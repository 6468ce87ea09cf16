"""Stages that wait one after the other and share one final deadline.

``tail`` is what is expected to pass from a run's end to the end of the chain. An upstream wait that ends by the final
deadline less its tail cannot make the chain late; but it can still eat the hours that a stage downstream needs more.
:func:`plan_stages` divides the slack over the whole chain.

It is exact in continuous time, without a grid. Count for each stage ``slack = start - what must pass before it``: the
order of the stages then says that slack never falls along the chain, and each stage's emission is piecewise linear in
its own slack, with bends where an edge of its power meets an edge of its forecast. A best plan has each slack at a bend
of some stage, or at an end: stages between whose slacks nothing holds them apart move together, and a sum of linear
functions is least at an end of its piece. So every stage looks at the bends of all, and minima from the back decide.

From a DAG there are two ways. Waits that decide for themselves take their part of :func:`tails`::

    stages = [Stage("map", "2h"), Stage("reduce", "1h"), Stage("load", "30m", gap="5m")]
    for stage, tail in zip(stages, tails(stages)):
        CarbonAwareSensor(task_id=f"wait_{stage.name}", duration=stage.length, tail=tail, deadline="20h", ...)

Or one task plans the whole chain, and a ``PlannedWindowSensor`` before each stage waits for its window: a mapping with
``start`` and, from :func:`latest_starts`, ``latest_start``. The page ``docs/chains.md`` has both as whole DAGs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from airflow_carbon.core.moment import MICROSECOND, in_words, microseconds, moment_at, parse_duration, parse_moment
from airflow_carbon.core.power import PowerProfile, run_of
from airflow_carbon.core.span import ROUNDING
from airflow_carbon.core.window import Window, window_at
from airflow_carbon.core.windows import refuse_mixed
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_carbon.core.forecast import Forecast


@dataclass(frozen=True, slots=True)
class Stage:
    """Hold one uninterrupted run of a chain; texts and pendulum's durations are read, and kept as plain values.

    :param name: what it is called in errors.
    :param duration: how long it takes; may be left out where ``power`` tells it.
    :param forecast: intensities where it runs; only a plan needs them.
    :param power: what it draws as it goes on.
    :param watts: what it draws all along [W], where it has no profile; 1000 where not given. Only ratios between the
        stages count.
    :param gap: least time between the end of the stage before it and its start.
    :raises InvalidRequestError: naming the stage and the field that is wrong.
    """

    name: str
    duration: timedelta | None = None
    forecast: Forecast | None = None
    power: PowerProfile | None = None
    watts: float | None = None
    gap: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        try:
            if self.power is not None and self.watts is not None:
                raise InvalidRequestError("watts: leave it out, `power` tells what is drawn")
            object.__setattr__(self, "gap", parse_duration(self.gap, "gap", zero_allowed=True))
            if self.duration is not None:
                object.__setattr__(self, "duration", parse_duration(self.duration, "duration"))
            if self.power is not None:
                object.__setattr__(self, "power", PowerProfile.parse(self.power))
            profile = self.profile
            if self.watts is not None:
                object.__setattr__(self, "watts", profile.phases[0][1])
        except InvalidRequestError as error:
            raise InvalidRequestError(f"stage {self.name}: {error}") from None

    @property
    def profile(self) -> PowerProfile:
        """What it draws, flat or not."""
        length, _ = run_of(self.duration, self.power)
        return self.power or PowerProfile.flat(length, 1000.0 if self.watts is None else self.watts)

    @property
    def length(self) -> timedelta:
        """How long it takes."""
        return self.profile.duration


def latest_start(*, deadline: datetime, duration: timedelta, tail: timedelta = timedelta(0)) -> datetime:
    """Give the latest start of a run that ``tail`` follows, so that all is done by the deadline.

    :param deadline: latest finish of the whole chain.
    :param tail: expected time from the run's end to the end of the chain.
    :raises InvalidRequestError: if the deadline is naive, the duration not positive or the tail negative.
    """
    length = parse_duration(duration, "duration")
    return parse_moment(deadline, "deadline") - parse_duration(tail, "tail", zero_allowed=True) - length


def tails(stages: Sequence[Stage]) -> tuple[timedelta, ...]:
    """Give what must pass between each stage's end and the chain's end: the gaps and stages behind it.

    :raises InvalidRequestError: if there is no stage.
    """
    _refuse_empty(stages)
    behind = accumulate((stage.gap + stage.length for stage in reversed(stages[1:])), initial=timedelta(0))
    return tuple(behind)[::-1]


def latest_starts(stages: Sequence[Stage], *, deadline: datetime) -> tuple[datetime, ...]:
    """Give the latest start of each stage so that the chain is done by the deadline.

    :raises InvalidRequestError: if there is no stage or the deadline is naive.
    """
    return tuple(
        latest_start(deadline=deadline, duration=stage.length, tail=tail)
        for stage, tail in zip(stages, tails(stages), strict=True)
    )


def plan_stages(
    stages: Sequence[Stage], *, earliest_start: datetime | None = None, deadline: datetime | None = None
) -> tuple[Window, ...]:
    """Find a window for each stage, one after the other, of least emission of all; of equal plans the earliest.

    :param stages: in their order, each with its forecast; stages may share one.
    :param earliest_start: no start of the first before this; its forecast's start where not given.
    :param deadline: latest finish of the last; its forecast's end where not given.
    :raises InvalidRequestError: if there is no stage, one has no forecast, the forecasts do not compare or a moment is
        naive.
    :raises NoFeasibleWindowError: naming the stage that cannot end in time, or within its forecast.
    """
    _refuse_empty(stages)
    forecasts = [_forecast(stage) for stage in stages]
    refuse_mixed([(stage.name, forecast) for stage, forecast in zip(stages, forecasts, strict=True)])
    lengths = [stage.length // MICROSECOND for stage in stages]
    before = [0, *accumulate(left + stage.gap // MICROSECOND for left, stage in zip(lengths, stages[1:], strict=False))]
    earliest = forecasts[0].start_us
    if earliest_start is not None:
        earliest = microseconds(parse_moment(earliest_start, "earliest_start"))
    end = forecasts[-1].end_us if deadline is None else microseconds(parse_moment(deadline, "deadline"))
    total = before[-1] + lengths[-1]
    if earliest + total > end:
        raise NoFeasibleWindowError(
            f"deadline: a chain of {in_words(total * MICROSECOND)} that starts at {moment_at(earliest).isoformat()} or "
            f"later cannot end by {moment_at(end).isoformat()}; allow {moment_at(earliest + total).isoformat()} or "
            f"later, or shorter stages"
        )
    rows = [_Row(*row) for row in zip(stages, forecasts, before, lengths, strict=True)]
    slacks = np.unique(np.concatenate([[earliest, end - total], *(row.bends() for row in rows)]).astype(np.int64))
    slacks = slacks[(slacks >= earliest) & (slacks <= end - total)]
    _refuse_uncovered(rows, earliest, end - total)
    costs = [row.emission(slacks) for row in rows]
    for cost, behind in zip(costs[-2::-1], costs[:0:-1], strict=True):
        cost += _least_from(behind)
    windows, at, rounding = [], 0, sum(row.rounding for row in rows)
    for row, cost in zip(rows, costs, strict=True):
        at += int((cost[at:] <= cost[at:].min() + rounding).argmax())
        found = window_at(row.forecast, start=moment_at(int(slacks[at]) + row.before), power=row.stage.profile)
        cut = row.forecast.end_us < end - total + row.before + row.length
        windows.append(Window(found.start, found.end, found.intensity_g_per_kwh, cut))
    return tuple(windows)


@dataclass(frozen=True, slots=True)
class _Row:
    """Hold a stage with what must pass before it, and its length [us]."""

    stage: Stage
    forecast: Forecast
    before: int
    length: int

    def bends(self) -> NDArray[np.int64]:
        """List the slacks at which an edge of the run's power meets an edge of the forecast [us since the epoch]."""
        edges = self.forecast.start_us + np.arange(len(self.forecast) + 1) * self.forecast.step_us - self.before
        return np.concatenate([edges - edge for edge in self.stage.profile.edges_us])

    def emission(self, slacks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give the emission for each slack [W us gCO2eq/kWh]; infinite where the forecast does not cover the run."""
        forecast, step = self.forecast, self.forecast.step_us
        offsets = slacks + self.before - forecast.start_us
        covered = (offsets >= 0) & (offsets + self.length <= forecast.end_us - forecast.start_us)
        offsets = offsets[covered]
        total = np.zeros(offsets.size)
        # One more: at the last edge nothing is left of a step.
        intensity = np.append(forecast.intensity, 0.0)
        for edge, watts in self.stage.profile.bends:
            whole, rest = np.divmod(offsets + edge, step)
            total += watts * (forecast.cumulative[whole] + intensity[whole] * (rest / step))
        emission = np.full(slacks.size, np.inf)
        emission[covered] = total * step
        return emission

    @property
    def rounding(self) -> float:
        """Emissions that differ by less are equal, as ``ROUNDING`` has it [W us gCO2eq/kWh]."""
        heaviest = sum(abs(watts) for _, watts in self.stage.profile.bends)
        return ROUNDING * (self.length + 2 * self.forecast.step_us) * heaviest * self.forecast.cumulative.item(-1)


def _least_from(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    least: NDArray[np.float64] = np.minimum.accumulate(costs[::-1])[::-1]
    return least


def _refuse_empty(stages: Sequence[Stage]) -> None:
    if not stages:
        raise InvalidRequestError("stages: there is none; give one at least")


def _forecast(stage: Stage) -> Forecast:
    if stage.forecast is None:
        raise InvalidRequestError(f"stage {stage.name}: forecast: there is none; a plan needs one for every stage")
    return stage.forecast


def _refuse_uncovered(rows: Sequence[_Row], earliest: int, latest: int) -> None:
    """Refuse a chain of which a stage cannot run within its forecast, even when all before it run at once."""
    slack = earliest
    for row in rows:
        slack = max(slack, row.forecast.start_us - row.before)
        if slack > latest:
            raise NoFeasibleWindowError(
                f"stage {row.stage.name}: its series, for {row.forecast.zone}, begins at "
                f"{row.forecast.start.isoformat()}; the stage must start by "
                f"{moment_at(latest + row.before).isoformat()} for the chain to end in time"
            )
        begin = slack + row.before
        if begin + row.length > row.forecast.end_us:
            raise NoFeasibleWindowError(
                f"stage {row.stage.name}: a run of {in_words(row.stage.length)} that starts at "
                f"{moment_at(begin).isoformat()} or later does not fit into the series for {row.forecast.zone}, which "
                f"ends at {row.forecast.end.isoformat()}; use one that reaches "
                f"{moment_at(begin + row.length).isoformat()}"
            )
