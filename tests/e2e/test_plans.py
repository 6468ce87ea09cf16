"""A run in chunks on a real Airflow: each waits for its own window, none holds another one up, none meets another."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from airflow_carbon.cli.airflow_api import FINISHED, AirflowApi, poll

if TYPE_CHECKING:
    from airflow_carbon.cli.local_airflow import LocalAirflow

#: An hour of the series passes in ten seconds.
SPEED = 360
#: Clean hours lie apart: a run of six of them fits into none of the valleys.
HOURS = [400, 400, 400, 400, 400, 90, 90, 400, 400, 400, 80, 80, 400, 400, 400, 70, 70, 400, 400, 400, 400, 400, 400]
#: The training takes a minute where nothing interrupts it, and may end two minutes later than at once.
TRAINING = {
    "location": "zone:DE",
    "duration": "60s",
    "max_delay": "160s",
    "max_chunks": 3,
    "min_chunk": "10s",
    "resume_overhead": "1s",
    "carbon_conn_id": "valleys",
}
#: The wait of each scenario; all of them begin together, since waiting costs nothing.
SCENARIOS: dict[str, tuple[str, dict[str, Any]]] = {
    "training": ("train_in_chunks", TRAINING),
    "group": ("plans_in_a_group", {"offsets": [25, 60, 120]}),
    "overrun": ("plans_in_a_group", {"offsets": [1, 25, 45], "works": [75, 2, 2]}),
    "rescheduled": ("plans_rescheduled", {"offsets": [25, 60]}),
    "plain": ("plans_in_the_plain_form", {"offsets": [25, 90]}),
    "off": ("train_in_chunks", {**TRAINING, "carbon": "off"}),
}
PATIENCE = 420.0


@pytest.fixture(scope="module")
def runs(api: AirflowApi, airflow: LocalAirflow) -> dict[str, tuple[str, str]]:
    """Start every scenario at once; give each its DAG and run."""
    for dag_id in {dag_id for dag_id, _ in SCENARIOS.values()}:
        api.wait_for_dag(dag_id)
    begin = datetime(2026, 1, 5, tzinfo=UTC)
    path = airflow.home / "valleys.csv"
    rows = (f"{(begin + timedelta(hours=hour)).isoformat()},{grams}" for hour, grams in enumerate(HOURS))
    path.write_text("\n".join(["timestamp,intensity", *rows]))
    extra = {"path": str(path), "replay": datetime.now(UTC).isoformat(), "speed": SPEED}
    body = {"connection_id": "valleys", "conn_type": "carbon_history", "extra": json.dumps(extra)}
    api.request("POST", "connections", body=body)
    return {name: (dag_id, api.trigger(dag_id, conf)) for name, (dag_id, conf) in SCENARIOS.items()}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def results(api: AirflowApi, run: tuple[str, str], task_id: str) -> list[dict[str, Any]]:
    """Give what each of the mapped instances of a task returned, by their order."""
    indexes = sorted(one["map_index"] for one in api.task_instances(*run) if one["task_id"] == task_id)
    return [api.xcom(*run, task_id, map_index=index) for index in indexes]


def in_order_and_apart(works: list[dict[str, Any]]) -> bool:
    return all(moment(one["end"]) <= moment(other["start"]) for one, other in pairwise(works))


def test_the_waits_are_seen_deferred_and_hold_no_worker(api: AirflowApi, runs: dict[str, Any]) -> None:
    dag_id, run = runs["group"]

    def last_wait() -> str | None:
        waits = [one for one in api.task_instances(dag_id, run) if one["task_id"] == "chunk.wait"]
        return next((one["state"] for one in waits if (one["map_index"], one["state"]) == (2, "deferred")), None)

    poll(last_wait, what="the last wait to be deferred", timeout=90)
    instance = api.task_instance(dag_id, run, "chunk.wait", map_index=2)
    assert instance["trigger"]["classpath"].endswith("DateTimeTrigger")


def test_a_model_is_trained_in_chunks_on_the_cleanest_hours(api: AirflowApi, runs: dict[str, Any]) -> None:
    run = runs["training"]
    assert api.wait_for_run(*run, timeout=PATIENCE) == "success"
    plan, record = api.xcom(*run, "plan"), api.xcom(*run, "plan", "carbon_decision")
    assert 2 <= len(plan) <= 3
    assert plan[0]["work_begin_fraction"] == 0.0
    assert plan[-1]["work_end_fraction"] == 1.0
    assert record["promised_saving_percent"] > 30.0
    assert record["promised_saving_percent"] > record["one_window"]["promised_saving_percent"] + 10.0
    assert "chunks from" in record["reason"]
    waited = results(api, run, "chunk.wait")
    assert [one["index"] for one in waited] == list(range(len(plan)))
    assert all(one["in_time"] for one in waited)
    assert all(moment(one["started_at"]) >= moment(one["start"]) for one in waited)
    trained = results(api, run, "chunk.train")
    assert in_order_and_apart(trained)
    assert [one["epochs"] for one in trained] == [
        [round(chunk[f"work_{side}_fraction"] * 120) for side in ("begin", "end")] for chunk in plan
    ]
    # The last chunk was still waiting when the first one had trained.
    assert moment(trained[0]["end"]) < moment(waited[-1]["started_at"])


def test_the_chunks_have_trained_the_model_of_an_uninterrupted_run(api: AirflowApi, runs: dict[str, Any]) -> None:
    for name in ("training", "off"):
        run = runs[name]
        assert api.wait_for_run(*run, timeout=PATIENCE) == "success"
        evaluated = api.xcom(*run, "evaluate")
        assert evaluated["largest_difference"] == 0.0
        assert evaluated["epochs"] == 120
        assert evaluated["accuracy"] > 0.95


def test_a_run_that_may_not_be_delayed_trains_in_one_chunk_at_once(api: AirflowApi, runs: dict[str, Any]) -> None:
    run = runs["off"]
    assert api.wait_for_run(*run, timeout=PATIENCE) == "success"
    (waited,) = results(api, run, "chunk.wait")
    assert waited["count"] == 1
    assert (waited["work_begin_fraction"], waited["work_end_fraction"]) == (0.0, 1.0)


def test_in_a_group_the_wait_of_the_next_chunk_does_not_hold_up_this_one(api: AirflowApi, runs: dict[str, Any]) -> None:
    run = runs["group"]
    assert api.wait_for_run(*run, timeout=PATIENCE) == "success"
    waited, trained = results(api, run, "chunk.wait"), results(api, run, "chunk.train")
    assert len(trained) == 3
    for index, (wait, work) in enumerate(zip(waited, trained, strict=True)):
        assert wait["index"] == work["index"] == index
        assert moment(work["start"]) >= moment(wait["start"])
    assert moment(trained[0]["end"]) < moment(waited[1]["started_at"])
    assert moment(trained[1]["end"]) < moment(waited[2]["started_at"])


def test_a_chunk_that_takes_longer_than_planned_does_not_meet_the_next(api: AirflowApi, runs: dict[str, Any]) -> None:
    run = runs["overrun"]
    assert api.wait_for_run(*run, timeout=PATIENCE) == "success"
    waited, trained = results(api, run, "chunk.wait"), results(api, run, "chunk.train")
    assert in_order_and_apart(trained)
    # Both waits that follow were over before the first chunk was: nothing but the limit has kept their work back.
    assert all(moment(one["started_at"]) < moment(trained[0]["end"]) for one in waited[1:])


def test_waits_that_need_no_triggerer_keep_their_windows_too(api: AirflowApi, runs: dict[str, Any]) -> None:
    run = runs["rescheduled"]
    assert api.wait_for_run(*run, timeout=PATIENCE) == "success"
    waited, trained = results(api, run, "chunk.wait"), results(api, run, "chunk.train")
    assert all(moment(one["started_at"]) >= moment(one["start"]) for one in waited)
    assert in_order_and_apart(trained)


def test_in_the_plain_form_every_chunk_waits_for_all_the_waits(api: AirflowApi, runs: dict[str, Any]) -> None:
    """Airflow's rule for two mapped tasks, and the reason why the examples map a group."""
    run = runs["plain"]
    assert api.wait_for_run(*run, timeout=PATIENCE) == "success"
    waited, trained = results(api, run, "wait"), results(api, run, "train")
    last = max(moment(one["started_at"]) for one in waited)
    assert all(moment(one["start"]) > last for one in trained)


def test_without_any_triggerer_each_chunk_runs_a_little_late(api: AirflowApi, airflow: LocalAirflow) -> None:
    airflow.kill("triggerer", signal.SIGKILL)
    try:
        run = "plans_in_a_group", api.trigger("plans_in_a_group", {"offsets": [20, 25]})
        assert api.wait_for_run(*run, states=FINISHED, timeout=PATIENCE) == "success"
        waited = results(api, run, "chunk.wait")
        assert all("no triggerer answered" in one["reason"] for one in waited)
        assert all(one["in_time"] for one in waited)
        assert in_order_and_apart(results(api, run, "chunk.train"))
    finally:
        airflow.start_component("triggerer")
        airflow.wait_healthy()
