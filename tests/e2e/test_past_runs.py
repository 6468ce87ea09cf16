"""A DAG's own past runs, read from a real Airflow and replayed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes.backtests import hourly

from airflow_carbon.cli.airflow_login import PASSWORD, TOKEN
from airflow_carbon.cli.main import main

if TYPE_CHECKING:
    from airflow_carbon.cli.airflow_api import AirflowApi
    from airflow_carbon.cli.local_airflow import LocalAirflow

DAG_ID = "smoke"


@pytest.fixture(scope="module")
def runs(api: AirflowApi) -> list[str]:
    """Let the DAG succeed twice."""
    api.wait_for_dag(DAG_ID)
    triggered = [api.trigger(DAG_ID) for _ in range(2)]
    assert [api.wait_for_run(DAG_ID, run, timeout=300) for run in triggered] == ["success", "success"]
    return triggered


@pytest.mark.parametrize("task", [(), ("--task", "greet")])
def test_past_runs_of_a_real_airflow_are_replayed(
    task: tuple[str, ...],
    airflow: LocalAirflow,
    runs: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    monkeypatch.setenv(PASSWORD, airflow.passwords["admin"])
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    # Dirty until the hour after this one: a run that may wait for it saves two thirds, whenever it was ready.
    file = hourly(tmp_path / "hours.csv", "intensity", [300] * 5 + [100] * 5, first=hour - timedelta(hours=3))
    asked = ["--dag", DAG_ID, "--url", airflow.url, "--user", "admin", "--csv", str(file), "--history", "2h"]
    assert main(["backtest", *asked, *task, "--knowing", "perfect", "--max-delay", "3h", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    # Others may have run it too.
    assert said["total"]["jobs"] >= len(runs)
    assert said["total"]["shifted"] == said["total"]["jobs"]
    assert said["total"]["reduction_percent"] == pytest.approx(100 * 2 / 3, abs=1e-3)
    assert f"{'task greet' if task else 'whole runs'} of DAG {DAG_ID}, " in said["what"]


def test_a_wrong_password_is_told_in_one_line(
    airflow: LocalAirflow, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    monkeypatch.setenv(PASSWORD, "not-this-one")
    asked = ["--dag", DAG_ID, "--url", airflow.url, "--user", "admin", "--csv", "none.csv"]
    assert main(["backtest", *asked]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"log in to {airflow.url} as admin: 401" in told
    assert "not-this-one" not in told
