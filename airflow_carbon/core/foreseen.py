"""What was foreseen of a decision, against what came: the oracle within its promise, and the error of its forecast."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.moment import parse_moment
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.governed import Governed
    from airflow_carbon.core.load import Load
    from airflow_carbon.core.record import DecisionRecord

#: A window that was recommended: its start, its end and the intensity that was foreseen [gCO2eq/kWh].
Window = tuple[datetime, datetime, float]


def bounds(one: Governed) -> tuple[datetime, datetime] | None:
    """Give the earliest and the latest start that a wait was allowed; None for a decision of another sort."""
    if one.decision.sort != "wait":
        return None
    raw: Mapping[str, Any] = one.decision.raw
    try:
        latest = parse_moment(raw["latest_start"], "latest_start")
        earliest = parse_moment(raw.get("earliest_start") or one.ready_at, "earliest_start")
    except (KeyError, InvalidRequestError):
        return None
    return (earliest, latest) if earliest <= latest else None


def windows_of(decision: DecisionRecord) -> list[Window]:
    """List the windows that were recommended with an intensity, which of a fleet is weighted by overheads, and left."""
    if decision.sort == "fleet":
        return []
    found = []
    for one in decision.recommended.get("windows") or ():
        try:
            start, end = (parse_moment(one[name], name) for name in ("start", "end"))
            found.append((start, end, float(one["intensity_g_per_kwh"])))
        except (KeyError, TypeError, ValueError):
            continue
    return [one for one in found if one[0] < one[1] and math.isfinite(one[2])]


def forecast_error_percent(windows: Sequence[Window], series: Forecast | None) -> float | None:
    """Give the mean absolute error of what was foreseen for the windows, over what came [%].

    :return: None where nothing was foreseen, a window is not measured, or what came is zero.
    """
    if series is None or not windows or not all(series.covers(start, end) for start, end, _ in windows):
        return None
    came = [((end - start).total_seconds(), series.mean(start, end)) for start, end, _ in windows]
    missed = math.fsum(
        length * abs(foreseen - mean) for (length, mean), (_, _, foreseen) in zip(came, windows, strict=True)
    )
    whole = math.fsum(length * mean for length, mean in came)
    return 100.0 * missed / whole if whole else None


def oracle(
    one: Governed, load: Load, series: Mapping[str, Forecast], promise: tuple[datetime, datetime] | None
) -> tuple[datetime, float] | None:
    """Give the best that perfect knowledge would have done with the same load, and its mean intensity [gCO2eq/kWh].

    Of a wait within its promise; of a choice of region among those that were allowed, at the time at which it ran; of
    both together, both.

    :param series: what was measured, by location.
    :param promise: earliest and latest start; None where the time was not free.
    :return: None for a plan in chunks or of a fleet, or where not all that was allowed is measured.
    """
    from airflow_carbon.core.hindsight import best_start

    if one.decision.sort in ("schedule", "fleet"):
        return None
    every = (*one.before, one.decision)
    places = [name for each in every if each.sort == "region" for name in each.recommended.get("regions") or ()]
    places = places or [one.decision.location]
    like = series[one.home]
    if any(name not in series or not series[name].comparable_with(like) for name in places):
        return None
    earliest, latest = promise or (load.start, load.start)
    found = [best_start(load, series[name], earliest_start=earliest, latest_start=latest) for name in places]
    known = [best for best in found if best is not None]
    return min(known, key=lambda best: best[1]) if len(known) == len(found) else None
