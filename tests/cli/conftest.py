"""What the tests of the command line share: a file of a user's own, and a clock in UTC."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

#: Where the file begins: 48 hours of 300 g/kWh, but for 100 g/kWh from 06:00 to 08:00 of the first day.
BEGINS = datetime(2020, 3, 1, tzinfo=UTC)


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """Write the file."""
    rows = [f"{(BEGINS + timedelta(hours=hour)).isoformat()},{100 if hour in (6, 7) else 300}" for hour in range(48)]
    file = tmp_path / "mine.csv"
    file.write_text("\n".join(["timestamp,intensity", *rows]) + "\n")
    return file


@pytest.fixture(autouse=True)
def machine_in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no test depend on where the machine stands."""
    with monkeypatch.context() as context:
        context.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def machine_in_berlin(monkeypatch: pytest.MonkeyPatch, machine_in_utc: None) -> None:
    """Put the machine into a timezone that is not UTC."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
