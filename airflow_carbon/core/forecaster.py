"""A forecast from what was measured alone: a day's usual shape, a week's, and how long what is unusual lasts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from airflow_carbon.core.forecast import Forecast, issuer
from airflow_carbon.core.hourly import HOUR_US, hourly
from airflow_carbon.core.moment import in_words, microseconds, moment_at
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import InvalidForecastError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    _Hours = NDArray[np.float64]

#: How its answers call themselves.
NAME = str(Kind.OWN)
#: The least past that tells a day's shape from a day's whim, and the most that is looked at.
SHORTEST, LONGEST = timedelta(days=7), timedelta(days=60)
#: What a history may lack and still count: a share of its hours [1], and how long ago it may end.
LACKING, STALE = 0.25, timedelta(hours=24)
#: No forecast from the past alone tells hours apart that lie further ahead.
FARTHEST = timedelta(days=7)

_DAY, _WEEK = 24, 168
#: A day's weight in the usual day halves in so many days.
_HALF_LIFE = 5.0
#: What was unusual over the last so many hours tells of the next ones.
_LOOKS = (1, 3, 6, 12, 24)
#: Before any learning only the last day's does, and it fades by 1/e in so many hours.
_FADES = 24.0
#: That prior weighs as much as so many days of learning.
_PRIOR_DAYS = 16.0
#: The lead times [h] that are learned one by one.
_LEADS = 44
#: The first days settle the usual day and are not learned from.
_SETTLING = 5 * _DAY
#: Less than so many weeks do not tell a weekday from a whim; believed this share, less where weeks are few.
_LEAST_WEEKS, _MOST_WEEKS, _WEEK_SHARE = 3, 8, 0.5
#: Steps as long as this, or longer, tell too little of a day's shape.
_TOO_LONG = timedelta(hours=6)


def own_forecast(history: Sequence[Forecast], *, now: datetime, until: datetime) -> Forecast:
    """Foresee the hours from the one that holds ``now`` on, by what was measured until then and nothing else.

    The usual day is an exponentially weighted mean of each hour of the day. How far the last hours strayed from it
    tells, by a ridge regression for each lead time, how far the next ones will (Hoerl and Kennard 1970,
    doi:10.1080/00401706.1970.10488634); it is shrunk to a plain decay, so that a short past does no harm. From three
    weeks on, half of what a weekday's hours usually are beyond their neighbours' is added. That is averaged with a
    plainer guess that learns nothing, a week's mean for each hour of the day and the last day's distance from it, as
    the mean of two forecasts errs less than either (Bates and Granger 1969, doi:10.1057/jors.1969.103). All in UTC: an
    hour that daylight saving moves is one of the unusual ones, and the usual day follows within days.

    :param history: what was measured, in parts where there are gaps; what lies after ``now`` is not looked at.
    :param until: how far to look [aware]; hours further ahead than a week are left out.
    :return: hourly means, of kind ``own forecast``, issued by nobody.
    :raises InvalidForecastError: if the history is too short, ends too early, lacks too much, or its steps are too
        long, or its parts mean different things.
    :raises InvalidRequestError: if ``now`` has no timezone.
    """
    if now.tzinfo is None or until.tzinfo is None:
        raise InvalidRequestError("now, until: a moment has no timezone; write one")
    known = _checked(history)
    present = microseconds(now) // HOUR_US
    end, measured = _joined(known, present)
    ahead = max(1, min(-(-microseconds(until) // HOUR_US) - present, FARTHEST // timedelta(hours=1)))
    # Between the last measured hour and the present one lie some that are not known yet: foreseen, then cut off.
    skipped = present - end
    foreseen = _foreseen(_filled(measured), skipped + ahead)[skipped:]
    latest = known[-1]
    days = measured.size / _DAY
    return Forecast(
        latest.zone,
        moment_at(present * HOUR_US),
        timedelta(hours=1),
        # Whole hundredths: a flat past must not show a cleanest hour by the last bit of a sum.
        np.maximum(foreseen, 0.0).round(2),
        latest.signal,
        accounting=latest.accounting,
        kind=Kind.OWN,
        source=f"{NAME}, from {days:.0f} days of {issuer(latest.source) or 'measured'} history, issued by nobody",
    )


def _checked(history: Sequence[Forecast]) -> list[Forecast]:
    known = sorted(history, key=lambda part: part.start_us)
    if not known:
        raise InvalidForecastError("history: nothing was measured; at least 7 days of hours are needed")
    for part in known:
        if part.step >= _TOO_LONG:
            raise InvalidForecastError(
                f"{part.zone}: history: steps of {in_words(part.step)} tell nothing of the hours of a day; give steps "
                f"shorter than {in_words(_TOO_LONG)}"
            )
        if not part.comparable_with(known[-1]):
            raise InvalidForecastError(
                f"{part.zone}: history: {part.signal} ({part.accounting}) and {known[-1].signal} "
                f"({known[-1].accounting}) do not compare; give parts of one meaning"
            )
    return known


def _joined(known: Sequence[Forecast], present: int) -> tuple[int, _Hours]:
    """Give the end of the last measured hour [h since the epoch], and the hours until then, NaN in gaps."""
    longest = LONGEST // timedelta(hours=1)
    hours = np.full(longest, np.nan)
    for part in known:
        first, means = hourly(part)
        at = first - (present - longest)
        means = means[max(0, -at) : max(0, longest - at)]
        at = max(0, at)
        hours[at : at + means.size] = means
    told = np.flatnonzero(np.isfinite(hours))
    zone, shortest = known[-1].zone, SHORTEST // timedelta(hours=1)
    if not told.size or (longest - 1 - told[-1]) * timedelta(hours=1) > STALE:
        raise InvalidForecastError(
            f"{zone}: history: it ends at {known[-1].end:%Y-%m-%d %H:%M} UTC; to foresee from "
            f"{moment_at(present * HOUR_US):%Y-%m-%d %H:%M} UTC it must reach within {in_words(STALE)} of it"
        )
    # What lies before a long gap tells more of last month than it costs to fill the gap: cut only what is lacking.
    for first in [told[0], *told[1:][np.diff(told) > _DAY]]:
        span = hours[first : told[-1] + 1]
        if np.isnan(span).mean() <= LACKING and span.size >= shortest:
            return present - longest + int(told[-1]) + 1, span
    raise InvalidForecastError(
        f"{zone}: history: {told.size} hours are measured of the last {(longest - told[0]) / _DAY:.1f} days; "
        f"at least {in_words(SHORTEST)} without large gaps are needed"
    )


def _filled(hours: _Hours) -> _Hours:
    """Draw in what stands far outside of all else, and fill gaps: short ones by a line, long ones by a usual day."""
    told = np.isfinite(hours)
    low, high = np.percentile(hours[told], (1.0, 99.0))
    hours = np.clip(hours, low - (high - low), high + (high - low))
    if told.all():
        return hours
    place = np.arange(hours.size)
    line = np.interp(place, place[told], hours[told])
    of_day = place % _DAY
    count = np.bincount(of_day, told, _DAY)
    total = np.bincount(of_day, np.where(told, hours, 0.0), _DAY)
    usual = np.where(count > 0, total / np.maximum(count, 1.0), hours[told].mean())[of_day]
    # Distance to the nearest measured hour.
    before = place - np.maximum.accumulate(np.where(told, place, -1))
    after = np.minimum.accumulate(np.where(told, place, 2 * hours.size)[::-1])[::-1] - place
    return np.where(told, hours, np.where(before + after <= 4, line, usual))


def _foreseen(hours: _Hours, ahead: int) -> _Hours:
    """Foresee so many hours after the last one."""
    # Whole days, counted from the end.
    hours = hours[hours.size % _DAY :]
    weekly = _weekly(hours, ahead)
    plain = hours - weekly[: hours.size]
    usual = _usual_day(plain)
    leads = np.arange(ahead)
    strayed = np.concatenate(([0.0], np.cumsum(plain - usual)))
    strays = _strays(strayed, plain, usual)
    last = np.array([(strayed[-1] - strayed[-1 - look]) / look for look in _LOOKS])
    # What lies beyond the leads that are learned fades further.
    fading = np.exp(-np.maximum(leads - (_LEADS - 1), 0) / _FADES)
    unusual = (last @ strays)[np.minimum(leads, _LEADS - 1)] * fading
    learned = usual[hours.size - _DAY + leads % _DAY] + unusual + weekly[hours.size :]
    return 0.5 * (learned + _plain(hours, leads))


def _plain(hours: _Hours, leads: NDArray[np.int_]) -> _Hours:
    """Foresee without learning: the mean of a week for each hour of the day, and the last day's distance fading."""
    week = hours[-_WEEK:].reshape(-1, _DAY)
    usual = week.mean(axis=0)
    guess: _Hours = usual[leads % _DAY] + (week[-1] - usual).mean() * np.exp(-(leads + 0.5) / _FADES)
    return guess


