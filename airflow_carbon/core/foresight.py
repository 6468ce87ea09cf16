"""What a replayed task may know when it is ready: the truth, what had been issued by then, or what anyone can guess."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import numpy as np

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.forecast_error import ForecastError
from airflow_carbon.core.moment import microseconds, moment_at
from airflow_carbon.core.replay import Issue
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

_DAY = timedelta(days=1)


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

    When each of its hours had been issued is not known, so that a job late in the day may see what was issued only
    after it was ready; a result on it bounds what a forecast gives, and says so.

    :param series: the stitched forecast of each zone.
    """

    label = "stitched day-ahead forecasts (when each was issued is not known)"

    def __init__(self, series: Mapping[str, Forecast]) -> None:
        self._series = {zone: one.replaced(kind=Kind.FORECAST) for zone, one in series.items()}

    def issues(self, zone: str, ready_at: datetime, until: datetime) -> Sequence[Issue]:
        """Give the hours of the series that the job can use."""
        return _known(self._series[zone], ready_at, until)


class LastDays:
    """Guess that each hour will be as it was on the last days, measured until the job was ready.

    :param histories: measured intensities of each zone; a day must hold a whole number of their steps.
    :param days: 1 takes the same hour of yesterday, 7 the mean of a week.
    :raises InvalidRequestError: if no day is to be looked at, or the steps do not divide one.
    """

    def __init__(self, histories: Mapping[str, Forecast], days: int) -> None:
        if days < 1:
            raise InvalidRequestError(f"days: {days} must be one or more")
        for one in histories.values():
            if _DAY % one.step:
                raise InvalidRequestError(f"{one.zone}: a day holds no whole number of steps of {one.step}")
        self._histories = histories
        self._days = days
        self.label = "same hour of yesterday" if days == 1 else f"hourly mean of the last {days} days"

    def issues(self, zone: str, ready_at: datetime, until: datetime) -> Sequence[Issue]:
        """Give the guess of the moment; none where the history does not reach back far enough."""
        history = self._histories[zone]
        daily = _DAY // history.step
        measured = (microseconds(ready_at) - history.start_us) // history.step_us
        if measured < self._days * daily or measured > len(history):
            return ()
        past = history.intensity[measured - self._days * daily : measured].reshape(self._days, daily).mean(axis=0)
        start = moment_at(history.start_us + measured * history.step_us)
        steps = -((start - until) // history.step)
        guess = Forecast(
            zone,
            start,
            history.step,
            np.resize(past, max(steps, 1)),
            history.signal,
            accounting=history.accounting,
            kind=Kind.TYPICAL,
            source=self.label,
        )
        return (Issue(ready_at, guess, ForecastError()),)


def _known(series: Forecast, ready_at: datetime, until: datetime) -> Sequence[Issue]:
    if not series.start <= ready_at < series.end:
        return ()
    return (Issue(ready_at, series.between(ready_at, until), ForecastError()),)
