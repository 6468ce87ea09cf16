"""How far to believe each guess of a zone's next hours: by its worth there, shrunk to its worth anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from airflow_carbon.core.departures import DAY, LEADS, WEEK, within_days

if TYPE_CHECKING:
    from numpy.typing import NDArray

    _Hours = NDArray[np.float64]

#: The weights of the guesses in a zone of which nothing is known: the usual day, what is unusual, the level, yesterday.
PRIOR = (0.4, 0.5, 0.5, 0.15)
#: They weigh as much as so many days of learning.
PRIOR_DAYS = 60.0
#: What varies less than this teaches nothing [(gCO2eq/kWh)^2].
_NOTHING = 1e-9


def weights(hours: _Hours, week: _Hours, guesses: _Hours) -> _Hours:
    """Weigh the guesses by how far each came true at past origins, shape ``(4,)``.

    Forecasts are combined by least squares (Granger and Ramanathan 1984, doi:10.1002/for.3980030207), on what tells the
    hours of one day apart: the level of a day moves no plan within it, and days are too few to learn from. A ridge
    draws the weights to those that served on other series, so that a month of one zone cannot carry them far.

    :param hours: the past, whole days of it [gCO2eq/kWh].
    :param week: the week's mean, as :class:`~airflow_carbon.core.departures.Departures` holds it.
    :param guesses: the departures from it, of the same origins.
    """
    prior = np.array(PRIOR)
    known = hours.size - WEEK - LEADS + 1
    if known < DAY:
        return prior
    came = sliding_window_view(hours, LEADS)[WEEK:] - week[:known, :LEADS]
    told = [within_days(one) for one in (*guesses[:, :known, :LEADS], came)]
    gram = np.array([[np.vdot(one, other) for other in told] for one in told[:-1]])
    ridge = PRIOR_DAYS * DAY * np.trace(gram) / (len(prior) * known)
    if ridge <= _NOTHING:
        return prior
    gram, cross = gram[:, :-1], gram[:, -1]
    found: _Hours = prior + np.linalg.solve(gram + ridge * np.eye(prior.size), cross - gram @ prior)
    return found