def _usual_day(hours: _Hours) -> _Hours:
    """Give for each hour what that hour of the day usually was by then: a mean in which the past fades."""
    days = hours.reshape(-1, _DAY)
    usual, total, weight, kept = np.empty_like(days), np.zeros(_DAY), 0.0, 0.5 ** (1.0 / _HALF_LIFE)
    for index, day in enumerate(days):
        total, weight = total * kept + day, weight * kept + 1.0
        usual[index] = total / weight
    return usual.ravel()


def _strays(strayed: _Hours, plain: _Hours, usual: _Hours) -> _Hours:
    """Learn what the last hours' straying tells of each lead time, shape ``(looks, leads)``."""
    prior = np.zeros((len(_LOOKS), _LEADS))
    prior[-1] = np.exp(-(np.arange(_LEADS) + 0.5) / _FADES)
    origins = np.arange(_SETTLING, plain.size - _LEADS + 1)
    if origins.size <= _DAY:
        return prior
    looks = np.stack([(strayed[origins] - strayed[origins - look]) / look for look in _LOOKS], axis=1)
    # Each origin knew the usual day as it was then.
    known = usual[origins[:, None] - _DAY + np.arange(_LEADS) % _DAY]
    came = sliding_window_view(plain, _LEADS)[origins] - known
    gram = looks.T @ looks
    ridge = _PRIOR_DAYS * _DAY * np.trace(gram) / (len(_LOOKS) * origins.size)
    if ridge <= 1e-9:
        return prior
    return prior + np.linalg.solve(gram + ridge * np.eye(len(_LOOKS)), looks.T @ (came - looks @ prior))


def _weekly(hours: _Hours, ahead: int) -> _Hours:
    """Give for each hour, and for those ahead, what its weekday adds; zero where the weeks are few."""
    size = hours.size + ahead
    beyond = np.full(size, np.nan)
    # Each hour against the mean of the same hour over the week around it, three days on either side.
    around = sliding_window_view(hours, 6 * _DAY + 1)[:, ::_DAY].mean(axis=1)
    beyond[3 * _DAY : 3 * _DAY + around.size] = hours[3 * _DAY : 3 * _DAY + around.size] - around
    told = np.isfinite(beyond)
    value = np.where(told, beyond, 0.0)
    total, count = np.zeros(size), np.zeros(size)
    for back in range(_WEEK, min(_MOST_WEEKS * _WEEK, size - 1) + 1, _WEEK):
        total[back:] += value[:-back]
        count[back:] += told[:-back]
    return np.where(count >= _LEAST_WEEKS, _WEEK_SHARE * total / (count + 1.0), 0.0)
