"""A grid that is dirty now and clean in a minute: a series that the engine's tasks replay."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from distributed.connection import connect

if TYPE_CHECKING:
    from airflow_carbon.cli.airflow_api import AirflowApi

#: A quarter of an hour of the series takes fifteen seconds.
SPEED = 60
QUARTER = timedelta(minutes=15)
#: About this many g/kWh in dirty, clean and so-so quarters, and how many of the latter two there are.
DIRTY, CLEAN, SO_SO = 400.0, 100.0, 300.0
CLEAN_QUARTERS, SO_SO_QUARTERS = 6, 40


def play(api: AirflowApi, folder: Path, conn_id: str, *, seed: int, dirty: int = 4, slower: float = 1.0) -> Path:
    """Let an evening begin now, behind a connection, and give the file that it is read from.

    :param folder: that every host sees.
    :param dirty: quarters until it becomes clean.
    :param slower: how much longer than :data:`SPEED` says a quarter takes [1].
    """
    file = folder / f"{conn_id}.csv"
    file.write_text(series(seed, dirty))
    connect(api, conn_id, "carbon_history", path=str(file), replay=datetime.now(UTC).isoformat(), speed=SPEED / slower)
    return file


def series(seed: int, dirty: int = 4) -> str:
    """Write the evening down, a row for each quarter, each a little off its part's level."""
    dice, moment, rows = random.Random(seed), datetime(2026, 1, 5, 16, tzinfo=UTC), ["timestamp,intensity"]
    for count, level in ((dirty, DIRTY), (CLEAN_QUARTERS, CLEAN), (SO_SO_QUARTERS, SO_SO)):
        for _ in range(count):
            rows.append(f"{moment.isoformat()},{level * dice.uniform(0.8, 1.2):.1f}")
            moment += QUARTER
    return "\n".join(rows) + "\n"
