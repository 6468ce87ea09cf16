"""Carbon against cost: which of several ways to run a job is the best one, when cleaner is not cheaper.

Four questions that a person can answer, each a small class with an ``order``:

=================  ================================================================================================
CarbonPrice        what is a tonne worth to us? Least cost + price x carbon.
Budget             how much more may it cost than the cheapest? Least carbon within that.
ExchangeRate       how many percent more cost is each percent less carbon worth? Every step away from the cheapest must
                   pay for itself: at a rate of 1, 5 % more cost for 50 % less carbon passes, and 50 % for 5 % does not.
LeastCarbon        cost does not count, but among equals the cheaper comes first.
=================  ================================================================================================

``Weighted`` and ``weighted_scores`` are there to agree with the Carbon Economy SDK. Prefer one of the four: scaling by
the least and the most of the candidates makes the score of each depend on all others, so a third candidate that nobody
would take can turn the order of the first two; and of two candidates that conflict, a weight of 0.5 always makes a tie,
be the one dearer by a cent or tenfold.

All costs are those of the whole job [currency], not of an hour. ``carbon`` is in grams of the whole job [gCO2eq]; where
the energy is not known, anything proportional to it serves all but ``CarbonPrice``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

GRAMS_PER_TONNE = 1_000_000.0


@dataclass(frozen=True, slots=True)
class LeastCarbon:
    """Take the least carbon; among equals the cheaper."""

    def order(self, costs: ArrayLike, carbon: ArrayLike) -> list[int]:
        """Give the indices from best to worst.

        :param costs: of the whole job, shape ``(n,)``; NaN where not known.
        :param carbon: of the whole job, shape ``(n,)``.
        """
        cost, grams = _columns(costs, carbon, known=False)
        return _sorted(grams, cost)


@dataclass(frozen=True, slots=True)
class CarbonPrice:
    """Give every tonne a price.

    :param per_tonne: [currency/tCO2eq].
    :raises InvalidRequestError: if it is negative or not finite.
    """

    per_tonne: float

    def __post_init__(self) -> None:
        _refuse_unless(0.0 <= self.per_tonne < math.inf, "carbon_price_per_tonne", self.per_tonne, "zero or larger")

    def order(self, costs: ArrayLike, carbon: ArrayLike) -> list[int]:
        """Give the indices from least to most ``cost + price x carbon``; among equals the cleaner first.

        :raises InvalidRequestError: if a cost is not known.
        """
        cost, grams = _columns(costs, carbon)
        return _sorted(cost + self.per_tonne / GRAMS_PER_TONNE * grams, grams)


@dataclass(frozen=True, slots=True)
class Budget:
    """Take the least carbon of what costs at most so much more than the cheapest.

    :param max_extra_percent: of the least cost [%].
    :raises InvalidRequestError: if it is negative or not finite.
    """

    max_extra_percent: float

    def __post_init__(self) -> None:
        fine = 0.0 <= self.max_extra_percent < math.inf
        _refuse_unless(fine, "max_extra_cost_percent", self.max_extra_percent, "zero or larger")

    def limit(self, cheapest: float) -> float:
        """Give the most that a job may cost, a billionth beyond what is asked, for rounding."""
        return cheapest * (1.0 + self.max_extra_percent / 100.0) * (1.0 + 1e-9)

    def order(self, costs: ArrayLike, carbon: ArrayLike) -> list[int]:
        """Give the indices of what lies within the budget, from least carbon to most; the others are left out.

        :raises InvalidRequestError: if a cost is not known.
        """
        cost, grams = _columns(costs, carbon)
        limit = self.limit(cost.min())
        return [index for index in _sorted(grams, cost) if cost[index] <= limit]


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """Pay at most so many percent more cost for each percent less carbon, both of the cheapest way's.

    :param cost_percent_per_carbon_percent: [1]; at 1, a job that is 5 % dearer and 50 % cleaner passes, and one that is
        50 % dearer and 5 % cleaner does not. The rate holds for each step along the Pareto front, not for their sum.
    :raises InvalidRequestError: if it is negative or not finite.
    """

    cost_percent_per_carbon_percent: float

    def __post_init__(self) -> None:
        rate = self.cost_percent_per_carbon_percent
        _refuse_unless(0.0 <= rate < math.inf, "cost_percent_per_carbon_percent", rate, "zero or larger")

    def price(self, cost: float, carbon: float) -> float:
        """Give what a unit of carbon is worth, by the cheapest way's cost and carbon [currency per unit of carbon]."""
        # Where the cheapest way emits next to nothing there is nothing left to pay for.
        return self.cost_percent_per_carbon_percent * cost / carbon if carbon > 1e-12 else 0.0

    def order(self, costs: ArrayLike, carbon: ArrayLike) -> list[int]:
        """Give the indices from best to worst: a rate of percent is a price, taken from the cheapest way.

        :raises InvalidRequestError: if a cost is not known.
        """
        cost, grams = _columns(costs, carbon)
        cheapest = _sorted(cost, grams)[0]
        return _sorted(cost + self.price(cost[cheapest], grams[cheapest]) * grams, grams)


