"""Ten thousand waits in one event loop: how often the source is asked, and how long anything else is held up.

Run it with the package installed: ``python benchmarks/waiting.py [TRIGGERS] [SECONDS]``. No Airflow runs: the triggers
are started as Airflow's triggerer starts them, on a source that counts. A source that refreshes every ten seconds, each
time with other numbers, stands for one that does so every five minutes or half hour: here all is denser by far.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import resource
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.hooks.carbon import CarbonHook

ZONES = 20
REFRESH = timedelta(seconds=10)
#: As many steps as four days have at five minutes.
STEPS, STEP = 96 * 12, timedelta(seconds=1)
#: Time that the source takes to answer [s].
LATENCY = 0.2
#: How long the heartbeat sleeps [s]; what it wakes later than that, something held up the loop.
BEAT = 0.005
#: Airflow takes up to ``[triggerer] max_trigger_to_select_per_loop`` new triggers (50) in each loop of a second.
AIRFLOW_STARTS, FAST_STARTS = 50, 1000


class Counting:
    """Answer with other numbers at each request, and keep the time of each by zone."""

    name, refresh = "counting", REFRESH

    def __init__(self) -> None:
        self.asked: dict[str, list[float]] = defaultdict(list)

    async def zone(self, location: Location) -> str:
        return location.name

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        import numpy as np

        from airflow_carbon.core.forecast import Forecast
        from airflow_carbon.core.units import Kind

        self.asked[location.name].append(time.monotonic())
        await asyncio.sleep(LATENCY)
        asked = len(self.asked[location.name])
        rng = np.random.default_rng(asked)
        # Falling, so that most plans are late; with a deep dip that lies elsewhere each time, so that they move.
        values = 400.0 - 0.5 * np.arange(STEPS) + rng.normal(0.0, 5.0, STEPS)
        dip = 15 + 23 * asked % 45
        values[dip : dip + 30] *= 0.05
        values = np.maximum(values, 5.0)
        start = now.replace(microsecond=0)
        return Forecast(location.name, start, STEP, values, kind=Kind.FORECAST, source=self.name, issued_at=now)

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        return await self.forecast(location, now=start, until=end)


def hook_for(source: Counting) -> CarbonHook:
    from airflow_carbon.hooks.carbon import CarbonHook

    class CountingHook(CarbonHook):
        conn_type, source_name = "counting", "counting"

        def source(self) -> Any:
            return source

    return CountingHook()


class Pulse:
    """Measure how much later than asked for the loop comes back [s], and how long the garbage collector took."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.by_work: list[float] = []
        self.longest_collection = self._collected = self._collecting_since = 0.0

    async def beat(self) -> None:
        while True:
            slept, collected = time.perf_counter(), self._collected
            await asyncio.sleep(BEAT)
            self.late.append(time.perf_counter() - slept - BEAT)
            self.by_work.append(self.late[-1] - (self._collected - collected))

    def collecting(self, phase: str, _: dict[str, int]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._collecting_since = now
        else:
            self._collected += now - self._collecting_since
            self.longest_collection = max(self.longest_collection, now - self._collecting_since)


async def start_all(triggers: Sequence[Any], per_loop: int, begin: Any) -> list[asyncio.Task[Any]]:
    """Start triggers as ``TriggerRunner.create_triggers`` does: so many each second, giving way between."""
    tasks = []
    for first in range(0, len(triggers), per_loop):
        for trigger in triggers[first : first + per_loop]:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            tasks.append(asyncio.create_task(begin(trigger)))
        await asyncio.sleep(1)
    return tasks


async def waiting(count: int, seconds: float, per_loop: int) -> None:
    from airflow_carbon.triggers.carbon_window import CarbonWindowTrigger
    from airflow_carbon.triggers.outlook import Outlook

    # What the source stands for needs no random numbers: their import is no part of the wait.
    import_module("numpy.random")
    source, pulse = Counting(), Pulse()
    hook = hook_for(source)

    async def opener(_: Sequence[str]) -> list[CarbonHook]:
        return [hook]

    outlook = Outlook(opener)
    Outlook.use(outlook)
    await outlook.warm_up()
    begun, ramp = datetime.now(UTC), count / per_loop
    latest = [begun + timedelta(seconds=ramp + (seconds - ramp) * (n + 1) / count) for n in range(count)]
    triggers = [
        CarbonWindowTrigger(
            location=f"zone:Z{n * 7919 % ZONES}",
            duration_seconds=5.0 + n % 40,
            ready_at=begun.isoformat(),
            earliest_start=begun.isoformat(),
            latest_start=latest[n].isoformat(),
            not_before=begun.isoformat(),
            min_saving_percent=0.0,
            spread=n / count,
            carbon_conn_id=["counting"],
        )
        for n in range(count)
    ]
    records: list[dict[str, Any]] = []
    overruns: list[float] = []

    async def run(trigger: Any) -> None:
        event = await anext(trigger.run())
        late = datetime.now(UTC) - datetime.fromisoformat(trigger.latest_start)
        overruns.append(late.total_seconds())
        records.append(event.payload["record"])

    gc.callbacks.append(pulse.collecting)
    # Airflow's own modules are walked by each full collection, with or without a trigger; what is added here is timed.
    gc.collect()
    own_collection, pulse.longest_collection = pulse.longest_collection, 0.0
    gc.freeze()
    wall, cpu = time.perf_counter(), time.process_time()
    beating = asyncio.create_task(pulse.beat())
    await asyncio.gather(*await start_all(triggers, per_loop, run))
    beating.cancel()
    gc.callbacks.remove(pulse.collecting)
    gc.unfreeze()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu

    gaps = [later - sooner for asked in source.asked.values() for sooner, later in itertools.pairwise(asked)]
    late, collection, worked = sorted(pulse.late), pulse.longest_collection, 1e3 * max(pulse.by_work)
    decisions, moved = (sum(record[key] for record in records) for key in ("decisions", "replans"))
    print(f"{count} triggers on {len(source.asked)} zones, {per_loop} started per second, over {wall:.0f} s")
    print(f"  requests: {sum(map(len, source.asked.values()))}, at most {max(map(len, source.asked.values()))} a zone;")
    print(f"    refresh {REFRESH.total_seconds():.0f} s, least time between two of a zone {min(gaps):.2f} s")
    print(f"  loop held up: longest {1e3 * late[-1]:.0f} ms, 99.9 % under {1e3 * late[int(0.999 * len(late))]:.0f} ms,")
    print(f"    median {1e3 * statistics.median(late):.1f} ms; by work, not the collector, {worked:.0f} ms at most")
    print(f"    its longest full collection: {1e3 * collection:.0f} ms for {count} tasks,")
    print(f"    {1e3 * own_collection:.0f} ms for Airflow and numpy alone, kept out of the above")
    print(f"  decisions: {decisions}, plans moved {moved}; latest event {max(overruns):+.3f} s from the latest start")
    print(f"  CPU: {cpu:.1f} s, {100 * cpu / wall:.0f} % of one core, {1e6 * cpu / decisions:.0f} us a decision")
    print(f"  memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at most")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
    with tempfile.TemporaryDirectory(prefix="carbon-bench-") as home:
        # Before the first import of Airflow, which reads it once; and without a line of the log for each look.
        os.environ.update(AIRFLOW_HOME=home, AIRFLOW__CARBON__STATE_DIR=home, AIRFLOW__CORE__LOAD_EXAMPLES="False")
        import logging

        import structlog

        import airflow_carbon.triggers.carbon_window  # noqa: F401 - Airflow configures the log when it is imported

        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
        for per_loop in (FAST_STARTS, count):
            asyncio.run(waiting(count, seconds, per_loop))


if __name__ == "__main__":
    main()
