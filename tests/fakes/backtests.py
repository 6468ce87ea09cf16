"""What the tests of ``backtest`` share: series to replay, and the command itself."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_carbon.cli.main import main

if TYPE_CHECKING:
    import pytest

BEGINS = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
CLEAN, DIRTY = 100, 300


def twelve_days(folder: Path) -> Path:
    """Write twelve days of 300 g/kWh, clean from 06:00 to 08:00; a forecast column is clean two hours too late."""
    rows = [
        f"{CLEAN if hour % 24 in (6, 7) else DIRTY},{CLEAN if hour % 24 in (8, 9) else DIRTY}"
        for hour in range(12 * 24)
    ]
    return hourly(folder / "days.csv", "intensity,told", rows)


def hourly(
    file: Path,
    header: str,
    rows: Sequence[str | float],
    *,
    without: Container[int] = (),
    hours: float = 1,
    first: datetime = BEGINS,
) -> Path:
    """Write a row for every hour.

    :param without: rows that are left out, counted from 0.
    :param hours: between two rows.
    :param first: when the first begins.
    """
    lines = [f"{(first + at * hours * HOUR).isoformat()},{row}" for at, row in enumerate(rows) if at not in without]
    file.write_text("\n".join([f"timestamp,{header}", *lines]) + "\n")
    return file


def said_by(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Run the command and give its stdout."""
    assert main(["backtest", *argv]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def refused_with(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Run the command in vain and give the one line that it says."""
    assert main(["backtest", *argv]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("airflow-carbon: ")
    assert said.err.count("\n") == 1
    return said.err
