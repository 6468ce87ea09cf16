"""The other forms of a wait: tasks that wait by themselves, and a wait of hours that somebody releases."""

from __future__ import annotations

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
