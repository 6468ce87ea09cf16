"""Run now, or wait until when: the one decision that trigger, sensor, API and backtest all call."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from airflow_carbon.core.forecast_error import MIN_HYSTERESIS_PERCENT, ForecastError, own_hysteresis_percent
from airflow_carbon.core.moment import aware
from airflow_carbon.core.request import SPREAD_TOLERANCE, WaitRequest
from airflow_carbon.core.units import Kind
from airflow_carbon.core.window import Window, best_window, spread_window, window_at

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_carbon.core.crowd import Room
    from airflow_carbon.core.forecast import Forecast


#: However poor a record, this share of a promise counts in a decision: a source that is never followed cannot mend it.
LEAST_BELIEF = 0.25


class Action(StrEnum):
    """What a task does with a decision."""

    RUN = "run"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Decision:
    """Say what to do, what was known for it, and why; intensities are what is believed, not what one issue says.

    :param action: run now, or wait for the window.
    :param window: the window to run in; its intensity is NaN where the forecast does not cover it.
    :param baseline_at: start of the baseline run: when the task was first ready, where the forecast reaches back to it,
        else ``now``.
    :param baseline_intensity_g_per_kwh: mean intensity of the baseline run [gCO2eq/kWh]; None where not covered.
    :param run_now_intensity_g_per_kwh: mean intensity of a run at the soonest start [gCO2eq/kWh]; None where not
        covered.
    :param promised_saving_percent: how much cleaner the window is than the baseline [%]; None where either is unknown.
    :param moved: whether a standing plan was given up.
    :param hysteresis_percent: gain that another window had to show before a standing plan was given up [%].
    :param reason: one readable sentence.
    :param limit_g_per_kwh: where the request waits for a limit, what it comes to [gCO2eq/kWh]; None where unknown.
    :param reached: where the request waits for a limit, whether a moment that meets it is known: the window's start.
    """

    action: Action
    window: Window
    baseline_at: datetime
    baseline_intensity_g_per_kwh: float | None
    run_now_intensity_g_per_kwh: float | None
    promised_saving_percent: float | None
    moved: bool
    hysteresis_percent: float
    reason: str
    limit_g_per_kwh: float | None = None
    reached: bool | None = None


def decide(
    request: WaitRequest,
    forecast: Forecast,
    *,
    now: datetime,
    standing: Window | None = None,
    error: ForecastError | None = None,
    room: Room | None = None,
    promises_kept: float = 1.0,
) -> Decision:
    """Decide between running now and waiting, by what is known now.

    A plan made once is given up only for a gain beyond what the source's own error could feign: a decision that follows
    each new issue does worse than one that keeps its first plan. No decision waits past ``request.latest_start``.

    :param request: what the task asked for.
    :param forecast: the newest answer of the source; it may end before the deadline.
    :param now: the time of the decision; any start from here on counts.
    :param standing: the window that an earlier decision for this request chose.
    :param error: what this source's past issues taught; None takes the newest issue at its word when
        there is no plan yet, and gives a plan up for little short of a collapse.
    :param room: what the task's pool leaves to it; only windows with a free slot are looked at then, unless none has.
    :param promises_kept: share of the source's earlier promises that came true, from 0 to 1: what a wait promises is
        shrunk by it before it is held against ``request.min_saving_percent``.
    :raises InvalidRequestError: if ``now`` has no timezone.
    """
    now = aware(now, "now")
    if request.threshold is not None:
        from airflow_carbon.core.clean_enough import decide_for_limit

        return decide_for_limit(request, request.threshold, forecast, now=now, standing=standing)
    error = ForecastError() if error is None else error.observed(forecast)
    believed = error.believed(forecast)
    first = max(now, request.earliest_start)
    choice = _Choice(request, believed, now, first, _covered(believed, first, request), error, room, promises_kept)
    if now >= request.latest_start:
        return choice.soonest(f"the latest start, {_utc(request.latest_start)}, is reached")
    if standing is None or not request.earliest_start <= standing.start <= request.latest_start:
        return choice.fresh()
    if standing.start <= now:
        return choice.soonest("the start of the plan has come")
    return choice.again(standing)


@dataclass(frozen=True, slots=True)
class _Choice:
    """Hold what one decision knows, and settle it: afresh, with a plan that stands, or at the soonest."""

    request: WaitRequest
    forecast: Forecast
    now: datetime
    first: datetime
    at_first: Window | None
    error: ForecastError
    room: Room | None = None
    promises_kept: float = 1.0

    def fresh(self, given_up: str = "", needed: float = 0.0) -> Decision:
        """Plan without regard to an earlier plan, or after giving one up for the reason given."""
        moved = bool(given_up)
        if self.at_first is None:
            covered = f"{_utc(self.forecast.start)} to {_utc(self.forecast.end)}"
            return self.soonest(f"the {self.forecast.kind} covers {covered}, no whole run from {_utc(self.first)}")
        best = self.best()
        window, saving = self.placed(best), _saving_percent(best, self.at_first)
        too_little = self.shrunk(saving) < self.request.min_saving_percent
        if too_little and self.is_full(best):
            return self.settled(
                window,
                f"{given_up}the pool is full {self.soonest_in_words}; of the starts that find room, "
                f"{_utc(window.start)} is the cleanest ({_grams(window)} g/kWh)",
                moved,
                needed,
            )
        if window.start <= self.first or too_little:
            return self.soonest(given_up + self.why_not_wait(best, saving), moved, needed)
        return self.settled(
            window,
            f"{given_up}{_utc(window.start)} is {_saving_percent(window, self.at_first):.0f} % cleaner than "
            f"{self.soonest_in_words} ({_grams(window)} instead of {_grams(self.at_first)} g/kWh){self.limit(best)}",
            moved,
            needed,
        )

    def again(self, standing: Window) -> Decision:
        """Look at a standing plan again: keep it unless another one is better beyond the source's own error."""
        held, stands = self.covered(standing.start), f"the plan for {_utc(standing.start)} stands"
        # A plan that was made blind is no plan to defend once there are numbers.
        if math.isnan(standing.intensity_g_per_kwh) and self.at_first is not None:
            return self.fresh()
        if held is None or self.at_first is None:
            unknown = "it" if held is None else "a run now"
            return self.settled(held or standing, f"{stands}: the newest {self.forecast.kind} does not cover {unknown}")
        best = self.best()
        gain, needed = _saving_percent(best, held), self.hysteresis_percent(held, best)
        # A plan for the earliest start is a plan not to wait: leaving it must be worth the wait too.
        asked = self.request.min_saving_percent if held.start <= self.first else 0.0
        if gain > needed and self.shrunk(gain) >= asked:
            return self.fresh(
                f"the plan for {_utc(held.start)} is given up, as {_utc(best.start)} gains {gain:.0f} % on it, more "
                f"than the source's own error of {needed:.0f} %: ",
                needed,
            )
        promised, doubt = _saving_percent(held, self.at_first), self.hysteresis_percent(held, self.at_first)
        # As a wait goes on, now itself gets cleaner: that is the promise being kept. It collapses where the plan does.
        collapsed = -_saving_percent(held, standing) > needed
        poor = self.shrunk(promised) < self.request.min_saving_percent - doubt
        if held.start > self.first and collapsed and poor and not self.is_full(held):
            return self.soonest(
                f"the plan for {_utc(held.start)} is given up, as waiting on promises {promised:.0f} %: below the "
                f"{self.request.min_saving_percent:g} % asked for by more than the source's own error of {doubt:.0f} %",
                True,
                doubt,
            )
        reason = f"{stands}, {promised:.0f} % cleaner than {self.soonest_in_words}"
        if 0.0 < gain <= needed:
            reason += f": {_utc(best.start)} gains {gain:.0f} % on it, within the source's own error of {needed:.0f} %"
        return self.settled(replace(held, horizon_cut=best.horizon_cut), reason + self.limit(best), False, needed)

    def soonest(self, reason: str, moved: bool = False, needed: float = 0.0) -> Decision:
        """Take the soonest start, whether or not the forecast covers it."""
        window = self.at_first or Window(self.first, self.first + self.request.duration, math.nan)
        return self.settled(window, f"starts {self.soonest_in_words}: {reason}", moved, needed)

    def settled(self, window: Window, reason: str, moved: bool = False, needed: float = 0.0) -> Decision:
        """Put the decision together."""
        baseline_at = self.request.ready_at if self.covered(self.request.ready_at) else self.now
        baseline = self.covered(baseline_at)
        promised = math.nan if baseline is None else _saving_percent(window, baseline)
        return Decision(
            action=Action.RUN if window.start <= self.now else Action.WAIT,
            window=window,
            baseline_at=baseline_at,
            baseline_intensity_g_per_kwh=None if baseline is None else baseline.intensity_g_per_kwh,
            run_now_intensity_g_per_kwh=None if self.at_first is None else self.at_first.intensity_g_per_kwh,
            promised_saving_percent=None if math.isnan(promised) else promised,
            moved=moved,
            hysteresis_percent=needed,
            reason=reason,
        )

    def best(self) -> Window:
        """Give the cleanest window that is still allowed and known, and has room."""
        if self.room is not None and (found := self.room.best(self.request, self.forecast, self.first)) is not None:
            return found
        return best_window(
            self.forecast,
            duration=self.request.duration,
            power=self.request.power,
            earliest_start=self.first,
            deadline=self.request.latest_start + self.request.duration,
        )

    def is_full(self, window: Window) -> bool:
        """Tell whether the soonest start would only queue in the task's pool, and this window would not."""
        duration = self.request.duration
        return (
            self.room is not None and not self.room.has(self.first, duration) and self.room.has(window.start, duration)
        )

    def placed(self, best: Window) -> Window:
        """Give the task its own place among the windows that are about as clean as the best."""
        if self.request.spread is None or self.room is not None:
            # Who is kept from meeting others by the room that they leave needs no spreading besides.
            return best
        return spread_window(
            self.forecast,
            duration=self.request.duration,
            power=self.request.power,
            earliest_start=self.first,
            deadline=self.request.latest_start + self.request.duration,
            tolerance=SPREAD_TOLERANCE,
            place=self.request.spread,
        )

    def covered(self, start: datetime) -> Window | None:
        """Give the window at a start, None where the forecast does not cover all of it."""
        return self.at_first if start == self.first else _covered(self.forecast, start, self.request)

    def hysteresis_percent(self, held: Window, other: Window) -> float:
        """Give the gain that a move needs [%]; only a forecast errs by issue, a profile says the same each time."""
        if self.forecast.kind is Kind.OWN:
            return own_hysteresis_percent(self.forecast, self.now, held.start, other.start)
        if self.forecast.kind is not Kind.FORECAST:
            return MIN_HYSTERESIS_PERCENT
        return self.error.hysteresis_percent(self.now, held.start, other.start)

    def shrunk(self, saving: float) -> float:
        """Shrink a promised saving [%] by what the source's earlier ones became."""
        return saving * max(self.promises_kept, LEAST_BELIEF) if saving > 0.0 else saving

    def why_not_wait(self, best: Window, saving: float) -> str:
        """Say why no later start is worth the wait."""
        if self.forecast.kind is Kind.ANNUAL_AVERAGE:
            return f"only an annual average is known for {self.forecast.zone}, no daily shape to wait for"
        asked = self.request.min_saving_percent
        if best.start <= self.first:
            return f"no later start is cleaner{self.limit(best)}"
        if self.shrunk(saving) >= asked:
            return f"it is as clean as the best within {SPREAD_TOLERANCE:.0%}, and this task's place among such starts"
        believed = "" if saving < asked else f", of which {self.shrunk(saving):.1f} % are to be believed"
        return f"waiting promises {saving:.1f} %{believed}, less than the {asked:g} % asked for{self.limit(best)}"

    def limit(self, best: Window) -> str:
        """Say how far the search could look, where that was not far enough."""
        return f"; known only until {_utc(self.forecast.end)}" if best.horizon_cut else ""

    @property
    def soonest_in_words(self) -> str:
        """Name the soonest start."""
        return "now" if self.first <= self.now else f"at the earliest start, {_utc(self.first)}"


def _covered(forecast: Forecast, start: datetime, request: WaitRequest) -> Window | None:
    if not forecast.covers(start, start + request.duration):
        return None
    return window_at(forecast, start=start, duration=request.duration, power=request.power)


def _saving_percent(window: Window, against: Window) -> float:
    """Say how much cleaner one window is than another [%]; nothing can be cleaner than zero."""
    if against.intensity_g_per_kwh == 0.0:
        return 0.0
    return 100.0 * (1.0 - window.intensity_g_per_kwh / against.intensity_g_per_kwh)


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _grams(window: Window) -> str:
    return f"{window.intensity_g_per_kwh:.0f}"