@dataclass(frozen=True, slots=True)
class Weighted:
    """Order by :func:`weighted_scores`.

    :param emission_weight: of carbon against cost, in ``[0, 1]``.
    :raises InvalidRequestError: if it lies outside.
    """

    emission_weight: float

    def __post_init__(self) -> None:
        _refuse_unless(0.0 <= self.emission_weight <= 1.0, "emission_weight", self.emission_weight, "from 0 to 1")

    def order(self, costs: ArrayLike, carbon: ArrayLike) -> list[int]:
        """Give the indices from the least score to the most; among equals the cleaner first.

        :raises InvalidRequestError: if a cost is not known.
        """
        cost, grams = _columns(costs, carbon)
        return _sorted(weighted_scores(cost, grams, emission_weight=self.emission_weight), grams)


Tradeoff = LeastCarbon | CarbonPrice | Budget | ExchangeRate | Weighted

#: What a user writes, and what it becomes.
WORDS: Mapping[str, Callable[[float], Tradeoff]] = {
    "carbon_price_per_tonne": CarbonPrice,
    "max_extra_cost_percent": Budget,
    "cost_percent_per_carbon_percent": ExchangeRate,
    "emission_weight": Weighted,
}


def parse_tradeoff(value: Tradeoff | Mapping[str, Any] | None) -> Tradeoff:
    """Read a tradeoff: one of the classes, ``{"carbon_price_per_tonne": 80}`` or another of :data:`WORDS`, or None.

    :raises InvalidRequestError: if it is none of them, or its number is out of range.
    """
    if value is None:
        return LeastCarbon()
    if isinstance(value, Tradeoff):
        return value
    if not isinstance(value, Mapping) or len(value) != 1 or next(iter(value)) not in WORDS:
        raise InvalidRequestError(
            f"tradeoff: {value!r} is none; write one of {', '.join(WORDS)} with its number, "
            f"for example {{'carbon_price_per_tonne': 80}}"
        )
    [(word, number)] = value.items()
    try:
        return WORDS[word](float(number))
    except (TypeError, ValueError) as error:
        if isinstance(error, InvalidRequestError):
            raise
        raise InvalidRequestError(f"tradeoff: {word}: {number!r} is no number") from None


def weighted_scores(prices: ArrayLike, ratings: ArrayLike, *, emission_weight: float) -> NDArray[np.float64]:
    """Score candidates as the Carbon Economy SDK does; less is better.

    ``sqrt((w_p z(price))^2 + (w_e z(rating))^2)`` with ``w_p = 1 - w_e`` and ``z`` the distance from the least over
    the distance from the least to the most of all candidates; 0 where all are equal.

    :param prices: shape ``(n,)``, n >= 1.
    :param ratings: emissions, or what stands for them, shape ``(n,)``.
    :param emission_weight: ``w_e``, in ``[0, 1]``.
    :raises InvalidRequestError: if the shapes differ, a number is not finite, or the weight lies outside.
    """
    _refuse_unless(0.0 <= emission_weight <= 1.0, "emission_weight", emission_weight, "from 0 to 1")
    price, rating = _columns(prices, ratings)
    scores: NDArray[np.float64] = np.hypot((1.0 - emission_weight) * _scaled(price), emission_weight * _scaled(rating))
    return scores


def pareto_front(costs: ArrayLike, carbon: ArrayLike) -> list[int]:
    """Give the indices of what nothing else beats in cost and carbon at once, from the cheapest to the cleanest.

    Of those that are equal in both, the first one alone is given.

    :param costs: shape ``(n,)``, n >= 1.
    :param carbon: shape ``(n,)``.
    :raises InvalidRequestError: if the shapes differ, or a number is not finite.
    """
    cost, grams = (_digits(column) for column in _columns(costs, carbon))
    front, least = [], math.inf
    for index in _sorted(cost, grams):
        if grams[index] < least:
            front.append(index)
            least = float(grams[index])
    return front


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    least, most = values.min(), values.max()
    return (values - least) / (most - least) if most > least else np.zeros_like(values)


def _sorted(first: NDArray[np.float64], then: NDArray[np.float64]) -> list[int]:
    """Sort stably; twelve digits decide, so that float noise does not."""
    return [int(index) for index in np.lexsort((_digits(then), _digits(first)))]


def _digits(values: NDArray[np.float64]) -> NDArray[np.float64]:
    largest = float(np.max(np.abs(values), initial=0.0, where=np.isfinite(values)))
    return np.round(values, min(12 - math.ceil(math.log10(largest)), 290)) if largest > 0.0 else values


def _columns(
    costs: ArrayLike, carbon: ArrayLike, *, known: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    cost, grams = np.asarray(costs, dtype=np.float64), np.asarray(carbon, dtype=np.float64)
    if cost.ndim != 1 or cost.shape != grams.shape or not cost.size:
        raise InvalidRequestError(
            f"costs and carbon have the shapes {cost.shape} and {grams.shape}; give one number of each for at least "
            f"one candidate"
        )
    for name, column in (("cost", cost), ("carbon", grams)):
        if not np.isfinite(column).all() and (known or name == "carbon"):
            bad = int(np.flatnonzero(~np.isfinite(column))[0])
            raise InvalidRequestError(f"{name}: candidate {bad} has {column[bad]}; it must be a finite number")
    return cost, grams


def _refuse_unless(fine: bool, name: str, value: float, wanted: str) -> None:
    if not fine:
        raise InvalidRequestError(f"{name}: {value} must be a number, {wanted}")
