"""What a source's past issues teach about its newest one: how far to believe it, and which gain in it is real."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.hourly import HOUR_US, hourly
from airflow_carbon.core.moment import microseconds
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: Memory of what was issued before. A day: sources err by the hour at which they issue (a new weather run, a new
#: day-ahead market), and over a day each hour of issue counts about once.
MEMORY = timedelta(hours=24)
#: Independent views of the same hour that a full memory holds: weather models run four times a day.
VIEWS = 4.0
#: Deviation of one issue from the consensus that is assumed before any was seen, as a share of the mean intensity.
PRIOR_DEVIATION = 0.10
#: An issue further from the consensus than this many usual deviations is news, not noise: belief stays within reach.
NEWS = 3.0
#: A plan on an own forecast is given up for a gain of this share of its error: one that is made anew each hour, from a
#: past that is nearly the same, moves by less than it errs. Of 0.25, 0.5 and 1 it did best on 16 series.
OWN_SHARE = 0.5
#: No plan is given up for a gain below this [%], however exact the source.
MIN_HYSTERESIS_PERCENT = 2.0

_MEMORY_US = MEMORY / timedelta(microseconds=1)
#: Lead times [h] at which a class of deviations ends; the last class is open.
_CLASS_ENDS = (6, 12, 24)
#: So many classes there are.
CLASSES = len(_CLASS_ENDS) + 1


@dataclass(frozen=True, slots=True)
class ForecastError:
    """Hold, for one source and zone, the consensus of its issues and how far a single issue strays from it.

    Issues of one source about one hour differ by news and by noise. Their average is the more exact forecast (Bates and
    Granger 1969, doi:10.1057/jors.1969.103); an exponential memory makes it a running one (Roberts 1959,
    doi:10.1080/00401706.1959.10489860). It learns from issues alone and needs no measurement. Only a forecast is
    issued: a typical profile or a measured series is believed as it stands.

    :param hour: first hour of the consensus [h since the Unix epoch].
    :param consensus: believed mean intensity of each hour from there on [gCO2eq/kWh], shape ``(n,)``; empty when cold.
    :param deviation: usual deviation of one issue from the consensus, as a share of the mean, one for each class of
        lead times: up to 6 h, 12 h, 24 h, and beyond.
    :param views: independent views of an hour that the consensus holds: one when cold, growing to ``VIEWS``.
    :param seen_us: when the newest issue was made [us since the Unix epoch].
    :param meaning: signal and accounting of the numbers; an issue that means something else starts afresh.
    """

    hour: int = 0
    consensus: tuple[float, ...] = ()
    deviation: tuple[float, ...] = (PRIOR_DEVIATION,) * (len(_CLASS_ENDS) + 1)
    views: float = 1.0
    seen_us: int = 0
    meaning: str = ""

    def observed(self, issue: Forecast) -> ForecastError:
        """Return what is known after a new issue; one that was seen before, or an older one, changes nothing.

        :param issue: what the source says now; its start stands for the time of issue where that is not told.
        """
        if issue.kind is not Kind.FORECAST:
            return self
        seen_us = issue.start_us if issue.issued_at is None else microseconds(issue.issued_at)
        if not self._speaks_of(issue):
            hour, newest = hourly(issue)
            return ForecastError(hour, tuple(newest.tolist()), seen_us=seen_us, meaning=_meaning(issue))
        if seen_us <= self.seen_us:
            return self
        hour, newest = hourly(issue)
        if not newest.size:
            return self
        known, shared = self._known(hour, newest)
        weight = -math.expm1((self.seen_us - seen_us) / _MEMORY_US)
        level = float(newest.mean())
        if not shared.any() or level <= 0.0:
            return ForecastError(hour, tuple(newest.tolist()), self.deviation, 1.0, seen_us, self.meaning)
        apart = newest - known
        lead = class_of_hours(newest.size)
        usual = np.array(self.deviation)
        reach = NEWS * usual[lead]
        # A shift of every hour alike moves no plan: only what an issue changes between hours counts as its deviation;
        # and news must not pass for noise, else one true collapse would teach distrust of itself.
        contrast = np.minimum(np.abs(apart - apart[shared].mean()) / level, reach)
        hours = np.bincount(lead, shared, len(usual))
        squares = np.bincount(lead, shared * contrast**2, len(usual))
        learned = np.where(hours > 0, (1.0 - weight) * usual**2 + weight * squares / np.maximum(hours, 1.0), usual**2)
        kept = np.minimum(np.maximum((weight - 1.0) * apart, -reach * level), reach * level)
        believed = np.maximum(newest + np.where(shared, kept, 0.0), 0.0)
        further = self.consensus[max(0, hour + newest.size - self.hour) :]
        deviation = tuple(np.sqrt(learned).tolist())
        views = self.views + weight * (VIEWS - self.views)
        return ForecastError(hour, (*believed.tolist(), *further), deviation, views, seen_us, self.meaning)

    def believed(self, forecast: Forecast) -> Forecast:
        """Draw a forecast to the consensus, hour by whole hour; its shape within an hour stays its own."""
        if forecast.kind is not Kind.FORECAST or not self._speaks_of(forecast):
            return forecast
        return _drawn(self, forecast)

    def hysteresis_percent(self, now: datetime, standing: datetime, better: datetime) -> float:
        """Give the gain [%] that one start must show over another before it is more than the source's own error.

        That is one standard deviation of the difference of two believed windows: each strays as one issue does at its
        lead time, less what averaging independent views takes off. Where nothing was observed there is only the newest
        issue to go by, and nothing short of news gives up a plan.

        :param now: when the source spoke.
        :param standing: start of the plan that stands.
        :param better: start of the window that seems better.
        """
        one, other = (self.deviation[_class_of(start - now)] for start in (standing, better))
        needed = math.hypot(one, other) / math.sqrt(self.views) if self.consensus else NEWS * max(one, other)
        return max(MIN_HYSTERESIS_PERCENT, 100.0 * needed)

    def to_dict(self) -> dict[str, Any]:
        """Give the state as plain JSON: whole grams, a few hundred bytes."""
        return {
            "hour": self.hour,
            "consensus": [round(value) for value in self.consensus],
            "deviation": [round(value, 4) for value in self.deviation],
            "views": round(self.views, 3),
            "seen_us": self.seen_us,
            "meaning": self.meaning,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> ForecastError:
        """Take up what :meth:`to_dict` gave.

        :raises InvalidRequestError: if the state is not such a dict; start with ``ForecastError()`` then.
        """
        try:
            error = cls(
                int(state["hour"]),
                tuple(float(value) for value in state["consensus"]),
                tuple(float(value) for value in state["deviation"]),
                float(state["views"]),
                int(state["seen_us"]),
                str(state["meaning"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            raise InvalidRequestError("state: not what to_dict gives; start with ForecastError() instead") from None
        numbers = (*error.consensus, *error.deviation, error.views - 1.0)
        if len(error.deviation) != len(_CLASS_ENDS) + 1 or not all(0.0 <= value < math.inf for value in numbers):
            raise InvalidRequestError(
                f"state: {len(_CLASS_ENDS) + 1} deviations and any number of intensities are needed, none below zero, "
                "and one view or more"
            )
        return error

    def _speaks_of(self, forecast: Forecast) -> bool:
        return bool(self.consensus) and self.meaning == _meaning(forecast)

    def _known(self, hour: int, newest: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Lay the consensus beside hourly means from ``hour`` on, and tell which hours it has."""
        known, shared = newest.copy(), np.zeros(newest.size, dtype=np.bool_)
        first, last = max(hour, self.hour), min(hour + newest.size, self.hour + len(self.consensus))
        if first < last:
            known[first - hour : last - hour] = self.consensus[first - self.hour : last - self.hour]
            shared[first - hour : last - hour] = True
        return known, shared


