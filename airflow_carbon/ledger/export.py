"""Records and totals as files: CSV, JSON, Parquet."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from airflow_carbon.core.record_document import document_of, field_names
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.core.record import Record

FORMATS = ("csv", "json", "parquet")
#: Rows of one group of a Parquet file.
GROUP = 10_000
#: What a spreadsheet takes for the begin of a formula.
FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
#: What begins like one and is none: a number, or a point south of the equator.
_NUMBERS = re.compile(r"[+-][0-9.,+-]*")


def rows_of(records: Iterable[Record]) -> Iterable[dict[str, Any]]:
    """Give records as flat rows: moments in ISO 8601, lists and inputs as JSON texts."""
    for record in records:
        document = document_of(record)
        del document["record"]
        yield {name: _flat(value) for name, value in document.items()}


def columns_of(kind: type[Record]) -> list[str]:
    """List the columns of such rows."""
    return list(field_names(kind))


def export(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], target: Path | IO[str], form: str) -> int:
    """Write rows to a file, whole or not at all, or to an open stream, and tell how many.

    :param rows: values by column; one that is missing is empty.
    :param target: a path, or an open text stream, which Parquet cannot take.
    :param form: ``csv``, ``json`` or ``parquet``.
    :raises InvalidRequestError: if the form is unknown, or Parquet is asked for where nothing can write it.
    """
    if form not in FORMATS:
        raise InvalidRequestError(f"format: {form!r} must be one of {', '.join(FORMATS)}")
    if not isinstance(target, Path):
        if form == "parquet":
            raise InvalidRequestError("format: parquet needs a file to write to; name one")
        return _WRITERS[form](rows, columns, target)
    beside = target.with_name(f".{target.name}.part")
    try:
        if form == "parquet":
            count = _parquet(rows, columns, beside)
        else:
            with beside.open("w", encoding="utf-8", newline="") as stream:
                count = _WRITERS[form](rows, columns, stream)
        beside.replace(target)
    except OSError as error:
        raise InvalidRequestError(f"output: {target} cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return count


def _csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], stream: IO[str]) -> int:
    writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow({name: _cell(row[name]) for name in row})
        count += 1
    return count


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        # It reads back as the same double.
        return repr(value)
    if not isinstance(value, str):
        return value
    # A bare carriage return is not quoted by the csv of Python before 3.13, and others would begin a row behind it.
    told = value.replace("\r\n", "\n").replace("\r", "\n")
    # What a spreadsheet would compute: names and reasons are texts of whoever writes a DAG.
    return f"'{told}" if value.startswith(FORMULA) and not _NUMBERS.fullmatch(value) else told


def _json(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], stream: IO[str]) -> int:
    stream.write("[")
    count = 0
    for row in rows:
        stream.write(",\n" if count else "\n")
        json.dump({name: row.get(name) for name in columns}, stream, allow_nan=False)
        count += 1
    stream.write("\n]\n")
    return count


def _parquet(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], path: Path) -> int:
    try:
        pyarrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise InvalidRequestError(
            "format: parquet needs pyarrow; install it: pip install 'airflow-provider-carbon[parquet]'"
        ) from None
    left, count, writer = iter(rows), 0, None
    try:
        while group := list(islice(left, GROUP)):
            if writer is None:
                schema = pyarrow.schema([(name, _type(pyarrow, name)) for name in columns])
                writer = parquet.ParquetWriter(path, schema, compression="zstd")
            writer.write_table(pyarrow.Table.from_pylist([dict(row) for row in group], schema=schema))
            count += len(group)
        if writer is None:
            empty = pyarrow.schema([(name, _type(pyarrow, name)) for name in columns]).empty_table()
            parquet.write_table(empty, path)
    finally:
        if writer is not None:
            writer.close()
    return count


def _type(pyarrow: Any, column: str) -> Any:
    if column in ("map_index", "try_number", "records", "without_grams", "provisional", "faulty", "decisions"):
        return pyarrow.int64()
    if column in ("final", "measured"):
        return pyarrow.bool_()
    number = column.endswith(("_kwh", "_g", "_percent", "_kg", "_units", "_per_unit"))
    return pyarrow.float64() if number else pyarrow.string()


def _flat(value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(value, list | dict) else value


_WRITERS = {"csv": _csv, "json": _json}
