"""Tasks that would all choose one window are planned side by side, so that none queues for a slot past its window."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_carbon.cli.airflow_api import AirflowApi

DAG_ID, CONN_ID, POOL = "crowded", "evening_of_a_crowd", "narrow"
TASKS, SLOTS = 8, 2
DURATION = timedelta(seconds=30)
#: From the end of a wait to the first line of the task, on a busy machine.
SLACK = timedelta(seconds=40)


@pytest.fixture(scope="module")
def records(api: AirflowApi) -> list[dict[str, Any]]:
    """Take the tasks through one run, in an evening of which an hour takes ten seconds; give their decisions."""
    api.wait_for_dag(DAG_ID)
    played = {"speed": 360, "played_since": datetime.now(UTC).isoformat(), "plays_from": "2026-01-05T16:00:00+00:00"}
    body = {"connection_id": CONN_ID, "conn_type": "carbon_typical", "extra": json.dumps(played)}
    api.request("POST", "connections", body=body)
    api.request("POST", "pools", body={"name": POOL, "slots": SLOTS})
    run = api.trigger(DAG_ID)
    assert api.wait_for_run(DAG_ID, run, timeout=600) == "success"
    found = []
    for index in range(TASKS):
        instance = api.task_instance(DAG_ID, run, "work", map_index=index)
        record = api.xcom(DAG_ID, run, "work", "carbon_decision", map_index=index)
        found.append({**record, "worked_until": instance["end_date"]})
    return found


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_no_more_of_them_are_planned_at_a_time_than_the_pool_has_slots(records: list[dict[str, Any]]) -> None:
    starts = [moment(record["start"]) for record in records]
    for start in starts:
        assert sum(start <= other < start + DURATION for other in starts) <= SLOTS
    waited = [record for record in records if record["reason"].startswith("started as planned")]
    # Those for whom only a poor window was left need not wait for it; at night there is room for four at least.
    assert len(waited) >= TASKS // 2
    assert all(f"for {SLOTS} slots of pool {POOL}" in record["crowd"] for record in waited)


def test_each_has_done_its_work_when_its_window_ends(records: list[dict[str, Any]]) -> None:
    for record in records:
        assert moment(record["started_at"]) <= moment(record["latest_start"]) + SLACK
        assert moment(record["worked_until"]) <= moment(record["end"]) + SLACK
        assert record["in_time"]