@lru_cache(maxsize=128)
def _drawn(error: ForecastError, forecast: Forecast) -> Forecast:
    """Draw a forecast to the consensus, once for all the thousands who wait on its zone."""
    hour, newest = hourly(forecast)
    known, shared = error._known(hour, newest)
    return shifted(forecast, hour, np.where(shared, known - newest, 0.0))


def shifted(forecast: Forecast, hour: int, shift: NDArray[np.float64]) -> Forecast:
    """Move each whole hour of a forecast; its shape within an hour, and the parts of hours at both ends, stay its own.

    :param hour: the first whole hour [h since the Unix epoch].
    :param shift: what each hour from there on is moved by [gCO2eq/kWh]; nothing falls below zero.
    """
    if not shift.any():
        return forecast
    # One more, of nothing: for the parts of hours at both ends.
    shift = np.append(shift, 0.0)
    middles = np.arange(len(forecast)) * forecast.step_us + (forecast.start_us + forecast.step_us // 2)
    place = middles // HOUR_US - hour
    place[(place < 0) | (place >= shift.size - 1)] = shift.size - 1
    return Forecast(
        forecast.zone,
        forecast.start,
        forecast.step,
        np.maximum(forecast.intensity + shift[place], 0.0),
        forecast.signal,
        accounting=forecast.accounting,
        kind=forecast.kind,
        source=forecast.source,
        issued_at=forecast.issued_at,
    )


def own_hysteresis_percent(forecast: Forecast, now: datetime, standing: datetime, better: datetime) -> float:
    """Give the gain [%] that one start must show over another in an own forecast before a plan is given up.

    It is taken from what own forecasts of the zone's past foresaw and what came; where that past is too short, from
    ``PRIOR_DEVIATION``.
    """
    errors = forecast.errors if len(forecast.errors) == CLASSES else (PRIOR_DEVIATION,) * CLASSES
    one, other = (errors[_class_of(start - now)] for start in (standing, better))
    return max(MIN_HYSTERESIS_PERCENT, 100.0 * OWN_SHARE * math.hypot(one, other))


def class_of_hours(count: int) -> NDArray[np.int_]:
    """Give the class of lead times of each of the next hours, shape ``(count,)``."""
    return np.searchsorted(_CLASS_ENDS, np.arange(count), side="right")


def _meaning(forecast: Forecast) -> str:
    return f"{forecast.signal}; {forecast.accounting}"


def _class_of(lead: timedelta) -> int:
    hours = lead / timedelta(hours=1)
    return sum(hours >= end for end in _CLASS_ENDS)
