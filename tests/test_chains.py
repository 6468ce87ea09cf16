"""The page about chains: its DAGs load, their tails are those that the stages give, and the plan is one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.task_context import DagRun

from airflow_carbon.core.moment import parse_duration
from airflow_carbon.core.stages import Stage, tails

pytestmark = pytest.mark.airflow

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NAMES = ["map", "reduce", "load"]
LENGTHS = dict(zip(NAMES, (2 * HOUR, HOUR, 30 * MINUTE), strict=True))


@pytest.fixture(scope="module")
def dags(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    page, folder = (repository / "docs" / "chains.md").read_text(encoding="utf-8"), tmp_path_factory.mktemp("dags")
    files = re.findall(r"^<!-- file: (\S+) -->\n```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(files) == page.count("```python") == 2
    for name, text in files:
        (folder / name).write_text(text, encoding="utf-8")
    bag = DagBag(str(folder))
    assert bag.import_errors == {}
    return bag.dags


@pytest.mark.parametrize("dag_id", ["chain_of_waits", "planned_chain"])
def test_each_stage_comes_after_its_wait_and_before_the_next(dags: dict[str, Any], dag_id: str) -> None:
    dag = dags[dag_id]
    for name, after in zip(NAMES, [*NAMES[1:], None], strict=True):
        assert {task.task_id for task in dag.get_task(f"wait_{name}").downstream_list} == {name}
        assert dag.get_task(name).downstream_task_ids == ({f"wait_{after}"} if after else set())


def test_the_waits_have_the_tails_of_their_chain(dags: dict[str, Any]) -> None:
    waits = [dags["chain_of_waits"].get_task(f"wait_{name}") for name in NAMES]
    gaps = (timedelta(0), timedelta(0), 5 * MINUTE)
    stages = [Stage(wait.task_id, wait.duration, gap=gap) for wait, gap in zip(waits, gaps, strict=True)]
    assert [stage.length for stage in stages] == list(LENGTHS.values())
    assert tuple(parse_duration(wait.tail, "tail", zero_allowed=True) for wait in waits) == tails(stages)
    assert {wait.deadline for wait in waits} == {"20h"}


def test_the_planned_windows_follow_each_other_and_end_in_time(
    dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path))
    now, dag = datetime.now(UTC), dags["planned_chain"]
    windows = dag.get_task("plan").python_callable(dag_run=DagRun(run_after=now))
    assert list(windows) == NAMES
    free = now
    for name, window in windows.items():
        start, latest = (datetime.fromisoformat(window[key]) for key in ("start", "latest_start"))
        assert free <= start <= latest
        free = start + LENGTHS[name]
        assert dag.get_task(f"wait_{name}").window.key == name
    assert latest + LENGTHS["load"] == now + 20 * HOUR


def test_without_a_source_every_stage_runs_at_once(dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline that has gone by cannot be planned for: the chain runs all the same."""
    long_ago = DagRun(run_after=datetime.now(UTC) - 18 * HOUR)
    windows = dags["planned_chain"].get_task("plan").python_callable(dag_run=long_ago)
    assert list(windows) == NAMES
    assert all(set(window) == {"start"} for window in windows.values())
