"""The other forms of a wait: tasks that wait by themselves, a wait of hours that somebody releases, and mere work."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, task
from distributed.traces import leave

from airflow_carbon import CarbonAwareSensor, carbon_aware

SOON = timedelta(seconds=5)
WAIT: dict[str, Any] = {"location": "zone:GB", "duration": "10s", "max_delay": "100s", "carbon_conn_id": "crowd"}

with DAG("one_line_each", schedule=None, default_args={"retries": 2, "retry_delay": SOON}):
    carbon_aware(BashOperator(task_id="bash", bash_command="date -u +%Y-%m-%dT%H:%M:%S+00:00"), **WAIT)

    @task.carbon_aware(**WAIT)
    def mapped(number: int) -> int:
        leave("done", str(number))
        return 2 * number

    mapped.expand(number=[1, 2, 3])

with DAG("at_work", schedule=None, params={"count": 1, "works": 60.0}, max_active_tasks=256):

    @task(retries=3, retry_delay=SOON)
    def numbers(params: dict[str, Any]) -> list[int]:
        return list(range(params["count"]))

    @task(retries=3, retry_delay=SOON)
    def work(number: int, params: dict[str, Any]) -> None:
        leave("began", str(number))
        time.sleep(params["works"])
        leave("done", str(number))

    work.expand(number=numbers())

with DAG("waits_for_somebody", schedule=None):
    CarbonAwareSensor(
        task_id="wait",
        location="zone:GB",
        duration="30m",
        earliest_start="{{ dag_run.run_after + macros.timedelta(hours=6) }}",
        max_delay="20h",
        carbon_conn_id="hours",
        retry_delay=SOON,
    )
