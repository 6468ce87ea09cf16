"""Prices as a user writes them: a CSV or rows, and the word that says what is wrong with them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.price import Price, Purchase
from airflow_carbon.exceptions import InvalidRequestError, SourceUnavailableError
from airflow_carbon.prices.table import COLUMNS, Table, read_csv, rows_given

HEADER = "region,sku,purchase,per_hour"
FULL = f"{HEADER},currency,eviction_rate_per_hour,egress_per_gb\n"
TWO = f"{FULL}azure:uksouth,Standard_D2s_v3,dedicated,0.114,USD,,\naws:eu-west-2,m5.large,spot,0.04,EUR,0.05,0.02\n"
ROW = {"region": "azure:uksouth", "sku": "Standard_D2s_v3", "purchase": "dedicated", "per_hour": 0.114}


def test_a_csv_becomes_prices() -> None:
    assert read_csv(TWO, file="prices.csv") == (
        Price("azure:uksouth", "Standard_D2s_v3", Purchase.DEDICATED, 0.114),
        Price("aws:eu-west-2", "m5.large", Purchase.SPOT, 0.04, "EUR", 0.05, 0.02),
    )


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\nazure:uksouth,Standard_D2s_v3,dedicated,0.114",
        f"{HEADER}\r\n\r\nAzure:UKSouth , Standard_D2s_v3 , Dedicated , 0.114 \r\n\r\n",
        "per_hour, PURCHASE ,Sku,region\n1.14e-1,dedicated,Standard_D2s_v3,azure:uksouth\n",
        f'{HEADER},currency\nazure:uksouth,"Standard_D2s_v3",dedicated,0.114,usd\n',
    ],
)
def test_spaces_case_and_the_order_of_columns_do_not_matter(text: str) -> None:
    assert read_csv(text, file="f") == (Price("azure:uksouth", "Standard_D2s_v3", Purchase.DEDICATED, 0.114),)


def test_rows_of_a_dag_file_become_the_same_prices() -> None:
    expected = read_csv(TWO, file="f")[:1]
    by_region = {name: value for name, value in ROW.items() if name != "region"}
    for given_rows in ([ROW], (ROW,), iter([ROW]), {"azure:uksouth": by_region}, {"azure:uksouth": [by_region]}):
        assert rows_given(given_rows, where="prices") == expected
    for number in (Decimal("0.114"), "0.114", " .114"):
        assert rows_given([{**ROW, "per_hour": number}], where="prices") == expected
    assert (
        rows_given([{**ROW, "egress_per_gb": None, "currency": None, "eviction_rate_per_hour": ""}], where="p")
        == expected
    )


def test_a_header_alone_is_a_table_without_prices() -> None:
    assert read_csv(HEADER, file="f") == ()
    assert rows_given([], where="prices") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"prices.csv: empty; begin it with the header region,sku,purchase,per_hour"),
        ("region,sku,per_hour\n", r"prices.csv: line 1: the column purchase is missing; region, sku, purchase, per_ho"),
        (f"{HEADER},price\n", r"prices.csv: line 1: no column is called 'price'; there are region, sku"),
        (f"{HEADER},sku\n", r"prices.csv: line 1: the column sku comes twice"),
        (f"{HEADER}\na:b,c,spot\n", r"prices.csv: line 2: 3 fields, but 4 in the header"),
        (f"{HEADER}\n\na:b,c,spot,1,\n", r"prices.csv: line 3: 5 fields, but 4 in the header"),
        (f"{HEADER}\nuksouth,c,spot,1\n", r"prices.csv: line 2: region: 'uksouth' is no location; write 'azure:sweden"),
        (f"{HEADER}\na:b, ,spot,1\n", r"prices.csv: line 2: sku: ' ' names no machine; write for example Standard_D2s"),
        (f"{HEADER}\na:b,c,rented,1\n", r"prices.csv: line 2: purchase: 'rented' is none; there are dedicated, spot"),
        (f"{HEADER}\na:b,c,spot,\n", r"prices.csv: line 2: per_hour: '' must be a number, zero or larger; write for"),
        (f"{HEADER}\na:b,c,spot,-1\n", r"prices.csv: line 2: per_hour: '-1' must be a number, zero or larger"),
        (f"{HEADER}\na:b,c,spot,1_0\n", r"prices.csv: line 2: per_hour: '1_0' must be"),
        (f"{HEADER}\na:b,c,spot,nan\n", r"prices.csv: line 2: per_hour: 'nan' must be"),
        (f"{HEADER}\na:b,c,spot,1e999\n", r"prices.csv: line 2: per_hour: '1e999' must be"),
        (f'{HEADER}\na:b,c,spot,"0,096"\n', r"prices.csv: line 2: per_hour: '0,096' must be"),
        (f"{HEADER},currency\na:b,c,spot,1,euro\n", r"prices.csv: line 2: currency: 'euro' is no ISO 4217 code"),
        (f"{HEADER},egress_per_gb\na:b,c,spot,1,free\n", r"prices.csv: line 2: egress_per_gb: 'free' must be a numb"),
        (f"{HEADER}\na:b,c,spot,1\nA:B,c,SPOT,2\n", r"line 3: a second spot price of c in a:b, beside prices.csv: lin"),
        (f'{HEADER}\na:b,"c,spot,1\n', r"prices.csv: line 2: no CSV"),
    ],
)
def test_a_fault_is_named_by_file_line_and_column(text: str, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        read_csv(text, file="prices.csv")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (3, r"^prices: a int where rows are wanted, each a dict"),
        ("prices", r"^prices: a str where rows are wanted"),
        ([ROW, "x"], r"^prices\[1\]: a str where a dict with region, sku, purchase, per_hour is wanted"),
        ([{**ROW, "cost": 3}], r"^prices\[0\]: no column is called 'cost'; there are region"),
        ([{"region": "azure:uksouth"}], r"^prices\[0\]: the column sku is missing"),
        ([{**ROW, "per_hour": True}], r"^prices\[0\]: per_hour: a bool must be a number"),
        ([{**ROW, "per_hour": None}], r"^prices\[0\]: per_hour: a NoneType must be a number"),
        ([{**ROW, "per_hour": 10**5000}], r"^prices\[0\]: per_hour: a int must be a number"),
        ([{**ROW, "per_hour": Decimal("NaN")}], r"^prices\[0\]: per_hour: a Decimal must be a number"),
        ([{**ROW, "sku": ["x"]}], r"^prices\[0\]: sku: a list names no machine"),
        ([{**ROW, "region": None}], r"^prices\[0\]: region: None names no location"),
        ([{**ROW, "purchase": 1}], r"^prices\[0\]: purchase: 1 is none"),
        ({"azure:uksouth": [3]}, r"^prices\['azure:uksouth'\]\[0\]: a int where a dict"),
        ({"azure:uksouth": 3}, r"^prices\['azure:uksouth'\]: a int where rows are wanted"),
    ],
)
def test_a_fault_in_rows_is_named_by_row_and_key(rows: Any, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        Table(rows)


def test_a_file_is_read_anew_at_each_question(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    table = Table(file)
    with pytest.raises(InvalidRequestError, match=r"prices.csv: there is no such file"):
        asyncio.run(table.prices(["azure:uksouth"], skus=[]))
    for per_hour in (0.1, 0.2):
        file.write_text(f"\ufeff{HEADER}\nazure:uksouth,D2,spot,{per_hour}\n", encoding="utf-8")
        [found] = asyncio.run(table.prices(["azure:uksouth"], skus=["D2"])).known
        assert (found.per_hour, found.source) == (per_hour, "table prices.csv")


def test_a_folder_or_a_picture_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError, match="cannot be read"):
        asyncio.run(Table(tmp_path).prices(["a:b"], skus=[]))
    file = tmp_path / "picture.csv"
    file.write_bytes(b"region\xff\xfe")
    with pytest.raises(InvalidRequestError, match=r"picture.csv: no UTF-8 at byte 6; save it as UTF-8"):
        asyncio.run(Table(file).prices(["a:b"], skus=[]))


def test_prices_in_another_currency_are_missing_with_the_reason() -> None:
    told = asyncio.run(Table([{**ROW, "currency": "EUR"}]).prices(["azure:uksouth"], skus=[ROW["sku"]]))
    assert told.known == ()
    assert told.missing == {"azure:uksouth": "table prices: priced in EUR, not in USD"}


def test_without_named_machines_all_of_a_region_are_told() -> None:
    table = Table([ROW, {**ROW, "sku": "other"}, {**ROW, "region": "aws:eu-west-2"}])
    told = asyncio.run(table.prices(["azure:uksouth"]))
    assert [one.sku for one in told.known] == [ROW["sku"], "other"]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(COLUMNS) | st.text(), inner, max_size=7)
    ),
    max_leaves=12,
)


@given(anything | st.lists(st.fixed_dictionaries({name: anything | st.just(value) for name, value in ROW.items()})))
def test_anything_given_as_rows_is_refused_by_name_or_becomes_prices(given_rows: Any) -> None:
    said, told = "prices", ()
    try:
        told = rows_given(given_rows, where="prices")
    except InvalidRequestError as error:
        said = str(error)
    assert said.startswith("prices")
    assert all(isinstance(one, Price) for one in told)


@given(st.text() | st.lists(st.lists(st.text(max_size=6) | st.sampled_from(["a:b", "1", "spot"]), max_size=5)).map(
    lambda rows: "\n".join([HEADER, *(",".join(row) for row in rows)])
))  # fmt: skip
def test_any_text_is_refused_by_name_or_becomes_prices(text: str) -> None:
    said, told = "prices.csv", ()
    try:
        told = read_csv(text, file="prices.csv")
    except InvalidRequestError as error:
        said = str(error)
    assert said.startswith("prices.csv")
    assert all(isinstance(one, Price) for one in told)
