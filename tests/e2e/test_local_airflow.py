from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from airflow_carbon.cli.airflow_api import AirflowApi, poll
from airflow_carbon.cli.local_airflow import LocalAirflow
from airflow_carbon.exceptions import LocalAirflowError

DAGS = Path(__file__).parent / "dags"

# Starts the scheduler of an Airflow, says who runs, and waits to be ended.
KEEPER = """
import json, sys, time
from pathlib import Path
from airflow_carbon.cli.local_airflow import LocalAirflow

airflow = LocalAirflow(Path(sys.argv[1]), dags=[Path(sys.argv[2])], components=["scheduler"])
with airflow:
    while len(airflow.processes()) < 3:
        time.sleep(0.2)
    print(json.dumps([process.pid for process in airflow.processes()]), flush=True)
    time.sleep(120)
"""


def test_all_four_components_are_healthy(api: AirflowApi) -> None:
    health = api.health()
    assert {name: part["status"] for name, part in health.items()} == {
        "metadatabase": "healthy",
        "scheduler": "healthy",
        "triggerer": "healthy",
        "dag_processor": "healthy",
    }


def test_every_dag_file_of_the_repository_is_imported_without_an_error(api: AirflowApi, repository: Path) -> None:
    files = {file.name for folder in ("example_dags", "tests/e2e/dags") for file in (repository / folder).glob("*.py")}

    def read() -> bool | None:
        dags = api.request("GET", "dags", query={"limit": 100})["dags"]
        seen = {dag["relative_fileloc"] for dag in dags} | {
            Path(error["filename"]).name for error in api.import_errors()
        }
        return files <= seen or None

    poll(read, what=f"{files} to be parsed", timeout=60)
    assert api.import_errors() == []


def test_a_run_succeeds_and_its_xcom_is_read_through_the_api(api: AirflowApi) -> None:
    api.wait_for_dag("smoke")
    run = api.trigger("smoke", {"greeting": "good day"})
    assert api.wait_for_run("smoke", run) == "success"
    assert api.xcom("smoke", run, "greet") == {"greeting": "good day", "numbers": [1, 2.5]}
    assert "Returned value was" in api.log("smoke", run, "greet")
    assert [instance["state"] for instance in api.task_instances("smoke", run)] == ["success"]


def test_ids_with_slashes_and_plus_signs_reach_the_server_unharmed(api: AirflowApi) -> None:
    api.wait_for_dag("smoke")
    run = api.trigger("smoke", run_id="a:b+c~d")
    assert api.run("smoke", run)["dag_run_id"] == "a:b+c~d"
    with pytest.raises(LocalAirflowError, match="404"):
        api.run("smoke", "no/such?run")


def test_a_wrong_password_is_refused_by_name(airflow: LocalAirflow) -> None:
    stranger = AirflowApi(airflow.url, "admin", "guess")
    with pytest.raises(LocalAirflowError, match=r"log in .* as admin: 401"):
        stranger.import_errors()


def test_waiting_in_vain_tells_what_for_and_where_it_stands(api: AirflowApi) -> None:
    api.wait_for_dag("smoke_sleep")
    run = api.trigger("smoke_sleep")
    with pytest.raises(TimeoutError, match=r"task sleep to be success; it is"):
        api.wait_for_task("smoke_sleep", run, "sleep", states={"success"}, timeout=1)
    with pytest.raises(TimeoutError, match=r"smoke_sleep to be success; tasks: \{'sleep': "):
        api.wait_for_run("smoke_sleep", run, states={"success"}, timeout=1)
    api.request("PATCH", "dags", "smoke_sleep", "dagRuns", run, body={"state": "failed"})
    assert api.wait_for_run("smoke_sleep", run) == "failed"


