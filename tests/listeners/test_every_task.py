"""The listener that records every task, called through pluggy as Airflow calls it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.records import emission

from airflow_carbon.core.record import EmissionRecord
from airflow_carbon.hooks.ledger import LedgerHook

pytestmark = pytest.mark.airflow


@dataclass
class Dag:
    tags: set[str] = field(default_factory=lambda: {"b", "a"})


@dataclass
class Task:
    owner: str = "ann"
    dag: Dag = field(default_factory=Dag)


@dataclass
class Instance:
    dag_id: str = "a_dag"
    run_id: str = "a_run"
    task_id: str = "a_task"
    map_index: int | None = None
    try_number: int = 1
    start_date: datetime = field(default_factory=lambda: datetime.now(UTC))
    task: Task = field(default_factory=Task)


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LedgerHook:
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path))
    return LedgerHook()


@pytest.fixture
def airflow() -> Iterator[Any]:
    """Give Airflow's own manager of listeners, with this one registered."""
    from airflow.sdk._shared.listeners.listener import ListenerManager
    from airflow.sdk._shared.listeners.spec import taskinstance

    from airflow_carbon.listeners import every_task

    manager = ListenerManager()
    manager.add_hookspecs(taskinstance)
    manager.add_listener(every_task)
    yield manager.hook
    every_task._began.clear()


def records(hook: LedgerHook) -> list[EmissionRecord]:
    return list(hook.read(EmissionRecord))


def test_a_task_is_recorded_with_its_time_and_without_grams(airflow: Any, hook: LedgerHook) -> None:
    before, instance = datetime.now(UTC), Instance()
    airflow.on_task_instance_running(previous_state=None, task_instance=instance)
    airflow.on_task_instance_success(previous_state=None, task_instance=instance)
    (one,) = records(hook)
    assert before <= one.started_at <= one.ended_at <= datetime.now(UTC)
    assert (one.state, one.owner, one.tags, one.map_index) == ("success", "ann", ("a", "b"), -1)
    assert (one.energy_how, one.operational_g, one.final) == ("none", None, False)
    assert one.raw["resumed"] is False


def test_a_try_that_fails_is_recorded_too(airflow: Any, hook: LedgerHook) -> None:
    for number, end in ((1, airflow.on_task_instance_failed), (2, airflow.on_task_instance_success)):
        instance = Instance(try_number=number)
        airflow.on_task_instance_running(previous_state=None, task_instance=instance)
        end(previous_state=None, task_instance=instance, **({"error": "no"} if number == 1 else {}))
    assert [(one.try_number, one.state) for one in records(hook)] == [(1, "failed"), (2, "success")]


def test_a_deferred_wait_is_no_part_of_it(airflow: Any, hook: LedgerHook) -> None:
    resumed, instance = datetime.now(UTC), Instance(start_date=datetime.now(UTC) - timedelta(hours=6))
    airflow.on_task_instance_running(previous_state=None, task_instance=instance)
    airflow.on_task_instance_success(previous_state=None, task_instance=instance)
    (one,) = records(hook)
    assert one.started_at >= resumed
    assert one.raw["resumed"] is True


@pytest.mark.parametrize("measured_first", [True, False])
def test_what_a_task_measured_itself_counts_whichever_comes_first(
    measured_first: bool, airflow: Any, hook: LedgerHook
) -> None:
    instance = Instance()
    airflow.on_task_instance_running(previous_state=None, task_instance=instance)
    measured = emission(made_at=datetime.now(UTC))
    if measured_first:
        hook.ledger.write([measured])
    airflow.on_task_instance_success(previous_state=None, task_instance=instance)
    if not measured_first:
        hook.ledger.write([measured])
    (one,) = records(hook)
    assert one.energy_kwh == 2.0


def test_a_state_set_by_hand_elsewhere_is_no_work(airflow: Any, hook: LedgerHook) -> None:
    airflow.on_task_instance_failed(previous_state=None, task_instance=Instance(), error="marked by a user")
    assert records(hook) == []


def test_what_cannot_be_recorded_fails_no_task(
    airflow: Any, hook: LedgerHook, caplog: pytest.LogCaptureFixture
) -> None:
    instance = Instance(dag_id="")
    airflow.on_task_instance_running(previous_state=None, task_instance=instance)
    airflow.on_task_instance_success(previous_state=None, task_instance=instance)
    assert "not in the ledger" in caplog.text
    assert records(hook) == []


@pytest.mark.parametrize(("option", "listeners"), [(None, 0), ("False", 0), ("True", 1)])
def test_the_plugin_has_a_listener_only_where_it_is_asked_for(
    option: str | None, listeners: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if option is not None:
        monkeypatch.setenv("AIRFLOW__CARBON__RECORD_EVERY_TASK", option)
    code = (
        "import sys; from airflow.sdk.plugins_manager import is_valid_plugin;"
        "from airflow_carbon.listeners.plugin import EveryTaskPlugin as plugin;"
        "loaded = {'numpy', 'sqlalchemy', 'airflow_carbon.listeners.every_task'} & set(sys.modules);"
        "print(is_valid_plugin(plugin), len(plugin.listeners), 'airflow_carbon.listeners.every_task' in loaded)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", str(listeners), str(bool(listeners))]
