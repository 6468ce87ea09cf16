"""What a run may be placed on: one region, bought in one way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.limits import Limits
    from airflow_carbon.core.price import Price, Purchase

#: Power usage effectiveness of a region that publishes none: a little above the mean of the cloud regions that do
#: (1.17), so that silence is no advantage. Records say where it was taken.
ASSUMED_PUE = 1.2
#: How the reason of a candidate begins whose source did not answer.
NO_DATA = "no data: "


@dataclass(frozen=True, slots=True)
class Candidate:
    """Hold one region that may run the work, bought in one way.

    :param name: the region as the user wrote it.
    :param zone: the grid zone it lies in, in its source's words.
    :param country: ISO 3166 code of two letters; empty where not known.
    :param pue: power usage effectiveness of its data centers [1]; None where not published.
    :param forecast: its intensities; None where its source failed.
    :param rejected: why it cannot be chosen, where that is known already.
    :param price: of the machine there; None where not known.
    :param purchase: how the machine is bought; the price tells, where there is one.
    :param relative_energy: what the job takes on the hardware there, over what it takes on the user's own [1].
    :param queue_wait: expected time until a machine is free there.
    :param latency_ms: to where the work is wanted [ms]; None where not known.
    :param skus: machines that are to be had there, in exact spelling; None where not known.
    :raises InvalidRequestError: if a number is out of range.
    """

    name: str
    zone: str = ""
    country: str = ""
    pue: float | None = None
    forecast: Forecast | None = None
    rejected: str = ""
    price: Price | None = None
    relative_energy: float = 1.0
    queue_wait: timedelta = timedelta(0)
    latency_ms: float | None = None
    skus: frozenset[str] | None = None
    purchase: Purchase | None = None

    def __post_init__(self) -> None:
        if self.pue is not None and not 1.0 <= self.pue < math.inf:
            raise InvalidRequestError(f"pue: {self.pue} of {self.name} must be a number, 1 or larger")
        if self.price is not None:
            object.__setattr__(self, "purchase", self.price.purchase)
        if not 0.0 < self.relative_energy < math.inf:
            raise InvalidRequestError(
                f"relative_energy: {self.relative_energy} of {self.name} must be a number larger than zero"
            )
        if self.latency_ms is not None and not 0.0 <= self.latency_ms < math.inf:
            raise InvalidRequestError(f"latency_ms: {self.latency_ms} of {self.name} must be a number, zero or larger")
        if self.queue_wait < timedelta(0):
            raise InvalidRequestError(f"queue_wait: {self.queue_wait} of {self.name} must be zero or longer")

    @property
    def label(self) -> str:
        """The region, and how its machine is bought where that is known."""
        return self.name if self.purchase is None else f"{self.name} ({self.purchase})"

    @property
    def overhead(self) -> float:
        """Energy that is billed for one kWh on the user's own hardware [1]: the building and the hardware count."""
        return (ASSUMED_PUE if self.pue is None else self.pue) * self.relative_energy


def of_one_sort(candidates: Sequence[Candidate], *, limits: Limits | None = None) -> list[Candidate]:
    """Keep the intensities that most candidates share the meaning of, and reject the others with the reason.

    A chain of sources can answer one region with other numbers than the rest; that must not fail the whole choice.

    :param limits: only candidates that keep them count; None counts all.
    """
    sorts: list[tuple[Forecast, int]] = []
    for candidate in candidates:
        forecast = candidate.forecast
        if forecast is None or candidate.rejected or (limits is not None and limits.fault(candidate)):
            continue
        known = next((index for index, (one, _) in enumerate(sorts) if one.comparable_with(forecast)), None)
        if known is None:
            sorts.append((forecast, 1))
        else:
            sorts[known] = sorts[known][0], sorts[known][1] + 1
    if len(sorts) < 2:
        return list(candidates)
    chosen, _ = max(sorts, key=lambda sort: sort[1])
    return [
        candidate
        if candidate.forecast is None or candidate.forecast.comparable_with(chosen)
        else replace(candidate, forecast=None, rejected=f"{NO_DATA}{_unlike(candidate.forecast, chosen)}")
        for candidate in candidates
    ]


def _unlike(one: Forecast, chosen: Forecast) -> str:
    return (
        f"{one.signal} intensity ({one.accounting}) from {one.source} does not compare with {chosen.signal} "
        f"({chosen.accounting}) of the others"
    )
