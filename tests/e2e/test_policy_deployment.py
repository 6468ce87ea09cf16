"""A deployment of twenty DAGs under a policy, whose file breaks while tasks run and wait."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_carbon.cli.local_airflow import LocalAirflow

if TYPE_CHECKING:
    from airflow_carbon.cli.airflow_api import AirflowApi

DAGS = Path(__file__).parent / "policed"
SHADOWED = [f"shadowed_{number}" for number in range(16)]
ALL = [*SHADOWED, "opted_out", "nobodys", "its_own", "enforced"]

RULES = """
defaults:
  location: zone:GB
  duration: 1m
rules:
  - match: {tags: [enforced]}
    max_delay: 6m
    mode: enforce
  - name: batch
    match: {tags: [batch], owner: "*"}
    max_delay: 8h
"""
BROKEN = RULES.replace("max_delay: 8h", "max_dellay: 8h")


@pytest.fixture(scope="module")
def policed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    home = tmp_path_factory.mktemp("policed")
    (home / "carbon.yaml").write_text(RULES)
    environment = {
        "AIRFLOW__CARBON__POLICY_FILE": str(home / "carbon.yaml"),
        # So long lives each wait, and the file breaks meanwhile.
        "AIRFLOW__CARBON__MIN_DEFER": "60s",
        "AIRFLOW__CARBON__START_MARGIN": "60s",
        # Twenty DAGs at once would starve a small machine.
        "AIRFLOW__CORE__PARALLELISM": "3",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
    }
    with ExitStack() as stack:
        yield stack.enter_context(LocalAirflow(home / "airflow", dags=[DAGS], environment=environment))


@pytest.fixture(scope="module")
def runs(policed: LocalAirflow) -> dict[str, tuple[str, str]]:
    """Run half of the DAGs, break the file while the enforced one waits, and run the other half; each one's end."""
    api = policed.api
    for dag_id in ALL:
        api.wait_for_dag(dag_id, timeout=120)
    assert api.import_errors() == []
    first = [*SHADOWED[:6], "opted_out"]
    started = {dag_id: api.trigger(dag_id) for dag_id in first}
    for dag_id in first:
        api.wait_for_run(dag_id, started[dag_id], timeout=300)
    started["enforced"] = api.trigger("enforced")
    for task_id, index in (("work", -1), ("many", 0), ("many", 1)):
        run = started["enforced"]
        api.wait_for_task("enforced", run, task_id, map_index=index, states=("deferred",), timeout=120)
    broken = policed.home.parent / "carbon.yaml"
    broken.write_text(BROKEN)
    started |= {dag_id: api.trigger(dag_id) for dag_id in ALL if dag_id not in started}
    return {dag_id: (run, api.wait_for_run(dag_id, run, timeout=400)) for dag_id, run in started.items()}


def decision(api: AirflowApi, dag_id: str, run: str, task: str = "work", index: int = -1) -> Any:
    return api.xcom(dag_id, run, task, "carbon_decision", map_index=index)


def test_every_dag_loads_and_every_run_succeeds_whatever_becomes_of_the_file(
    policed: LocalAirflow, runs: dict[str, tuple[str, str]]
) -> None:
    assert {dag_id: state for dag_id, (_, state) in runs.items()} == dict.fromkeys(ALL, "success")
    assert policed.api.import_errors() == []


def test_what_would_have_been_done_is_recorded_and_nothing_waits_in_shadow(
    policed: LocalAirflow, runs: dict[str, tuple[str, str]]
) -> None:
    for dag_id in SHADOWED[:6]:
        index = 0 if dag_id in ("shadowed_3",) else -1
        record = decision(policed.api, dag_id, runs[dag_id][0], index=index)
        assert record["mode"] == "shadow"
        assert record["reason"].startswith("shadow, not delayed: ")
        assert record["location"] == "zone:GB"
    kept = json.loads(policed.airflow("carbon", "ledger", "export", "decisions", "--format", "json"))
    assert {one["dag_id"] for one in kept if one["action"] == "shadow"} >= set(SHADOWED[:6])


def test_an_opted_out_dag_and_one_that_no_rule_means_decide_nothing(
    policed: LocalAirflow, runs: dict[str, tuple[str, str]]
) -> None:
    for dag_id in ("opted_out", "nobodys"):
        with pytest.raises(Exception, match="404"):
            decision(policed.api, dag_id, runs[dag_id][0])


def test_a_task_that_waited_when_the_file_broke_did_its_work_once_and_its_decision_is_kept(
    policed: LocalAirflow, runs: dict[str, tuple[str, str]]
) -> None:
    run = runs["enforced"][0]
    for task_id, index in (("work", -1), ("many", 0), ("many", 1)):
        one = policed.api.task_instance("enforced", run, task_id, map_index=index)
        assert (one["state"], one["try_number"]) == ("success", 1)
        record = decision(policed.api, "enforced", run, task_id, index)
        assert record["mode"] == "enforce"
        assert record["location"].startswith("zone:")
        assert record["in_time"] is True
    assert policed.api.xcom("enforced", run, "many", map_index=1) == 7


def test_while_the_file_is_broken_nothing_waits_and_the_logs_name_line_and_key(
    policed: LocalAirflow, runs: dict[str, tuple[str, str]]
) -> None:
    fault = "line 11, rules[2].max_dellay: is no key here; did you mean 'max_delay'?"
    run = runs["shadowed_10"][0]
    with pytest.raises(Exception, match="404"):
        decision(policed.api, "shadowed_10", run)
    assert fault in policed.api.log("shadowed_10", run, "work")
    logs = [path for path in (policed.home / "logs").rglob("*.log") if "dag_processor" in str(path)]
    assert any(fault in path.read_text(errors="replace") for path in logs)


def test_once_corrected_the_file_rules_again(policed: LocalAirflow, runs: Any) -> None:
    (policed.home.parent / "carbon.yaml").write_text(RULES)
    run = policed.api.trigger("shadowed_10")
    assert policed.api.wait_for_run("shadowed_10", run, timeout=200) == "success"
    assert decision(policed.api, "shadowed_10", run)["mode"] == "shadow"
