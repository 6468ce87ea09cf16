"""A user releases a waiting task on a real Airflow, by the route that the command line and the page use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_carbon.cli.airflow_api import AirflowApi, poll
from airflow_carbon.exceptions import LocalAirflowError

if TYPE_CHECKING:
    from airflow_carbon.cli.local_airflow import LocalAirflow

ROUTE = "/carbon/api/release"
REASON = "a deploy is due"


def state_of(api: AirflowApi, dag_id: str, run_id: str, task_id: str) -> str:
    return str(api.request("GET", "dags", dag_id, "dagRuns", run_id, "taskInstances", task_id)["state"])


def waits(api: AirflowApi, dag_id: str, state: str) -> str:
    """Start a run, and give its id once its task waits."""
    api.wait_for_dag(dag_id)
    api.set_paused(dag_id, False)
    run_id = api.trigger(dag_id)
    poll(
        lambda: True if state_of(api, dag_id, run_id, "wait") == state else None,
        what=f"{dag_id} to be {state}",
        timeout=120,
    )
    return run_id


def released(api: AirflowApi, dag_id: str, run_id: str, **changed: Any) -> dict[str, Any]:
    body = {"dag_id": dag_id, "run_id": run_id, "task_id": "wait", "reason": REASON, **changed}
    return api.post(ROUTE, body)


def once_it_may_be(api: AirflowApi, dag_id: str, run_id: str) -> str:
    """Release a task, again where it has only just begun to wait; give what was said."""

    def said() -> str | None:
        try:
            return str(released(api, dag_id, run_id)["said"])
        except LocalAirflowError as error:
            if "only just begun to wait" not in str(error):
                raise
            return None

    return poll(said, what=f"{dag_id} to be released", timeout=60)


@pytest.fixture(scope="module", autouse=True)
def connection(api: AirflowApi) -> None:
    """Connect the typical profiles by a name of these tests' own."""
    api.request("POST", "connections", body={"connection_id": "releases", "conn_type": "carbon_typical"})


@pytest.mark.parametrize(
    ("dag_id", "state"),
    [
        ("waits_for_hours", "deferred"),
        ("waits_for_hours_rescheduled", "up_for_reschedule"),
        ("planned_for_hours", "deferred"),
    ],
)
def test_a_waiting_task_starts_at_once_and_its_record_says_who_and_why(
    airflow: LocalAirflow, api: AirflowApi, dag_id: str, state: str
) -> None:
    run_id = waits(api, dag_id, state)
    with pytest.raises(LocalAirflowError, match="there is no 'wiat'; there is wait"):
        released(api, dag_id, run_id, task_id="wiat")
    assert "starts as soon as" in once_it_may_be(api, dag_id, run_id)
    poll(
        lambda: True if state_of(api, dag_id, run_id, "wait") == "success" else None,
        what=f"{dag_id} to start",
        timeout=120,
    )
    entry = api.request(
        "GET", "dags", dag_id, "dagRuns", run_id, "taskInstances", "wait", "xcomEntries", "return_value",
        query={"deserialize": "true"},
    )  # fmt: skip
    record = entry["value"]
    assert record["released"] == {"by": "admin", "reason": REASON}
    assert record["reason"] == f"released by admin: {REASON}"
    with pytest.raises(LocalAirflowError, match="is not waiting"):
        released(api, dag_id, run_id)
