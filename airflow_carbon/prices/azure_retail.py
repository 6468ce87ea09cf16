"""Azure's list of retail prices: what a Linux machine costs by the hour in each region, dedicated and spot.

The service is public and needs no key. Its prices are list prices, not those of a contract; currencies other than USD
are reference rates. It names no spot evictions: how often a machine is taken away must be told beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from airflow_carbon.core.location import Location
from airflow_carbon.exceptions import CarbonError, InvalidRequestError, SourceResponseError
from airflow_carbon.prices.azure_retail_answer import NAME, PROVIDER, SERVICE, read_page, read_prices
from airflow_carbon.prices.base import Prices
from airflow_carbon.prices.kept_prices import KeptPrices

if TYPE_CHECKING:
    from airflow_carbon.core.price import Price
    from airflow_carbon.web.http import Http

ADDRESS = "https://prices.azure.com"
PATH = "/api/retail/prices"
CURRENCIES = (
    "USD", "AUD", "BRL", "CAD", "CHF", "CNY", "DKK", "EUR", "GBP", "INR", "JPY", "KRW", "NOK", "NZD", "RUB", "SEK",
    "TWD",
)  # fmt: skip
#: The service refuses more than 20 comparisons or about 800 characters, and addresses of more than 2048.
MOST_SKUS, LONGEST_FILTER, LONGEST_ENCODED = 15, 800, 1800
LONGEST_SKU = 80
#: A machine has some ten rows in a region and a page holds a hundred at least: more pages than this are a circle.
MOST_PAGES = 20
#: So many regions are asked about at once.
AT_ONCE = 4


class AzureRetail:
    """Ask for the list prices of machines, one region after the other, each region once for all who need it.

    :param http: asks the service.
    :param kept: keeps what was told; None keeps it in this process alone.
    """

    name = NAME

    def __init__(self, http: Http, kept: KeptPrices | None = None) -> None:
        self._http = http
        self._kept = KeptPrices() if kept is None else kept

    async def prices(self, regions: Sequence[str], *, skus: Sequence[str], currency: str = "USD") -> Prices:
        """Give every known price; a region of another cloud, or one that could not be asked about, is missing.

        :raises SourceError: if none of the regions could be asked about: the error of the first.
        :raises InvalidRequestError: if a name cannot be one, no machine is named, or there are no prices in a currency.
        """
        locations = {region: Location.parse(region, "regions") for region in regions}
        wanted = _checked(skus)
        code = currency.strip().upper() if isinstance(currency, str) else ""
        if code not in CURRENCIES:
            raise InvalidRequestError(f"currency: {currency!r} is none of {', '.join(CURRENCIES)}")
        own = {region: location.name for region, location in locations.items() if location.provider == PROVIDER}
        few = asyncio.Semaphore(AT_ONCE)

        async def priced(name: str) -> dict[str, tuple[Price, ...]] | CarbonError:
            async with few:
                try:
                    return await self._priced(name, wanted, code)
                except CarbonError as error:
                    return error

        names = list(dict.fromkeys(own.values()))
        told = dict(zip(names, await asyncio.gather(*map(priced, names)), strict=True))
        failed = [landed for landed in told.values() if isinstance(landed, CarbonError)]
        if failed and len(failed) == len(told):
            raise failed[0]
        known: list[Price] = []
        missing: dict[str, str] = {}
        for region in locations:
            landed = told.get(own.get(region, ""))
            if landed is None:
                missing[region] = f"{NAME} prices the regions of Azure alone, such as azure:swedencentral"
            elif isinstance(landed, CarbonError):
                missing[region] = str(landed)
            elif not any(landed.values()):
                missing[region] = f"{NAME} lists no Linux price of {', '.join(wanted)} in {region}"
            else:
                known += (replace(one, region=region) for sku in wanted for one in landed[sku])
        return Prices(tuple(known), missing)

    async def _priced(self, region: str, skus: Sequence[str], currency: str) -> dict[str, tuple[Price, ...]]:
        async def ask(lacking: Sequence[str]) -> dict[str, tuple[Price, ...]]:
            told: dict[str, tuple[Price, ...]] = {}
            for batch, condition in filters(region, lacking):
                rows = await self._rows({"currencyCode": f"'{currency}'", "$filter": condition})
                told |= read_prices(rows, region=region, skus=batch, currency=currency)
            return told

        return await self._kept.of(f"prices {NAME} {currency} {region}", skus, ask)

    async def _rows(self, query: Mapping[str, str] | list[tuple[str, str]]) -> list[Any]:
        """Get the rows of all pages."""
        rows: list[Any] = []
        for _ in range(MOST_PAGES):
            items, link = read_page(await self._http.get(PATH, query))
            rows += items
            if not link:
                return rows
            query = self._following(link)
        raise SourceResponseError(f"{NAME}: the answer has more than {MOST_PAGES} pages")

    def _following(self, link: str) -> list[tuple[str, str]]:
        """Read the question of the next page from its address, which must be this very service's.

        :raises SourceResponseError: if it leads elsewhere.
        """
        try:
            asked, to = urlsplit(self._http.base_url + PATH), urlsplit(link)
            ports = {"http": 80, "https": 443}
            same = (to.scheme, to.hostname, to.port or ports.get(to.scheme), to.path) == (
                asked.scheme, asked.hostname, asked.port or ports.get(asked.scheme), asked.path
            )  # fmt: skip
            # The host alone: an address may hold a password.
            elsewhere = f"{to.scheme}://{to.hostname}"
        except ValueError:
            raise SourceResponseError(f"{NAME}: NextPageLink is no address") from None
        if not same:
            raise SourceResponseError(f"{NAME}: NextPageLink leads to {elsewhere[:100]}, and is not followed")
        return parse_qsl(to.query)


def filters(region: str, skus: Sequence[str]) -> Iterator[tuple[list[str], str]]:
    """Write the filters that together ask for all machines, each with the machines that it asks for.

    The grammar is OData's, as far as the service knows it: neither ``in`` nor ``not``. A quote in a text is doubled.
    """
    batch: list[str] = []
    for sku in skus:
        if batch and not _fits(region, [*batch, sku]):
            yield batch, _filter(region, batch)
            batch = []
        batch.append(sku)
    if batch:
        yield batch, _filter(region, batch)


def _fits(region: str, skus: Sequence[str]) -> bool:
    condition = _filter(region, skus)
    return (
        len(skus) <= MOST_SKUS
        and len(condition) <= LONGEST_FILTER
        and len(quote(condition, safe="")) <= LONGEST_ENCODED
    )


def _filter(region: str, skus: Sequence[str]) -> str:
    any_of_them = " or ".join(f"armSkuName eq {_quoted(sku)}" for sku in skus)
    return (
        f"serviceName eq {_quoted(SERVICE)} and armRegionName eq {_quoted(region)} "
        f"and priceType eq 'Consumption' and ({any_of_them})"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _checked(skus: Sequence[str]) -> list[str]:
    if isinstance(skus, str) or not skus:
        raise InvalidRequestError("skus: name at least one machine, in a list; for example ['Standard_D2s_v3']")
    for sku in skus:
        if not isinstance(sku, str) or not (sku.strip() and sku.isascii() and sku.isprintable()):
            shown = repr(sku[:40]) if isinstance(sku, str) else f"a {type(sku).__name__}"
            raise InvalidRequestError(f"skus: {shown} names no machine; write for example Standard_D2s_v3")
        if len(sku) > LONGEST_SKU:
            raise InvalidRequestError(f"skus: {sku[:40]!r}... is longer than {LONGEST_SKU} characters")
    return list(dict.fromkeys(skus))