def test_a_killed_triggerer_is_well_again_only_when_the_new_one_lives(airflow: LocalAirflow) -> None:
    airflow.kill("triggerer", signal.SIGKILL)
    with pytest.raises(LocalAirflowError, match="triggerer does not run; running: "):
        airflow.kill("triggerer")
    before = airflow.api.health()["triggerer"]
    airflow.start_component("triggerer")
    airflow.wait_healthy()
    assert airflow.api.health()["triggerer"]["latest_triggerer_heartbeat"] > before["latest_triggerer_heartbeat"]
    with pytest.raises(LocalAirflowError, match="triggerer runs already"):
        airflow.start_component("triggerer")


def test_stopping_in_the_middle_of_a_task_leaves_no_process_behind(
    another_airflow: Callable[..., LocalAirflow],
) -> None:
    airflow = another_airflow(dags=[DAGS], components=["scheduler", "dag-processor", "api-server"])
    airflow.api.wait_for_dag("smoke_sleep")
    run = airflow.api.trigger("smoke_sleep")
    airflow.api.wait_for_task("smoke_sleep", run, "sleep", states={"running"})

    def commands() -> list[psutil.Process] | None:
        return [process for process in airflow.processes() if process.name() == "sleep"] or None

    # The command of a BashOperator begins a session of its own: no signal to a group finds it.
    (command,) = poll(commands, what="the task's own command", timeout=60)
    running = airflow.processes()
    assert os.getsid(command.pid) == command.pid
    assert len(running) > 5
    airflow.stop()
    assert airflow.processes() == []
    assert [process for process in running if process.is_running() and process.status() != "zombie"] == []


def test_a_component_that_dies_is_told_at_once_with_the_end_of_its_log(tmp_path: Path) -> None:
    airflow = LocalAirflow(tmp_path, dags=[], components=["api-server"], database_url="no-such-database://")
    airflow.start()
    try:
        with pytest.raises(
            LocalAirflowError, match=r"(?s)api-server ended with 1; its log ends:.*Could not parse SQLAlchemy URL"
        ):
            airflow.wait_healthy(timeout=60)
    finally:
        airflow.stop()


def test_sigterm_to_the_parent_stops_its_airflow_too(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", KEEPER, str(tmp_path), str(DAGS)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent:
        children = json.loads(parent.stdout.readline())
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(60) == 128 + signal.SIGTERM
    gone = time.monotonic() + 5
    while time.monotonic() < gone and any(_lives(pid) for pid in children):
        time.sleep(0.1)
    assert [pid for pid in children if _lives(pid)] == []


def test_nothing_of_the_surrounding_airflow_leaks_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SECRET", "http://somewhere")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    airflow = LocalAirflow(tmp_path, dags=[], environment={"AIRFLOW_CONN_OURS": "http://here"})
    assert "AIRFLOW_CONN_SECRET" not in airflow.environment
    assert "AIRFLOW__CORE__EXECUTOR" not in airflow.environment
    assert airflow.environment["AIRFLOW_CONN_OURS"] == "http://here"
    assert airflow.environment["AIRFLOW_HOME"] == str(tmp_path)


def test_its_secrets_are_long_and_kept_from_other_users_and_for_the_next_start(tmp_path: Path) -> None:
    first = LocalAirflow(tmp_path, dags=[], users={"admin": "admin", "guest": "viewer"})
    again = LocalAirflow(tmp_path, dags=[], users={"admin": "admin", "guest": "viewer"}, passwords={"guest": "welcome"})
    assert len(first.environment["AIRFLOW__API_AUTH__JWT_SECRET"]) >= 64
    assert len(first.passwords["admin"]) >= 12
    assert first.passwords["admin"] != first.passwords["guest"]
    assert again.passwords == {"admin": first.passwords["admin"], "guest": "welcome"}
    assert again.environment["AIRFLOW__CORE__FERNET_KEY"] == first.environment["AIRFLOW__CORE__FERNET_KEY"]
    for file in ("passwords.json", "fernet.key"):
        assert (tmp_path / file).stat().st_mode & 0o077 == 0
    for secret in (*first.passwords.values(), first.environment["AIRFLOW__CORE__FERNET_KEY"]):
        assert secret not in repr(first) + repr(first.api)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
