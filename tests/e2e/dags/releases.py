"""Waits that would last for hours, for somebody to release."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from airflow_carbon import CarbonAwareSensor, PlannedWindowSensor

#: A connection of its own: the default one is given a meaning by other tests, and is read again only after a while.
ASKED = {"task_id": "wait", "location": "zone:GB", "duration": "30m", "carbon_conn_id": "releases"}
SOON = timedelta(seconds=5)
#: Far ahead, so that the typical day always has cleaner hours to wait for.
HOURS = "{{ dag_run.run_after + macros.timedelta(hours=6) }}"

with DAG("waits_for_hours", schedule=None):
    CarbonAwareSensor(**ASKED, earliest_start=HOURS, max_delay="20h", retry_delay=SOON)

with DAG("waits_for_hours_rescheduled", schedule=None):
    CarbonAwareSensor(**ASKED, earliest_start=HOURS, max_delay="20h", deferrable=False, retry_delay=SOON)

with DAG("planned_for_hours", schedule=None):
    PlannedWindowSensor(
        task_id="wait",
        window='{"start": "{{ (dag_run.run_after + macros.timedelta(hours=6)).isoformat() }}"}',
        retry_delay=SOON,
    )
