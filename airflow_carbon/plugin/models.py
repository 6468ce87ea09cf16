"""What the data API answers; every moment is aware, in UTC."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Hint(_Answer):
    """Say what is missing, and what to do next."""

    code: str = Field(description="ledger_off, ledger_down, no_decision, no_impact, no_energy, no_source, ...")
    title: str = Field(description="what is missing, in a few words")
    text: str = Field(description="what to do next, in one or two sentences")


class Link(_Answer):
    """Name a task instance, and where it is shown."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = Field(-1, description="-1 for a task that is not mapped")
    page: str = Field(description="its Carbon page, relative to the mount: task/dag/run/task/-1")
    airflow: str = Field(description="its page in Airflow, relative to Airflow's root: dags/.../tasks/...")


class Equivalent(_Answer):
    """Compare an amount of CO2 to something one can picture."""

    amount: float = Field(description="in unit; negative where more was emitted")
    unit: str
    name: str
    grams_per_unit: float = Field(description="the factor [g per unit]")
    meaning: str
    source: str
    year: int


class Reduction(_Answer):
    """Hold the reductions of one signal and accounting; two of them are never added up."""

    signal: str = Field(description="average, marginal or empty where not stated")
    accounting: str
    reduction_label: str = Field(description="what it may be called: attributed reduction, avoided (estimate), ...")
    decisions: int
    measured: int = Field(description="how many of them stand on measured intensities on both sides")
    without_grams: int = Field(description="how many have no grams, for want of an energy")
    reduction_g: float | None = Field(description="[gCO2eq]; negative stays negative; None where none has grams")
    equivalents: list[Equivalent] = []


class Period(_Answer):
    """Hold one period of the counter."""

    period: str = Field(description="hour, day, month (30 days) or all_time")
    since: datetime | None
    until: datetime
    tasks_shifted: int
    owners_shifted: int
    reductions: list[Reduction]


class Week(_Answer):
    """Hold the reductions of one week of one signal and accounting."""

    week: date = Field(description="its Monday, UTC")
    signal: str
    accounting: str
    reduction_label: str
    decisions: int
    reduction_g: float | None


class Done(_Answer):
    """Count decisions by sort and by what was done with them."""

    sort: str = Field(description="wait, region, schedule or fleet")
    action: str = Field(description="taken, overridden, timed out, shadow, or open where nothing more was heard")
    decisions: int


class WaitingTask(_Answer):
    """Hold one task that waits now."""

    task: Link
    decision_id: str
    state: str | None = Field(description="Airflow's own: deferred, up_for_reschedule, ...; None where it knows none")
    location: str
    zone: str
    ready_at: datetime | None
    planned_start: datetime | None = Field(description="None while no plan stands")
    planned_end: datetime | None
    latest_start: datetime | None = Field(description="the promise: it starts then at the latest")
    duration_seconds: float | None
    intensity_g_per_kwh: float | None = Field(description="of the planned window [gCO2eq/kWh]")
    baseline_intensity_g_per_kwh: float | None
    promised_saving_percent: float | None
    signal: str
    accounting: str
    source: str
    reason: str
    replans: int
    can_release: bool = Field(False, description="whether this user may start it now")


class Overview(_Answer):
    """Hold what the Carbon page shows first; of the DAGs that this user may read."""

    now: datetime
    periods: list[Period]
    weeks: list[Week] = Field(description="at most the last 26 weeks, oldest first, rows apart per signal/accounting")
    waiting: list[WaitingTask] = Field(description="those that start next, at most 100")
    waiting_total: int
    done: list[Done]
    locations: list[str] = Field(description="seen in the ledger or waited for; what to offer for a forecast")
    all_dags: bool = Field(description="whether this user reads every DAG that the ledger holds")
    hints: list[Hint]


class Waiting(_Answer):
    """Hold one stretch of the list of waiting tasks."""

    now: datetime
    total: int
    offset: int
    limit: int
    waiting: list[WaitingTask]
    hints: list[Hint]


class Region(_Answer):
    """Hold one region now."""

    rank: int | None = Field(description="1 is cleanest; None where it is not ranked")
    region: str
    zone: str
    country: str
    intensity_g_per_kwh: float | None
    pue: float
    pue_assumed: bool
    effective_g_per_kwh: float | None = Field(description="intensity times PUE [gCO2eq/kWh], by which it is ranked")
    kind: str | None
    signal: str | None
    accounting: str | None
    source: str | None
    rejected: str | None = Field(description="why it is not ranked")


class Regions(_Answer):
    """Hold the regions now, ranked; all ranked ones have one signal and accounting."""

    now: datetime
    regions: list[Region]
    given: bool = Field(description="whether the list was asked for, and is not the default")
    hints: list[Hint]


class Series(_Answer):
    """Hold intensities on a regular grid: a step function, each the mean of its step."""

    zone: str
    start: datetime
    step_seconds: float
    intensity_g_per_kwh: list[float]
    signal: str
    accounting: str
    kind: str = Field(description="forecast, measured, typical or annual average")
    source: str
    issued_at: datetime | None


class Band(_Answer):
    """Hold a stretch of time to be shaded."""

    start: datetime
    end: datetime
    intensity_g_per_kwh: float | None = Field(description="mean over it, as promised [gCO2eq/kWh]")


class ChosenWindow(_Answer):
    """Hold the window that stands for a waiting task."""

    task: Link
    window: Band
    latest_start: datetime | None


