"""Eight tasks of one kind, and a pool in which two may work at a time."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

from airflow_carbon import carbon_aware

with DAG("crowded", schedule=None, default_args={"retries": 2, "retry_delay": timedelta(seconds=5)}):
    carbon_aware(
        BashOperator.partial(task_id="work", pool="narrow").expand(bash_command=["sleep 10"] * 8),
        location="zone:GB",
        duration="30s",
        max_delay="280s",
        carbon_conn_id="evening_of_a_crowd",
    )
