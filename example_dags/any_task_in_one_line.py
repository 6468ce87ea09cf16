"""### Make the tasks that you have carbon-aware, each in one line.

The same task lets go of its worker, waits in the triggerer for clean power, and then does its own work; no second
task is needed. Its XCom `carbon_decision` says why it started when it did. A retry does not wait again, and a wait
that fails runs the work. Copy the lines: set `location` to where your workers run and `duration` to how long the work
takes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Param, dag, task

from airflow_carbon import carbon_aware

WAIT: dict[str, Any] = {"location": "{{ params.location }}", "max_delay": "{{ params.max_delay }}"}


@dag(
    schedule=None,
    doc_md=__doc__,
    tags=["carbon", "example"],
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    params={
        "location": Param("azure:uksouth", type="string", description="Where the workers run."),
        "max_delay": Param("8h", type="string", description="How long each task may wait."),
    },
)
def any_task_in_one_line() -> None:
    """Compress, render pictures one by one, and index them."""
    compress = carbon_aware(
        BashOperator(task_id="compress", bash_command="seq 100000 | gzip -9 | wc -c"), duration="30m", **WAIT
    )

    @task.carbon_aware(duration=timedelta(hours=1), **WAIT)
    def render(picture: int) -> str:
        """Draw one picture; each instance waits for itself, beside the others."""
        return f"picture {picture} at {datetime.now(UTC):%H:%M}"

    # What it takes is learned from its own past runs, once there are ten of them.
    @carbon_aware(duration="p90", duration_default="20m", **WAIT)
    @task.bash
    def index(pictures: list[str]) -> str:
        return f"echo {len(list(pictures))} pictures"

    compress >> index(render.expand(picture=[1, 2, 3]))


any_task_in_one_line()
