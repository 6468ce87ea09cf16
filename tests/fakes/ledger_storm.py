"""One of many processes that write records, each a few at a time, as tasks do: to the ledger, else to an outbox.

Run as ``python ledger_storm.py ADDRESS FOLDER NUMBER``. What waits for ``sync`` lies in the folder, a file for each
task.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_carbon.core.record import EmissionRecord
from airflow_carbon.exceptions import LedgerError
from airflow_carbon.ledger.outbox import keep
from airflow_carbon.ledger.sql import SqlLedger

PROCESSES, TASKS, MAPPED = 8, 50, 50
START = datetime(2026, 11, 22, 6, tzinfo=UTC)
#: A task that met a ledger that is down takes its time [s], so that the outage ends before the tasks do.
PAUSE = 0.1


def records_of(process: int, task: int) -> list[EmissionRecord]:
    """Give the records of one task; any process can make them again, to the last bit."""
    began = START + timedelta(minutes=task)
    return [
        EmissionRecord(
            dag_id=f"dag_{process}",
            run_id="a_run",
            task_id=f"task_{task}",
            map_index=index,
            started_at=began,
            ended_at=began + timedelta(minutes=5),
            energy_kwh=(1 + index) / 7,
            energy_how="declared",
            intensity_g_per_kwh=100.0 + task / 3,
            signal="average",
            raw={"process": process, "task": task, "index": index},
        )
        for index in range(MAPPED)
    ]


def deliveries(number: int) -> Iterator[tuple[int, int]]:
    """Give the tasks that one process writes: its own, every third of them twice, every fourth of its neighbour's."""
    for task in range(TASKS):
        yield number, task
        if task % 3 == 0:
            yield number, task
        if task % 4 == 0:
            yield (number + 1) % PROCESSES, task


class FolderStore:
    """Keep a task's state in a file of its own."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self._file.read_text()).get(key, default) if self._file.exists() else default

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        self._file.write_text(json.dumps({key: value}))


def main(address: str, folder: Path, number: int) -> None:
    ledger = SqlLedger(address, patience_seconds=0.5)
    for count, (process, task) in enumerate(deliveries(number)):
        records = records_of(process, task)
        try:
            ledger.write(records)
        except LedgerError:
            # One file for each writer: two tries of one task never run at once.
            place = folder / f"dag_{process}.task_{task}.{number}.json"
            faults = keep(records, FolderStore(place), None)
            assert not faults, faults
            time.sleep(PAUSE)
        (folder / f"progress_{number}").write_text(str(count + 1))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
