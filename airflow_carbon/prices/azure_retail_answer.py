"""What Azure's list of retail prices answers, and which of its rows is the price of a Linux machine by the hour."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from airflow_carbon.core.price import LARGEST, Price, Purchase
from airflow_carbon.exceptions import SourceResponseError

NAME = "azure_retail"
SERVICE = "Virtual Machines"
#: How this package calls the cloud: ``azure:swedencentral``.
PROVIDER = "azure"
#: What must stand in a row as text, since its meaning is read from it.
_TEXTS = ("type", "serviceName", "armRegionName", "productName", "skuName", "meterName", "unitOfMeasure")


def read_page(payload: Any) -> tuple[list[Any], str]:
    """Give the rows of one page, and the address of the next; empty where there is none.

    :raises SourceResponseError: if it is no page.
    """
    items = payload.get("Items") if isinstance(payload, dict) else None
    if not isinstance(items, list):
        raise SourceResponseError(f"{NAME}: the answer holds no list as Items")
    link = payload.get("NextPageLink")
    if link is not None and not (isinstance(link, str) and link.isascii()):
        raise SourceResponseError(f"{NAME}: NextPageLink is {_shown(link)}, no address")
    return items, link or ""


def read_prices(
    rows: Iterable[Any], *, region: str, skus: Collection[str], currency: str
) -> dict[str, tuple[Price, ...]]:
    """Pick from all rows of an answer the hourly Linux prices, dedicated and spot, of these machines.

    Rows of Windows, of Low Priority, of Cloud Services, of reservations (whose price is that of the whole term), of
    other units and of higher tiers are left out, and so are rows of zero: no machine is free, its price is not set.
    Where several rows are left for one machine bought in one way, the dearest counts and its source says so: what is
    billed is then no more than what a budget was held against.

    :param region: the region's name in Azure's own spelling.
    :param skus: exact names, as Azure spells them in ``armSkuName``.
    :raises SourceResponseError: naming the row that lacks what its meaning is read from, that has no number as its
        price, or that is in another currency.
    """
    found: dict[tuple[str, Purchase], list[float]] = {}
    for number, row in enumerate(rows):
        where = f"{NAME}: row {number}"
        if not isinstance(row, dict):
            raise SourceResponseError(f"{where} is {_shown(row)}, no object")
        sku = row.get("armSkuName")
        if not isinstance(sku, str) or sku not in skus:
            continue
        for name in _TEXTS:
            if not isinstance(row.get(name), str):
                raise SourceResponseError(f"{where}: {_shown(row.get(name))} stands as {name}, no text")
        purchase = _purchase(row)
        if purchase is None or row["armRegionName"].lower() != region.lower():
            continue
        if row.get("currencyCode") != currency:
            raise SourceResponseError(
                f"{where}: priced in {_shown(row.get('currencyCode'))}, where {currency} was asked"
            )
        if _number(row, "tierMinimumUnits", where) == 0.0 and (per_hour := _number(row, "retailPrice", where)) > 0.0:
            found.setdefault((sku, purchase), []).append(per_hour)
    return _prices(found, f"{PROVIDER}:{region.lower()}", currency)


def _prices(
    found: Mapping[tuple[str, Purchase], list[float]], region: str, currency: str
) -> dict[str, tuple[Price, ...]]:
    prices: dict[str, tuple[Price, ...]] = {}
    for (sku, purchase), all_of_them in sorted(found.items()):
        several = f", the dearest of {len(all_of_them)} rows" if len(set(all_of_them)) > 1 else ""
        price = Price(region, sku, purchase, max(all_of_them), currency, source=f"{NAME}{several}")
        prices[sku] = (*prices.get(sku, ()), price)
    return prices


def _purchase(row: Mapping[str, Any]) -> Purchase | None:
    """Tell how a row's machine is bought; None for a row that is not a Linux machine by the hour."""
    product, names = row["productName"], (row["skuName"], row["meterName"])
    if row["type"] != "Consumption" or row["serviceName"] != SERVICE or row["unitOfMeasure"] != "1 Hour":
        return None
    if product.endswith(" Windows") or "cloudservices" in product.replace(" ", "").lower():
        return None
    if any(name.endswith(" Low Priority") for name in names):
        return None
    return Purchase.SPOT if any(name.endswith(" Spot") for name in names) else Purchase.DEDICATED


def _number(row: Mapping[str, Any], name: str, where: str) -> float:
    value = row.get(name)
    try:
        # A boolean is an int to Python, and a text is no number.
        number = float(value) if type(value) in (int, float) else math.nan  # type: ignore[arg-type]
    except OverflowError:
        number = math.inf
    if not 0.0 <= number <= LARGEST:
        raise SourceResponseError(f"{where}: {_shown(value)} stands as {name}, no number from zero to {LARGEST:g}")
    return number


def _shown(value: Any) -> str:
    try:
        return repr(str(value)[:40])
    except ValueError:
        # Python does not write out a number of thousands of digits.
        return f"a {type(value).__name__} of endless digits"
