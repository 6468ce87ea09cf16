"""Eight processes write 20,000 records with repeats, and the database goes away and comes back in the middle."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes import ledger_storm
from fakes.ledger_storm import MAPPED, PROCESSES, TASKS, deliveries, records_of
from fakes.outbox_server import KnownTask, outbox_server
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from airflow_carbon.cli.ledger_sync import sync
from airflow_carbon.core.record import EmissionRecord
from airflow_carbon.ledger.outbox import OUTBOX
from airflow_carbon.ledger.rows import digest
from airflow_carbon.ledger.sql import SqlLedger

if TYPE_CHECKING:
    from ledger.conftest import Server

RECORDS = PROCESSES * TASKS * MAPPED
#: How long the database is away [s].
OUTAGE = 2.0


@contextmanager
def sqlite_away(url: str) -> Iterator[None]:
    """Hold the file's lock, as a process does that hangs in a transaction."""
    with create_engine(url, poolclass=NullPool).connect() as holder:
        # The lock of others is waited for, as long as it takes.
        holder.exec_driver_sql("PRAGMA busy_timeout=60000")
        holder.exec_driver_sql("BEGIN IMMEDIATE")
        yield
        holder.rollback()


@contextmanager
def postgres_away(server: Server) -> Iterator[None]:
    """Stop the server as a power cut does, and start it again."""
    server.run("stop", "immediate")
    yield
    server.run("start")


@pytest.mark.parametrize("sort", ["sqlite", "postgres"])
def test_no_record_is_lost_and_none_is_there_twice(sort: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if sort == "postgres":
        server: Server = request.getfixturevalue("postgres")
        url, away = server.url, postgres_away(server)
    else:
        url = f"sqlite:///{tmp_path}/ledger.db"
        away = sqlite_away(url)
    ledger = SqlLedger(url, patience_seconds=30)
    ledger.init()
    folder = tmp_path / "outboxes"
    folder.mkdir()
    running = [
        subprocess.Popen([sys.executable, "-W", "error", ledger_storm.__file__, url, str(folder), str(number)])
        for number in range(PROCESSES)
    ]
    try:
        wait_for_progress(folder, least=PROCESSES * TASKS // 3)
        with away:
            time.sleep(OUTAGE)
        assert [process.wait(timeout=120) for process in running] == [0] * PROCESSES
    finally:
        for process in running:
            process.kill()

    waiting = sorted(folder.glob("*.json"))
    assert waiting, "the outage met nobody: this shows nothing"
    delivered = {one for number in range(PROCESSES) for one in deliveries(number)}
    assert sum(1 for number in range(PROCESSES) for _ in deliveries(number)) > len(delivered)
    assert len(delivered) * MAPPED == RECORDS == 20_000

    tasks = [known_task(number, file) for number, file in enumerate(waiting)]
    since, until = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    with outbox_server(tasks) as server_of_outboxes:
        before = len(ledger.keys(EmissionRecord))
        first = sync(server_of_outboxes.api, ledger, since=since, until=until)
        again = sync(server_of_outboxes.api, ledger, since=since, until=until)
    assert 0 < first.written == RECORDS - before
    assert (again.records, again.written) == (first.records, 0)

    made = {digest(record) for process, task in delivered for record in records_of(process, task)}
    with create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool).connect() as connection:
        found = connection.execute(text("SELECT digest FROM carbon_emission")).scalars().all()
    # A digest tells of every field, the key among them.
    assert len(found) == RECORDS
    assert set(found) == made


def wait_for_progress(folder: Path, *, least: int) -> None:
    """Wait until the processes have written so many times, all together."""
    end = time.monotonic() + 90
    while sum(int(file.read_text() or 0) for file in folder.glob("progress_*")) < least:
        assert time.monotonic() < end, "the processes do not get on"
        time.sleep(0.05)


def known_task(number: int, file: Path) -> KnownTask:
    """Give the task that a waiting file is of: half of them are found by their XCom, half by their state alone."""
    dag_id, task_id, writer, _ = file.name.split(".")
    kept = {OUTBOX: json.loads(file.read_text())[OUTBOX]}
    task = KnownTask(dag_id=dag_id, run_id=f"by_{writer}", task_id=task_id)
    if number % 2:
        task.xcoms = kept
    else:
        task.states, task.state = kept, "failed"
    return task
