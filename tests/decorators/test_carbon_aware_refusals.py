"""What cannot be meant is refused at the line of the DAG file that says it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from airflow_carbon.exceptions import InvalidRequestError

pytestmark = pytest.mark.airflow


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"duration": None}, "duration: say how long"),
        ({"duration": "an hour"}, "duration: 'an hour' is no duration"),
        ({"duration": "0"}, "duration: .* must be longer than zero"),
        ({"duration": 3600}, "duration: 3600 is no duration"),
        ({"max_delay": None}, "deadline, max_delay: give one of them"),
        ({"max_delay": "-1h"}, "max_delay"),
        ({"deadline": datetime(2030, 1, 1)}, "deadline: .* has no timezone"),  # noqa: DTZ001 - that is the point
        ({"deadline": "tomorrow"}, "deadline: 'tomorrow'"),
        ({"earliest_start": "2030-01-01T00:00:00"}, "earliest_start: .* has no timezone"),
        ({"tail": "1h"}, "tail: it is kept off the deadline"),
        ({"location": "uksouth"}, "location: 'uksouth' is no location"),
        ({"location": None}, "location: None names no location"),
        ({"on_outage": "stop"}, "on_outage: 'stop' must be one of run, latest_start, fail"),
        ({"carbon_mode": "on"}, "carbon_mode: 'on' must be one of"),
        ({"power": "10m@lots"}, "power: phase 1"),
        ({"min_saving_percent": 110}, "min_saving_percent: 110"),
        ({"min_saving_percent": "some"}, "min_saving_percent: 'some'"),
        ({"duration": "p90"}, "duration_default: duration 'p90' is learned"),
        ({"duration": "p90", "duration_default": "soon"}, "duration_default: 'soon'"),
        ({"duration": "p90", "duration_default": "1h", "power": "1h@50W"}, "duration, power"),
        ({"duration_default": "1h"}, "duration_default: .* 'p90'"),
    ],
)
def test_a_field_that_is_wrong_is_named(asked: dict[str, Any], said: str) -> None:
    from fakes.aware import worker

    with pytest.raises(InvalidRequestError, match=said):
        worker(**asked)


@pytest.mark.parametrize(
    "asked",
    [
        {"duration": "{{ params.duration }}", "location": "{{ params.location }}"},
        {"deadline": "{{ dag_run.run_after + macros.timedelta(hours=8) }}", "max_delay": "{% if x %}1h{% endif %}"},
        {"duration": timedelta(hours=1), "max_delay": timedelta(0)},
        {"duration": None, "power": [["{{ params.warm_up }}", 50], ["2h", 300]]},
        {"duration": "p90", "duration_default": "{{ params.duration }}"},
        {"min_saving_percent": "{{ params.least }}", "on_outage": "{{ params.outage }}", "deadline": ""},
        {"location": lambda context, jinja_env: "zone:GB"},
    ],
)
def test_what_only_the_running_task_knows_is_not_judged_before(asked: dict[str, Any]) -> None:
    from fakes.aware import worker

    assert worker(**asked).task_id == "a_task"


def test_a_function_tells_where_the_work_runs_when_templates_are_rendered() -> None:
    from fakes.aware import deferral, worker
    from fakes.task_context import task_context

    one = worker(location=lambda context, jinja_env: "zone:GB")
    one.render_template_fields(task_context())
    assert deferral(one, task_context()).trigger.location == "zone:GB"


def test_a_misspelt_keyword_is_refused_with_the_right_one() -> None:
    from airflow.sdk import task
    from fakes.aware import WAIT, worker

    with pytest.raises(TypeError, match="max_dealy"):
        worker(max_dealy="8h")
    with pytest.raises(InvalidRequestError, match=r"max_dealy: .* did you mean max_delay"):
        task.carbon_aware(**WAIT, max_dealy="8h")
    with pytest.raises(InvalidRequestError, match=r"retires: .* did you mean retries"):
        task.carbon_aware(**WAIT, retires=3)


def test_a_decorator_that_says_nothing_is_refused_with_an_example() -> None:
    from airflow.sdk import task

    with pytest.raises(InvalidRequestError, match=r"for example @task.carbon_aware\(location='azure:uksouth'"):

        @task.carbon_aware
        def flow() -> None: ...


def test_what_is_no_task_is_refused_with_what_is() -> None:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG, TaskGroup
    from fakes.aware import WAIT, Worker, worker
    from fakes.sensors import sensor

    from airflow_carbon import carbon_aware

    def refused(task: Any, said: str) -> None:
        with pytest.raises(InvalidRequestError, match=said):
            carbon_aware(task, **WAIT)

    refused(lambda: 1, "is no task; it takes an operator")
    refused([worker()], "is no task")
    refused(worker(), "'a_task' is carbon-aware already")
    refused(EmptyOperator(task_id="gate"), "an EmptyOperator has no work .* CarbonAwareSensor")
    refused(sensor(), "CarbonAwareSensor waits by itself")
    with DAG("a_dag", schedule=None):
        refused(TaskGroup("several"), "task group 'several' is no task")
        partial = Worker.partial(task_id="many")
        refused(partial, "expand it first")
        partial.expand(said=["1"])
