"""How far a zone's own forecast mends an issued one, by what both had foreseen and what came."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_carbon.core.departures import DAY, LEADS
from airflow_carbon.core.forecast_error import CLASSES, class_of_hours, shifted
from airflow_carbon.core.forecaster import own_forecast
from airflow_carbon.core.hourly import HOUR_US, hourly
from airflow_carbon.core.moment import moment_at
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import InvalidForecastError, InvalidRequestError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_carbon.core.forecast import Forecast

#: That the issued forecast is best as it stands counts as much as so many days of evidence; evidence fades by 1/e in
#: so many days.
PRIOR_DAYS, MEMORY_DAYS = 7.0, 30.0
#: An own forecast of less weight than this is not worth its making.
LEAST_WEIGHT = 0.05
#: Forecasts that differ by less than a gram do not tell which one is right [(gCO2eq/kWh)^2].
LEAST_SQUARE = 1.0
#: Issues are compared so far apart [h], and so many wait for what comes, at the most.
APART, MOST_PENDING = 24, 4

_Issue = tuple[int, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Blend:
    """Hold, for one source and zone, what the errors of both forecasts teach, and the issues that are not due yet.

    Least squares of what came on the issued forecast and the own one's distance from it, one weight for each class of
    lead times, so that the errors which both share count for neither (Bates and Granger 1969,
    doi:10.1057/jors.1969.103). It is shrunk to the issued forecast, and learned on what tells the hours of one day
    apart, as no plan follows from a whole day's level.

    :param products: mean over days of the issued error times the distance, by class [(gCO2eq/kWh)^2].
    :param squares: mean over days of the squared distance, by class [(gCO2eq/kWh)^2].
    :param days: days of evidence, in effect.
    :param pending: issues that wait for what comes: first hour [h since the epoch] and hourly means [gCO2eq/kWh].
    :param meaning: signal and accounting of the numbers; what means something else starts afresh.
    """

    products: tuple[float, ...] = (0.0,) * CLASSES
    squares: tuple[float, ...] = (0.0,) * CLASSES
    days: float = 0.0
    pending: tuple[_Issue, ...] = ()
    meaning: str = ""

    @property
    def weights(self) -> tuple[float, ...]:
        """The own forecast's weight in each class of lead times, from 0 to 1."""
        if not self.days:
            return (0.0,) * CLASSES
        shrunk = 1.0 + PRIOR_DAYS / self.days
        pairs = zip(self.products, self.squares, strict=True)
        shares = (product / (square * shrunk) if square >= LEAST_SQUARE else 0.0 for product, square in pairs)
        return tuple(min(max(share, 0.0), 1.0) for share in shares)

    @property
    def helps(self) -> bool:
        """Tell whether an own forecast is worth its making."""
        return max(self.weights) >= LEAST_WEIGHT

    def noted(self, issue: Forecast) -> Blend:
        """Keep an issue until its hours have come; one a day is enough."""
        if issue.kind is not Kind.FORECAST:
            return self
        meaning = f"{issue.signal}; {issue.accounting}"
        known = self if self.meaning == meaning else Blend(meaning=meaning)
        first, means = hourly(issue)
        if means.size < DAY or (known.pending and first < known.pending[-1][0] + APART):
            return known
        kept = (*known.pending, (first, tuple(means[:LEADS].tolist())))
        return replace(known, pending=kept[-MOST_PENDING:])

    def due(self, hour: int) -> bool:
        """Tell whether an issue's hours have all come by an hour [h since the epoch]."""
        return any(first + len(means) <= hour for first, means in self.pending)

    def learned(self, history: Sequence[Forecast], *, lag: timedelta = timedelta(0)) -> Blend:
        """Compare each issue that is due with the own forecast of its time, and both with what came.

        :param history: what was measured, in parts where there are gaps.
        :param lag: how late measurements come: an own forecast of then did not know of more.
        """
        known, end = self, max((hourly(part)[0] + hourly(part)[1].size for part in history), default=0)
        for first, means in self.pending:
            if first + len(means) > end:
                continue
            known = replace(known, pending=tuple(one for one in known.pending if one[0] != first))
            if (apart := _apart(history, first, np.array(means), lag)) is not None:
                known = known._with(*apart)
        return known

    def blended(self, issue: Forecast, own: Forecast) -> Forecast:
        """Draw an issued forecast to the own one, by the weight of each lead; its level stays as issued.

        Where they mean different things, or share less than two hours, the issue stays as it is.
        """
        first, means = hourly(issue)
        own_first, own_means = hourly(own)
        begin, end = max(first, own_first), min(first + means.size, own_first + own_means.size)
        if not issue.comparable_with(own) or issue.kind is not Kind.FORECAST or end - begin < 2 or not self.helps:
            return issue
        distance = own_means[begin - own_first : end - own_first] - means[begin - first : end - first]
        shift = np.zeros(means.size)
        lead = class_of_hours(means.size)[begin - first : end - first]
        shift[begin - first : end - first] = np.array(self.weights)[lead] * (distance - distance.mean())
        told = f"{issue.source}, blended with an own forecast (up to {max(self.weights):.0%} of it)"
        return shifted(issue, first, shift).replaced(source=told)

    def to_dict(self) -> dict[str, Any]:
        """Give the state as plain JSON."""
        return {
            "products": list(self.products),
            "squares": list(self.squares),
            "days": self.days,
            "pending": [[first, [round(value, 1) for value in means]] for first, means in self.pending],
            "meaning": self.meaning,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Blend:
        """Take up what :meth:`to_dict` gave.

        :raises InvalidRequestError: if the state is not such a dict; start with ``Blend()`` then.
        """
        try:
            pending = tuple((int(first), tuple(float(value) for value in means)) for first, means in state["pending"])
            products, squares = (tuple(float(value) for value in state[name]) for name in ("products", "squares"))
            blend = cls(products, squares, float(state["days"]), pending, str(state["meaning"]))
            numbers = (*blend.products, *blend.squares, blend.days, *(v for _, means in pending for v in means))
            right = len(blend.products) == len(blend.squares) == CLASSES and all(map(math.isfinite, numbers))
        except (KeyError, TypeError, ValueError, OverflowError):
            right = False
        if not right or blend.days < 0.0 or not all(means for _, means in pending):
            raise InvalidRequestError("state: not what to_dict gives; start with Blend() instead")
        return blend

    def _with(self, products: Sequence[float], squares: Sequence[float]) -> Blend:
        kept = math.exp(-APART / DAY / MEMORY_DAYS)
        days = kept * self.days + 1.0

        def mean(old: Sequence[float], new: Sequence[float]) -> tuple[float, ...]:
            return tuple(float(a + (b - a) / days) for a, b in zip(old, new, strict=True))

        return replace(self, products=mean(self.products, products), squares=mean(self.squares, squares), days=days)


def _apart(
    history: Sequence[Forecast], first: int, issued: NDArray[np.float64], lag: timedelta
) -> tuple[list[float], list[float]] | None:
    """Give what one issue teaches, by class of leads; None where it cannot be compared."""
    issued_at, size = moment_at(first * HOUR_US), issued.size
    came = np.full(size, np.nan)
    for part in history:
        at, means = hourly(part)
        begin, end = max(at, first), min(at + means.size, first + size)
        if begin < end:
            came[begin - first : end - first] = means[begin - at : end - at]
    before = [part.between(part.start, issued_at - lag) for part in history if part.start < issued_at - lag]
    try:
        own = own_forecast(before, now=issued_at, until=issued_at + size * timedelta(hours=1)).intensity
    except InvalidForecastError:
        return None
    if not np.isfinite(came).all() or own.size < size:
        return None
    days = [slice(start, start + DAY) for start in range(0, size, DAY)]
    error, distance = (np.concatenate([one[d] - one[d].mean() for d in days]) for one in (came - issued, own - issued))
    lead = class_of_hours(size)
    count = np.maximum(np.bincount(lead, minlength=CLASSES), 1)
    products, squares = ((np.bincount(lead, one * distance, CLASSES) / count).tolist() for one in (error, distance))
    return products, squares
