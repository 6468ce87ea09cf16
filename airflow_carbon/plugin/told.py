"""Records of the ledger as the data API tells them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.impact import reduction_label
from airflow_carbon.core.record_forecast import spans
from airflow_carbon.core.record_wait import WaitRecord
from airflow_carbon.core.units import Signal
from airflow_carbon.exceptions import CarbonError
from airflow_carbon.hooks.counter import Reduction
from airflow_carbon.plugin import models

#: Values of one series that are sent.
MOST_VALUES = 5000


def link(record: Any) -> models.Link:
    """Name a record's task instance, and where it is shown."""
    dag, run, task = (quote(str(one), safe="") for one in (record.dag_id, record.run_id, record.task_id))
    mapped = "" if record.map_index < 0 else f"/mapped/{record.map_index}"
    return models.Link(
        dag_id=record.dag_id,
        run_id=record.run_id,
        task_id=record.task_id,
        map_index=record.map_index,
        page=f"task/{dag}/{run}/{task}/{record.map_index}",
        airflow=f"dags/{dag}/runs/{run}/tasks/{task}{mapped}",
    )


def waiting_task(one: WaitRecord, state: str | None, may_release: Callable[[str], bool]) -> models.WaitingTask:
    """Tell of a wait that goes on.

    :param state: Airflow's own.
    :param may_release: tells of a DAG whether the viewer may start its waiting tasks.
    """
    return models.WaitingTask(
        task=link(one),
        decision_id=one.decision_id,
        state=state,
        location=one.location,
        zone=one.zone,
        ready_at=one.ready_at,
        planned_start=one.start,
        planned_end=one.end,
        latest_start=one.latest_start,
        duration_seconds=one.duration_seconds,
        intensity_g_per_kwh=one.intensity_g_per_kwh,
        baseline_intensity_g_per_kwh=one.baseline_intensity_g_per_kwh,
        promised_saving_percent=one.promised_saving_percent,
        signal=one.signal,
        accounting=str(one.accounting),
        source=one.source,
        reason=one.reason,
        replans=len(one.replans or ()),
        can_release=may_release(one.dag_id),
    )


def reductions(rows: Iterable[Reduction]) -> list[models.Reduction]:
    """Tell of reductions, rows apart for each signal and accounting."""
    return [models.Reduction(**one.record()) for one in rows]


def label(signal: str | None) -> str:
    """Say what a reduction by a signal may be called; nothing where the signal is not stated."""
    return reduction_label(Signal(signal)) if signal else ""


def series_of(forecast: Forecast) -> models.Series:
    """Tell a forecast."""
    return models.Series(
        zone=forecast.zone,
        start=forecast.start,
        step_seconds=forecast.step.total_seconds(),
        intensity_g_per_kwh=[round(value, 3) for value in forecast.intensity[:MOST_VALUES].tolist()],
        signal=str(forecast.signal),
        accounting=str(forecast.accounting),
        kind=str(forecast.kind),
        source=forecast.source,
        issued_at=forecast.issued_at,
    )


def kept_forecast(wait: WaitRecord) -> Forecast | None:
    """Take the forecast up that a wait's plan stands on; None where none was kept, or it is damaged.

    Values that were joined to means are laid out over their steps again.
    """
    told: Mapping[str, Any] | None = wait.forecast
    if not told:
        return None
    try:
        step = timedelta(seconds=told["step_seconds"])
        pieces = list(spans(told))
        values = [value for begin, end, value in pieces for _ in range(min((end - begin) // step, MOST_VALUES))]
        return Forecast(
            wait.zone,
            pieces[0][0],
            step,
            values,
            Signal(wait.signal or Signal.AVERAGE),
            source=wait.source,
            issued_at=wait.forecast_made_at,
        )
    except (CarbonError, ArithmeticError, KeyError, IndexError, TypeError, ValueError):
        return None


def kept_series(wait: WaitRecord) -> models.Series | None:
    """Tell the forecast that a wait's plan stands on."""
    forecast = kept_forecast(wait)
    if forecast is None:
        return None
    told = series_of(forecast)
    return told.model_copy(
        update={"signal": wait.signal, "accounting": str(wait.accounting), "kind": wait.kind or told.kind}
    )


def band(start: Any, end: Any, intensity: float | None) -> models.Band | None:
    """Tell a stretch of time; None where an end of it is not known."""
    if start is None or end is None or end <= start:
        return None
    return models.Band(start=start, end=end, intensity_g_per_kwh=intensity)
