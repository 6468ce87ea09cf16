"""Ten decisions a second, through trigger and ledger, as long as asked: whether memory, files and latency stay flat.

Run it with the package installed: ``python benchmarks/soak.py [SECONDS] [PER_SECOND]``; three minutes by default, an
hour in ``make soak``. No Airflow runs. Each decision is a wait of some seconds in the triggerer's loop, from the row
that Airflow would keep: it is planned on a source that changes its mind every ten seconds, kept on disk, told to the
ledger, and when it fires its decision and its end are written as a worker writes them. At the end the ledger is
counted: no decision is missing, and none is there twice.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import psutil

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.hooks.carbon import CarbonHook

MIB = 1 << 20
REFRESH, ZONES = timedelta(seconds=10), 20
STEPS, STEP = 600, timedelta(seconds=1)
#: Room between the earliest and the latest start of a wait.
ROOM = timedelta(seconds=10)
#: The run is cut into so many parts; the first is for caches to fill, and the last is held against the second.
PARTS = 10
MOST_MEMORY_PERCENT, MOST_FILES, MOST_LATENCY_PERCENT = 2.0, 0, 10.0
#: A latency below this is noise of the clock and of the machine [s].
NOISE = 0.005


class Restless:
    """Answer with other numbers at each request."""

    name, refresh = "restless", REFRESH

    def __init__(self) -> None:
        self.asked = 0

    async def zone(self, location: Location) -> str:
        return location.name

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        import numpy as np

        from airflow_carbon.core.forecast import Forecast
        from airflow_carbon.core.units import Kind

        self.asked += 1
        values = np.random.default_rng(self.asked).uniform(50.0, 400.0, STEPS)
        start = now.replace(microsecond=0)
        return Forecast(location.name, start, STEP, values, kind=Kind.FORECAST, source=self.name, issued_at=now)

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        return await self.forecast(location, now=start, until=end)


class Ti(NamedTuple):
    """Name a task instance, as far as a record asks for it."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int


class Part:
    """Hold what was measured in one part of the run."""

    def __init__(self) -> None:
        self.overdue: list[float] = []
        self.written: list[float] = []
        self.memory = 0.0
        self.files = self.threads = 0

    def line(self) -> str:
        overdue, written = sorted(self.overdue), sorted(self.written)
        times = (at_share(values, share) for values in (overdue, written) for share in (0.5, 0.99))
        told = "".join(f"{1e3 * value:10.1f}" for value in times)
        return f"{len(overdue):10}{self.memory:10.1f}{self.files:8}{self.threads:9}{told}"


