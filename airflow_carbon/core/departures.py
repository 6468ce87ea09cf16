"""Four guesses of how the next hours depart from a week's mean, made anew at each past hour by what was known then."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from airflow_carbon.core.forecast_error import CLASSES, PRIOR_DEVIATION, class_of_hours

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Hours = NDArray[np.float64]

DAY, WEEK = 24, 168
#: The lead times [h] that are learned one by one.
LEADS = 44
#: A day's weight in the usual day halves in so many days.
_HALF_LIFE = 5.0
#: What was unusual over the last so many hours tells of the next ones.
_LOOKS = (1, 3, 6, 12, 24)
#: Before any learning only the last day's does, and it fades by 1/e in so many hours.
_FADES = 24.0
#: What lies nearer or further than a week's mean, by the last day's distance from it, fades so [h].
_LEVEL_FADES = 36.0
#: That prior weighs as much as so many days of learning.
_PRIOR_DAYS = 16.0
#: The first days settle the usual day and are not learned from.
_SETTLING = 5 * DAY
#: What varies less than this teaches nothing [(gCO2eq/kWh)^2].
_NOTHING = 1e-9


class Departures(NamedTuple):
    """Hold guesses of the next hours, made at many moments, each by the hours before it alone.

    :param week: the mean of the last week at each hour of the day, by origin and lead [gCO2eq/kWh], shape
        ``(origins, leads)``; the last origin is the end of the past.
    :param guesses: how each guess departs from it, shape ``(4, origins, leads)``: the usual day in which the past
        fades; what was unusual lately, as far as that lasted before; the last day's distance from the week, fading;
        yesterday's shape.
    """

    week: Hours
    guesses: Hours


def departures(hours: Hours, plain: Hours, ahead: int) -> Departures:
    """Guess from each hour on, from the end of the first week to the end of the past.

    :param hours: the past, whole days of them, a week or more [gCO2eq/kWh].
    :param plain: the same without what weekdays add.
    :param ahead: leads [h].
    """
    leads = np.arange(ahead)
    usual = _usual_day(plain)
    first = WEEK - _SETTLING
    unusual = _unusual(plain, usual)[first:]
    # What lies beyond the leads that are learned fades further.
    fading = np.exp(-np.maximum(leads - (LEADS - 1), 0) / _FADES)
    unusual = unusual[:, np.minimum(leads, LEADS - 1)] * fading
    origins = np.arange(WEEK, hours.size + 1)
    days = sliding_window_view(hours, WEEK).reshape(-1, 7, DAY)
    mean, last = days.mean(axis=1), days[:, -1]
    level = (last - mean).mean(axis=1)[:, None] * np.exp(-(leads + 0.5) / _LEVEL_FADES)
    of_day = leads % DAY
    week = mean[:, of_day]
    # Each origin knew the usual day as it was then.
    recent = usual[origins[:, None] - DAY + of_day] - week
    return Departures(week, np.stack((recent, unusual, level, last[:, of_day] - week)))


def past_errors(hours: Hours, week: Hours, guesses: Hours, weights: Hours) -> tuple[float, ...]:
    """Tell how far the weighed guesses strayed from what came, as a share of the mean, by class of lead times.

    Of a shift of a whole day alike nothing counts: it moves no plan within the day. A prior deviation counts as much as
    a week, and is all there is where fewer than a day of origins have come in full.
    """
    classes = class_of_hours(LEADS)
    squares, count = np.full(CLASSES, WEEK * PRIOR_DEVIATION**2), np.full(CLASSES, float(WEEK))
    known, level = hours.size - WEEK - LEADS + 1, float(hours.mean())
    if known >= DAY and level > 0.0:
        missed = sliding_window_view(hours, LEADS)[WEEK:] - week[:known, :LEADS]
        missed -= np.tensordot(weights, guesses[:, :known, :LEADS], 1)
        share = (within_days(missed) / level) ** 2
        squares += np.bincount(classes, share.mean(axis=0), CLASSES) / np.bincount(classes, minlength=CLASSES) * known
        count += known
    return tuple(np.sqrt(squares / count).tolist())


def within_days(leads: Hours) -> Hours:
    """Take from each day of the leads its mean, shape ``(origins, LEADS)``."""
    days = leads[:, :DAY], leads[:, DAY:]
    return np.concatenate([day - day.mean(axis=1, keepdims=True) for day in days], axis=1)


def _usual_day(hours: Hours) -> Hours:
    """Give for each hour what that hour of the day usually was by then: a mean in which the past fades."""
    days = hours.reshape(-1, DAY)
    usual, total, weight, kept = np.empty_like(days), np.zeros(DAY), 0.0, 0.5 ** (1.0 / _HALF_LIFE)
    for index, day in enumerate(days):
        total, weight = total * kept + day, weight * kept + 1.0
        usual[index] = total / weight
    return usual.ravel()


def _unusual(plain: Hours, usual: Hours) -> Hours:
    """Say what the last hours' straying from the usual day tells of each lead, for each origin after the settling.

    What it tells is learned anew each day by a ridge regression (Hoerl and Kennard 1970,
    doi:10.1080/00401706.1970.10488634) on what had come in full by then; it is shrunk to a plain decay.
    """
    leads = np.arange(LEADS)
    prior = np.zeros((len(_LOOKS), LEADS))
    prior[-1] = np.exp(-(leads + 0.5) / _FADES)
    strayed = np.concatenate(([0.0], np.cumsum(plain - usual)))
    origins = np.arange(_SETTLING, plain.size + 1)
    looks = np.stack([(strayed[origins] - strayed[origins - look]) / look for look in _LOOKS], axis=1)
    done = origins[origins <= plain.size - LEADS]
    missed = (
        sliding_window_view(plain, LEADS)[done] - usual[done[:, None] - DAY + leads % DAY] - looks[: done.size] @ prior
    )
    told = np.empty((origins.size, LEADS))
    gram, cross, used, strays = np.zeros((len(_LOOKS),) * 2), np.zeros_like(prior), 0, prior
    # Each day once, counted from the end, so that the last origin knows all there is.
    for begin in range((origins.size - 1) % DAY - DAY, origins.size, DAY):
        come, span = begin - LEADS + 1, slice(max(begin, 0), begin + DAY)
        if come > DAY:
            seen = looks[used:come]
            gram += seen.T @ seen
            cross += seen.T @ missed[used:come]
            used = come
            ridge = _PRIOR_DAYS * DAY * np.trace(gram) / (len(_LOOKS) * used)
            if ridge > _NOTHING:
                strays = prior + np.linalg.solve(gram + ridge * np.eye(len(_LOOKS)), cross)
        told[span] = looks[span] @ strays
    return told
