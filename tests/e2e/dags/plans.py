"""Planned windows as a group, in the plain form and without deferring, told by the run's conf when they begin."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Param, task, task_group

from airflow_carbon import PlannedWindowSensor

PARAMS = {
    "offsets": Param([20, 50, 90], type="array", description="Starts of the windows [s from the plan]."),
    "works": Param([2, 2, 2], type="array", description="How long the work takes in each [s]."),
}
#: SQLite turns a second writer away now and then, which fails a try of Airflow's own making: do not sit out minutes.
SOON = timedelta(seconds=5)


@task
def windows(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Lay the windows from now on."""
    now, count = datetime.now(UTC), len(params["offsets"])
    starts = [now + timedelta(seconds=offset) for offset in params["offsets"]]
    return [
        {"index": index, "count": count, "start": start.isoformat(), "latest_start": (start + SOON * 60).isoformat()}
        for index, start in enumerate(starts)
    ]


@task(retries=2, retry_delay=SOON, max_active_tis_per_dagrun=1)
def train(window: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """Work for as long as asked, and say from when to when."""
    began = datetime.now(UTC)
    time.sleep(params["works"][window["index"]])
    return {"index": window["index"], "start": began.isoformat(), "end": datetime.now(UTC).isoformat()}


def chunks_of(plan: Any, **how: Any) -> None:
    """Map a group of a wait and its work over a plan."""

    @task_group
    def chunk(window: dict[str, Any]) -> None:
        train(PlannedWindowSensor(task_id="wait", window=window, retry_delay=SOON, **how).output)

    chunk.expand(window=plan)


with DAG("plans_in_a_group", schedule=None, params=PARAMS):
    chunks_of(windows())

with DAG("plans_rescheduled", schedule=None, params=PARAMS):
    chunks_of(windows(), deferrable=False)

with DAG("plans_in_the_plain_form", schedule=None, params=PARAMS):
    plan = windows()
    PlannedWindowSensor.partial(task_id="wait", retry_delay=SOON).expand(window=plan) >> train.expand(window=plan)
