"""What every source of prices can be asked, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from airflow_carbon.core.price import Price, Purchase


@dataclass(frozen=True, slots=True)
class Prices:
    """Hold what a source knows of the regions asked for, and why it knows nothing of the rest.

    :param known: every price found, in the order of the regions asked for.
    :param missing: the reason, by region, for each region without any price.
    """

    known: tuple[Price, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)

    def of(self, region: str, sku: str, purchase: Purchase) -> Price | None:
        """Give the price of one machine, bought in one way; None where none is known."""
        asked = (region, sku, purchase)
        return next((one for one in self.known if (one.region, one.sku, one.purchase) == asked), None)

    def why_not(self, region: str, sku: str, purchase: Purchase) -> str:
        """Tell why there is no such price, for the list of what a ranking rejects; empty where there is one."""
        if self.of(region, sku, purchase) is not None:
            return ""
        if region in self.missing:
            return self.missing[region]
        others = sorted({one.purchase for one in self.known if (one.region, one.sku) == (region, sku)})
        if others:
            return f"no {purchase} price of {sku} is known in {region}, {' and '.join(others)} alone"
        return f"no price of {sku} is known in {region}; names are matched to the letter"


@runtime_checkable
class PriceSource(Protocol):
    """Answer what an hour of a machine costs; asynchronous, as the sources of intensities are.

    It may raise a :class:`~airflow_carbon.exceptions.CarbonError` and nothing else: ``SourceUnavailableError``,
    ``SourceAuthError`` or ``SourceResponseError`` for what the outside world does, ``InvalidRequestError`` for a
    question or a user's own table that cannot be meant.
    """

    #: Name for records and logs, for example ``"azure_retail"``.
    name: str

    async def prices(self, regions: Sequence[str], *, skus: Sequence[str], currency: str = "USD") -> Prices:
        """Give every known price of these machines, dedicated and spot, in these regions.

        A region that the source cannot price is no error: it is missing from the answer, with the reason.

        :param regions: as the user wrote them, for example ``azure:swedencentral``; so they come back.
        :param skus: names of machines in their cloud's exact spelling.
        :param currency: ISO 4217 code of what is answered.
        """
        ...
