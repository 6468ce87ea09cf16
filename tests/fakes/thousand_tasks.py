"""Run operators in a process of their own each, as a worker does: forked, with nothing in common but the disk.

``python tests/fakes/thousand_tasks.py KIND COUNT CONN_ID ZONE...`` runs so many sensors or region choices and exits
with the number of those that failed.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from fakes.task_context import task_context

from airflow_carbon import sources

AT_ONCE = 16
#: Imported once, before the first fork: modules alone, no connection and no answer.
PRELOADED = (
    "airflow.sdk.execution_time.supervisor",
    "airflow_carbon.core.placement",
    "airflow_carbon.core.wait",
    "airflow_carbon.hooks.chain",
    "airflow_carbon.hooks.watttime",
    "airflow_carbon.operators.best_region",
    "airflow_carbon.sensors.carbon_aware",
    "airflow_carbon.triggers.waiting",
    *(f"airflow_carbon.sources.{module.name}" for module in pkgutil.iter_modules(sources.__path__)),
)


def sensor(number: int, conn_id: str, zones: list[str]) -> None:
    from airflow.sdk.exceptions import AirflowRescheduleException

    from airflow_carbon import CarbonAwareSensor

    location = zones[number % len(zones)]
    one = CarbonAwareSensor(
        task_id="wait", location=location, duration="1h", max_delay="8h", deferrable=False, carbon_conn_id=conn_id
    )
    try:
        record = one.execute(task_context())
    except AirflowRescheduleException:
        return
    assert record["zone"], record["reason"]


def region(number: int, conn_id: str, zones: list[str]) -> None:
    from airflow_carbon import BestRegionOperator

    one = BestRegionOperator(task_id="pick", regions=zones, duration="1h", deadline="8h", carbon_conn_id=conn_id)
    context = task_context()
    assert one.execute(context) in zones
    ranking = context["ti"].xcoms["ranking"]
    assert {each["rejected"] for each in ranking} == {None}


KINDS: dict[str, Callable[[int, str, list[str]], None]] = {"sensors": sensor, "regions": region}


def in_a_process_of_its_own(number: int, kind: str, conn_id: str, zones: list[str]) -> None:
    if os.fork():
        return
    failed = 1
    try:
        KINDS[kind](number, conn_id, zones)
        failed = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(failed)


def main() -> int:
    kind, count, conn_id, *zones = sys.argv[1:]
    # A real Airflow may be under test beside it, whose heartbeats must not starve.
    os.nice(10)
    for module in PRELOADED:
        importlib.import_module(module)

    failed = running = 0
    for number in range(int(count)):
        in_a_process_of_its_own(number, kind, conn_id, zones)
        running += 1
        if running == AT_ONCE:
            failed, running = failed + bool(os.wait()[1]), running - 1
    for _ in range(running):
        failed += bool(os.wait()[1])
    return min(failed, 100)


if __name__ == "__main__":
    sys.exit(main())
