"""The least that shows that scheduler, api-server and triggerer work together."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, task

with DAG("smoke", schedule=None, start_date=datetime(2026, 1, 1)) as smoke:  # noqa: DTZ001 (Airflow reads it as UTC)

    @task
    def greet(**context: Any) -> dict[str, Any]:
        return {"greeting": context["dag_run"].conf.get("greeting", "hello"), "numbers": [1, 2.5]}

    greet()

with DAG("smoke_sleep", schedule=None, start_date=datetime(2026, 1, 1)) as smoke_sleep:  # noqa: DTZ001
    BashOperator(task_id="sleep", bash_command="sleep 600", execution_timeout=timedelta(minutes=11))
