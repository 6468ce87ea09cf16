"""The ledger's record of a wait, made from the JSON record of its decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_carbon.core.moment import parse_moment
from airflow_carbon.core.record_forecast import document
from airflow_carbon.core.record_wait import RELEASED, STARTED, TIMED_OUT, WAITING, WaitRecord

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast

#: What the end of a wait is called, by what was done with the decision.
ENDS = {"taken": STARTED, "overridden": RELEASED, "timed out": TIMED_OUT, "shadow": "shadow"}
#: Fields that both records name alike.
ALIKE = (
    "decision_id", "location", "zone", "ready_at", "earliest_start", "latest_start", "duration_seconds", "reason",
    "start", "end", "intensity_g_per_kwh", "baseline_intensity_g_per_kwh", "promised_saving_percent", "kind", "signal",
    "accounting", "source", "source_url",
)  # fmt: skip
#: Fields that a decision leaves None where they are unknown, and a wait leaves empty.
TEXTS = frozenset({"location", "zone", "reason", "kind", "signal", "accounting", "source", "source_url"})


class TaskKey(NamedTuple):
    """Name one task instance."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    @classmethod
    def of(cls, ti: Any) -> TaskKey:
        """Read it from a task instance of any kind."""
        return cls(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else int(ti.map_index))


def wait_record(
    decision: Mapping[str, Any],
    key: TaskKey,
    *,
    at: datetime,
    state: str = WAITING,
    forecast: Forecast | None = None,
    baseline: bool = True,
    replans: Sequence[Mapping[str, Any]] | None = None,
    since: datetime | None = None,
) -> WaitRecord:
    """Make the record of a wait.

    :param decision: the record of its decision, with what was promised.
    :param at: when it was so.
    :param forecast: what the plan that stands was made on; None where that is not known here.
    :param baseline: whether it is the forecast of the first decision, on which the baseline was set too.
    :param replans: None where they are not known here.
    :param since: when the teller began to have a say; None where that is now.
    :raises InvalidRequestError: naming the field that is wrong.
    """
    told: dict[str, Any] = {name: decision.get(name) for name in ALIKE}
    told |= {name: "" for name in TEXTS if told[name] is None}
    length = timedelta(seconds=float(told["duration_seconds"]))
    begin = None
    if forecast is not None:
        told |= _foreseen(decision, forecast, at)
        if baseline and told["baseline_intensity_g_per_kwh"] is not None:
            ready = parse_moment(told["ready_at"], "ready_at")
            # As the decision itself: where the forecast does not reach back so far, the baseline starts now.
            begin = ready if forecast.covers(ready, ready + length) else at
    return WaitRecord(
        **told,
        **key._asdict(),
        state=state,
        baseline_start=begin,
        baseline_end=begin + length if begin else None,
        started_at=None if state == WAITING else at,
        replans=replans,
        updated_at=at,
        since=since,
    )


def end_of(action: str) -> str:
    """Say how a wait ended of which that was done."""
    return ENDS.get(action, STARTED)


def _foreseen(decision: Mapping[str, Any], forecast: Forecast, at: datetime) -> dict[str, Any]:
    """Keep what the decision could choose from: no more of a forecast that goes on for days."""
    length = timedelta(seconds=float(decision["duration_seconds"]))
    ready = parse_moment(decision["ready_at"], "ready_at")
    until = parse_moment(decision["latest_start"], "latest_start") + length
    edges = [parse_moment(decision[name], name) for name in ("start", "end") if decision.get(name)]
    shown = forecast
    if forecast.start < until and ready < forecast.end:
        shown = forecast.between(ready, until)
    return {
        "forecast": document(shown, *edges, ready, ready + length, at, at + length),
        "forecast_made_at": forecast.issued_at or at,
    }
