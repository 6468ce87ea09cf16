from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fakes.backtests import BEGINS, HOUR, hourly, refused_with, said_by, twelve_days
from fakes.past_airflow import Airflow, instance, past_airflow

from airflow_carbon.cli import past_runs
from airflow_carbon.cli.airflow_login import PASSWORD, TOKEN, connected
from airflow_carbon.cli.main import main
from airflow_carbon.cli.pages import PAGE


@pytest.fixture
def days(tmp_path: Path) -> Path:
    return twelve_days(tmp_path)


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve an Airflow of which a good token is known."""
    monkeypatch.delenv(PASSWORD, raising=False)
    monkeypatch.setenv(TOKEN, "good")
    with past_airflow() as url:
        yield url


def asked_of(url: str, file: Path, *more: str) -> list[str]:
    now = (BEGINS + timedelta(days=11)).isoformat()
    return ["--csv", str(file), "--dag", "nightly_training", "--url", url, "--now", now, *more]


def test_past_runs_of_a_task_are_shifted_within_the_delay(
    airflow: str, days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Ready at 04:00 on three days after the week that teaches; the clean hours begin two hours later.
    Airflow.instances = [instance("train", 24 * day + 4, 2) for day in (7, 8, 9)]
    Airflow.instances += [
        instance("train", 24 * 7 + 12, 2, state="failed"),
        instance("wait", 24 * 7, 4, operator="CarbonAwareSensor"),
    ]
    said = json.loads(said_by(capsys, *asked_of(airflow, days, "--task", "train", "--max-delay", "3h", "--json")))
    assert said["total"]["jobs"] == said["total"]["shifted"] == 3
    assert said["total"]["reduction_percent"] == pytest.approx(100 * 2 / 3, abs=1e-3)
    assert "task train of DAG nightly_training" in said["what"]
    assert any("deferrable operator counts in full" in one for one in said["assumed"])


def test_a_run_without_a_task_is_one_job_and_its_sensors_are_no_work(
    airflow: str, days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = 24 * 8
    Airflow.instances = [
        instance("wait", at, 4, run="one", operator="CarbonAwareSensor"),
        instance("load", at + 4, 0.5, run="one"),
        instance("train", at + 4.5, 1.5, run="one"),
    ]
    asked = asked_of(airflow, days, "--max-delay", "3h")
    said = json.loads(said_by(capsys, *asked, "--json"))
    assert (said["total"]["jobs"], said["total"]["reduction_percent"]) == (1, pytest.approx(66.667))
    assert "whole runs of DAG nightly_training, 2 h in the middle" in said["what"]
    text = said_by(capsys, *asked)
    assert "assumed: sensors wait and compute nothing, so they are left out: wait" in text
    assert "assumed: a run is one piece, from the start of its first task to the end of its last" in text


def test_a_run_is_cut_where_a_sensor_alone_ran(airflow: str, days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = 24 * 8
    Airflow.instances = [
        instance("load", at, 0.5, run="one"),
        instance("wait", at + 0.51, 8, run="one", operator="CarbonAwareSensor"),
        instance("train", at + 8.52, 1, run="one"),
        # Here the sensor waits beside work, and a pause has none: both runs are one piece.
        instance("load", at + 24, 4, run="two"),
        instance("wait", at + 24, 3.5, run="two", operator="CarbonAwareSensor"),
        instance("train", at + 28.1, 1, run="two"),
        instance("load", at + 36, 1, run="three"),
        instance("train", at + 37.2, 1, run="three"),
    ]
    found = past_runs.read(
        connected(Namespace(url=airflow, user=None)), "nightly_training", None, since=BEGINS,
        until=BEGINS + timedelta(days=11), max_delay=HOUR,
    )  # fmt: skip
    assert [(one.ready_at, one.duration) for one in found.jobs] == [
        (BEGINS + at * HOUR, HOUR / 2),
        (BEGINS + (at + 8.52) * HOUR, HOUR),
        (BEGINS + (at + 24) * HOUR, 5.1 * HOUR),
        (BEGINS + (at + 36) * HOUR, 2.2 * HOUR),
    ]
    assert found.what.startswith("3 runs, cut where sensors alone ran, of DAG nightly_training, ")
    assert any(one.startswith("where sensors alone ran between two tasks, the run is cut") for one in found.assumed)


def test_a_run_that_failed_or_was_cut_off_is_no_job(
    airflow: str, days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = 24 * 8
    Airflow.instances = [
        instance("load", at, 1, run="good"),
        instance("train", at + 1, 1, run="good"),
        instance("load", at + 5, 1, run="bad"),
        instance("train", at + 6, 1, run="bad", state="failed"),
        instance("load", at + 10, 1, run="going on"),
        # This one began before what is looked at.
        instance("load", 24 - 1, 0.5, run="early"),
        instance("train", 24 + 1, 1, run="early"),
    ]
    Airflow.runs = {"bad": "failed", "going on": "running"}
    found = past_runs.read(
        connected(Namespace(url=airflow, user=None)), "nightly_training", None, since=BEGINS + 24 * HOUR,
        until=BEGINS + timedelta(days=11), max_delay=HOUR,
    )  # fmt: skip
    assert [(one.ready_at, one.duration) for one in found.jobs] == [(BEGINS + at * HOUR, 2 * HOUR)]


@pytest.mark.parametrize("task", [(), ("--task", "train")])
def test_an_airflow_that_grants_smaller_pages_loses_no_run(
    task: tuple[str, ...], airflow: str, days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Airflow.instances = [instance("train", 24 * 7 + index, 0.5) for index in range(20)]
    Airflow.page = 7
    said = json.loads(said_by(capsys, *asked_of(airflow, days, *task, "--max-delay", "3h", "--json")))
    assert said["total"]["jobs"] == 20
    assert sum("taskInstances" in path for path in Airflow.asked) == 3


def test_runs_beyond_the_most_are_told_and_no_run_is_read_in_part(airflow: str, days: Path) -> None:
    Airflow.instances = [
        instance(task, 24 * 7 + 4 * run + at, 1, run=f"run {run}")
        for run in range(6)
        for at, task in enumerate(("load", "train"))
    ]
    found = past_runs.read(
        connected(Namespace(url=airflow, user=None)), "nightly_training", None, since=BEGINS,
        until=BEGINS + timedelta(days=11), max_delay=3 * HOUR, most=7,
    )  # fmt: skip
    # Seven instances are three runs and half of the fourth, which would be a job of half its length.
    assert [one.duration for one in found.jobs] == [2 * HOUR] * 3
    assert "of 12 task instances the newest 7 were read" in found.assumed


def test_a_misspelt_dag_is_looked_for_on_every_page(
    airflow: str, days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Airflow.dags = [*(f"other_{index}" for index in range(9)), "nightly_training"]
    Airflow.page = 4
    argv = asked_of(airflow, days)
    argv[argv.index("nightly_training")] = "nightly_trainin"
    assert "did you mean 'nightly_training'?" in refused_with(capsys, *argv)


def test_jobs_are_replayed_in_the_part_of_the_file_in_which_they_ran(
    airflow: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = hourly(tmp_path / "gap.csv", "intensity", [300, 100] * 36, without=(30, 31))
    Airflow.instances = [instance("train", hour, 1) for hour in (10, 29, 30, 40, 50, 71)]
    asked = asked_of(airflow, file, "--task", "train", "--max-delay", "1h", "--knowing", "perfect", "--json")
    said = json.loads(said_by(capsys, *asked))
    # At hour 29 a job might run into the gap, at 30 it is in it, and at 71 the file ends before its latest finish.
    assert (said["total"]["jobs"], said["total"]["shifted"], said["unknown_jobs"]) == (3, 3, 3)
    assert said["total"]["reduction_percent"] == pytest.approx(66.667, abs=1e-3)


def test_chunks_must_fit_the_longest_past_run(airflow: str, days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Airflow.instances = [instance("train", 24 * 8, 2), instance("train", 24 * 9, 3)]
    asked = asked_of(airflow, days, "--task", "train", "--max-chunks", "2", "--min-chunk")
    assert "no run of 3 h holds two chunks of 2 h" in refused_with(capsys, *asked, "2h")
    assert "jobs" in said_by(capsys, *asked, "90m")


@pytest.mark.airflow
def test_a_source_is_asked_for_no_more_than_the_runs_need(
    airflow: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Soon after the latest finish there is a gap, and most of what was measured lies behind it: asked for the time
    # until now, the source would answer from there.
    file = hourly(tmp_path / "holed.csv", "intensity", [300, 100] * (11 * 12), without=(8 * 24 + 10,))
    extra = {"path": str(file), "gaps": "split"}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    Airflow.instances = [instance("train", 24 * 8 + at, 1) for at in (0, 4)]
    asked = asked_of(airflow, file, "--task", "train", "--max-delay", "3h", "--knowing", "perfect", "--json")
    asked[asked.index("--csv") : asked.index("--csv") + 2] = ["zone:DE", "--conn-id", "mine"]
    assert main(["backtest", *asked]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["total"]["jobs"], said["total"]["shifted"], said["unknown_jobs"]) == (2, 2, 0)


def test_more_instances_than_a_page_are_all_read(airflow: str, days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Airflow.instances = [instance("train", 24 * 7 + index / 4, 0.2) for index in range(PAGE + 20)]
    said = json.loads(said_by(capsys, *asked_of(airflow, days, "--task", "train", "--max-delay", "6h", "--json")))
    assert said["total"]["jobs"] + said["unknown_jobs"] == PAGE + 20
    assert sum("taskInstances" in path for path in Airflow.asked) == 2


def test_runs_that_the_history_does_not_cover_are_counted(
    airflow: str, days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Airflow.instances = [instance("train", hour, 1) for hour in (30, 24 * 8)]
    said = said_by(capsys, *asked_of(airflow, days, "--task", "train"))
    assert "1, 1 of them shifted (1 more could not be replayed)" in said


def test_a_password_logs_in_where_there_is_no_token(
    airflow: str, days: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Airflow.instances = [instance("train", 24 * 8, 1)]
    monkeypatch.delenv(TOKEN)
    monkeypatch.setenv(PASSWORD, "right")
    asked = asked_of(airflow, days, "--task", "train", "--user", "me")
    assert "jobs" in said_by(capsys, *asked)
    monkeypatch.setenv(PASSWORD, "not right")
    told = refused_with(capsys, *asked)
    assert "as me: 401" in told
    assert "not right" not in told


def test_a_token_that_is_refused_is_told_and_not_shown(
    airflow: str, days: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, "stale-secret")
    told = refused_with(capsys, *asked_of(airflow, days))
    assert f"{TOKEN}: {airflow} does not accept it; has it expired?" in told
    assert "stale-secret" not in told


def test_a_misspelt_dag_or_task_names_the_nearest(airflow: str, days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Airflow.instances = [instance("train", 24 * 8, 1)]
    argv = asked_of(airflow, days)
    argv[argv.index("nightly_training")] = "nightly_trainin"
    assert "no DAG 'nightly_trainin' that you may read; did you mean 'nightly_training'?" in refused_with(capsys, *argv)
    told = refused_with(capsys, *asked_of(airflow, days, "--task", "trian"))
    assert "--task: DAG nightly_training has no task 'trian'; did you mean 'train'?" in told


def test_a_sensor_is_no_work_to_shift(airflow: str, days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Airflow.instances = [instance("wait", 24 * 8, 3, operator="CarbonAwareSensor")]
    assert "waits and computes nothing; name the task after it" in refused_with(
        capsys, *asked_of(airflow, days, "--task", "wait")
    )


def test_no_successful_run_is_told_with_the_stretch_that_was_looked_at(
    airflow: str, days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Airflow.instances = [instance("train", 24 * 8, 3, state="failed")]
    told = refused_with(capsys, *asked_of(airflow, days, "--task", "train", "--history", "10d"))
    assert "no run of task train of DAG nightly_training succeeded between 2026-03-03 00:00 and 2026-03-13" in told


def test_an_airflow_that_is_not_there_is_told_in_one_line(
    days: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, "good")
    assert "http://127.0.0.1:9 does not answer" in refused_with(capsys, *asked_of("http://127.0.0.1:9", days))
