"""What is recorded of work and of decisions: what each task emitted, what was decided, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any

from airflow_carbon.core.record_fields import (
    LONGEST_ID,
    accounting,
    amounts,
    moments,
    names,
    one_of,
    plain,
    texts,
    whole_numbers,
)
from airflow_carbon.core.record_wait import WaitRecord
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.core.value import value
from airflow_carbon.exceptions import InvalidRequestError

STATES = ("success", "failed")
#: How an energy came to be known.
ENERGY_HOW = ("measured", "declared", "estimated", "none")
SORTS = ("wait", "region", "schedule", "fleet")
#: What was done with a decision; the empty one: not known yet.
ACTIONS = ("", "taken", "overridden", "timed out", "shadow")
SIGNALS = ("", *Signal)
KINDS = ("", *Kind)


@value(kw_only=True)
class EmissionRecord:
    """Hold what one try of one task emitted; a failed try emits too.

    :param started_at: when its work began on a worker; a deferred wait before that is no part of it.
    :param ended_at: when that work ended.
    :param state: ``success`` or ``failed``.
    :param tags: of the DAG.
    :param location: where it ran, as the user named it.
    :param zone: the grid zone of the intensity.
    :param energy_kwh: E, data-center overhead included [kWh]; None where not known, and then there are no grams.
    :param energy_how: ``measured``, ``declared``, ``estimated`` or ``none``.
    :param energy_note: by what meter, or which coefficients.
    :param intensity_g_per_kwh: I over those hours [gCO2eq/kWh]; None where not known.
    :param kind: how that intensity came about; only ``measured`` is final.
    :param operational_g: E x I [gCO2eq]; computed where not given and both are known.
    :param embodied_g: M [gCO2eq].
    :param functional_units: R, how many units of work were done; zero is kept.
    :param functional_unit: what one of them is, for example ``order``.
    :param final: True once nothing is left to come; a record that is not never replaces one that is.
    :param fault: what was wrong with the inputs; such a record holds no numbers but the raw ones.
    :param made_at: when this record was made; of two records of one try, both final or neither, the later counts.
    :param raw: every input as it was given, also the bad ones.
    :raises InvalidRequestError: naming the field that is wrong.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    try_number: int = 1
    started_at: datetime
    ended_at: datetime
    state: str = "success"
    tags: tuple[str, ...] = ()
    owner: str = ""
    location: str = ""
    zone: str = ""
    energy_kwh: float | None = None
    energy_how: str = "none"
    energy_note: str = ""
    intensity_g_per_kwh: float | None = None
    kind: str = ""
    signal: str = ""
    accounting: str | Accounting = ""
    intensity_source: str = ""
    operational_g: float | None = None
    embodied_g: float | None = None
    functional_unit: str = ""
    functional_units: float | None = None
    final: bool = False
    fault: str = ""
    made_at: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        whole_numbers(self, "map_index", "try_number")
        texts(self, "dag_id", "run_id", "task_id", needed=True, longest=LONGEST_ID)
        texts(self, "owner", "location", "zone", "energy_note", "intensity_source", "functional_unit", "fault")
        accounting(self)
        names(self, "tags")
        one_of(self, state=STATES, energy_how=ENERGY_HOW, kind=KINDS, signal=SIGNALS)
        moments(self, "started_at", "ended_at", "made_at")
        amounts(self, "energy_kwh", "intensity_g_per_kwh", "operational_g", "embodied_g", "functional_units", least=0.0)
        if self.ended_at < self.started_at:
            raise InvalidRequestError(
                f"ended_at: {self.ended_at.isoformat()} comes before the start, {self.started_at.isoformat()}; "
                f"a run must end after it began"
            )
        if self.energy_kwh is None and self.operational_g is not None:
            raise InvalidRequestError("operational_g: there must be no grams without an energy; give energy_kwh too")
        if self.energy_kwh is None and self.energy_how != "none":
            raise InvalidRequestError(f"energy_how: {self.energy_how} needs an energy; give energy_kwh, or write none")
        if self.energy_kwh is not None and self.energy_how == "none":
            raise InvalidRequestError(f"energy_how: say how {self.energy_kwh:g} kWh is known: measured, declared, ...")
        if self.operational_g is None and self.energy_kwh is not None and self.intensity_g_per_kwh is not None:
            object.__setattr__(self, "operational_g", self.energy_kwh * self.intensity_g_per_kwh)
        object.__setattr__(self, "raw", plain(self.raw))

    @classmethod
    def faulty(
        cls,
        *,
        dag_id: str,
        run_id: str,
        task_id: str,
        map_index: int = -1,
        try_number: int = 1,
        at: datetime,
        fault: str,
        raw: Mapping[str, Any],
        state: str = "success",
        tags: tuple[str, ...] = (),
        owner: str = "",
        location: str = "",
        made_at: datetime | None = None,
    ) -> EmissionRecord:
        """Keep inputs that make no emission, and what is wrong with them.

        :param at: when the work ran, or when it was found wrong.
        :param fault: what the error said.
        """
        return cls(
            dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index, try_number=try_number, started_at=at,
            ended_at=at, state=state, tags=tags, owner=owner, location=location, fault=fault or "not stated",
            made_at=made_at, raw=raw,
        )  # fmt: skip


