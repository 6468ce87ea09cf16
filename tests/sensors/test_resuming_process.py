"""The process that goes on after a wait: what it imports, what it tells, and what it does with a damaged promise."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.task_context import StateStore, task_context

from airflow_carbon.triggers.asked import Asked
from airflow_carbon.triggers.pinned import PINNED, promised
from airflow_carbon.triggers.promise import Promise

pytestmark = pytest.mark.airflow

NOW = datetime(2026, 11, 22, 18, tzinfo=UTC)
#: What only the process before the wait has a use for, or what would cost more than the ledger's write.
OF_OTHERS = (
    "numpy", "airflow_carbon.core.request", "airflow_carbon.core.power", "airflow_carbon.hooks.chain",
    "airflow_carbon.triggers.waiting", "airflow_carbon.triggers.carbon_window", "airflow_carbon.ledger.tables",
    "airflow_carbon.ledger.selecting",
)  # fmt: skip
#: The first process, then the second, which prints what its record is, how many rows the ledger has, and what is
#: imported.
RESUME = """
import json, sys
sys.path.insert(0, {tests!r})
from fakes.task_context import StateStore, task_context
from airflow_carbon import CarbonAwareSensor
sensor = CarbonAwareSensor(task_id="wait", location="zone:GB", duration="1h", max_delay="8h")
context = task_context(store=StateStore({kept!r}))
event = {{"record": {{"reason": "started as planned", "source_url": "", "notes": []}}}}
record = sensor.resume_execution("execute_complete", {{"event": event}}, context)
imported = [name for name in {others!r} if name in sys.modules]
from airflow_carbon.core.record import DecisionRecord
from airflow_carbon.hooks.ledger import LedgerHook
print("\\n" + json.dumps([record, [one.decision_id for one in LedgerHook().read(DecisionRecord)], imported]))
"""


def pinned(**asked: Any) -> tuple[Promise, dict[str, Any]]:
    """Pin a promise, and give it with what then lies in the task's state."""
    store = StateStore()
    given: dict[str, Any] = {"location": "zone:GB", "duration": "1h", "max_delay": "8h", **asked}
    promise = Promise.pin(task_context(store=store, run_after=NOW), Asked(**given), now=NOW)  # type: ignore[arg-type]
    return promise, json.loads(json.dumps(store.values))


def test_it_imports_nothing_of_what_came_before_the_wait_and_its_decision_is_kept(tmp_path: Path) -> None:
    promise, kept = pinned()
    code = RESUME.format(tests=str(Path(__file__).parents[1]), kept=kept, others=OF_OTHERS)
    environment = {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CARBON__STATE_DIR": str(tmp_path / "carbon")}
    environment |= {"PATH": "", "HOME": str(tmp_path), "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING"}
    # The first of all makes the ledger, with all that this takes.
    for words in ("from airflow_carbon.hooks.ledger import LedgerHook; LedgerHook().ledger.init()", code):
        done = subprocess.run(
            [sys.executable, "-c", words], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    record, decisions, imported = json.loads(done.stdout.splitlines()[-1])
    assert imported == []
    assert record["decision_id"] == promise.decision_id
    assert record["latest_start"] == promise.request.latest_start.isoformat()
    assert decisions == [promise.decision_id]


@pytest.mark.parametrize("asked", [{}, {"deadline": "9h"}, {"power": "10m@50W, 50m@300W", "duration": None}])
@pytest.mark.parametrize("hours", [0, 7, 9])
def test_what_is_pinned_tells_the_same_as_the_promise(asked: dict[str, Any], hours: int) -> None:
    promise, kept = pinned(**asked)
    started = NOW + timedelta(hours=hours)
    request = promise.request
    told = promised(kept[PINNED], started)
    assert told == promise.record(started)
    # From the promise itself, by hand.
    assert told["duration_seconds"] == request.duration.total_seconds() == 3600.0
    assert told["power"] == (str(request.power) if request.power else None)
    assert told["deadline"] == (promise.deadline.isoformat() if promise.deadline else None)
    assert told["in_time"] is (started <= promise.limit)
    assert told["start_overrun_seconds"] == max(0.0, (started - request.latest_start).total_seconds())


@pytest.mark.parametrize(
    "damage",
    [{"latest_start": "soon"}, {"limit": "2026-11-22T18:00:00"}, {"duration_seconds": None}, {"ready_at": None}],
)
def test_a_damaged_promise_is_pinned_anew_from_the_dag_file(damage: dict[str, Any]) -> None:
    from airflow_carbon.sensors.carbon_aware import CarbonAwareSensor

    _, kept = pinned()
    store = StateStore({PINNED: {**kept[PINNED], **damage}})
    sensor = CarbonAwareSensor(task_id="wait", location="zone:GB", duration="1h", max_delay="8h")
    context: Any = task_context(store=store)
    record = sensor.execute_complete(context, {"record": {"reason": "started as planned", "source_url": ""}})
    assert record["in_time"] is True
    assert promised(store.get(PINNED), datetime.now(UTC))["decision_id"] == record["decision_id"]
