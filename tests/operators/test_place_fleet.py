"""Placing many tasks from a DAG."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.task_context import task_context

from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError, UnknownZoneError

pytestmark = pytest.mark.airflow

REGIONS = ["aws:us-east-1", "azure:germanywestcentral", "azure:swedencentral"]
HOUR = timedelta(hours=1)


def placed(context: dict[str, Any] | None = None, **asked: Any) -> list[dict[str, Any]]:
    from airflow_carbon.operators.place_fleet import PlaceFleetOperator

    fields = {"regions": REGIONS, "tasks": 100, "duration": "30m", "capacity": 400, "deadline": "12h", **asked}
    return PlaceFleetOperator(task_id="plan", **fields).execute(context or task_context())


def own_source(monkeypatch: pytest.MonkeyPatch, folder: Path, clean_hour: int) -> datetime:
    """Connect a series with one clean hour, and give the moment of its first row."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows = [f"{(now + hour * HOUR).isoformat()},{10 if hour == clean_hour else 100}" for hour in range(24)]
    (folder / "own.csv").write_text("\n".join(["timestamp,intensity", *rows]))
    extra = {"path": str(folder / "own.csv")}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    return now


def test_all_go_to_the_cleanest_region_while_it_has_room() -> None:
    batches = placed(capacity={"azure:swedencentral": 60, "aws:us-east-1": 500, "azure:germanywestcentral": 500})
    assert [(each["region"], each["count"]) for each in batches] == [
        ("azure:swedencentral", 60),
        ("azure:swedencentral", 40),
    ]
    assert json.loads(json.dumps(batches)) == batches


def test_each_batch_knows_which_tasks_are_its_own() -> None:
    batches = placed(batch_size=30, tasks=100)
    assert [(each["index"], each["first"], each["last"], each["count"]) for each in batches] == [
        (0, 0, 29, 30),
        (1, 30, 59, 30),
        (2, 60, 89, 30),
        (3, 90, 99, 10),
    ]