@value(kw_only=True)
class DecisionRecord:
    """Hold what was recommended to a task, and what was done.

    :param sort: ``wait``, ``region``, ``schedule`` or ``fleet``.
    :param recommended: the recommendation, as plain JSON.
    :param action: ``taken``, ``overridden``, ``timed out``, ``shadow``, or empty where it is not known yet.
    :param why: the reason for that action; for an override, whose and what for.
    :param governs: ids of the tasks whose emissions it changes; empty claims nothing.
    :param ready_at: when the task was first ready: start of the baseline.
    :param start: the start that was recommended.
    :param promised_saving_percent: how much cleaner that was promised to be than the baseline [%].
    :param baseline_intensity_g_per_kwh: of the baseline, as it was foreseen [gCO2eq/kWh].
    :param home: where the baseline runs, as the user named it.
    :param made_at: when this record was made; None takes ``decided_at``.
    :param raw: the whole record of the decision.
    :raises InvalidRequestError: naming the field that is wrong.
    """

    decision_id: str
    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    sort: str
    decided_at: datetime
    recommended: Mapping[str, Any] = field(default_factory=dict)
    action: str = ""
    why: str = ""
    governs: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    owner: str = ""
    location: str = ""
    zone: str = ""
    home: str = ""
    ready_at: datetime | None = None
    start: datetime | None = None
    promised_saving_percent: float | None = None
    baseline_intensity_g_per_kwh: float | None = None
    kind: str = ""
    signal: str = ""
    accounting: str | Accounting = ""
    intensity_source: str = ""
    made_at: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        whole_numbers(self, "map_index")
        texts(self, "decision_id", "dag_id", "run_id", "task_id", needed=True, longest=LONGEST_ID)
        texts(self, "why", "owner", "location", "zone", "home", "intensity_source")
        accounting(self)
        names(self, "governs", "tags")
        one_of(self, sort=SORTS, action=ACTIONS, kind=KINDS, signal=SIGNALS)
        moments(self, "decided_at", "ready_at", "start", "made_at")
        amounts(self, "promised_saving_percent")
        amounts(self, "baseline_intensity_g_per_kwh", least=0.0)
        object.__setattr__(self, "recommended", plain(self.recommended))
        object.__setattr__(self, "raw", plain(self.raw))

    @property
    def final(self) -> bool:
        """Tell whether it is known what was done: such a record is never replaced by one that does not know."""
        return bool(self.action)


@value(kw_only=True)
class ImpactRecord:
    """Hold what came of one decision; its reduction counts once, and a negative one stays negative.

    :param started_at: when the governed work began.
    :param ended_at: when it ended.
    :param zone: the grid zone where it ran.
    :param home_zone: the grid zone of its baseline.
    :param energy_kwh: energy of the governed work [kWh]; None where not known, and then there are no grams.
    :param intensity_g_per_kwh: while it ran [gCO2eq/kWh].
    :param baseline_intensity_g_per_kwh: of the same job at home when it was first ready [gCO2eq/kWh].
    :param emitted_g: what it emitted [gCO2eq].
    :param baseline_g: what the baseline would have [gCO2eq].
    :param reduction_g: baseline less emitted [gCO2eq]; computed where not given and both are known.
    :param oracle_g: what the best allowed start would have, known afterwards [gCO2eq].
    :param saving_percent: reduction as a share of the baseline [%].
    :param promised_saving_percent: what was promised of it [%].
    :param forecast_error_percent: mean absolute error of the forecast over the run [%].
    :param measured: whether both sides stand on measured intensities.
    :param made_at: when this record was made; None takes ``ended_at``.
    :param raw: every input.
    :raises InvalidRequestError: naming the field that is wrong.
    """

    decision_id: str
    started_at: datetime
    ended_at: datetime
    zone: str = ""
    home_zone: str = ""
    energy_kwh: float | None = None
    intensity_g_per_kwh: float | None = None
    baseline_intensity_g_per_kwh: float | None = None
    emitted_g: float | None = None
    baseline_g: float | None = None
    reduction_g: float | None = None
    oracle_g: float | None = None
    saving_percent: float | None = None
    promised_saving_percent: float | None = None
    forecast_error_percent: float | None = None
    signal: str = ""
    accounting: str | Accounting = ""
    measured: bool = False
    made_at: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        texts(self, "decision_id", needed=True, longest=LONGEST_ID)
        texts(self, "zone", "home_zone")
        accounting(self)
        one_of(self, signal=SIGNALS)
        moments(self, "started_at", "ended_at", "made_at")
        amounts(self, "energy_kwh", "intensity_g_per_kwh", "baseline_intensity_g_per_kwh", least=0.0)
        amounts(self, "emitted_g", "baseline_g", "oracle_g", "forecast_error_percent", least=0.0)
        amounts(self, "reduction_g", "saving_percent", "promised_saving_percent")
        if self.ended_at < self.started_at:
            raise InvalidRequestError(f"ended_at: {self.ended_at.isoformat()} must not come before the start")
        if self.reduction_g is None and self.emitted_g is not None and self.baseline_g is not None:
            object.__setattr__(self, "reduction_g", self.baseline_g - self.emitted_g)
        object.__setattr__(self, "raw", plain(self.raw))

    @property
    def final(self) -> bool:
        """Tell whether it is measured: such a record is never replaced by one that is not."""
        return self.measured


Record = EmissionRecord | DecisionRecord | ImpactRecord | WaitRecord
