"""What a replayed task may know when it is ready: the truth, what had been issued by then, or what anyone can guess."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import numpy as np

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.forecast_error import ForecastError
from airflow_carbon.core.moment import MICROSECOND, in_words, microseconds, moment_at
from airflow_carbon.core.replay import Issue
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

_DAY = timedelta(days=1)
_DAY_US = _DAY // MICROSECOND
#: Steps as long as this, or longer, tell too little of a day's shape to guess its hours by.
_TOO_LONG = timedelta(hours=6)


class Foresight(Protocol):
    """Give what is known of a zone; ``label`` says in every result what the job was allowed to know."""

    @property
    def label(self) -> str: ...

    def issues(self, zone: str, ready_at: datetime, until: datetime) -> Sequence[Issue]:
        """List what a job that is ready at a moment gets to see until another, each usable no earlier than it says."""
        ...


class Perfect:
    """Know what came: the bound that no forecast exceeds.

    :param histories: measured intensities of each zone.
    """

    label = "perfect foresight"

    def __init__(self, histories: Mapping[str, Forecast]) -> None:
        self._histories = histories

    def issues(self, zone: str, ready_at: datetime, until: datetime) -> Sequence[Issue]:
        """Give the zone's history as if it had been issued when the job was ready."""
        return _known(self._histories[zone], ready_at, until)


class Issued:
    """Know what a source had issued: a job sees the newest forecast of the moment, and each later one as it comes.

    :param issues: of each zone, sorted by time, as :func:`airflow_carbon.core.replay.learn` gives them.
    """

    label = "forecasts as issued"

    def __init__(self, issues: Mapping[str, Sequence[Issue]]) -> None:
        self._issues = issues
        self._usable = {zone: [microseconds(one.usable_from) for one in every] for zone, every in issues.items()}

    def issues(self, zone: str, ready_at: datetime, until: datetime) -> Sequence[Issue]:
        """Give the newest issue of the moment and those that follow; none where nothing had been issued yet."""
        usable = self._usable[zone]
        newest = int(np.searchsorted(usable, microseconds(ready_at), side="right")) - 1
        return self._issues[zone][newest : int(np.searchsorted(usable, microseconds(until)))] if newest >= 0 else ()


class Stitched:
    """Know a series that was put together from many day-ahead forecasts.

    When each of its hours had been issued is not known, so that a job early in the day may see what was issued only
    after it was ready; a result on it bounds what a forecast gives, and says so. Beyond the next day nothing had been
    issued for certain: no job sees that.

    :param series: the stitched forecast of each zone.
    """

    label = "stitched day-ahead forecasts (when each was issued is not known; none beyond the next day, UTC)"

    def __init__(self, series: Mapping[str, Forecast]) -> None:
        self._series = {zone: one.replaced(kind=Kind.FORECAST) for zone, one in series.items()}

    def issues(self, zone: str, ready_at: datetime, until: datetime) -> Sequence[Issue]:
        """Give the hours of the series that the job can use, until the end of the next day [UTC] at most."""
        today = microseconds(ready_at) // _DAY_US
        return _known(self._series[zone], ready_at, min(until, moment_at((today + 2) * _DAY_US)))


class LastDays:
    """Guess that each hour will be as it was on the last days, measured until the job was ready.

    Days that lie before a gap count too; an hour that was not measured on one of them is the mean of the others.

    :param histories: measured intensities of each zone; a day must hold a whole number of their steps.
    :param days: 1 takes the same hour of yesterday, 7 the mean of a week.
    :param earlier: what was measured before a gap, part by part in the order of time, each by zone.
    :raises InvalidRequestError: if no day is to be looked at, or the steps do not divide one or are too long for it.
    """

    def __init__(
        self, histories: Mapping[str, Forecast], days: int, *, earlier: Sequence[Mapping[str, Forecast]] = ()
    ) -> None:
        if days < 1:
            raise InvalidRequestError(f"days: {days} must be one or more")
        for one in histories.values():
            if _DAY % one.step:
                raise InvalidRequestError(f"{one.zone}: a day holds no whole number of steps of {one.step}")
            if one.step >= _TOO_LONG:
                raise InvalidRequestError(
                    f"{one.zone}: steps of {in_words(one.step)} tell nothing of the hours of a day, by which the last "
                    f"days are repeated; give steps shorter than {in_words(_TOO_LONG)}"
                )
        self._histories = histories
        self._days = days
        self._measured = {
            zone: _with_gaps([part[zone] for part in earlier] + [one], days) for zone, one in histories.items()
        }
        self.label = "same hour of yesterday" if days == 1 else f"hourly mean of the last {days} days"

    def issues(self, zone: str, ready_at: datetime, until: datetime) -> Sequence[Issue]:
        """Give the guess of the moment; none where an hour was measured on none of the days, or they lie too early."""
        history, (start_us, measured) = self._histories[zone], self._measured[zone]
        daily = _DAY // history.step
        known = (microseconds(ready_at) - start_us) // history.step_us
        if known < self._days * daily or known > measured.size:
            return ()
        start = moment_at(start_us + known * history.step_us)
        steps = max(1, -((start - until) // history.step))
        days = measured[known - self._days * daily : known].reshape(self._days, daily)
        told = np.isfinite(days)
        count = told.sum(axis=0)
        if not np.resize(count, steps).all():
            return ()
        past = np.where(told, days, 0.0).sum(axis=0) / np.maximum(count, 1)
        guess = Forecast(
            zone,
            start,
            history.step,
            np.resize(past, steps),
            history.signal,
            accounting=history.accounting,
            kind=Kind.TYPICAL,
            source=self.label,
        )
        return (Issue(ready_at, guess, ForecastError()),)


def _with_gaps(parts: Sequence[Forecast], days: int) -> tuple[int, NDArray[np.float64]]:
    """Join what the last part's jobs may look back on, NaN where nothing was measured, on the last part's grid.

    A part whose steps begin at other moments is left out: its hours are none of this grid's.
    """
    last = parts[-1]
    step_us = last.step_us
    back = min(days * _DAY_US, (last.start_us - parts[0].start_us) // step_us * step_us)
    start_us = last.start_us - back
    joined = np.full((last.end_us - start_us) // step_us, np.nan)
    for part in parts:
        at, rest = divmod(part.start_us - start_us, step_us)
        if rest or part.step_us != step_us or at + len(part) <= 0:
            continue
        joined[max(at, 0) : at + len(part)] = part.intensity[max(-at, 0) :]
    return start_us, joined


def _known(series: Forecast, ready_at: datetime, until: datetime) -> Sequence[Issue]:
    if not series.start <= ready_at < series.end:
        return ()
    return (Issue(ready_at, series.between(ready_at, until), ForecastError()),)
