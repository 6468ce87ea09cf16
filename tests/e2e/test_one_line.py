"""Tasks made carbon-aware in one line wait once on a real Airflow, then do their own work, after a failed first try."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_carbon.cli.airflow_api import AirflowApi
    from airflow_carbon.cli.local_airflow import LocalAirflow

DAG_ID, CONN_ID = "one_line", "evening_in_one_line"
#: Each task, and the index of its instance.
INSTANCES = [
    *((task, -1) for task in ("bash", "python", "two_steps", "flow", "set_up", "tear_down")),
    *((task, index) for task in ("mapped", "flow_mapped") for index in (0, 1)),
]
#: What a busy machine needs from a latest start to the first line of the task.
SLACK = timedelta(seconds=40)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture(scope="module")
def run(api: AirflowApi) -> str:
    """Take the DAG through one run, in an evening of which an hour takes ten seconds."""
    api.wait_for_dag(DAG_ID)
    played = {"speed": 360, "played_since": datetime.now(UTC).isoformat(), "plays_from": "2026-01-05T16:00:00+00:00"}
    body = {"connection_id": CONN_ID, "conn_type": "carbon_typical", "extra": json.dumps(played)}
    api.request("POST", "connections", body=body)
    triggered = api.trigger(DAG_ID)
    assert api.wait_for_run(DAG_ID, triggered, timeout=600) == "success"
    return triggered


@pytest.fixture(scope="module")
def tries(api: AirflowApi, run: str) -> dict[tuple[str, int], int]:
    """Give the last try of each task instance."""
    return {(one["task_id"], one["map_index"]): one["try_number"] for one in api.task_instances(DAG_ID, run)}


@pytest.mark.parametrize(("task", "index"), INSTANCES)
def test_it_waits_once_within_its_promise_and_a_retry_tells_the_same_decision(
    api: AirflowApi, run: str, tries: dict[tuple[str, int], int], task: str, index: int
) -> None:
    record = api.xcom(DAG_ID, run, task, "carbon_decision", map_index=index)
    assert record["governs"] == [task]
    assert record["mode"] == "enforce"
    assert record["in_time"]
    assert moment(record["started_at"]) <= moment(record["latest_start"]) + SLACK
    # The try that failed was the one that waited; the record is from before the one that succeeded.
    assert tries[task, index] >= 2
    assert record["kind"] == "typical"
    assert record["decisions"] >= 1


def test_each_does_its_own_work_after_the_wait(api: AirflowApi, run: str) -> None:
    for task in ("bash", "python", "set_up", "tear_down"):
        record = api.xcom(DAG_ID, run, task, "carbon_decision")
        assert moment(api.xcom(DAG_ID, run, task)) >= moment(record["started_at"]).replace(microsecond=0), task
    assert api.xcom(DAG_ID, run, "flow", "kind") == "flow"
    assert moment(api.xcom(DAG_ID, run, "flow", "at")) > moment(
        api.xcom(DAG_ID, run, "flow", "carbon_decision")["started_at"]
    )
    assert [api.xcom(DAG_ID, run, "mapped", map_index=index) for index in (0, 1)] == ["a", "b"]
    assert [api.xcom(DAG_ID, run, "flow_mapped", map_index=index) for index in (0, 1)] == [2, 4]


def test_an_operator_with_deferrals_of_its_own_comes_to_its_own_methods(api: AirflowApi, run: str) -> None:
    assert api.xcom(DAG_ID, run, "two_steps") == ["second_step", "third_step"]


def test_mapped_tasks_decide_each_for_themselves(api: AirflowApi, run: str) -> None:
    for task in ("mapped", "flow_mapped"):
        records = [api.xcom(DAG_ID, run, task, "carbon_decision", map_index=index) for index in (0, 1)]
        assert len({one["decision_id"] for one in records}) == 2


def test_setup_and_teardown_stay_what_they_are(api: AirflowApi, run: str) -> None:
    times = [moment(api.xcom(DAG_ID, run, task)) for task in ("set_up", "between", "tear_down")]
    assert times == sorted(times)


def test_the_task_keeps_its_name_and_shows_what_was_asked_and_links_to_the_source(api: AirflowApi, run: str) -> None:
    instance = api.task_instance(DAG_ID, run, "bash")
    assert instance["operator"] == "BashOperator"
    assert instance["rendered_fields"]["carbon_wait_location"] == "zone:GB"
    for task in ("bash", "two_steps"):
        links = api.request("GET", "dags", DAG_ID, "dagRuns", run, "taskInstances", task, "links")
        assert links["extra_links"]["Carbon source"].startswith("https://www.neso.energy/"), task


def test_a_duration_from_past_runs_stands_on_its_default_and_each_try_is_recorded_for_the_next(
    airflow: LocalAirflow, api: AirflowApi, run: str
) -> None:
    record = api.xcom(DAG_ID, run, "python", "carbon_decision")
    assert record["duration_seconds"] == 20.0
    assert record["duration_from"].startswith("duration_default, as the ledger knows 0 past runs")
    exported = json.loads(airflow.airflow("carbon", "ledger", "export", "--format", "json", "--dag", DAG_ID))
    told = sorted((one for one in exported if one["task_id"] == "python"), key=lambda one: one["try_number"])
    assert [one["state"] for one in told][-1] == "success"
    assert {one["state"] for one in told[:-1]} == {"failed"}
    assert all(moment(one["started_at"]) >= moment(record["started_at"]) for one in told)


def test_without_any_triggerer_the_task_runs_at_its_latest_start(
    api: AirflowApi, airflow: LocalAirflow, run: str
) -> None:
    airflow.kill("triggerer", signal.SIGKILL)
    try:
        alone = api.trigger("one_line_alone", {"max_delay": "110s"})
        assert api.wait_for_run("one_line_alone", alone, timeout=300) == "success"
        record = api.xcom("one_line_alone", alone, "bash", "carbon_decision")
        assert "no triggerer answered" in record["reason"]
        assert record["in_time"]
        assert moment(api.xcom("one_line_alone", alone, "bash")) >= moment(record["latest_start"]).replace(
            microsecond=0
        )
    finally:
        airflow.start_component("triggerer")
        airflow.wait_healthy()
