"""Twenty DAGs of people who never heard of carbon; a policy looks after some of them."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, setup, task, teardown

from airflow_carbon import CarbonAwareSensor


def add(one: int, other: int) -> int:
    return one + other


def bash(number: int) -> Any:
    return BashOperator(task_id="work", bash_command=f"echo {number}")


def python(number: int) -> Any:
    return PythonOperator(task_id="work", python_callable=add, op_args=[number, 1])


def flow(number: int) -> Any:
    @task
    def work() -> int:
        return number + 1

    return work()


def mapped(number: int) -> Any:
    return BashOperator.partial(task_id="work").expand(bash_command=[f"echo {number}", f"echo {number + 1}"])


def fenced(number: int) -> Any:
    @setup
    def up() -> None: ...

    @teardown
    def down() -> None: ...

    begin = up()
    begin >> BashOperator(task_id="work", bash_command=f"echo {number}") >> down()


KINDS = (bash, python, flow, mapped, fenced)

for each in range(16):
    with DAG(f"shadowed_{each}", schedule=None, tags=["batch"], default_args={"owner": "data"}) as dag:
        EmptyOperator(task_id="begin")
        KINDS[each % len(KINDS)](each)
    globals()[dag.dag_id] = dag

with DAG("opted_out", schedule=None, tags=["batch", "carbon-off"]):
    bash(16)

with DAG("nobodys", schedule=None):
    bash(17)

with DAG("its_own", schedule=None, tags=["batch"]):
    CarbonAwareSensor(task_id="wait", location="zone:GB", duration="1m", max_delay="2m", carbon_mode="shadow") >> bash(
        18
    )

with DAG("enforced", schedule=None, tags=["enforced"]):
    bash(19)
    PythonOperator.partial(task_id="many", python_callable=add).expand(op_args=[[1, 2], [3, 4]])
