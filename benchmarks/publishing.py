"""What it costs a triggerer to put its waits on record: in the event loop, and in the thread beside it.

Run it with the package installed: ``python benchmarks/publishing.py [WAITS]``. No Airflow runs. Every wait has news at
the same time, a plan with its forecast of 96 values, for a ledger on SQLite; a heartbeat tells how long the loop was
held up meanwhile. The target is Airflow's own: what blocks the loop for 0.2 s stalls every other trigger.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

BEAT = 0.005
LONGEST = 0.2


async def publishing(count: int, folder: Path) -> tuple[list[float], list[float], list[float], float, float, int]:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.request import WaitRequest
    from airflow_carbon.core.wait import Wait
    from airflow_carbon.hooks.wait_record import TaskKey
    from airflow_carbon.ledger.sql import SqlLedger
    from airflow_carbon.triggers.publisher import Publisher
    from airflow_carbon.triggers.story import Story

    now = datetime.now(UTC).replace(microsecond=0)
    values = [300.0 - row for row in range(96)]
    forecast = Forecast("GB", now, timedelta(minutes=30), values, issued_at=now, source="bench")
    ledger = SqlLedger(f"sqlite:///{folder}/ledger.db", patience_seconds=60.0)
    ledger.init()

    async def opener() -> SqlLedger:
        return ledger

    publisher, late, by_work, told = Publisher(opener), [], [], []

    collected, since = 0.0, 0.0

    def collecting(phase: str, _: dict[str, int]) -> None:
        nonlocal collected, since
        if phase == "start":
            since = time.perf_counter()
        else:
            collected += time.perf_counter() - since

    async def beat() -> None:
        while True:
            slept, before = time.perf_counter(), collected
            await asyncio.sleep(BEAT)
            late.append(time.perf_counter() - slept - BEAT)
            by_work.append(late[-1] - (collected - before))

    request = WaitRequest.checked(
        duration=timedelta(hours=1), ready_at=now, latest_start=now + timedelta(hours=46), spread=None
    )
    waits: list[tuple[Any, Any]] = []
    for number in range(count):
        promised = {
            "decision_id": f"{number}", "location": "zone:GB", "ready_at": now.isoformat(),
            "earliest_start": now.isoformat(), "latest_start": request.latest_start.isoformat(),
            "duration_seconds": 3600.0,
        }  # fmt: skip
        story, wait = Story(TaskKey("dag", "run", "wait", number), promised), Wait(request, "zone:GB")
        story.before(wait)
        wait.decide(forecast, now)
        waits.append((story, wait))
    # Airflow's own modules are walked by each full collection, with or without a wait.
    gc.collect()
    gc.freeze()
    gc.callbacks.append(collecting)
    beating = asyncio.create_task(beat())
    # The machine's own: what else runs on it holds up a loop that has nothing to do as well.
    await asyncio.sleep(5.0)
    idle = max(late)
    late.clear()
    by_work.clear()
    begun = time.perf_counter()
    for number, (story, wait) in enumerate(waits):
        before = time.perf_counter()
        news = story.after(wait, forecast, now)
        publisher.tell(news)
        told.append(time.perf_counter() - before)
        # As the triggerer's gate does: a few in each pass of the loop.
        if number % 8 == 7:
            await asyncio.sleep(0)
    while publisher._sending is not None and not publisher._sending.done():  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    wall = time.perf_counter() - begun
    beating.cancel()
    gc.callbacks.remove(collecting)
    return told, late, by_work, wall, idle, len(ledger.waits(limit=10 * count, forecasts=False))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(prefix="carbon-bench-") as home:
        os.environ.update(AIRFLOW_HOME=home, AIRFLOW__CARBON__STATE_DIR=home, AIRFLOW__CORE__LOAD_EXAMPLES="False")
        import airflow_carbon.triggers.carbon_window  # noqa: F401 - Airflow configures itself when it is imported

        told, late, by_work, wall, idle, kept = asyncio.run(publishing(count, Path(home)))
        late.sort()
        print(f"{count} waits with news at once; {kept} on record after {wall:.1f} s")
        print(f"  in the loop: median {1e6 * statistics.median(told):.0f} us, least {1e6 * min(told):.0f} us a wait")
        print(f"  loop held up: longest {1e3 * late[-1]:.0f} ms (target: under {1e3 * LONGEST:.0f} ms), 99 % under "
              f"{1e3 * late[int(0.99 * len(late))]:.0f} ms, median {1e3 * statistics.median(late):.1f} ms")  # fmt: skip

        print(f"  by work, not the collector of all that waits: longest {1e3 * max(by_work):.0f} ms")
        print(f"  with nothing to publish, in 5 s before: longest {1e3 * idle:.0f} ms")


if __name__ == "__main__":
    main()