def at_share(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


class Soak:
    """Make decisions and keep what each took.

    :param ledger: where the workers write; the triggers open it themselves.
    """

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger
        self.part = Part()
        self.made = 0

    async def decision(self, number: int) -> None:
        """Wait in a trigger, then write as the worker that resumes does."""
        from airflow_carbon.triggers.carbon_window import CarbonWindowTrigger

        now = datetime.now(UTC)
        ti = Ti("soak", f"run_{number // 1000}", "wait", number % 1000)
        promised: dict[str, Any] = {
            "decision_id": str(uuid4()), "location": f"zone:Z{number % ZONES}", "ready_at": now.isoformat(),
            "earliest_start": (now + timedelta(seconds=2)).isoformat(), "latest_start": (now + ROOM).isoformat(),
            "duration_seconds": 5.0 + number % 7,
        }  # fmt: skip
        trigger = CarbonWindowTrigger(
            **promised, not_before=promised["earliest_start"], min_saving_percent=0.0, carbon_conn_id=["restless"],
            task_key=list(ti),
        )  # fmt: skip
        # What a triggerer gets is a row, not the object.
        trigger = CarbonWindowTrigger(**trigger.serialize()[1])
        events = trigger.run()
        event = await anext(events)
        fired = datetime.now(UTC)
        await events.aclose()  # type: ignore[attr-defined]
        record = {**promised, **event.payload["record"], "mode": "enforce", "started_at": fired.isoformat()}
        due = datetime.fromisoformat(record.get("start") or promised["latest_start"])
        self.part.overdue.append((fired - due).total_seconds())
        self.part.written.append(await asyncio.to_thread(self._write, record, ti))
        self.made += 1

    def _write(self, record: dict[str, Any], ti: Ti) -> float:
        from airflow_carbon.hooks.decisions import decision_record
        from airflow_carbon.hooks.wait_record import STARTED, TaskKey, wait_record

        decision = decision_record(record, {"ti": ti}, sort="wait")  # type: ignore[typeddict-item]
        end = wait_record(record, TaskKey(*ti), at=datetime.fromisoformat(record["started_at"]), state=STARTED)
        began = time.perf_counter()
        self._ledger.write([decision, end])
        return time.perf_counter() - began

    def next_part(self) -> Part:
        """Give the part that ends, with what the process holds now."""
        process, ended = psutil.Process(), self.part
        # What only waits for the collector is no growth.
        gc.collect()
        ended.memory, ended.files = process.memory_info().rss / MIB, process.num_fds()
        ended.threads, self.part = process.num_threads(), Part()
        return ended


async def soak(seconds: float, rate: float) -> None:
    from airflow_carbon.core.record import DecisionRecord
    from airflow_carbon.core.record_wait import WaitRecord
    from airflow_carbon.hooks.carbon import CarbonHook
    from airflow_carbon.hooks.ledger import LedgerHook
    from airflow_carbon.triggers.outlook import Outlook
    from airflow_carbon.triggers.publisher import PAUSE

    source = Restless()

    class RestlessHook(CarbonHook):
        conn_type, source_name = "restless", "restless"

        def source(self) -> Any:
            return source

    async def opener(_: Sequence[str]) -> list[CarbonHook]:
        return [RestlessHook()]

    Outlook.use(Outlook(opener))
    ledger = LedgerHook().ledger
    ledger.init()
    running, waits, parts = Soak(ledger), set[asyncio.Task[None]](), list[Part]()
    began, count = time.monotonic(), int(seconds * rate)
    print(f"{rate:g} decisions a second for {seconds:.0f} s, through trigger and ledger (SQLite)")
    print(f"{'until [s]':>9}{'decisions':>10}{'RSS [MiB]':>10}{'files':>8}{'threads':>9}", end="")
    print(f"{'fired p50':>10}{'p99 [ms]':>10}{'write p50':>10}{'p99 [ms]':>10}")
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        waits.add(wait := asyncio.create_task(running.decision(number)))
        wait.add_done_callback(waits.discard)
        if (number + 1) * PARTS // count > len(parts):
            parts.append(running.next_part())
            print(f"{time.monotonic() - began:9.0f}{parts[-1].line()}", flush=True)
    await asyncio.gather(*waits)
    await asyncio.sleep(5 * PAUSE)
    kept = [len(ledger.keys(kind)) for kind in (DecisionRecord, WaitRecord)]
    report(parts[1], parts[-1], made=running.made, kept=kept)


def report(early: Part, last: Part, *, made: int, kept: Sequence[int]) -> None:
    """Hold the last part against an early one."""
    print(f"{'last part over the second':30}{'target':>10}{'measured':>10}")
    more = 100.0 * (last.memory / early.memory - 1.0)
    told("memory [%]", MOST_MEMORY_PERCENT, more, more <= MOST_MEMORY_PERCENT)
    told("open files", MOST_FILES, last.files - early.files, last.files - early.files <= MOST_FILES)
    for name, now, then in (("fired", last.overdue, early.overdue), ("written", last.written, early.written)):
        for share in (0.5, 0.99):
            before, after = at_share(sorted(then), share), at_share(sorted(now), share)
            more = 100.0 * (after / before - 1.0) if before > 0 else float("nan")
            good = after - before <= max(NOISE, MOST_LATENCY_PERCENT / 100.0 * before)
            told(f"{name}, p{100 * share:.0f} [%]", MOST_LATENCY_PERCENT, more, good)
    told("decisions missing or twice", 0, abs(kept[0] - made) + abs(kept[1] - made), kept == [made, made])


def told(name: str, target: float, measured: float, good: bool) -> None:
    print(f"{name:30}{target:10g}{measured:10.1f}  {'met' if good else 'MISSED'}")


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 180.0
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    with tempfile.TemporaryDirectory(prefix="carbon-soak-") as home:
        # Before the first import of Airflow, which reads it once; and without a line of the log for each look.
        os.environ.update(AIRFLOW_HOME=home, AIRFLOW__CARBON__STATE_DIR=home, AIRFLOW__CORE__LOAD_EXAMPLES="False")
        import logging

        import structlog

        import airflow_carbon.triggers.carbon_window  # noqa: F401 - Airflow configures the log when it is imported

        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
        logging.getLogger("alembic").setLevel(logging.WARNING)
        asyncio.run(soak(seconds, rate))


if __name__ == "__main__":
    main()
