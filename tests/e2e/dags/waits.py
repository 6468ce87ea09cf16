"""Waits of every kind, told by the run's conf what to wait for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_carbon import CarbonAwareSensor

PARAMS = {
    "location": Param("zone:GB", type="string"),
    "duration": Param("20s", type="string"),
    "max_delay": Param(None, type=["null", "string"]),
    "deadline": Param(None, type=["null", "string"]),
    "conn_id": Param("carbon_default", type="string"),
    "on_outage": Param("run", type="string"),
}


def templated(**more: Any) -> dict[str, Any]:
    asked = {name: f"{{{{ params.{name} }}}}" for name in ("location", "duration", "on_outage")}
    # SQLite turns a second writer away now and then, which fails a try of Airflow's own making: do not sit out minutes.
    soon = {"retry_delay": timedelta(seconds=5)}
    return {"task_id": "wait", "carbon_conn_id": "{{ params.conn_id }}", **soon, **asked, **more}


@task
def work(record: dict[str, Any]) -> str:
    return str(record["reason"])


with DAG("waits", schedule=None, params=PARAMS) as waits:
    work(CarbonAwareSensor(**templated(max_delay="{{ params.max_delay }}")).output)

with DAG("waits_for_a_deadline", schedule=None, params=PARAMS):
    work(CarbonAwareSensor(**templated(deadline="{{ dag_run.run_after + macros.timedelta(seconds=110) }}")).output)

with DAG("waits_rescheduled", schedule=None, params=PARAMS):
    work(CarbonAwareSensor(**templated(max_delay="{{ params.max_delay }}", deferrable=False, poke_interval=5)).output)

with DAG("waits_mapped", schedule=None, params=PARAMS):
    CarbonAwareSensor.partial(task_id="wait", duration="10s", max_delay="130s").expand(
        location=["zone:GB", "azure:uksouth", "51.5,-0.12"]
    )
