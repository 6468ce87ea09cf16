"""Prices as a user writes them: a CSV, or rows in the DAG file itself, read strictly."""

from __future__ import annotations

import asyncio
import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any

from airflow_carbon.core.location import Location
from airflow_carbon.core.price import LARGEST as LARGEST_PRICE
from airflow_carbon.core.price import Price, Purchase
from airflow_carbon.exceptions import InvalidRequestError, SourceUnavailableError
from airflow_carbon.prices.base import Prices

NEEDED = ("region", "sku", "purchase", "per_hour")
OPTIONAL = ("currency", "eviction_rate_per_hour", "egress_per_gb")
COLUMNS = (*NEEDED, *OPTIONAL)
#: Larger than any list of prices that a person keeps [bytes].
LARGEST = 16 * 1024**2
#: As float() reads it, less what only Python means by it: 1_0, nan, inf.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")

#: One row, or the rows of one region, by its name.
Rows = Iterable[Mapping[str, Any]] | Mapping[str, Any]


class Table:
    """Answer from a user's own prices; the file is read at each question, so that a change counts at once.

    :param given: a CSV's path, or rows: mappings with the keys ``region``, ``sku``, ``purchase`` (``dedicated`` or
        ``spot``), ``per_hour`` [currency/h], and where known ``currency`` (ISO 4217, USD by default),
        ``eviction_rate_per_hour`` [1/h] and ``egress_per_gb`` [currency/GB]; or a mapping of regions to such rows.
    :param where: what to call it in errors and records; by default the file's name, or ``prices``.
    :raises InvalidRequestError: if rows are given and one is wrong.
    """

    def __init__(self, given: Path | Rows, where: str = "") -> None:
        self._file = given if isinstance(given, Path) else None
        self._where = where or (given.name if isinstance(given, Path) else "prices")
        self.name = f"table {self._where}"
        self._rows = () if isinstance(given, Path) else rows_given(given, where=self._where)

    async def prices(self, regions: Sequence[str], *, skus: Sequence[str] = (), currency: str = "USD") -> Prices:
        """Give every row of these machines in these regions; of all machines where none is named.

        :raises SourceUnavailableError: if the file cannot be read.
        :raises InvalidRequestError: if there is no such file, or naming its line and column that are wrong, or a region
            that is none.
        """
        locations = {region: str(Location.parse(region, "regions")) for region in regions}
        code = _currency(currency, "currency")
        rows = self._rows if self._file is None else await asyncio.to_thread(self._read, self._file)
        known: list[Price] = []
        missing: dict[str, str] = {}
        for region, named in locations.items():
            there = [row for row in rows if row.region == named and (not skus or row.sku in skus)]
            priced = [replace(row, region=region, source=self.name) for row in there if row.currency == code]
            known += priced
            if not priced and there:
                others = sorted({row.currency for row in there})
                missing[region] = f"{self.name}: priced in {', '.join(others)}, not in {code}"
            elif not priced:
                missing[region] = f"{self.name}: no row for {', '.join(skus) or 'any machine'} in {region}"
        return Prices(tuple(known), missing)

    def _read(self, file: Path) -> tuple[Price, ...]:
        try:
            with file.open("rb") as opened:
                content = opened.read(LARGEST + 1)
            text = content.decode("utf-8-sig")
        except FileNotFoundError:
            raise InvalidRequestError(f"{self._where}: there is no such file: {file}") from None
        except UnicodeDecodeError as error:
            raise InvalidRequestError(f"{self._where}: no UTF-8 at byte {error.start}; save it as UTF-8") from None
        except (OSError, ValueError) as error:
            kind = getattr(error, "strerror", None) or type(error).__name__
            raise SourceUnavailableError(f"{self._where}: cannot be read ({kind}): {file}") from None
        if len(content) > LARGEST:
            raise InvalidRequestError(f"{self._where}: larger than {LARGEST // 1024**2} MiB, no list of prices")
        return read_csv(text, file=self._where)


def read_csv(text: str, *, file: str) -> tuple[Price, ...]:
    """Read a CSV whose header holds the columns ``region``, ``sku``, ``purchase`` and ``per_hour`` at least.

    :param file: its name, for errors.
    :raises InvalidRequestError: naming the first line and column that are wrong, and what would be right.
    """
    return _prices(_lines(text, file))


def rows_given(given: Rows, *, where: str) -> tuple[Price, ...]:
    """Read rows as a DAG file writes them.

    :raises InvalidRequestError: naming the first row and key that are wrong, and what would be right.
    """
    return _prices(_mappings(given, where))