def test_batches_wait_for_the_clean_hour(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begin = own_source(monkeypatch, tmp_path, clean_hour=5)
    context = task_context()
    batches = placed(context, carbon_conn_id="mine", regions=REGIONS[:1], slot="5m", duration="5m")
    assert {each["count"] for each in batches} == {100}
    assert begin + 5 * HOUR <= datetime.fromisoformat(batches[0]["start"])
    assert datetime.fromisoformat(batches[0]["end"]) <= begin + 6 * HOUR
    record = context["ti"].xcoms["carbon_decision"]
    assert record["promised_saving_percent"] == pytest.approx(90.0)
    assert record["baseline_g"] == pytest.approx(10 * record["emitted_g"])
    assert record["exact"]
    assert json.loads(json.dumps(record)) == record


def test_classes_keep_to_their_own_limits() -> None:
    classes = [
        {"name": "frames", "count": 50, "regions": ["aws:us-east-1"], "cores": 4},
        {"name": "films", "count": 10, "duration": "2h", "deadline": "3h"},
    ]
    batches = placed(tasks=classes)
    assert {(each["class"], each["region"]) for each in batches} == {
        ("frames", "aws:us-east-1"),
        ("films", "azure:swedencentral"),
    }
    films = next(each for each in batches if each["class"] == "films")
    assert datetime.fromisoformat(films["end"]) - datetime.fromisoformat(films["start"]) == 2 * HOUR
    assert datetime.fromisoformat(films["end"]) < datetime.now(UTC) + 3 * HOUR


def test_lists_and_mappings_among_the_params_are_read_as_the_templates_render_them() -> None:
    from airflow.sdk import DAG

    from airflow_carbon.operators.place_fleet import PlaceFleetOperator

    params = {
        "regions": ["azure:uksouth", "azure:swedencentral"],
        "cores": {"azure:uksouth": 100, "azure:swedencentral": 4},
        "classes": [{"name": "frames", "count": 10, "duration": "3m"}],
    }
    fields = {"regions": "{{ params.regions }}", "capacity": "{{ params.cores }}", "tasks": "{{ params.classes }}"}
    with DAG("fleet", schedule=None):
        task = PlaceFleetOperator(task_id="plan", deadline="4h", slot="15m", **fields)
    context = task_context()
    task.render_template_fields({**context, "params": params})
    batches = task.execute(context)
    assert {each["region"] for each in batches} <= set(params["regions"])
    assert sum(each["count"] for each in batches) == 10


def test_no_batch_may_start_too_late_for_the_deadline() -> None:
    run_after = datetime.now(UTC)
    for each in placed(task_context(run_after=run_after), capacity=10, slot="1h", duration="50m"):
        start, latest, limit = (datetime.fromisoformat(each[name]) for name in ("start", "latest_start", "limit"))
        assert start <= latest <= limit == run_after + 12 * HOUR - timedelta(minutes=50)


def test_a_queue_that_is_there_delays_a_region() -> None:
    batches = placed(backlog={"azure:swedencentral": "13h"})
    assert "azure:swedencentral" not in {each["region"] for each in batches}


def test_fields_may_be_texts_as_params_and_templates_give_them() -> None:
    batches = placed(
        regions=", ".join(REGIONS),
        tasks="[{'name': 'a', 'count': 3}]".replace("'", '"'),
        capacity='{"aws:us-east-1": 1, "azure:germanywestcentral": 1, "azure:swedencentral": 5}',
        backlog="2h",
        batch_size="2",
        cores="1",
    )
    assert [(each["region"], each["count"]) for each in batches] == [
        ("azure:swedencentral", 2),
        ("azure:swedencentral", 1),
    ]
    assert placed(tasks="7")[0]["count"] == 7


def test_an_outage_falls_back_to_annual_averages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    extra = {"path": str(tmp_path / "absent.csv")}
    monkeypatch.setenv("AIRFLOW_CONN_GONE", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    context = task_context()
    assert {each["region"] for each in placed(context, carbon_conn_id="gone")} == {"azure:swedencentral"}
    assert {each["kind"] for each in context["ti"].xcoms["carbon_decision"]["regions"]} == {"annual average"}


def test_a_series_that_ends_too_soon_does_not_fail_the_task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own_source(monkeypatch, tmp_path, clean_hour=2)
    context = task_context()
    # Thirty hours of work at ten cores, of which the series covers no more than a day.
    batches = placed(
        context, carbon_conn_id="mine", regions=REGIONS[:1], tasks=300, duration="1h", capacity=10, deadline="40h"
    )
    assert sum(each["count"] for each in batches) == 300
    assert "as soon as they can" in context["ti"].xcoms["carbon_decision"]["reason"]
    assert all(each["start"] <= each["limit"] for each in batches)


def test_where_carbon_is_off_or_watched_all_start_as_soon_as_they_can() -> None:
    for mode in ("off", "shadow"):
        context = task_context()
        batches = placed(context, carbon_mode=mode, capacity=70)
        assert [(each["region"], each["count"]) for each in batches] == [
            ("aws:us-east-1", 70),
            ("azure:germanywestcentral", 30),
        ]
        record = context["ti"].xcoms["carbon_decision"]
        assert record["mode"] == mode
        assert (record["emitted_g"] is None) == (mode == "off")


def test_a_late_scheduler_does_not_fail_the_task() -> None:
    context = task_context(run_after=datetime.now(UTC) - 3 * HOUR)
    batches = placed(context, deadline="2h")
    assert sum(each["count"] for each in batches) == 100
    assert datetime.fromisoformat(batches[0]["start"]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"regions": []}, "regions"),
        ({"regions": ["azure:swedencentrall"]}, "did you mean azure:swedencentral"),
        ({"regions": ["azure:swedencentral", "azure:swedencentral"]}, "regions.*twice"),
        ({"tasks": 0}, "tasks: tasks: count"),
        ({"tasks": [{"count": 5}]}, "tasks: class 1"),
        ({"tasks": [{"name": "a", "count": 5, "cpus": 5}]}, "tasks: class 1.*cpus"),
        ({"tasks": [{"name": "a", "count": 1.5}]}, "tasks: a: count"),
        ({"tasks": []}, "tasks: there is none"),
        ({"duration": None}, "duration: none is given"),
        ({"duration": "0m"}, "duration"),
        ({"capacity": {"aws:us-east-1": 5}}, "capacity: region azure:germanywestcentral has none"),
        ({"capacity": "many"}, "capacity"),
        ({"backlog": "long"}, "backlog"),
        ({"backlog": {"azure:swedencentrall": "1h"}}, "backlog: 'azure:swedencentrall' is none of the regions"),
        ({"capacity": "{'aws:us-east-1': "}, "capacity: .* is neither JSON nor a Python literal"),
        ({"batch_size": 0}, "batch_size"),
        ({"slot": "0m"}, "slot"),
        ({"deadline": "10m"}, "100 of tasks do not"),
        ({"capacity": 1}, r"36 of 100 tasks find room"),
        ({"carbon_mode": "loud"}, "carbon_mode"),
        ({"carbon_conn_id": "nowhere"}, "'nowhere' is not defined"),
    ],
)
def test_bad_input_is_refused_by_name(asked: dict[str, Any], fault: str) -> None:
    with pytest.raises((InvalidRequestError, NoFeasibleWindowError, UnknownZoneError), match=fault):
        placed(**asked)


@pytest.mark.parametrize("asked", [{}, {"frames": 20_000, "deadline": "2h", "slot": "3m"}])
def test_the_example_plans_every_frame_and_scene_once(repository: Path, asked: dict[str, Any]) -> None:
    from airflow.dag_processing.dagbag import DagBag

    dag = DagBag(str(repository / "example_dags" / "place_a_fleet.py")).dags["place_a_fleet"]
    params = {name: asked.get(name, dag.params[name]) for name in dag.params}
    context = {**task_context(), "params": params}
    plan = dag.get_task("plan")
    plan.render_template_fields(context)
    batches = plan.execute(context)
    for name in ("frames", "scenes"):
        mine = [each for each in batches if each["class"] == name]
        assert [number for each in mine for number in range(each["first"], each["last"] + 1)] == list(
            range(params[name])
        )
    assert all(each["count"] <= params["batch_size"] for each in batches)
