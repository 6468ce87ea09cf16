"""What tasks of the tests leave behind, past Airflow's own books: which try did what, when, and on which host."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from distributed.hostname import own

#: The variable that names the folder.
TRACES = "CARBON_ENGINE_TRACES"


class Trace(NamedTuple):
    """One note of one try."""

    what: str
    told: str
    task_id: str
    map_index: int
    try_number: int
    host: str
    at: datetime


def leave(what: str, told: str) -> None:
    """Note something, from within a task."""
    from airflow.sdk import get_current_context

    ti = get_current_context()["ti"]
    index = -1 if ti.map_index is None else ti.map_index
    note = [what, told, ti.task_id, index, ti.try_number, own(), datetime.now(UTC).isoformat()]
    file = os.open(_file(Path(os.environ[TRACES]), ti.dag_id, ti.run_id), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        # One write of a short line is whole, whoever else writes.
        os.write(file, json.dumps(note).encode() + b"\n")
    finally:
        os.close(file)


def left(folder: Path, dag_id: str, run_id: str) -> list[Trace]:
    """Read the notes of a run, in the order in which they were made."""
    file = _file(folder, dag_id, run_id)
    lines = file.read_text().splitlines() if file.exists() else []
    return [Trace(*note[:-1], datetime.fromisoformat(note[-1])) for note in map(json.loads, lines)]


def _file(folder: Path, dag_id: str, run_id: str) -> Path:
    return folder / f"{dag_id}.{run_id}.jsonl".replace("/", "_")