def _lines(text: str, file: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    try:
        for fields in reader:
            where = f"{file}: line {reader.line_num}"
            if not any(field.strip() for field in fields):
                continue
            if header is None:
                header = [field.strip().lower() for field in fields]
                _check_names(header, where, "column")
                continue
            if len(fields) != len(header):
                raise InvalidRequestError(f"{where}: {len(fields)} fields, but {len(header)} in the header")
            yield where, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise InvalidRequestError(f"{file}: line {reader.line_num}: no CSV: {error}") from None
    if header is None:
        raise InvalidRequestError(f"{file}: empty; begin it with the header {','.join(NEEDED)}")


def _mappings(given: Rows, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(given, Mapping):
        for region, one in given.items():
            there = f"{where}[{_shown(region)}]"
            own = [one] if isinstance(one, Mapping) else one
            for at, row in _mappings(own, there):
                yield at, {"region": region, **row}
        return
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise InvalidRequestError(f"{where}: a {type(given).__name__} where rows are wanted, each a dict")
    for number, row in enumerate(given):
        at = f"{where}[{number}]"
        if not isinstance(row, Mapping):
            raise InvalidRequestError(f"{at}: a {type(row).__name__} where a dict with {', '.join(NEEDED)} is wanted")
        yield at, row


def _check_names(names: Sequence[Any], where: str, kind: str) -> None:
    for name in names:
        if name not in COLUMNS:
            raise InvalidRequestError(f"{where}: no {kind} is called {_shown(name)}; there are {', '.join(COLUMNS)}")
        if names.count(name) > 1:
            raise InvalidRequestError(f"{where}: the {kind} {name} comes twice")
    lacking = [name for name in NEEDED if name not in names]
    if lacking:
        raise InvalidRequestError(f"{where}: the {kind} {lacking[0]} is missing; {', '.join(NEEDED)} are needed")


def _prices(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[Price, ...]:
    found: dict[tuple[str, str, str, str], tuple[str, Price]] = {}
    for where, row in rows:
        _check_names(list(row), where, "column")
        price = _price(row, where)
        key = (price.region, price.sku, price.purchase, price.currency)
        if key in found:
            raise InvalidRequestError(
                f"{where}: a second {price.purchase} price of {price.sku} in {price.region}, beside {found[key][0]}"
            )
        found[key] = where, price
    return tuple(price for _, price in found.values())


def _price(row: Mapping[str, Any], where: str) -> Price:
    sku = row["sku"]
    if not isinstance(sku, str) or not sku.strip():
        raise InvalidRequestError(f"{where}: sku: {_shown(sku)} names no machine; write for example Standard_D2s_v3")
    region = str(Location.parse(row["region"], f"{where}: region"))
    purchase = Purchase.parse(row["purchase"], f"{where}: purchase")
    currency = row.get("currency")
    code = "USD" if currency is None or currency == "" else _currency(currency, f"{where}: currency")
    return Price(
        region,
        sku.strip(),
        purchase,
        _number(row["per_hour"], f"{where}: per_hour"),
        code,
        eviction_rate_per_hour=_number_if_any(row, "eviction_rate_per_hour", where),
        egress_per_gb=_number_if_any(row, "egress_per_gb", where),
    )


def _number_if_any(row: Mapping[str, Any], name: str, where: str) -> float | None:
    given = row.get(name)
    absent = given is None or (isinstance(given, str) and not given.strip())
    return None if absent else _number(given, f"{where}: {name}")


def _number(given: Any, where: str) -> float:
    value = math.nan
    # A boolean is an int to Python.
    if isinstance(given, Real | Decimal) and not isinstance(given, bool):
        with suppress(OverflowError, ValueError):
            value = float(given)
    elif isinstance(given, str) and _NUMBER.fullmatch(given.strip()):
        value = float(given)
    if not 0.0 <= value <= LARGEST_PRICE:
        raise InvalidRequestError(f"{where}: {_shown(given)} must be a number, zero or larger; write for example 0.096")
    return value


def _currency(given: Any, where: str) -> str:
    code = given.strip().upper() if isinstance(given, str) else ""
    if not re.fullmatch(r"[A-Z]{3}", code):
        raise InvalidRequestError(f"{where}: {_shown(given)} is no ISO 4217 code; write for example USD")
    return code


def _shown(value: Any) -> str:
    return repr(value[:40]) if isinstance(value, str) else f"a {type(value).__name__}"
