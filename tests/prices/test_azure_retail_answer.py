"""Azure's list of retail prices: which rows count, and which answers are refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from fakes.answers.azure_retail import KINDS, row
from fakes.mutated import mutated
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.price import Price, Purchase
from airflow_carbon.exceptions import SourceResponseError
from airflow_carbon.prices.azure_retail_answer import read_page, read_prices

D2 = "Standard_D2s_v3"
EVERY_KIND = [row("eastus", D2, kind) for kind in range(len(KINDS))]
DEDICATED = Price("azure:eastus", D2, Purchase.DEDICATED, 0.096, source="azure_retail")
SPOT = Price("azure:eastus", D2, Purchase.SPOT, 0.018816, source="azure_retail")


def read(rows: Any, *skus: str) -> dict[str, tuple[Price, ...]]:
    return read_prices(rows, region="eastus", skus=skus or (D2,), currency="USD")


def test_of_all_that_stands_beside_them_the_linux_prices_are_picked() -> None:
    assert {one["retailPrice"] for one in EVERY_KIND} >= {0.096, 0.188, 0.018816, 0.019}
    assert read(EVERY_KIND) == {D2: (DEDICATED, SPOT)}
    assert read(EVERY_KIND[::-1]) == {D2: (DEDICATED, SPOT)}


def test_a_row_that_is_not_the_primary_meter_of_its_region_counts() -> None:
    assert EVERY_KIND[0]["isPrimaryMeterRegion"] is False
    assert read(EVERY_KIND[:1]) == {D2: (DEDICATED,)}


@pytest.mark.parametrize(
    "other",
    [
        {"productName": "Virtual Machines DSv3 Series Windows"},
        {"productName": "DSv3 Series Cloud Services"},
        {"productName": "DSv3 Series CloudServices"},
        {"skuName": "D2s v3 Low Priority"},
        {"meterName": "D2s v3 Low Priority"},
        {"type": "Reservation", "reservationTerm": "1 Year"},
        {"type": "DevTestConsumption"},
        {"unitOfMeasure": "1 GB/Month"},
        {"unitOfMeasure": "100 Hours"},
        {"tierMinimumUnits": 730.0},
        {"serviceName": "Azure Databricks"},
        {"armSkuName": "Standard_D2s_v3_Promo"},
        {"armSkuName": "standard_d2s_v3"},
        {"armSkuName": ""},
        {"armRegionName": "eastus2"},
        {"retailPrice": 0.0},
    ],
    ids=str,
)
def test_rows_of_another_meaning_are_left_out_whatever_they_cost(other: dict[str, Any]) -> None:
    assert read([row("eastus", D2, **{"retailPrice": 0.001, **other}), *EVERY_KIND]) == {D2: (DEDICATED, SPOT)}


def test_either_name_tells_a_spot_row() -> None:
    assert read([row("eastus", D2, skuName="D2s v3 Spot")])[D2][0].purchase is Purchase.SPOT
    assert read([row("eastus", D2, meterName="D2s v3 Spot")])[D2][0].purchase is Purchase.SPOT


@pytest.mark.parametrize("dearer_first", [False, True])
def test_of_several_rows_the_dearest_counts_and_says_so(dearer_first: bool) -> None:
    rows = [row("eastus", D2), row("eastus", D2, retailPrice=0.101)]
    [found] = read(rows[::-1] if dearer_first else rows)[D2]
    assert (found.per_hour, found.source) == (0.101, "azure_retail, the dearest of 2 rows")


def test_a_row_that_comes_twice_is_one_price() -> None:
    assert read([row("eastus", D2), row("eastus", D2)]) == {D2: (DEDICATED,)}


def test_each_machine_has_its_own_price() -> None:
    told = read([row("eastus", D2), row("eastus", "Standard_D4s_v3")], D2, "Standard_D4s_v3", "Standard_D8s_v3")
    assert {sku: [one.per_hour for one in prices] for sku, prices in told.items()} == {
        D2: [0.096],
        "Standard_D4s_v3": [0.192],
    }


@pytest.mark.parametrize("name", ["retailPrice", "tierMinimumUnits"])
@pytest.mark.parametrize(
    "wrong", [None, "0.096", True, -0.1, math.nan, math.inf, 10**400, [], pytest.param(10**5000, id="endless")]
)
def test_a_number_that_is_none_is_refused_by_its_row(name: str, wrong: Any) -> None:
    with pytest.raises(SourceResponseError, match=rf"azure_retail: row 1: .* stands as {name}, no number"):
        read([row("eastus", D2, 1), row("eastus", D2, **{name: wrong})])


@pytest.mark.parametrize("name", ["type", "serviceName", "armRegionName", "productName", "skuName", "meterName"])
def test_a_row_without_what_its_meaning_is_read_from_is_refused(name: str) -> None:
    whole = row("eastus", D2)
    with pytest.raises(SourceResponseError, match=f"azure_retail: row 0: 'None' stands as {name}, no text"):
        read([{key: value for key, value in whole.items() if key != name}])


def test_a_price_in_another_currency_is_refused() -> None:
    with pytest.raises(SourceResponseError, match="row 0: priced in 'EUR', where USD was asked"):
        read([row("eastus", D2, currencyCode="EUR")])


@pytest.mark.parametrize("wrong", [None, 3, "row", []])
def test_a_row_that_is_no_object_is_refused(wrong: Any) -> None:
    with pytest.raises(SourceResponseError, match=r"row 8 is .*, no object"):
        read([*EVERY_KIND, wrong])


@pytest.mark.parametrize("payload", [None, {}, [], "page", {"Items": None}, {"Items": {}, "NextPageLink": None}])
def test_an_answer_that_is_no_page_is_refused(payload: Any) -> None:
    with pytest.raises(SourceResponseError, match="azure_retail: the answer holds no list as Items"):
        read_page(payload)


@pytest.mark.parametrize("link", [3, True, {}, ["x"], "https://prices.azure.com/\ud800", "https://prices.äzure.com"])
def test_a_next_page_that_is_no_address_is_refused(link: Any) -> None:
    with pytest.raises(SourceResponseError, match=r"NextPageLink is .*, no address"):
        read_page({"Items": [], "NextPageLink": link})


@pytest.mark.parametrize(
    "page", [{"Items": []}, {"Items": [], "NextPageLink": None}, {"Items": [], "NextPageLink": ""}]
)
def test_the_last_page_names_no_next(page: Any) -> None:
    assert read_page(page) == ([], "")


@given(mutated({"Items": EVERY_KIND, "NextPageLink": None}))
def test_a_mutated_answer_is_refused_or_told_in_prices_of_its_rows(payload: Any) -> None:
    try:
        rows, _ = read_page(payload)
        told = read(rows)
    except SourceResponseError:
        return
    sent = {float(one["retailPrice"]) for one in rows if type(one.get("retailPrice")) in (int, float)}
    for one in told.get(D2, ()):
        assert one.per_hour in sent
        assert one.per_hour > 0
    assert set(told) <= {D2}


KEYS = st.sampled_from(["Items", "NextPageLink", "armSkuName", "type"]) | st.text()
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    max_leaves=8,
)


@given(JSON | st.fixed_dictionaries({"Items": JSON}))
def test_any_json_at_all_is_refused_or_read(payload: Any) -> None:
    try:
        rows, link = read_page(payload)
        assert isinstance(link, str)
        assert read(rows) == {}
    except SourceResponseError:
        return
