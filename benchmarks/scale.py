"""Ten thousand waits in one event loop, as in a triggerer: what they hold, and what they cost while none is due.

Run it with the package installed: ``python benchmarks/scale.py [WAITS] [SECONDS]``. No Airflow runs. Each wait keeps
its plan on disk and in a SQLite ledger, and looks again every five minutes, which is the densest rhythm that a live
service has. ``mapped.py`` measures hundreds on a real Airflow.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psutil

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.hooks.carbon import CarbonHook

MIB = 1 << 20
REFRESH = timedelta(minutes=5)
ZONES, STEPS, STEP = 20, 96 * 12, timedelta(minutes=5)
#: Airflow takes up 50 in each loop of a second; nothing here is to wait for that.
STARTS_PER_SECOND = 1000
MOST_MEMORY_MIB, MOST_IDLE_PERCENT = 500, 5.0


class Calm:
    """Answer each zone with a day that dips far ahead, so that every plan waits and none is due."""

    name, refresh = "calm", REFRESH

    def __init__(self) -> None:
        self.asked = 0

    async def zone(self, location: Location) -> str:
        return location.name

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        import numpy as np

        from airflow_carbon.core.forecast import Forecast
        from airflow_carbon.core.units import Kind

        self.asked += 1
        # Noise of one percent, other numbers with each answer, as from a live service.
        noise = np.random.default_rng(self.asked).normal(0.0, 3.0, STEPS)
        values = 300.0 + 120.0 * np.cos(2 * np.pi * (np.arange(STEPS) * 5 / 60 - 2) / 40) + noise
        start = now.replace(minute=0, second=0, microsecond=0)
        return Forecast(location.name, start, STEP, values, kind=Kind.FORECAST, source=self.name, issued_at=now)

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        return await self.forecast(location, now=start, until=end)


def met(good: bool) -> str:
    return "met" if good else "MISSED"


def on_record(home: Path) -> int:
    """Count the waits that the ledger knows."""
    if not (home / "ledger.db").exists():
        return 0
    with closing(sqlite3.connect(home / "ledger.db", timeout=30.0)) as connection:
        known = connection.execute("select count(*) from sqlite_master where name='carbon_wait'").fetchone()[0]
        return int(connection.execute("select count(*) from carbon_wait").fetchone()[0]) if known else 0


async def in_one_loop(count: int, seconds: float, home: Path) -> None:
    from airflow_carbon.hooks.carbon import CarbonHook
    from airflow_carbon.triggers.carbon_window import CarbonWindowTrigger
    from airflow_carbon.triggers.outlook import Outlook

    source, process = Calm(), psutil.Process()

    class CalmHook(CarbonHook):
        conn_type, source_name = "calm", "calm"

        def source(self) -> Any:
            return source

    async def opener(_: Sequence[str]) -> list[CarbonHook]:
        return [CalmHook()]

    Outlook.use(Outlook(opener))
    before, begun = process.memory_info().rss / MIB, datetime.now(UTC)
    waits: list[asyncio.Task[Any]] = []
    for number in range(count):
        trigger = CarbonWindowTrigger(
            location=f"zone:Z{number % ZONES}",
            duration_seconds=3600.0 + number % 40,
            ready_at=begun.isoformat(),
            earliest_start=begun.isoformat(),
            latest_start=(begun + timedelta(hours=40)).isoformat(),
            not_before=begun.isoformat(),
            spread=number / count,
            carbon_conn_id=["calm"],
            decision_id=str(uuid4()),
            task_key=["a_dag", "a_run", "wait", number],
        )
        waits.append(asyncio.create_task(first_event(trigger)))
        await asyncio.sleep(1.0 if number % STARTS_PER_SECOND == STARTS_PER_SECOND - 1 else 0.0)
    while await asyncio.to_thread(on_record, home) < count:  # noqa: ASYNC110 - another thread writes there
        await asyncio.sleep(1.0)
    ready = (datetime.now(UTC) - begun).total_seconds()
    wall, cpu, files = time.perf_counter(), time.process_time(), process.num_fds()
    await asyncio.sleep(seconds)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory, most = process.memory_info().rss / MIB, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    idle, over = 100.0 * cpu / wall, sum(wait.done() for wait in waits)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    print(f"{count} waits on {ZONES} zones in one loop; all planned and in the ledger after {ready:.0f} s, {over} over")
    each = 1024 * (memory - before) / count
    print(f"{'':12}{'target':>8}{'measured':>10}")
    print(f"{'memory [MiB]':12}{MOST_MEMORY_MIB:8}{memory:10.0f}  {met(most <= MOST_MEMORY_MIB)}; ", end="")
    print(f"at most {most:.0f}, {before:.0f} before the first wait, {each:.1f} KiB a wait")
    print(f"{'idle CPU [%]':12}{MOST_IDLE_PERCENT:8.1f}{idle:10.2f}  {met(idle <= MOST_IDLE_PERCENT)}; ", end="")
    print(f"of one core over {wall:.0f} s, each wait looks again every {REFRESH.total_seconds():.0f} s")
    print(f"{'open files':12}{'':8}{files:10}")
    print(f"{'requests':12}{'':8}{source.asked:10}")


async def first_event(trigger: Any) -> Any:
    return await anext(trigger.run())


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 1.1 * REFRESH.total_seconds()
    with tempfile.TemporaryDirectory(prefix="carbon-bench-") as home:
        # Before the first import of Airflow, which reads it once.
        os.environ.update(AIRFLOW_HOME=home, AIRFLOW__CARBON__STATE_DIR=home, AIRFLOW__CORE__LOAD_EXAMPLES="False")
        import logging

        import structlog

        import airflow_carbon.triggers.carbon_window  # noqa: F401 - Airflow configures the log when it is imported

        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
        logging.getLogger("alembic").setLevel(logging.WARNING)
        asyncio.run(in_one_loop(count, seconds, Path(home)))


if __name__ == "__main__":
    main()
