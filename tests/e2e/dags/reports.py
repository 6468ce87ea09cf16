"""A shifted task that measures itself, fails its first try, and is reported."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from airflow_carbon import CarbonAwareSensor, SciHook, SciReportOperator

SERVER = {"total_kg": 1000, "life": "35040h"}
sci = SciHook("de_minutes")


@task(retries=1, retry_delay=timedelta(seconds=3))
def work(decision: dict[str, Any]) -> int:
    """Keep a core busy for a while; fail at first, half way."""
    first = get_current_context()["ti"].try_number == 1
    where = {"location": "zone:DE", "embodied": SERVER, "functional_unit": "row"}
    with sci.measure(energy="codecarbon", **where) as done:
        end = time.monotonic() + (2 if first else 4)
        while time.monotonic() < end:
            sum(number * number for number in range(10_000))
        if first:
            raise RuntimeError("the first try fails")
        done.count(200)
    return 200


with DAG("reports", schedule=None, tags=["carbon-test"], params={"max_delay": Param("240s", type="string")}):
    wait = CarbonAwareSensor(
        task_id="wait",
        location="zone:DE",
        duration="10s",
        max_delay="{{ params.max_delay }}",
        carbon_conn_id="de_minutes",
        retry_delay=timedelta(seconds=5),
    )
    rows = work(wait.output)
    rows >> SciReportOperator(
        task_id="report", functional_unit="row", functional_units="{{ ti.xcom_pull('work') }}", trigger_rule="all_done"
    )
