"""Azure's list of retail prices: what is asked of it, how often, and what goes wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes.answers.azure_retail import SIZES, row
from fakes.grid_server import GridServer
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_carbon.core.price import Purchase
from airflow_carbon.exceptions import InvalidRequestError, SourceResponseError, SourceUnavailableError
from airflow_carbon.prices.azure_retail import LONGEST_FILTER, MOST_PAGES, MOST_SKUS, AzureRetail, filters
from airflow_carbon.prices.kept_prices import OLDEST, KeptPrices
from airflow_carbon.web.http import Http
from airflow_carbon.web.quota import Quota
from airflow_carbon.web.shelf import Shelf

if TYPE_CHECKING:
    from airflow_carbon.prices.base import Prices

D2, D4 = "Standard_D2s_v3", "Standard_D4s_v3"
EAST, SWEDEN = "azure:eastus", "azure:swedencentral"
NOON = datetime(2026, 8, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Asker:
    """A server, a clock, and a source that asks it."""

    def __init__(self, server: GridServer, folder: Path | None = None, ceiling: float = 4.0) -> None:
        self.server = server
        self.now = NOON
        self.folder, self.ceiling = folder, ceiling
        self.source = self.another()

    def another(self, quota: Quota | None = None) -> AzureRetail:
        shelf = None if self.folder is None else Shelf(self.folder)
        http = Http("azure_retail", self.server.base("az"), ceiling=self.ceiling, quota=quota)
        return AzureRetail(http, KeptPrices(shelf, clock=lambda: self.now))

    def __call__(self, *regions: str, skus: Any = (D2,), source: AzureRetail | None = None, **more: Any) -> Prices:
        return asyncio.run((source or self.source).prices(regions or (EAST,), skus=skus, **more))

    @property
    def count(self) -> int:
        return self.server.count("az")

    @property
    def filters(self) -> list[str]:
        return [one.query["$filter"] for one in self.server.requests]


@pytest.fixture
def server() -> Iterator[GridServer]:
    with GridServer() as server:
        yield server


@pytest.fixture
def asker(server: GridServer) -> Asker:
    return Asker(server)


def per_hour(prices: Prices) -> dict[tuple[str, str, str], float]:
    return {(one.region, one.sku, one.purchase): one.per_hour for one in prices.known}


# What is asked --------------------------------------------------------------------------------------------------------


def test_a_question_names_the_region_the_machines_and_the_currency(asker: Asker) -> None:
    asker(EAST, skus=[D2, D4])
    [asked] = asker.server.requests
    assert asked.path == "/api/retail/prices"
    assert asked.query == {
        "currencyCode": "'USD'",
        "$filter": "serviceName eq 'Virtual Machines' and armRegionName eq 'eastus' and priceType eq 'Consumption' "
        f"and (armSkuName eq '{D2}' or armSkuName eq '{D4}')",
    }


def test_prices_come_back_under_the_regions_as_they_were_written(asker: Asker) -> None:
    told = asker("Azure:EastUS", EAST, SWEDEN, skus=[D2])
    # 0.096 x 1.125 and 0.018816 x 1.125.
    assert per_hour(told) == {
        ("Azure:EastUS", D2, "dedicated"): 0.096,
        ("Azure:EastUS", D2, "spot"): 0.018816,
        (EAST, D2, "dedicated"): 0.096,
        (EAST, D2, "spot"): 0.018816,
        (SWEDEN, D2, "dedicated"): 0.108,
        (SWEDEN, D2, "spot"): 0.021168,
    }
    assert asker.count == 2


def test_another_currency_is_asked_for_and_kept_apart(asker: Asker) -> None:
    asker(EAST)
    told = asker(EAST, currency="eur")
    assert {one.currency for one in told.known} == {"EUR"}
    assert told.of(EAST, D2, Purchase.DEDICATED).per_hour == pytest.approx(0.096 * 0.92)
    assert asker.count == 2


def test_many_machines_are_asked_for_in_batches(asker: Asker) -> None:
    names = [f"Standard_X{number}_v5" for number in range(2 * MOST_SKUS + 1)]
    told = asker(EAST, skus=[*names, *SIZES])
    assert len(told.known) == 2 * len(SIZES)
    assert asker.count == 3


def test_a_quote_in_a_name_is_doubled_and_reads_back(asker: Asker) -> None:
    asker.server.az_rows = [row("eastus", "Odd'D2"), row("eastus", "Odd")]
    told = asker(EAST, skus=["Odd'D2"])
    assert "(armSkuName eq 'Odd''D2')" in asker.filters[0]
    assert [one.sku for one in told.known] == ["Odd'D2"]


def test_a_name_that_would_widen_the_question_is_only_a_name(asker: Asker) -> None:
    told = asker(EAST, skus=["x' or armSkuName ne 'x"])
    assert (told.known, asker.count) == ((), 1)


names = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=80).filter(str.strip)


@given(st.lists(names, min_size=1, max_size=40, unique=True))
def test_every_batch_keeps_the_services_limits_and_each_machine_is_asked_for_once(skus: list[str]) -> None:
    batches = list(filters("germanywestcentral", skus))
    assert [sku for batch, _ in batches for sku in batch] == skus
    for batch, condition in batches:
        assert len(batch) <= MOST_SKUS
        assert len(condition) <= LONGEST_FILTER
        for sku in batch:
            assert f"armSkuName eq '{sku.replace(chr(39), chr(39) * 2)}'" in condition


@pytest.mark.parametrize(
    "skus", [[], "Standard_D2s_v3", [""], ["  "], [None], [3], ["Standard\nD2"], ["D²"], ["x" * 81]]
)
def test_names_that_can_be_no_machine_are_refused_before_asking(asker: Asker, skus: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^skus: "):
        asker(EAST, skus=skus)
    assert asker.count == 0


@pytest.mark.parametrize("currency", ["", "ZZZ", "'USD'", "dollars", None, 3])
def test_a_currency_without_prices_is_refused_before_asking(asker: Asker, currency: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^currency: .* is none of USD, "):
        asker(EAST, currency=currency)
    assert asker.count == 0


# What is missing ------------------------------------------------------------------------------------------------------


def test_what_has_no_price_is_missing_with_its_reason(asker: Asker) -> None:
    told = asker(EAST, "aws:us-east-1", "zone:DE", "51.5,-0.12", "azure:nowhere")
    assert {one.region for one in told.known} == {EAST}
    only_azure = "azure_retail prices the regions of Azure alone, such as azure:swedencentral"
    assert told.missing == {
        "aws:us-east-1": only_azure,
        "zone:DE": only_azure,
        "51.5,-0.12": only_azure,
        "azure:nowhere": f"azure_retail lists no Linux price of {D2} in azure:nowhere",
    }
    assert asker.count == 2


def test_each_absent_price_has_a_reason_and_no_present_one_has(asker: Asker) -> None:
    asker.server.az_rows = [row("eastus", D2)]
    told = asker(EAST, SWEDEN, skus=[D2, D4])
    assert told.why_not(EAST, D2, Purchase.DEDICATED) == ""
    assert told.why_not(EAST, D2, Purchase.SPOT) == f"no spot price of {D2} is known in {EAST}, dedicated alone"
    assert told.why_not(EAST, D4, Purchase.SPOT).startswith(f"no price of {D4} is known in {EAST}")
    assert told.why_not(SWEDEN, D2, Purchase.SPOT) == f"azure_retail lists no Linux price of {D2}, {D4} in {SWEDEN}"


def test_a_region_that_cannot_be_asked_about_is_missing_beside_those_that_can(asker: Asker) -> None:
    asker.server.fail("az", "400", times=1)
    told = asker(EAST, SWEDEN)
    [failed] = told.missing
    assert "(400)" in told.missing[failed]
    assert {one.region for one in told.known} == {EAST, SWEDEN} - {failed}


def test_no_region_of_azure_is_no_request(asker: Asker) -> None:
    assert set(asker("aws:us-east-1").missing) == {"aws:us-east-1"}
    assert asker().known
    assert asker.count == 1


# Pages ----------------------------------------------------------------------------------------------------------------


def test_all_pages_are_read(asker: Asker) -> None:
    asker.server.az_page = 4
    # Six Consumption rows of one machine: the spot row lies on the first page, the rest on the second.
    asker.server.az_rows = [row("eastus", D2, kind) for kind in (1, 3, 4, 5, 2, 0)]
    assert per_hour(asker()) == {(EAST, D2, "dedicated"): 0.096, (EAST, D2, "spot"): 0.018816}
    assert [one.query.get("$skip") for one in asker.server.requests] == [None, "4"]
    assert len(set(asker.filters)) == 1


def test_a_next_page_may_name_the_port_that_goes_without_saying(asker: Asker) -> None:
    source = AzureRetail(Http("azure_retail", "https://prices.example"))
    link = "https://prices.example:443/api/retail/prices?$filter=a%20eq%20%27b%27&$skip=1000"
    assert source._following(link) == [("$filter", "a eq 'b'"), ("$skip", "1000")]


@pytest.mark.parametrize(
    "elsewhere",
    ["http://127.0.0.1:1/az", "http://elsewhere.example/az", "ftp://127.0.0.1", "//127.0.0.1", "", "http://[::1"],
)
def test_a_next_page_elsewhere_is_not_followed(asker: Asker, elsewhere: str) -> None:
    with GridServer() as other:
        asker.server.az_page, asker.server.az_next = 1, elsewhere or other.base("az")
        with pytest.raises(SourceResponseError, match=r"NextPageLink (leads to .*, and is not followed|is no address)"):
            asker()
        assert (asker.count, other.count()) == (1, 0)


def test_another_path_of_the_same_service_is_not_followed(asker: Asker) -> None:
    asker.server.az_page, asker.server.az_next = 1, asker.server.base("az") + "/elsewhere"
    with pytest.raises(SourceResponseError, match="is not followed"):
        asker()


def test_pages_without_end_are_given_up(asker: Asker) -> None:
    asker.server.az_page, asker.server.az_rows = 1, [row("eastus", D2)] * (MOST_PAGES + 1)
    with pytest.raises(SourceResponseError, match=f"more than {MOST_PAGES} pages"):
        asker()
    assert asker.count == MOST_PAGES


# Once for all ---------------------------------------------------------------------------------------------------------


def test_a_thousand_askers_at_once_make_one_request_for_each_region(asker: Asker) -> None:
    async def everyone() -> list[Prices]:
        return await asyncio.gather(*(asker.source.prices([EAST, SWEDEN], skus=[D2, D4]) for _ in range(1000)))

    told = asyncio.run(everyone())
    assert len({tuple(one.known) for one in told}) == 1
    assert asker.count == 2


def test_processes_of_one_host_share_what_one_was_told(server: GridServer, tmp_path: Path) -> None:
    asker = Asker(server, tmp_path)

    async def everyone() -> list[Prices]:
        return await asyncio.gather(*(asker.another().prices([EAST], skus=[D2]) for _ in range(30)))

    told = asyncio.run(everyone())
    assert len({tuple(one.known) for one in told}) == 1
    assert asker(EAST).known == told[0].known
    assert asker.count == 1


@pytest.mark.parametrize("on_disk", [False, True])
def test_prices_are_asked_again_after_six_hours(server: GridServer, tmp_path: Path, on_disk: bool) -> None:
    asker = Asker(server, tmp_path if on_disk else None)
    asker()
    asker.now = NOON + 6 * HOUR - timedelta(seconds=1)
    asker()
    assert asker.count == 1
    server.az_rows = [row("eastus", D2, retailPrice=0.11)]
    asker.now = NOON + 6 * HOUR
    assert [one.per_hour for one in asker().known] == [0.11]
    assert asker.count == 2


def test_only_machines_that_are_not_known_are_asked_for(server: GridServer, tmp_path: Path) -> None:
    asker = Asker(server, tmp_path)
    asker(EAST, skus=[D2])
    told = asker(EAST, skus=[D4, D2], source=asker.another())
    assert [one.sku for one in told.known] == [D4, D4, D2, D2]
    assert asker.filters[1].endswith(f"and (armSkuName eq '{D4}')")
    asker(EAST, skus=[D2, D4], source=asker.another())
    assert asker.count == 2


def test_what_has_no_price_is_remembered_too(asker: Asker) -> None:
    for _ in range(3):
        assert asker("azure:nowhere").known == ()
    assert asker.count == 1


@settings(max_examples=12)
@given(mutated_bytes=st.binary(max_size=60))
def test_a_damaged_shelf_only_means_to_ask_again(
    tmp_path_factory: pytest.TempPathFactory, mutated_bytes: bytes
) -> None:
    with GridServer() as server:
        asker = Asker(server, tmp_path_factory.mktemp("shelf"))
        asker()
        for file in asker.folder.glob("*.json"):
            file.write_bytes(mutated_bytes)
        assert len(asker(source=asker.another()).known) == 2
        assert asker.count == 2


@pytest.mark.parametrize(
    "damage",
    [{"prices": None}, {"prices": {D2: {}}}, {"prices": {D2: {"asked_us": "x", "rows": []}}}, {"prices": []},
     {"prices": {D2: {"asked_us": 1787400000000000, "rows": [["azure:eastus", "rented", 1.0, "USD", ""]]}}},
     {"prices": {D2: {"asked_us": 1787400000000000, "rows": [["azure:eastus", "spot", -1.0, "USD", ""]]}}},
     {"prices": {D2: {"asked_us": 10**30, "rows": []}}}],
    ids=str,
)  # fmt: skip
def test_a_document_of_another_shape_only_means_to_ask_again(server: GridServer, tmp_path: Path, damage: Any) -> None:
    asker = Asker(server, tmp_path)
    asker()
    [file] = tmp_path.glob("prices*.json")
    assert set(json.loads(file.read_text())["prices"]) == {D2}
    file.write_text(json.dumps(damage))
    assert len(asker(source=asker.another()).known) == 2
    assert asker.count == 2


# What goes wrong ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["500", "503", "429", "refuse", "half"])
def test_a_failure_that_may_pass_is_tried_again(asker: Asker, fault: str) -> None:
    asker.server.fail("az", fault, times=1)
    assert len(asker().known) == 2
    assert asker.count == 2


def test_the_service_is_left_alone_as_long_as_it_asks(server: GridServer) -> None:
    asker = Asker(server)
    source = asker.another(Quota(100))
    server.fail("az", "429", times=1, retry_after=600)
    with pytest.raises(SourceUnavailableError, match="azure_retail: 429"):
        asker(source=source)
    asker.now += HOUR
    with pytest.raises(SourceUnavailableError, match="asked to be left alone until"):
        asker(source=source)
    assert asker.count == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"Error": {"Code": "BadRequest", "Message": "Invalid OData parameters supplied"}}, "Invalid OData parameters"),
        ({"Error": "Unsupported API version"}, "Unsupported API version"),
    ],
)
def test_a_refusal_is_told_in_the_services_words_in_either_shape(asker: Asker, body: Any, said: str) -> None:
    asker.server.fail("az", "400", body=body)
    with pytest.raises(SourceResponseError, match=rf"azure_retail refuses /api/retail/prices \(400\): .*{said}"):
        asker()
    assert asker.count == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("hang", SourceUnavailableError),
        ("html", SourceResponseError),
        ("not_json", SourceResponseError),
        ("empty", SourceResponseError),
        ("no_body", SourceResponseError),
        ("huge", SourceResponseError),
        ("all_nulls", SourceResponseError),
        ("negative", SourceResponseError),
        ("text_numbers", SourceResponseError),
    ],
)
def test_an_answer_that_is_none_is_told_by_the_right_error(server: GridServer, fault: str, error: type) -> None:
    asker = Asker(server, ceiling=1.0 if fault == "hang" else 10.0)
    server.fail("az", fault, **({"megabytes": 17} if fault == "huge" else {}))
    with pytest.raises(error, match="azure_retail"):
        asker()


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_failure_is_not_repeated_by_all_who_ask(server: GridServer, tmp_path: Path, on_disk: bool) -> None:
    asker = Asker(server, tmp_path if on_disk else None)
    server.fail("az", "400")

    async def everyone() -> list[Any]:
        asked = (asker.source.prices([EAST], skus=[D2]) for _ in range(50))
        return await asyncio.gather(*asked, return_exceptions=True)

    assert {type(one) for one in asyncio.run(everyone())} == {SourceResponseError}
    with pytest.raises(SourceResponseError):
        asker(source=asker.another() if on_disk else None)
    assert asker.count == 1
    server.heal()
    asker.now += timedelta(seconds=10)
    assert len(asker().known) == 2


@pytest.mark.parametrize("on_disk", [False, True])
def test_while_the_service_fails_what_it_told_before_is_given_with_its_age(
    server: GridServer, tmp_path: Path, on_disk: bool
) -> None:
    asker = Asker(server, tmp_path if on_disk else None)
    fresh = asker()
    server.fail("az", "400")
    asker.now = NOON + 51 * HOUR
    stale = asker(source=asker.another() if on_disk else None)
    assert per_hour(stale) == per_hour(fresh)
    assert {one.source for one in fresh.known} == {"azure_retail"}
    assert {one.source for one in stale.known} == {"azure_retail, 2 d 3 h old"}
    asker.now = NOON + OLDEST
    with pytest.raises(SourceResponseError):
        asker()


def test_the_first_asker_may_go_and_the_others_still_get_their_answer(asker: Asker) -> None:
    asker.server.fail("az", "slow", seconds=0.3, times=1)

    async def first_goes() -> Prices:
        first = asyncio.create_task(asker.source.prices([EAST], skus=[D2]))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(asker.source.prices([EAST], skus=[D2]))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert len(asyncio.run(first_goes()).known) == 2
    assert asker.count == 1
