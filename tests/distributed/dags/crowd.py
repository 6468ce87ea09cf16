"""Many waits side by side, each with work behind it, as many as the run's conf says."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task, task_group
from distributed.traces import leave

from airflow_carbon import CarbonAwareSensor

PARAMS = {
    "conn_id": Param("crowd", type="string"),
    "count": Param(8, type="integer"),
    "seed": Param(8, type="integer"),
    "max_delay": Param([100, 130], type="array", description="Least and most of it [s]."),
    "works": Param(1.0, type="number", description="How long the work takes [s]."),
}
SOON = timedelta(seconds=5)


@task(retries=3, retry_delay=SOON)
def drawn(params: dict[str, Any]) -> list[dict[str, str]]:
    """Draw what each one asks for."""
    dice = random.Random(params["seed"])
    return [
        {"duration": f"{dice.randint(5, 20)}s", "max_delay": f"{dice.randint(*params['max_delay'])}s"}
        for _ in range(params["count"])
    ]


@task(retries=3, retry_delay=SOON)
def work(record: dict[str, Any] | None, params: dict[str, Any]) -> str:
    """Work for as long as asked, and leave a trace of it at its begin and at its end."""
    # A wait that somebody marked as done has no record.
    told = record["decision_id"] if record else ""
    leave("began", told)
    time.sleep(params["works"])
    leave("done", told)
    return str(told)


with DAG("crowd", schedule=None, params=PARAMS, max_active_tasks=256, max_active_runs=32):

    @task_group
    def one(duration: str, max_delay: str) -> None:
        wait = CarbonAwareSensor(
            task_id="wait",
            location="zone:GB",
            duration=duration,
            max_delay=max_delay,
            carbon_conn_id="{{ params.conn_id }}",
            retry_delay=SOON,
        )
        work(wait.output)

    one.expand_kwargs(drawn())
