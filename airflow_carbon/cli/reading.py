"""Intensities of many locations at one time, as ``intensity`` shows them: read from a source, and set in order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_carbon.core.moment import MICROSECOND
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import CarbonError, SourceUnavailableError

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.core.units import Accounting, Signal
    from airflow_carbon.sources.base import CarbonSource

#: A location without an answer by then [s] has none: one that hangs must not keep the others waiting.
PATIENCE_SECONDS = 55.0
#: A value measured longer ago says less of the present than a forecast does.
RECENT = timedelta(hours=2)
#: How far a forecast is asked for whose first step alone is wanted.
AHEAD = timedelta(hours=1)

_Answer = TypeVar("_Answer")


class Scope(StrEnum):
    """Which time is meant."""

    NOW = "now"
    HISTORY = "history"
    FORECAST = "forecast"


@dataclass(frozen=True, slots=True)
class Span:
    """Hold the time that is asked about.

    :param scope: the present step, a stretch that ends now, or one that begins now.
    :param start: begin of the stretch; the present moment, for the present.
    :param end: end of the stretch; the present moment, for the present.
    """

    scope: Scope
    start: datetime
    end: datetime

    @property
    def now(self) -> datetime:
        """The present moment."""
        return self.end if self.scope is Scope.HISTORY else self.start


@dataclass(frozen=True, slots=True)
class Reading:
    """Hold what a source knows of one location.

    :param location: as it was asked about.
    :param series: the steps that touch the stretch; for the present, the one step that stands for it.
    :param start: where the known part of the stretch begins; for the present, where the step does.
    :param end: where it ends.
    """

    location: Location
    series: Forecast
    start: datetime
    end: datetime

    @property
    def mean_g_per_kwh(self) -> float:
        """Exact mean over the known part [gCO2eq/kWh]."""
        return self.series.mean(self.start, self.end)

    @property
    def meaning(self) -> tuple[Signal, Accounting]:
        """What the numbers mean; those that mean something else do not compare."""
        return self.series.signal, self.series.accounting


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Hold why nothing is known of one location."""

    location: Location
    reason: str


async def read(
    source: CarbonSource,
    locations: Sequence[Location],
    span: Span,
    *,
    measured: bool = True,
    patience: float = PATIENCE_SECONDS,
) -> list[Reading | Unanswered]:
    """Ask about all locations at once; one that the source does not answer stays in the list with its reason.

    :param measured: for the present, prefer the newest measured value to the first step of the forecast.
    :param patience: how long to wait for one location [s].
    """
    return await asyncio.gather(*(_read(source, location, span, measured, patience) for location in locations))


def cleanest_first(readings: Sequence[Reading | Unanswered]) -> list[Reading | Unanswered]:
    """Order by mean intensity those whose numbers compare, one such group after the other; without answer comes last.

    A group stands where its first member stood.
    """
    answered = [one for one in readings if isinstance(one, Reading)]
    groups = list(dict.fromkeys(one.meaning for one in answered))
    ordered = sorted(answered, key=lambda one: (groups.index(one.meaning), one.mean_g_per_kwh))
    return [*ordered, *(one for one in readings if isinstance(one, Unanswered))]


def comparable(readings: Sequence[Reading | Unanswered]) -> bool:
    """Tell whether all numbers mean the same: equal signal and equal accounting."""
    return len({one.meaning for one in readings if isinstance(one, Reading)}) <= 1


async def _read(
    source: CarbonSource, location: Location, span: Span, measured: bool, patience: float
) -> Reading | Unanswered:
    try:
        if span.scope is Scope.NOW:
            series = await _present(source, location, span.now, measured, patience / 2)
            return Reading(location, series, series.start, series.end)
        if span.scope is Scope.HISTORY:
            question = source.history(location, start=span.start, end=span.end)
        else:
            question = source.forecast(location, now=span.start, until=span.end)
        series = (await _in_time(question, patience)).between(span.start, span.end)
        return Reading(location, series, max(span.start, series.start), min(span.end, series.end))
    except CarbonError as error:
        return Unanswered(location, " ".join(str(error).split()) or type(error).__name__)


async def _present(
    source: CarbonSource, location: Location, now: datetime, measured: bool, patience: float
) -> Forecast:
    past: Forecast | None = None
    fault = ""
    if measured:
        try:
            question = source.history(location, start=now - RECENT, end=now)
            past = (await _in_time(question, patience)).between(now - RECENT, now)
        except CarbonError as error:
            fault = str(error)
        else:
            past = past.between(past.end - past.step, past.end)
            if past.kind is Kind.MEASURED:
                return past
    try:
        question = source.forecast(location, now=now, until=now + AHEAD)
        return (await _in_time(question, patience)).between(now, now + MICROSECOND)
    except CarbonError as error:
        # What stands in for a measured value is better than nothing.
        if past is not None:
            return past
        if fault in ("", str(error)):
            raise
        raise SourceUnavailableError(f"{error}; measured values: {fault}") from error


async def _in_time(question: Coroutine[Any, Any, _Answer], seconds: float) -> _Answer:
    try:
        async with asyncio.timeout(seconds):
            return await question
    except TimeoutError:
        raise SourceUnavailableError(f"no answer within {seconds:.0f} s") from None
