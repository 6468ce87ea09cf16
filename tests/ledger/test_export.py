"""Files that others read: what stands in them is what was recorded."""

from __future__ import annotations

import csv
import io
import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from fakes.records import decision, emission

from airflow_carbon.core.record import DecisionRecord, EmissionRecord
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.ledger.export import columns_of, export, rows_of

RECORDS = [
    emission(energy_kwh=0.1 + 0.2, owner='a, "b"\nc', tags=("x", "y"), raw={"a": [1]}),
    emission(task_id="other", energy_kwh=None, energy_how="none"),
]
COLUMNS = columns_of(EmissionRecord)


def test_a_csv_holds_every_number_to_the_last_bit(tmp_path: Path) -> None:
    assert export(rows_of(RECORDS), COLUMNS, tmp_path / "out.csv", "csv") == 2
    with (tmp_path / "out.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert list(first) == COLUMNS
    assert float(first["energy_kwh"]) == 0.1 + 0.2
    assert first["owner"] == 'a, "b"\nc'
    assert (json.loads(first["tags"]), json.loads(first["raw"])) == (["x", "y"], {"a": [1]})
    assert (second["energy_kwh"], second["operational_g"], second["started_at"]) == (
        "", "", "2026-11-22T06:00:00+00:00",
    )  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 2])
def test_json_is_one_list(count: int) -> None:
    stream = io.StringIO()
    assert export(rows_of(RECORDS[:count]), COLUMNS, stream, "json") == count
    read = json.loads(stream.getvalue())
    assert [row["task_id"] for row in read] == ["a_task", "other"][:count]


def test_parquet_keeps_numbers_as_numbers_and_none_as_none(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an extra: parquet")
    assert export(rows_of(RECORDS), COLUMNS, tmp_path / "out.parquet", "parquet") == 2
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["energy_kwh"] for row in rows] == [0.1 + 0.2, None]
    assert (rows[0]["map_index"], rows[0]["final"], rows[0]["tags"]) == (-1, False, '["x", "y"]')
    assert export(rows_of([decision()]), columns_of(DecisionRecord), tmp_path / "one.parquet", "parquet") == 1
    assert export([], COLUMNS, tmp_path / "none.parquet", "parquet") == 0
    assert parquet.read_table(tmp_path / "none.parquet").column_names == COLUMNS


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("pyarrow") is not None:
        # As Python itself marks a module that cannot be imported.
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidRequestError, match=r"pip install 'airflow-provider-carbon\[parquet\]'"):
        export(rows_of(RECORDS), COLUMNS, tmp_path / "out.parquet", "parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_there_stays_as_it_was_if_the_export_breaks_off(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("before")

    def broken():  # type: ignore[no-untyped-def]
        yield from rows_of(RECORDS)
        raise RuntimeError("the ledger went away")

    with pytest.raises(RuntimeError):
        export(broken(), COLUMNS, tmp_path / "out.csv", "csv")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("out.csv", "before")]


@pytest.mark.parametrize(
    ("target", "form", "said"),
    [
        (Path("out.xml"), "xml", "'xml' must be one of csv, json, parquet"),
        (io.StringIO(), "parquet", "needs a file"),
        (Path("/proc/none/out.csv"), "csv", "cannot be written"),
    ],
)
def test_an_export_that_cannot_be_meant_says_what_would_be_right(target: object, form: str, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        export(rows_of(RECORDS), COLUMNS, target, form)  # type: ignore[arg-type]
