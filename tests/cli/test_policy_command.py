"""``policy check`` and ``policy explain``, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_carbon.cli.main import main

pytestmark = pytest.mark.airflow

RULES = """
defaults: {location: "azure:swedencentral", duration: 1h}
rules:
- name: nightly
  match: {tags: [batch]}
  max_delay: 8h
  mode: enforce
"""
DAGS = """
from datetime import datetime
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

with DAG("nightly", schedule="0 */2 * * *", start_date=datetime(2026, 1, 1), tags=["batch"], max_active_runs=1):
    BashOperator(task_id="load", bash_command="true") >> EmptyOperator(task_id="done")
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "carbon.yaml"
    path.write_text(RULES)
    return path


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    folder = tmp_path / "dags"
    folder.mkdir()
    (folder / "nightly.py").write_text(DAGS)
    return folder


def test_a_file_in_order_is_shown_rule_by_rule(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "check", str(policy)]) == 0
    said = capsys.readouterr().out
    assert "nightly  tags batch  up to 8h, for 1h of work in azure:swedencentral  enforce" in said
    assert "1 rule, no mistake; the first that fits a task counts." in said


def test_each_mistake_stands_on_a_line_with_its_place(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy.write_text(RULES.replace("max_delay", "max_dellay").replace("azure:swedencentral", "azure:sweden"))
    assert main(["policy", "check", str(policy)]) == 1
    said = capsys.readouterr().out
    assert f"{policy}: line 6, rules[1].max_dellay: is no key here; did you mean 'max_delay'?" in said
    assert f"{policy}: line 2, defaults.location: " in said
    assert "swedencentral" in said
    assert "Until that is corrected the file rules nothing: 2 mistakes, and no task waits by it." in said


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "check", str(tmp_path / "none.yaml"), "--json"]) == 1
    (fault,) = json.loads(capsys.readouterr().out)["faults"]
    assert fault["said"] == "cannot be read: No such file or directory"


def test_without_a_file_it_says_which_option_names_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "check"]) == 2
    assert "[carbon] policy_file is not set" in capsys.readouterr().err


def test_explain_tells_what_applies_to_each_task_and_why_and_warns(
    policy: Path, dags: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", "explain", "nightly", "--file", str(policy), "--dags", str(dags)]) == 0
    said = capsys.readouterr().out
    assert "rule 1 (nightly), line 4 fits by its tags" in said
    assert "it does no work" in said
    assert "warning: load: a wait of up to 8 h is longer than the 2 h between two runs" in said
    assert "warning: load: with max_active_runs=1 no other run begins while one waits" in said
    assert f"1 of 2 tasks of nightly follow {policy}." in said


def test_explain_gives_the_same_as_one_document(policy: Path, dags: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "explain", "nightly", "--file", str(policy), "--dags", str(dags), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["task"], one["applies"], one["mode"]) for one in told["tasks"]] == [
        ("load", True, "enforce"),
        ("done", False, None),
    ]
    assert [one["tasks"] for one in told["warnings"]] == [["load"], ["load"]]


def test_a_dag_that_no_file_has_is_refused_with_the_nearest_name(
    policy: Path, dags: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", "explain", "nightyl", "--file", str(policy), "--dags", str(dags)]) == 2
    assert "nightyl: no DAG file has it; did you mean 'nightly'?" in capsys.readouterr().err
