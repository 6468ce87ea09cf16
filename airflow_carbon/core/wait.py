"""One task's wait from its first decision to its start: what stands, what changed, and the record of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.forecast import issuer
from airflow_carbon.core.moment import parse_moment
from airflow_carbon.core.policy import Action, Decision, decide
from airflow_carbon.core.request import OnOutage, WaitRequest
from airflow_carbon.core.window import Window
from airflow_carbon.exceptions import SourceUnavailableError

if TYPE_CHECKING:
    from airflow_carbon.core.crowd import Room
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.forecast_error import ForecastError

#: A record keeps this many notes; a source that fails for days must not fill the metadata database.
MAX_NOTES = 20
#: And this many sources that served before the last one.
MAX_EARLIER = 10
#: A start this much later than planned is another one, on other power than was promised.
MISSED = timedelta(minutes=2)


@dataclass(slots=True)
class Wait:
    """Fold one decision after another into the plan that stands.

    :param request: what the task asked for.
    :param location: where; a plan for another place is not taken up again.
    :param standing: the window that stands, None before the first decision.
    :param baseline_intensity_g_per_kwh: of the same job at the moment it was first ready, as the first decision saw it.
    :param replans: how often a standing plan was given up.
    """

    request: WaitRequest
    location: str = ""
    standing: Window | None = None
    baseline_intensity_g_per_kwh: float | None = None
    replans: int = 0
    decisions: int = 0
    action: Action = Action.WAIT
    reason: str = ""
    fault: str = ""
    expired: bool = False
    notes: list[str] = field(default_factory=list)
    origin: dict[str, Any] = field(default_factory=dict)
    earlier: list[dict[str, Any]] = field(default_factory=list)

    def decide(
        self,
        forecast: Forecast,
        now: datetime,
        error: ForecastError | None = None,
        room: Room | None = None,
        promises_kept: float = 1.0,
    ) -> Decision:
        """Decide again on a new answer of the source, and keep what follows from it."""
        self._change_source(forecast, now)
        planned = self.standing
        decision = decide(
            self.request, forecast, now=now, standing=planned, error=error, room=room, promises_kept=promises_kept
        )
        self.decisions += 1
        if self.baseline_intensity_g_per_kwh is None:
            self.baseline_intensity_g_per_kwh = decision.baseline_intensity_g_per_kwh
        if decision.moved:
            self.replans += 1
            self.note(f"{now.isoformat(timespec='seconds')}: {decision.reason}")
        self.standing, self.action, self.reason = decision.window, decision.action, decision.reason
        if decision.action is Action.RUN and planned is not None and planned.start <= now and not decision.moved:
            self.reason = f"started as planned{self._in_numbers()}"
        self.origin = {
            "zone": forecast.zone,
            "source": forecast.source,
            "kind": str(forecast.kind),
            "signal": str(forecast.signal),
            "accounting": str(forecast.accounting),
            "issued_at": forecast.issued_at.isoformat() if forecast.issued_at else None,
            "promises_kept": promises_kept,
        }
        if decision.reached is not None:
            self.origin |= {"reached": decision.reached, "limit_g_per_kwh": _rounded(decision.limit_g_per_kwh)}
            if decision.action is Action.RUN and not decision.reached:
                self.expire()
        return decision

    def _change_source(self, forecast: Forecast, now: datetime) -> None:
        """Note that another source speaks; where its numbers mean something else, forget all that came before."""
        before, after = self.origin.get("source"), forecast.source
        meant = self.origin.get("signal"), self.origin.get("accounting")
        means = str(forecast.signal), str(forecast.accounting)
        if before is None or (issuer(before), meant) == (issuer(after), means):
            return
        self.earlier = [*self.earlier, {**self.origin, "until": now.isoformat(timespec="seconds")}][-MAX_EARLIER:]
        said = f"{now.isoformat(timespec='seconds')}: {issuer(before)} gave way to {after}"
        if meant == means:
            self.note(said)
            return
        self.note(
            f"{said}; {means[0]} intensity ({means[1]}) does not compare with {meant[0]} ({meant[1]}): planned from "
            "scratch, baseline too"
        )
        self.replans += self.standing is not None
        self.standing = self.baseline_intensity_g_per_kwh = None

    def run(self, reason: str) -> None:
        """End the wait for a reason that lies outside the forecast."""
        self.action, self.reason = Action.RUN, reason

    @property
    def is_new(self) -> bool:
        """Tell whether nothing was decided and nothing has failed yet."""
        return self.standing is None and not self.notes

    def outage(self, fault: str, now: datetime, on_outage: OnOutage) -> None:
        """Go on without an answer: a standing plan stands; without one, ``on_outage`` says what follows.

        :param fault: what the source said, in one sentence.
        :raises SourceUnavailableError: if no plan stands and ``on_outage`` is to fail.
        """
        self.fault = fault
        self.note(f"{now.isoformat(timespec='seconds')}: no answer: {fault}")
        if now >= self.request.latest_start:
            self.expire()
        elif self.standing is not None:
            self.due(now)
        elif on_outage is OnOutage.FAIL:
            raise SourceUnavailableError(f"no intensities, and on_outage is 'fail': {fault}")
        elif on_outage is OnOutage.RUN and now < self.request.earliest_start:
            first = self.request.earliest_start
            self.standing = Window(first, first + self.request.duration, math.nan)
            self.reason = f"runs at its earliest start, because no source answered ({fault})"
        elif on_outage is OnOutage.RUN:
            self.run(f"ran at once, as on_outage says, because no source answered ({fault})")
        else:
            self.reason = f"waiting for the source until the latest start, as on_outage says ({fault})"

    def due(self, now: datetime) -> bool:
        """End the wait where its planned or its latest start has come; for that nobody has to be asked again."""
        planned = self.standing
        # Where a limit is met at no known moment, the plan is for the latest start, and its coming is no success.
        unmet = self.origin.get("reached") is False
        if planned is not None and planned.start <= now <= planned.start + MISSED and not unmet:
            numbers = self._in_numbers()
            self.run(f"started as planned{numbers}" if numbers else self.reason)
            return True
        if planned is not None and now > planned.start and not unmet:
            # Nobody was there at that moment: a triggerer that was down, a task that was stopped and cleared later.
            self.note(f"the start planned for {planned.start.isoformat(timespec='seconds')} was missed")
            self.standing = None
        if now >= self.request.latest_start:
            self.expire()
        return self.action is Action.RUN

    def expire(self) -> None:
        """End the wait because its latest start has come."""
        self.expired = True
        unknown = (
            f"no source had answered ({self.fault})" if self.fault else (self.notes or ["nobody was asked in time"])[-1]
        )
        self.run(f"the latest start was reached: {self.reason if self.standing else unknown}")

    def next_look(self, now: datetime, patience: timedelta) -> datetime:
        """Say when to look again: at the planned start, or after ``patience``, never past the latest start."""
        looks = [now + patience, self.request.latest_start]
        if self.standing is not None:
            looks.append(self.standing.start)
        return max(now, min(looks))

    def note(self, text: str) -> None:
        """Keep a sentence for the record; the same one only once in a row."""
        if not self.notes or self.notes[-1] != text:
            self.notes.append(text)
            del self.notes[:-MAX_NOTES]

    def _in_numbers(self) -> str:
        window, baseline, promised = self.standing, self.baseline_intensity_g_per_kwh, self.promised_saving_percent
        if window is None or baseline is None or promised is None:
            return ""
        planned = window.intensity_g_per_kwh
        return f": {promised:.0f} % cleaner than at once ({planned:.0f} instead of {baseline:.0f} g/kWh)"

    @property
    def promised_saving_percent(self) -> float | None:
        """Reduction of intensity that the standing plan promises against the baseline [%]."""
        if self.standing is None or not self.baseline_intensity_g_per_kwh:
            return None
        saving = 100.0 * (1.0 - self.standing.intensity_g_per_kwh / self.baseline_intensity_g_per_kwh)
        return saving if math.isfinite(saving) else None

    @property
    def shrunk_saving_percent(self) -> float | None:
        """What is to be expected of that promise [%]: shrunk by what the source's earlier ones became."""
        promised, kept = self.promised_saving_percent, self.origin.get("promises_kept")
        # A promise of nothing is not made better by a poor record.
        return promised if promised is None or promised <= 0.0 or kept is None else promised * float(kept)

    def record(self) -> dict[str, Any]:
        """Give the plain JSON record of the decision as it stands."""
        window, promised = self.standing, self.promised_saving_percent
        return {
            **dict.fromkeys(("zone", "source", "kind", "signal", "accounting", "issued_at", "promises_kept")),
            **self.origin,
            **self._limit(),
            "start": window.start.isoformat() if window else None,
            "end": window.end.isoformat() if window else None,
            "intensity_g_per_kwh": _rounded(window.intensity_g_per_kwh if window else None),
            "baseline_intensity_g_per_kwh": _rounded(self.baseline_intensity_g_per_kwh),
            "promised_saving_percent": _rounded(promised),
            "shrunk_saving_percent": _rounded(self.shrunk_saving_percent),
            "horizon_cut": bool(window and window.horizon_cut),
            "decisions": self.decisions,
            "replans": self.replans,
            "reason": self.reason,
            "notes": list(self.notes),
            "earlier_sources": list(self.earlier),
        }

    def _limit(self) -> dict[str, Any]:
        """Tell what became of a limit; ``reached`` is False where the latest start came first, None where unknown."""
        if self.request.threshold is None:
            return {}
        return {
            "condition": str(self.request.threshold),
            "limit_g_per_kwh": self.origin.get("limit_g_per_kwh"),
            "reached": False if self.expired else self.origin.get("reached") or None,
        }

    def state(self) -> dict[str, Any]:
        """Give what a later process needs to go on with this wait, as plain JSON."""
        window = self.standing
        return {
            "standing": window
            and [window.start.isoformat(), window.end.isoformat(), _rounded(window.intensity_g_per_kwh)],
            "location": self.location,
            "duration_seconds": self.request.duration.total_seconds(),
            "power": str(self.request.power or ""),
            "threshold": str(self.request.threshold or ""),
            "baseline": self.baseline_intensity_g_per_kwh,
            "replans": self.replans,
            "decisions": self.decisions,
            "notes": self.notes,
            "reason": self.reason,
            "origin": self.origin,
            "earlier": self.earlier,
        }

    def resume(self, state: dict[str, Any] | None) -> Wait:
        """Take up what :meth:`state` gave; an empty or damaged state leaves the wait as new."""
        if not state:
            return self
        try:
            asked = self.state()
            if any(state.get(key, "") != asked[key] for key in ("location", "duration_seconds", "power", "threshold")):
                return self
            notes, reason, origin = [str(note) for note in state["notes"]], str(state["reason"]), dict(state["origin"])
            earlier = [dict(one) for one in state.get("earlier", ())]
            baseline = None if state["baseline"] is None else float(state["baseline"])
            replans, decisions, standing = int(state["replans"]), int(state["decisions"]), None
            if state["standing"]:
                start, end, intensity = state["standing"]
                known = math.nan if intensity is None else float(intensity)
                standing = Window(parse_moment(start, "start"), parse_moment(end, "end"), known)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            self.note("the kept plan could not be read; planned anew")
            return self
        self.notes, self.reason, self.origin, self.baseline_intensity_g_per_kwh = notes, reason, origin, baseline
        self.replans, self.decisions, self.standing, self.earlier = replans, decisions, standing, earlier
        return self


def _rounded(value: float | None) -> float | None:
    # A window that no forecast covers has no intensity, and JSON no word for one that is not a number.
    return None if value is None or not math.isfinite(value) else round(value, 3)
