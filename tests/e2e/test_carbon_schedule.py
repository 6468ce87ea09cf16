"""A carbon-aware schedule ticks on while scheduler and triggerer are killed: one run per tick, each in time."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_carbon.cli.airflow_api import poll

if TYPE_CHECKING:
    from airflow_carbon.cli.local_airflow import LocalAirflow

TICKS = 30
#: A run costs three task processes, about three seconds of a core; two cores bear one every five.
APART = timedelta(seconds=5)
MAX_DELAY = timedelta(seconds=120)
KILLS = 6
SEED = 7
#: What Airflow itself needs, with the settings below, to take up a task that a dead scheduler had queued or run: a
#: missed heartbeat, the next search for such tasks, a retry, and a new start on a busy machine.
RECOVERY = timedelta(seconds=90)

QUICK_RECOVERY = {
    "AIRFLOW__CARBON__START_MARGIN": "60s",
    "AIRFLOW__CARBON__MIN_DEFER": "15s",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
}
#: The evening peak of Great Britain at ten seconds an hour: some ticks lie before it, some within, some behind.
PLAYED = {"speed": 360, "plays_from": "2026-01-05T16:00:00+00:00"}

DAG_FILE = """
from datetime import datetime, timedelta

from airflow.sdk import DAG, task

from airflow_carbon import carbon_schedule

with DAG(
    "ticks",
    schedule=carbon_schedule(
        "* * * * * */{apart}", max_delay=timedelta(seconds={delay}), location="zone:GB", duration="20s"
    ),
    start_date=datetime.fromisoformat("{first}"),
    end_date=datetime.fromisoformat("{last}"),
    catchup=True,
    max_active_runs=40,
    default_args={{"retries": 3, "retry_delay": timedelta(seconds=2)}},
):

    @task
    def work(logical_date=None, ds=None):
        return [logical_date.isoformat(), ds]

    work()
"""


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ticking")


def kill_and_start_again(airflow: LocalAirflow, dice: random.Random, until: datetime) -> list[str]:
    """Kill scheduler, triggerer or both at seeded moments before the last tick; tell which."""
    killed = []
    pause = (until - datetime.now(UTC)).total_seconds() / (KILLS + 1)
    for _ in range(KILLS):
        time.sleep(pause * dice.uniform(0.5, 1.4))
        chosen = dice.choice([["scheduler"], ["triggerer"], ["scheduler", "triggerer"]])
        for component in chosen:
            airflow.kill(component, signal.SIGKILL)
        time.sleep(dice.uniform(0.0, 3.0))
        for component in chosen:
            airflow.start_component(component)
        killed.append("+".join(chosen))
    return killed


def test_every_tick_has_one_run_in_time_though_scheduler_and_triggerer_are_killed(
    another_airflow: Callable[..., LocalAirflow], dags: Path
) -> None:
    airflow = another_airflow(dags=[dags], environment=QUICK_RECOVERY)
    api = airflow.api
    begin = int(time.time()) + 20
    first = datetime.fromtimestamp(begin - begin % 5, UTC)
    ticks = [first + number * APART for number in range(TICKS)]
    extra = json.dumps({**PLAYED, "played_since": first.isoformat()})
    source = {"connection_id": "carbon_default", "conn_type": "carbon_typical", "extra": extra}
    api.request("POST", "connections", body=source)
    text = DAG_FILE.format(
        apart=APART.seconds, delay=MAX_DELAY.seconds, first=first.isoformat(), last=ticks[-1].isoformat()
    )
    (dags / "ticks.py").write_text(text)
    api.wait_for_dag("ticks")
    assert api.import_errors() == []

    killed = kill_and_start_again(airflow, random.Random(SEED), ticks[-1])

    def all_over() -> list[dict[str, Any]] | None:
        found = api.request("GET", "dags", "ticks", "dagRuns", query={"limit": 100})["dag_runs"]
        over = [one for one in found if one["state"] in ("success", "failed")]
        return found if len(over) == len(found) >= TICKS else None

    runs = poll(all_over, what="all runs to end", timeout=420, interval=2.0)
    assert sorted(datetime.fromisoformat(run["logical_date"]) for run in runs) == ticks
    assert {run["state"] for run in runs} == {"success"}
    assert {run["run_type"] for run in runs} == {"scheduled"}

    late, waited, decisions = [], 0, set()
    for run in runs:
        tick = datetime.fromisoformat(run["logical_date"])
        assert datetime.fromisoformat(run["data_interval_start"]) == tick
        assert datetime.fromisoformat(run["data_interval_end"]) == tick
        assert api.xcom("ticks", run["dag_run_id"], "work") == [tick.isoformat(), tick.strftime("%Y-%m-%d")]
        record = api.xcom("ticks", run["dag_run_id"], "wait_for_clean_power")
        assert datetime.fromisoformat(record["ready_at"]) == tick
        assert record["governs"] == ["work"]
        decisions.add(record["decision_id"])
        # A late start is no wait: only what a trigger decided about counts.
        waited += record["decisions"] > 0
        worked = datetime.fromisoformat(api.task_instance("ticks", run["dag_run_id"], "work")["start_date"])
        late.append(worked - (tick + MAX_DELAY))
    assert len(decisions) == TICKS
    assert waited > 0
    beyond = sum(one > timedelta(0) for one in late)
    worst = max(late).total_seconds()
    print(f"\nkilled: {', '.join(killed)}; {waited} of {TICKS} decided by a trigger")
    print(f"worst start {worst:+.0f} s against tick + max_delay, {beyond} beyond it")
    assert max(late) <= RECOVERY
