"""The doctor, on an Airflow of its own that has just been made, and on none at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.airflow


@dataclass(frozen=True)
class Patient:
    """An AIRFLOW_HOME."""

    home: Path

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.lstrip("_").startswith("AIRFLOW")}
        database = f"sqlite:///{self.home / 'airflow.db'}"
        own = {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        }
        return subprocess.run(
            [sys.executable, "-m", *words], capture_output=True, text=True, env={**kept, **own, **more}, check=False
        )

    def doctor(self, *argv: str, **more: str) -> tuple[int, Mapping[str, Any]]:
        done = self.run("airflow_carbon.cli.main", "doctor", *argv, "--json", **more)
        said = json.loads(done.stdout)
        assert done.returncode == (0 if said["healthy"] else 1)
        return done.returncode, {one["check"]: one for one in said["checks"]}


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    """Make a database, and a good and a broken connection in it."""
    own = Patient(tmp_path_factory.mktemp("airflow"))
    # Four days in half hours, clean at night.
    rows = [
        f"2020-03-{1 + row // 48:02d}T{row % 48 // 2:02d}:{row % 2 * 30:02d}Z,{90 if row % 48 < 12 else 180}"
        for row in range(4 * 48)
    ]
    (own.home / "series.csv").write_text("\n".join(["timestamp,intensity", *rows]) + "\n")
    connections = {
        name: {"conn_type": "carbon_history", "extra": json.dumps({"path": str(own.home / file), "replay": "now"})}
        for name, file in (("good", "series.csv"), ("broken", "absent.csv"))
    }
    (own.home / "connections.json").write_text(json.dumps(connections))
    for words in (("db", "migrate"), ("connections", "import", str(own.home / "connections.json"))):
        done = own.run("airflow", *words)
        assert done.returncode == 0, done.stderr
    return own


@pytest.fixture(scope="module")
def checks(patient: Patient) -> Mapping[str, Any]:
    """Let the doctor look at it once, by the good connection, with one more in the environment."""
    location = ("--conn-id", "good", "--location", "azure:germanywestcentral")
    return patient.doctor(*location, AIRFLOW_CONN_FROM_OUTSIDE='{"conn_type": "carbon_typical"}')[1]


def test_connections_of_the_database_and_of_the_environment_are_asked(checks: Mapping[str, Any]) -> None:
    assert checks["database"]["health"] == "ok"
    assert checks["connection good"]["health"] == "ok"
    assert checks["connection from_outside"]["health"] == "ok"
    assert checks["connection broken"]["health"] == "fail"
    assert "absent.csv cannot be read" in checks["connection broken"]["said"]


def test_a_triggerer_that_does_not_run_is_a_warning_that_says_what_follows(checks: Mapping[str, Any]) -> None:
    for name in ("scheduler", "dag-processor", "triggerer"):
        assert checks[name]["health"] == "warn"
        assert checks[name]["remedy"] == f"run `airflow {name}`"
    assert "it runs at its latest start" in checks["triggerer"]["said"]


def test_a_named_connection_serves_the_location(checks: Mapping[str, Any]) -> None:
    assert checks["location"]["health"] == "ok"
    assert "azure:germanywestcentral lies in zone series, 3 d known ahead: a forecast" in checks["location"]["said"]
    assert checks["plan"]["said"].startswith("a run of 1 h that may wait 12 h")


def test_what_is_not_defined_or_not_valid_fails_by_name(patient: Patient) -> None:
    status, checks = patient.doctor(
        "--conn-id", "nowhere", AIRFLOW__CARBON__MODE="loud", AIRFLOW__CORE__TEST_CONNECTION="Enabled"
    )
    assert status == 1
    assert "connection 'nowhere' is not defined" in checks["connection nowhere"]["said"]
    assert "'loud' must be one of enforce, shadow, off" in checks["options"]["said"]
    assert checks["location"]["health"] == "fail"
    assert checks["test button"]["said"] == "[core] test_connection is Enabled"


def test_without_a_database_it_says_how_to_make_one(tmp_path: Path) -> None:
    done = Patient(tmp_path).run("airflow_carbon.cli.main", "doctor")
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    fault = next(row for row, line in enumerate(lines) if line.startswith("fail  database: "))
    assert lines[fault + 1].startswith("      -> run `airflow db migrate`")
    assert any(line.startswith("warn  connections: no carbon connection is defined") for line in lines)
    assert any(line.startswith("ok    plan: ") for line in lines)
    assert lines[-1].endswith("failed")
    assert "\x1b" not in done.stdout


def test_under_airflow_the_document_stands_alone_on_stdout(patient: Patient) -> None:
    try:
        distribution("airflow-provider-carbon")
    except PackageNotFoundError:
        pytest.skip("the package is not installed, so Airflow cannot discover it")
    done = patient.run("airflow", "carbon", "window", "zone:DE", "--duration", "1h", "--conn-id", "good", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["source"].startswith("history")