class LocationForecast(_Answer):
    """Hold a forecast with the windows that waiting tasks have chosen on it."""

    now: datetime
    location: str
    series: Series | None
    windows: list[ChosenWindow]
    hints: list[Hint]


class Failure(_Answer):
    """Hold what a source failed with last, for one question."""

    error: str
    said: str
    asked_at: datetime
    until: datetime = Field(description="until when this counts as its answer")


class SourceQuota(_Answer):
    """Hold what is left of the requests of one hour."""

    per_hour: float
    used: int
    closed_until: datetime | None = Field(description="the service asked for quiet until then")


class Source(_Answer):
    """Hold how one connection fares on the host of this web server."""

    conn_id: str = Field(description="empty where this user may not read connections")
    conn_type: str
    title: str
    state: str = Field(description="ok, failing, closed, misconfigured, or unasked where nothing was asked yet")
    said: str = Field(description="what is wrong, in one sentence; empty where nothing is")
    last_answer_at: datetime | None
    zones: list[str] = Field(description="zones with an answer that is kept, at most 50")
    failures: list[Failure]
    quota: SourceQuota | None


class Sources(_Answer):
    """Hold the health of every source that is configured or was used."""

    now: datetime
    sources: list[Source]
    hints: list[Hint]


class DecisionRow(_Answer):
    """Hold one decision of a DAG, and what came of it."""

    task: Link
    decision_id: str
    sort: str
    decided_at: datetime
    action: str
    why: str
    location: str
    zone: str
    ready_at: datetime | None
    start: datetime | None
    signal: str
    accounting: str
    promised_saving_percent: float | None
    saving_percent: float | None = Field(description="what it became; None where not known yet")
    reduction_g: float | None
    reduction_label: str
    measured: bool


class PromiseKept(_Answer):
    """Compare what was promised with what it became, over the decisions of which both are known."""

    signal: str
    accounting: str
    decisions: int
    promised_saving_percent: float = Field(description="mean [%]")
    saving_percent: float = Field(description="mean [%]")


class SciRun(_Answer):
    """Hold the SCI of one run."""

    run_id: str
    started_at: datetime
    total_g: float
    functional_units: float
    sci_g_per_unit: float | None


class SciTrend(_Answer):
    """Hold the SCI over the runs of one functional unit, signal and accounting, oldest first."""

    functional_unit: str = Field(description="empty: per run, where no functional unit is counted")
    signal: str
    accounting: str
    total_over_total_g_per_unit: float | None
    mean_of_ratios_g_per_unit: float | None
    runs: list[SciRun]
    left_out: int = Field(description="runs whose carbon is not known wholly")


class Flexibility(_Answer):
    """Hold what one allowance of delay would have brought to the last decisions."""

    max_delay_seconds: float
    signal: str
    accounting: str
    decisions: int = Field(description="over how many it is computed")
    saving_percent: float = Field(description="mean saving of the best start within that delay [%]")


class DagPage(_Answer):
    """Hold what the DAG's tab shows."""

    now: datetime
    dag_id: str
    reductions: list[Reduction]
    decisions: list[DecisionRow] = Field(description="newest first")
    total: int
    offset: int
    limit: int
    done: list[Done]
    promises: list[PromiseKept]
    trends: list[SciTrend]
    flexibility: list[Flexibility]
    flexibility_method: str = Field(description="how flexibility is computed, in a sentence or two")
    waiting: list[WaitingTask]
    hints: list[Hint]


class Replan(_Answer):
    """Hold one change of a plan."""

    at: datetime | None
    said: str


class RegionChoice(_Answer):
    """Hold one region that a decision looked at."""

    region: str
    zone: str
    rank: int | None
    intensity_g_per_kwh: float | None
    effective_g_per_kwh: float | None
    rejected: str


class TaskPage(_Answer):
    """Hold what the task instance's tab shows."""

    now: datetime
    task: Link
    state: str | None = Field(description="Airflow's own state")
    waiting: bool = Field(description="whether the wait is still on: ask again soon")
    decision_id: str
    sort: str
    reason: str = Field(description="one sentence")
    series: Series | None = Field(description="the forecast at decision time; None where none was kept")
    baseline: Band | None = Field(description="the same run, started when it was first ready")
    chosen: list[Band] = Field(description="the planned window; several for a run in chunks")
    ready_at: datetime | None
    planned_start: datetime | None
    latest_start: datetime | None
    started_at: datetime | None
    deadline: datetime | None
    location: str
    zone: str
    signal: str
    accounting: str
    source: str
    promised_saving_percent: float | None
    saving_percent: float | None
    reduction_g: float | None
    reduction_label: str
    replans: list[Replan]
    regions: list[RegionChoice] = Field(description="ranked ones first, then the rejected with their reason")
    record: dict[str, Any] | None = Field(description="the whole record of the decision")
    can_release: bool
    hints: list[Hint]


class Token(_Answer):
    """Hold a token for the ``Authorization`` header."""

    token: str
    expires_at: datetime


class ReleaseRequest(BaseModel):
    """Ask to start a waiting task now."""

    model_config = ConfigDict(extra="forbid")

    dag_id: str = Field(min_length=1, max_length=250)
    run_id: str = Field(min_length=1, max_length=250)
    task_id: str = Field(min_length=1, max_length=250)
    map_index: int = Field(-1, ge=-1)
    reason: str = Field(min_length=1, max_length=500, description="kept in the ledger, with who asked")


class Released(_Answer):
    """Say what came of it."""

    task: Link
    released: bool
    said: str = Field(description="what follows, in one sentence")
