"""What another allowance of delay would have brought to the last waits, by the forecasts that they stood on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.hindsight import best_start
from airflow_carbon.core.load import Load, Piece
from airflow_carbon.core.record_wait import WaitRecord
from airflow_carbon.plugin import models
from airflow_carbon.plugin.told import kept_forecast

#: Waits that are looked at, the newest ones.
WAITS = 20
DELAYS = tuple(timedelta(hours=hours) for hours in (1, 2, 4, 8, 12, 24, 48))
METHOD = (
    f"Of the last {WAITS} waits, those whose kept forecast reaches far enough: the same run, ready when that forecast "
    "begins, at its best start within each delay, against starting at once. By what was forecast, not by what was "
    "measured; each delay is computed over the same waits."
)


def gained(waits: Sequence[WaitRecord]) -> list[models.Flexibility]:
    """Give the mean saving for each delay, rows apart for each signal and accounting.

    The longest delay is the longest that half of the waits or more can tell of; so longer never looks worse than
    shorter for want of data.

    :param waits: with their forecasts.
    """
    sorts: defaultdict[tuple[str, str], list[tuple[Forecast, timedelta]]] = defaultdict(list)
    for wait in waits:
        forecast, duration = kept_forecast(wait), timedelta(seconds=wait.duration_seconds)
        if forecast is not None and timedelta(0) < duration <= forecast.end - forecast.start:
            sorts[wait.signal, str(wait.accounting)].append((forecast, duration))
    told = []
    for (signal, accounting), runs in sorted(sorts.items()):
        reaches = sorted((forecast.end - forecast.start - duration for forecast, duration in runs), reverse=True)
        # What the middle one reaches, half of them do.
        longest = reaches[(len(reaches) - 1) // 2]
        able = [(forecast, run) for forecast, run in runs if forecast.end - forecast.start - run >= longest]
        for delay in (delay for delay in DELAYS if delay <= longest):
            savings = [saving for forecast, run in able if (saving := _saving(forecast, run, delay)) is not None]
            if savings:
                told.append(
                    models.Flexibility(
                        max_delay_seconds=delay.total_seconds(),
                        signal=signal,
                        accounting=accounting,
                        decisions=len(savings),
                        saving_percent=sum(savings) / len(savings),
                    )
                )
    return told


def _saving(forecast: Forecast, duration: timedelta, delay: timedelta) -> float | None:
    ready = forecast.start
    run = Load((Piece(ready, ready + duration),))
    at_once = forecast.mean(ready, ready + duration)
    best = best_start(run, forecast, earliest_start=ready, latest_start=ready + delay)
    return 100.0 * (1.0 - best[1] / at_once) if best is not None and at_once else None
