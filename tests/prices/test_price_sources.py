"""What every source of prices promises, asked of each in turn; and what a DAG author writes to choose one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.grid_server import GridServer

from airflow_carbon.core.price import Purchase
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.hooks.asking import asked_in_time
from airflow_carbon.prices.azure_retail import ADDRESS, AzureRetail
from airflow_carbon.prices.base import Prices, PriceSource
from airflow_carbon.prices.chosen import chosen
from airflow_carbon.prices.table import Table

D2 = "Standard_D2s_v3"
EAST, WEST, NOWHERE = "azure:eastus", "Azure:WestEurope", "azure:nowhere"
#: What every source here is made to know: (0.096 and 0.018816, and 1.25 times that) [USD/h].
CSV = f"""region,sku,purchase,per_hour
{EAST},{D2},dedicated,0.096
{EAST},{D2},spot,0.018816
{WEST},{D2},dedicated,0.12
{WEST},{D2},spot,0.02352
"""


def listed(_: Path, __: GridServer) -> Any:
    lines = [line.split(",") for line in CSV.splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def filed(folder: Path, _: GridServer) -> Any:
    file = folder / "prices.csv"
    file.write_text(CSV, encoding="utf-8")
    return str(file)


CASES: dict[str, Callable[[Path, GridServer], Any]] = {
    "azure_retail": lambda *_: "azure_retail",
    "csv": filed,
    "path": lambda folder, grid: Path(filed(folder, grid)),
    "rows": listed,
    "a source itself": lambda folder, grid: Table(listed(folder, grid)),
}


@pytest.fixture
def grid() -> Iterator[GridServer]:
    with GridServer() as server:
        yield server


@pytest.fixture(params=CASES)
def source(request: pytest.FixtureRequest, tmp_path: Path, grid: GridServer) -> PriceSource:
    made = chosen(CASES[request.param](tmp_path, grid), folder=tmp_path / "shelf", address=grid.base("az"))
    assert made is not None
    return made


def told(source: PriceSource, *regions: str, **more: Any) -> Prices:
    return asked_in_time(source.prices(regions, **{"skus": [D2], **more}))


def test_it_is_a_source_with_a_name(source: PriceSource) -> None:
    assert isinstance(source, PriceSource)
    assert source.name


def test_its_prices_are_of_the_hour_and_under_the_names_that_were_asked(source: PriceSource) -> None:
    found = told(source, EAST, WEST, "AZURE:eastus")
    assert [(one.region, one.sku, one.purchase, one.per_hour, one.currency) for one in found.known] == [
        (EAST, D2, Purchase.DEDICATED, 0.096, "USD"),
        (EAST, D2, Purchase.SPOT, 0.018816, "USD"),
        (WEST, D2, Purchase.DEDICATED, 0.12, "USD"),
        (WEST, D2, Purchase.SPOT, 0.02352, "USD"),
        ("AZURE:eastus", D2, Purchase.DEDICATED, 0.096, "USD"),
        ("AZURE:eastus", D2, Purchase.SPOT, 0.018816, "USD"),
    ]
    assert found.missing == {}
    assert all(one.source.startswith(source.name) for one in found.known)


def test_what_it_does_not_know_is_missing_with_a_reason(source: PriceSource) -> None:
    found = told(source, NOWHERE, EAST, "aws:eu-west-2")
    assert {one.region for one in found.known} == {EAST}
    assert set(found.missing) == {NOWHERE, "aws:eu-west-2"}
    assert all(source.name in reason for reason in found.missing.values())
    assert found.why_not(NOWHERE, D2, Purchase.SPOT) == found.missing[NOWHERE]


def test_names_of_machines_are_matched_whole_and_to_the_letter(source: PriceSource) -> None:
    for near in ("Standard_D2s", "standard_d2s_v3", "Standard_D2s_v3 ", "D2s_v3"):
        assert told(source, EAST, skus=[near]).known == ()


def test_a_region_that_is_none_is_refused(source: PriceSource) -> None:
    with pytest.raises(InvalidRequestError, match=r"^regions: "):
        told(source, EAST, "nowhere at all")


def test_a_currency_that_is_none_is_refused(source: PriceSource) -> None:
    with pytest.raises(InvalidRequestError, match=r"^currency: "):
        told(source, EAST, currency="dollars")


def test_no_region_is_no_price(source: PriceSource) -> None:
    assert told(source) == Prices()


def test_many_may_ask_it_at_once_and_in_one_event_loop_after_another(source: PriceSource, grid: GridServer) -> None:
    async def everyone() -> set[tuple[Any, ...]]:
        asked = (source.prices([EAST, WEST], skus=[D2]) for _ in range(40))
        return {one.known for one in await asyncio.gather(*asked)}

    [first], [second] = asked_in_time(everyone()), asked_in_time(everyone())
    assert first == second
    assert grid.count() in (0, 2)


def test_no_prices_are_chosen_by_saying_nothing() -> None:
    assert chosen(None) is None
    assert chosen("  ") is None


def test_the_name_of_the_service_chooses_it_at_its_public_address() -> None:
    made = chosen(" Azure_Retail ")
    assert isinstance(made, AzureRetail)
    assert made._http.base_url == ADDRESS


def test_a_file_is_chosen_by_its_path_and_named_without_its_folder() -> None:
    made = chosen("~/lists/prices.CSV")
    assert isinstance(made, Table)
    assert made.name == "table prices.CSV"


@pytest.mark.parametrize(
    "wrong", ["azure", "aws", "prices.json", "s3://bucket/prices.csv", b"azure_retail", 3, object()]
)
def test_what_names_no_prices_is_refused_with_what_would(wrong: Any) -> None:
    with pytest.raises(
        InvalidRequestError, match=r"^prices: .* names no prices; write 'azure_retail', the path of a CSV"
    ):
        chosen(wrong)


def test_a_wrong_row_is_named_by_the_field_that_holds_it() -> None:
    with pytest.raises(InvalidRequestError, match=r"^spot_prices\[0\]: the column sku is missing"):
        chosen([{"region": EAST}], field="spot_prices")
