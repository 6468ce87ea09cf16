"""A forecast from what was measured alone: a day's usual shape, a week's, and how long what is unusual lasts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from airflow_carbon.core.departures import DAY, LEADS, WEEK, departures, past_errors
from airflow_carbon.core.forecast import Forecast, issuer
from airflow_carbon.core.guess_weights import weights
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

#: Less than so many weeks do not tell a weekday from a whim; believed this share, less where weeks are few.
_LEAST_WEEKS, _MOST_WEEKS, _WEEK_SHARE = 3, 8, 0.5
#: Half of that is added: yesterday and the week's mean know some of it.
_WEEKDAY_WEIGHT = 0.5
#: Of what days' levels usually differ by, this share tells no day from another.
_NOISE_SHARE = 0.15
#: Steps as long as this, or longer, tell too little of a day's shape.
_TOO_LONG = timedelta(hours=6)


def own_forecast(history: Sequence[Forecast], *, now: datetime, until: datetime) -> Forecast:
    """Foresee the hours from the one that holds ``now`` on, by what was measured until then and nothing else.

    To the mean of the last week at each hour of the day four guesses are added of how the next hours depart from it,
    each by its own weight, as a mean of forecasts errs less than any of them (Bates and Granger 1969,
    doi:10.1057/jors.1969.103): the usual day in which the past fades, what was unusual lately, the last day's distance
    from the week, and yesterday's shape. The weights are learned for the zone from what the guesses were worth in its
    past, and shrunk, so that a short past does no harm. From three weeks on, a part of what a weekday's hours usually
    are beyond their neighbours' is added. A later day is told from the first only by what is more than noise. All in
    UTC: an hour that daylight saving moves is one of the unusual ones, and the usual day follows within days.

    :param history: what was measured, in parts where there are gaps; what lies after ``now`` is not looked at.
    :param until: how far to look [aware]; hours further ahead than a week are left out.
    :return: hourly means, of kind ``own forecast``, issued by nobody; its ``errors`` say how far it would have erred in
        the past that is known.
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
    foreseen, errors = _foreseen(_filled(measured), skipped + ahead)
    latest = known[-1]
    days = measured.size / DAY
    return Forecast(
        latest.zone,
        moment_at(present * HOUR_US),
        timedelta(hours=1),
        # Whole hundredths: a flat past must not show a cleanest hour by the last bit of a sum.
        np.maximum(foreseen[skipped:], 0.0).round(2),
        latest.signal,
        accounting=latest.accounting,
        kind=Kind.OWN,
        source=f"{NAME}, from {days:.0f} days of {issuer(latest.source) or 'measured'} history, issued by nobody",
        errors=errors,
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
    for first in [told[0], *told[1:][np.diff(told) > DAY]]:
        span = hours[first : told[-1] + 1]
        if np.isnan(span).mean() <= LACKING and span.size >= shortest:
            return present - longest + int(told[-1]) + 1, span
    raise InvalidForecastError(
        f"{zone}: history: {told.size} hours are measured of the last {(longest - told[0]) / DAY:.1f} days; "
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
    of_day = place % DAY
    count = np.bincount(of_day, told, DAY)
    total = np.bincount(of_day, np.where(told, hours, 0.0), DAY)
    usual = np.where(count > 0, total / np.maximum(count, 1.0), hours[told].mean())[of_day]
    # Distance to the nearest measured hour.
    before = place - np.maximum.accumulate(np.where(told, place, -1))
    after = np.minimum.accumulate(np.where(told, place, 2 * hours.size)[::-1])[::-1] - place
    return np.where(told, hours, np.where(before + after <= 4, line, usual))


def _foreseen(hours: _Hours, ahead: int) -> tuple[_Hours, tuple[float, ...]]:
    """Foresee so many hours after the last one, and tell how far the same forecast erred at past origins."""
    # Whole days, counted from the end.
    hours = hours[hours.size % DAY :]
    weekly = _weekly(hours, ahead)
    leads = max(ahead, LEADS)
    week, guesses = departures(hours, hours - weekly[: hours.size], leads)
    believed = weights(hours, week, guesses)
    foreseen = week[-1] + believed @ guesses[:, -1]
    foreseen[:ahead] += _WEEKDAY_WEIGHT * weekly[hours.size :]
    return _told_apart(foreseen, hours)[:ahead], past_errors(hours, week, guesses, believed)


def _told_apart(foreseen: _Hours, hours: _Hours) -> _Hours:
    """Tell a later day from the first only by what is more than noise, and by no more than that.

    Levels wander from day to day; a difference within that is no reason to wait for tomorrow (soft thresholding:
    Donoho and Johnstone 1994, doi:10.1093/biomet/81.3.425).
    """
    noise = _NOISE_SHARE * np.abs(np.diff(hours[-WEEK:].reshape(-1, DAY).mean(axis=1))).mean()
    first = foreseen[np.arange(foreseen.size) % DAY]
    apart = foreseen - first
    told: _Hours = first + np.sign(apart) * np.maximum(np.abs(apart) - noise, 0.0)
    return told


def _weekly(hours: _Hours, ahead: int) -> _Hours:
    """Give for each hour, and for those ahead, what its weekday adds; zero where the weeks are few."""
    size = hours.size + ahead
    beyond = np.full(size, np.nan)
    # Each hour against the mean of the same hour over the week around it, three days on either side.
    around = sliding_window_view(hours, 6 * DAY + 1)[:, ::DAY].mean(axis=1)
    beyond[3 * DAY : 3 * DAY + around.size] = hours[3 * DAY : 3 * DAY + around.size] - around
    told = np.isfinite(beyond)
    value = np.where(told, beyond, 0.0)
    total, count = np.zeros(size), np.zeros(size)
    for back in range(WEEK, min(_MOST_WEEKS * WEEK, size - 1) + 1, WEEK):
        total[back:] += value[:-back]
        count[back:] += told[:-back]
    return np.where(count >= _LEAST_WEEKS, _WEEK_SHARE * total / (count + 1.0), 0.0)
