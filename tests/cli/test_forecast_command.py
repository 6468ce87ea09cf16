from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_carbon.cli.forecast import ROWS
from airflow_carbon.cli.main import main


def said_by(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["forecast", *argv]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def rows_of(said: str) -> list[list[str]]:
    lines = said.splitlines()
    head = next(row for row, line in enumerate(lines) if line.startswith("from UTC"))
    return [line.split() for line in lines[head + 1 :]]


@pytest.mark.parametrize("hours", ["0.5", "3", "24", "25", "48", "100", "720", "8784"])
@pytest.mark.parametrize("minute", ["00:00", "13:37"])
def test_the_table_is_never_longer_than_can_be_read(
    hours: str, minute: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(said_by(capsys, "zone:GB", "--hours", hours, "--now", f"2026-11-22T{minute}Z"))
    assert 1 <= len(rows) <= ROWS


def test_a_row_holds_the_mean_over_its_time(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # 48 h make rows of 2 h; from 05:30 the first ends at 06:00, and the clean hours fill the second.
    said = said_by(capsys, "zone:DE", "--csv", str(series), "--now", "2020-03-01T05:30Z", "--hours", "36")
    rows = rows_of(said)
    assert rows[0][3:5] == ["05:30", "300"]
    assert rows[1][3:5] == ["06:00", "100"]
    assert rows[2][3:5] == ["08:00", "300"]
    assert len(rows[1][5]) == 10
    assert len(rows[2][5]) == 30


def test_least_mean_and_most_are_told_with_their_place(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = said_by(capsys, "zone:DE", "--csv", str(series), "--now", "2020-03-01T00:00Z").splitlines()
    # (22 x 300 + 2 x 100) / 24 = 283.3
    assert "least  100 g/kWh  Sun 01 Mar 06:00 UTC" in said
    assert "mean   283 g/kWh" in said
    assert "most   300 g/kWh  Sun 01 Mar 00:00 UTC" in said


def test_where_less_is_known_than_was_asked_it_says_so(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = said_by(capsys, "zone:DE", "--csv", str(series), "--now", "2020-03-02T20:00Z", "--hours", "24")
    assert said.splitlines()[1] == "4 h from Mon 02 Mar 2020 20:00 UTC; no more is known"


def test_an_annual_average_is_one_number(capsys: pytest.CaptureFixture[str]) -> None:
    said = said_by(capsys, "zone:DE")
    assert "g/kWh throughout" in said
    assert "from UTC" not in said


def test_the_document_holds_every_step(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["zone:DE", "--csv", str(series), "--now", "2020-03-01T00:00Z", "--hours", "8", "--json"]
    said = json.loads(said_by(capsys, *argv))
    assert list(said) == [
        "location", "zone", "source", "kind", "signal", "accounting", "issued_at", "now", "start", "end",
        "step_seconds", "mean_g_per_kwh", "min_g_per_kwh", "min_start", "max_g_per_kwh", "max_start",
        "intensity_g_per_kwh",
    ]  # fmt: skip
    assert said["intensity_g_per_kwh"] == [300.0] * 6 + [100.0] * 2
    assert said["step_seconds"] == 3600.0
    assert said["mean_g_per_kwh"] == 250.0
    assert said["min_start"] == "2020-03-01T06:00:00+00:00"


@pytest.mark.parametrize("hours", ["0", "-3", "9000", "nan"])
def test_a_span_that_cannot_be_meant_is_refused(hours: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast", "zone:GB", "--hours", hours]) == 2
    assert "--hours:" in capsys.readouterr().err
