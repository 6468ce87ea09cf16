"""What Azure's retail prices answer: their filter grammar, their rows with every trap, their pages and refusals."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from fakes.answers.common import Answer, Ask, RefusedError

if TYPE_CHECKING:
    from fakes.grid_server import GridServer

PATH = "/api/retail/prices"
INVALID = {"Error": {"Code": "BadRequest", "Message": "Invalid OData parameters supplied"}}
FIELDS = ("armRegionName", "location", "meterId", "meterName", "productId", "skuId", "productName", "skuName")
FIELDS += ("serviceName", "serviceId", "serviceFamily", "priceType", "armSkuName")
PRICE_TYPES = ("Consumption", "Reservation", "DevTestConsumption", "SavingsPlan")
CURRENCIES = {"USD": 1.0, "EUR": 0.92, "SEK": 10.5}
#: A text (a quote within it doubled), a bracket, or a word.
TOKENS = re.compile(r"\s*('(?:[^']|'')*'|[()]|[A-Za-z]+)")
#: In eastus [USD/h]: what is asked of the list at all, and what lies beside it.
KINDS = (
    ("", "", "Consumption", 0.096),
    (" Windows", "", "Consumption", 0.188),
    ("", " Spot", "Consumption", 0.018816),
    (" Windows", " Spot", "Consumption", 0.036848),
    ("", " Low Priority", "Consumption", 0.019),
    (" Windows", " Low Priority", "Consumption", 0.075),
    ("", "", "DevTestConsumption", 0.096),
    ("", "", "Reservation", 501.0),
)
#: Region by its price over that of eastus.
REGIONS = {"eastus": 1.0, "westeurope": 1.25, "swedencentral": 1.125, "uksouth": 1.1875, "germanywestcentral": 1.2}
#: Size by its price over that of the smallest.
SIZES = {f"Standard_D{cores}s_v3": cores / 2 for cores in (2, 4, 8, 16, 32, 48, 64)}


def row(region: str, sku: str, kind: int = 0, **changed: Any) -> dict[str, Any]:
    """Make one row as the service writes it; `kind` counts in `KINDS`."""
    product, ending, price_type, price = KINDS[kind]
    size = sku.removeprefix("Standard_").replace("_", " ")
    cost = round(price * REGIONS.get(region, 1.0) * SIZES.get(sku, 1.0), 6)
    made = {
        "currencyCode": "USD", "tierMinimumUnits": 0.0, "retailPrice": cost, "unitPrice": cost,
        "armRegionName": region, "location": region.title(), "effectiveStartDate": "2021-01-01T00:00:00Z",
        "meterId": "11111111-2222-3333-4444-555555555555", "meterName": f"{size}{ending}", "productId": "DZH318Z0BQ4B",
        "skuId": "DZH318Z0BQ4B/00G7", "productName": f"Virtual Machines DSv3 Series{product}",
        "skuName": f"{size}{ending}", "serviceName": "Virtual Machines", "serviceId": "DZH313Z7MMC8",
        "serviceFamily": "Compute", "unitOfMeasure": "1 Hour", "type": price_type, "isPrimaryMeterRegion": False,
        "armSkuName": sku,
    }  # fmt: skip
    if price_type == "Reservation":
        made["reservationTerm"] = "1 Year"
    return made | changed


def azure_retail(server: GridServer, ask: Ask) -> Answer:
    if ask.path.rstrip("/") != PATH:
        raise RefusedError(404, {"Error": "Resource not found"})
    currency = ask.get("currencyCode", "USD").strip("'")
    if currency not in CURRENCIES:
        raise RefusedError(400, {"Error": {"Code": "BadRequest", "Message": f"Invalid currency {currency}"}})
    condition, skipped = ask.get("$filter"), int(ask.get("$skip", "0"))
    rows = server.az_rows
    if rows is None:
        rows = [row(region, sku, kind) for region in REGIONS for sku in SIZES for kind in range(len(KINDS))]
    if condition:
        is_meant = Condition(condition)
        rows = [one for one in rows if is_meant(one)]
    rate = CURRENCIES[currency]
    page = [
        one | {"currencyCode": currency, "retailPrice": one["retailPrice"] * rate, "unitPrice": one["unitPrice"] * rate}
        for one in rows[skipped : skipped + server.az_page]
    ]
    link = None
    if skipped + server.az_page < len(rows):
        question = {"currencyCode": f"'{currency}'", "$filter": condition, "$skip": skipped + server.az_page}
        link = f"{server.az_next or server.base('az')}{PATH}?{urlencode(question)}"
    return Answer({
        "BillingCurrency": currency, "CustomerEntityId": "Default", "CustomerEntityType": "Retail", "Items": page,
        "NextPageLink": link, "Count": len(page),
    })  # fmt: skip


class Condition:
    """Read a filter as strictly as the service does, less its functions, and tell of a row whether it is meant."""

    def __init__(self, text: str) -> None:
        if len(text) > 800 or len(re.findall(r" (?:eq|ne) ", text)) > 20:
            raise RefusedError(400, INVALID)
        self._tokens: list[str] = []
        at = 0
        while at < len(text.rstrip()):
            found = TOKENS.match(text, at)
            if found is None:
                raise RefusedError(400, INVALID)
            self._tokens.append(found[1])
            at = found.end()
        self._row: dict[str, Any] = {}
        self({})

    def __call__(self, one: dict[str, Any]) -> bool:
        self._row, self._left = one, list(self._tokens)
        told = self._any()
        if self._left:
            raise RefusedError(400, INVALID)
        return told

    def _next(self, *wanted: str) -> str:
        token = self._left.pop(0) if self._left else ""
        if wanted and token not in wanted:
            raise RefusedError(400, INVALID)
        return token

    def _any(self) -> bool:
        told = self._all()
        while self._left[:1] == ["or"]:
            self._next()
            told = self._all() or told
        return told

    def _all(self) -> bool:
        told = self._one()
        while self._left[:1] == ["and"]:
            self._next()
            told = self._one() and told
        return told

    def _one(self) -> bool:
        if self._left[:1] == ["("]:
            self._next()
            told = self._any()
            self._next(")")
            return told
        name = self._next(*FIELDS)
        operator = self._next("eq", "ne")
        value = self._next()
        if not value.startswith("'"):
            raise RefusedError(400, INVALID)
        meant = value[1:-1].replace("''", "'")
        if name == "priceType" and meant not in PRICE_TYPES:
            raise RefusedError(400, INVALID)
        held = str(self._row.get("type" if name == "priceType" else name))
        return (held.lower() == meant.lower()) is (operator == "eq")
