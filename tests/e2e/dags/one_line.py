"""Tasks of every kind made carbon-aware in one line; each fails its first try."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import DAG, BaseOperator, Param, get_current_context, setup, task, teardown

from airflow_carbon import carbon_aware

WAIT: dict[str, Any] = {
    "location": "{{ params.location }}",
    "duration": "20s",
    "max_delay": "{{ params.max_delay }}",
    "carbon_conn_id": "{{ params.conn_id }}",
}
PARAMS = {
    "location": Param("zone:GB", type="string"),
    "max_delay": Param("130s", type="string"),
    "conn_id": Param("evening_in_one_line", type="string"),
}
TWICE: dict[str, Any] = {"retries": 3, "retry_delay": timedelta(seconds=5)}
#: Airflow loses the events of triggers that fire sooner after they began.
STEP = timedelta(seconds=20)
FAIL_FIRST = "test {{ ti.try_number }} -gt 1 && "


def at_the_second_try() -> str:
    if get_current_context()["ti"].try_number == 1:
        raise RuntimeError("the first try fails")
    return datetime.now(UTC).isoformat()


class TwoSteps(BaseOperator):
    """Defer twice, each time to a method of its own; at the first try, to a trigger that comes too late."""

    def execute(self, context: Any) -> None:
        late = context["ti"].try_number == 1
        trigger, timeout = TimeDeltaTrigger(timedelta(hours=1) if late else STEP), STEP if late else None
        self.defer(trigger=trigger, method_name="second_step", timeout=timeout)

    def second_step(self, context: Any, event: Any = None) -> None:
        context["ti"].xcom_push(key="steps", value=["second_step"])
        self.defer(trigger=TimeDeltaTrigger(STEP), method_name="third_step")

    def third_step(self, context: Any, event: Any = None) -> list[str]:
        return [*context["ti"].xcom_pull(task_ids=self.task_id, key="steps"), "third_step"]


with DAG("one_line", schedule=None, params=PARAMS, default_args=TWICE):
    carbon_aware(BashOperator(task_id="bash", bash_command=FAIL_FIRST + "date -u +%Y-%m-%dT%H:%M:%S+00:00"), **WAIT)
    carbon_aware(
        PythonOperator(task_id="python", python_callable=at_the_second_try),
        **{**WAIT, "duration": "p90", "duration_default": "20s"},
    )
    carbon_aware(TwoSteps(task_id="two_steps"), **WAIT)
    carbon_aware(
        BashOperator.partial(task_id="mapped").expand(bash_command=[FAIL_FIRST + "echo a", FAIL_FIRST + "echo b"]),
        **WAIT,
    )

    @task.carbon_aware(**WAIT, multiple_outputs=True)
    def flow() -> dict[str, str]:
        return {"at": at_the_second_try(), "kind": "flow"}

    @task.carbon_aware(**WAIT)
    def flow_mapped(number: int) -> int:
        at_the_second_try()
        return 2 * number

    @setup
    @task.carbon_aware(**{**WAIT, "max_delay": "100s"})
    def set_up() -> str:
        return at_the_second_try()

    @task
    def between() -> str:
        return datetime.now(UTC).isoformat()

    @teardown
    @task.carbon_aware(**{**WAIT, "max_delay": "100s"})
    def tear_down() -> str:
        return at_the_second_try()

    flow()
    flow_mapped.expand(number=[1, 2])
    begun, ended = set_up(), tear_down()
    begun >> between() >> ended
    begun >> ended

with DAG("one_line_alone", schedule=None, params=PARAMS, default_args=TWICE):
    carbon_aware(BashOperator(task_id="bash", bash_command="date -u +%Y-%m-%dT%H:%M:%S+00:00"), **WAIT)
