"""What is recorded of one wait: its plan as it stands, the forecast behind it, and each plan before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Any

from airflow_carbon.core.record_fields import (
    LONGEST_ID,
    accounting,
    amounts,
    moments,
    one_of,
    plain,
    texts,
    whole_numbers,
)
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.core.value import value
from airflow_carbon.exceptions import InvalidRequestError

WAITING, STARTED, RELEASED, TIMED_OUT, CANCELLED = "waiting", "started", "released", "timed out", "cancelled"
#: What a wait can be: it goes on, or how it ended. ``shadow`` was never delayed.
WAIT_STATES = (WAITING, STARTED, RELEASED, TIMED_OUT, CANCELLED, "shadow")
#: Fields that one process knows and another may not: None leaves what the ledger holds.
REMEMBERED = ("baseline_start", "baseline_end", "forecast", "forecast_made_at", "replans")


@value(kw_only=True)
class WaitRecord:
    """Hold one wait as it stood at ``updated_at``; of two with one decision the later ``since`` counts, then the later.

    :param decision_id: identity of the wait, as in its decision; a retry or a clear keeps it.
    :param ready_at: when the task was first ready: start of the baseline.
    :param latest_start: the promise: no start after it.
    :param duration_seconds: how long the run takes [s].
    :param state: one of :data:`WAIT_STATES`.
    :param reason: in one sentence, why the plan is what it is, or why the wait ended.
    :param start: the planned start; None before a plan stands.
    :param end: of the planned run.
    :param intensity_g_per_kwh: of the planned run, as it is believed [gCO2eq/kWh].
    :param baseline_start: start of the same run without a wait.
    :param baseline_intensity_g_per_kwh: of that run, as the first decision saw it [gCO2eq/kWh].
    :param promised_saving_percent: how much cleaner the planned run is [%].
    :param source_url: page about the data behind it.
    :param started_at: when the wait ended; None while it goes on.
    :param forecast: what the source said for the plan that stands, as
        :func:`~airflow_carbon.core.record_forecast.document` makes it; None where not known.
    :param forecast_made_at: when the source made it, or else when it was asked.
    :param replans: each plan that was given up for another, the first first: ``at``, ``start`` (the new one) and
        ``reason``; None where not known.
    :param updated_at: when this was so.
    :param since: when what tells this began to have a say, by default ``updated_at``. A trigger has one from the end of
        its least life on: what a worker says afterwards counts for more, even where a triggerer that was taken for dead
        goes on, or another one takes up what is over.
    :raises InvalidRequestError: naming the field that is wrong.
    """

    decision_id: str
    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    location: str = ""
    zone: str = ""
    ready_at: datetime
    earliest_start: datetime
    latest_start: datetime
    duration_seconds: float
    state: str = WAITING
    reason: str = ""
    start: datetime | None = None
    end: datetime | None = None
    intensity_g_per_kwh: float | None = None
    baseline_start: datetime | None = None
    baseline_end: datetime | None = None
    baseline_intensity_g_per_kwh: float | None = None
    promised_saving_percent: float | None = None
    kind: str = ""
    signal: str = ""
    accounting: str | Accounting = ""
    source: str = ""
    source_url: str = ""
    started_at: datetime | None = None
    forecast: Mapping[str, Any] | None = None
    forecast_made_at: datetime | None = None
    replans: Sequence[Mapping[str, Any]] | None = None
    updated_at: datetime
    since: datetime | None = None

    def __post_init__(self) -> None:
        whole_numbers(self, "map_index")
        texts(self, "decision_id", "dag_id", "run_id", "task_id", needed=True, longest=LONGEST_ID)
        texts(self, "location", "zone", "reason", "source", "source_url")
        accounting(self)
        one_of(self, state=WAIT_STATES, kind=("", *Kind), signal=("", *Signal))
        amounts(self, "duration_seconds", "intensity_g_per_kwh", "baseline_intensity_g_per_kwh", least=0.0)
        amounts(self, "promised_saving_percent")
        moments(self, "ready_at", "earliest_start", "latest_start", "updated_at", "start", "end", "baseline_start",
                "baseline_end", "forecast_made_at", "since",
                *(() if self.started_at is None else ("started_at",)))  # fmt: skip
        for name in ("ready_at", "earliest_start", "latest_start", "updated_at", "duration_seconds"):
            if getattr(self, name) is None:
                raise InvalidRequestError(f"{name}: missing; a wait must have one")
        if self.since is None:
            object.__setattr__(self, "since", self.updated_at)
        if self.forecast is not None and not _is_plain(self.forecast):
            object.__setattr__(self, "forecast", plain(self.forecast))
        if self.replans is not None:
            object.__setattr__(self, "replans", plain(self.replans))

    @property
    def is_waiting(self) -> bool:
        """Tell whether the wait goes on."""
        return self.state == WAITING


def _is_plain(forecast: Mapping[str, Any]) -> bool:
    """Tell whether a forecast is as this package makes it: its many values need not be looked at one by one."""
    values, steps = forecast.get("values"), forecast.get("steps", [])
    return (
        forecast.keys() <= {"start", "step_seconds", "values", "steps"}
        and type(forecast.get("start")) is str
        and type(forecast.get("step_seconds")) is float
        and type(values) is list
        and type(steps) is list
        and set(map(type, values)) <= {float}
        and set(map(type, steps)) <= {int}
        and isfinite(sum(values))
    )
