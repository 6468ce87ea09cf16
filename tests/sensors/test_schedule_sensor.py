"""The task that a carbon-aware schedule adds: it counts from the tick, and only the schedule's own runs wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes.sensors import deferral, moments
from fakes.task_context import TaskInstance, task_context

pytestmark = pytest.mark.airflow

HOUR = timedelta(hours=1)
MARGIN = timedelta(minutes=5)


def sensor(**changed: Any) -> Any:
    from airflow_carbon.sensors.carbon_schedule import CarbonScheduleSensor

    asked = {"location": "azure:uksouth", "duration": "1h", "max_delay": "6h", **changed}
    return CarbonScheduleSensor(task_id="wait_for_clean_power", **asked)


def test_the_delay_counts_from_the_tick_however_late_the_scheduler_comes() -> None:
    tick = datetime.now(UTC) - 2 * HOUR
    pinned = moments(deferral(sensor(), task_context(run_type="scheduled", run_after=tick)).trigger)
    assert pinned["ready_at"] == pinned["earliest_start"] == tick
    assert pinned["latest_start"] == tick + 6 * HOUR - MARGIN


def test_a_run_that_comes_after_its_latest_start_does_not_wait_and_says_that_it_is_late() -> None:
    tick = datetime.now(UTC) - 30 * HOUR
    record = sensor().execute(task_context(run_type="scheduled", run_after=tick))
    assert record["reason"] == "ran at once: 0 s are left before the latest start"
    assert record["in_time"] is False
    assert record["ready_at"] == tick.isoformat()


@pytest.mark.parametrize("run_type", ["manual", "asset_triggered", "operator_triggered"])
def test_a_run_that_is_not_the_schedules_own_starts_at_once(run_type: str) -> None:
    record = sensor().execute(task_context(run_type=run_type))
    assert record["reason"].startswith("ran at once: not a run of the schedule's own")
    assert record["in_time"]


def test_a_run_by_hand_that_asks_for_it_waits() -> None:
    context = task_context(run_type="manual", conf={"carbon": "enforce"})
    assert deferral(sensor(), context).method_name == "execute_complete"


def test_a_backfill_waits_where_it_is_asked_to_counted_from_when_it_begins() -> None:
    tick, before = datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC)
    assert "backfill" in sensor().execute(task_context(run_type="backfill", run_after=tick))["reason"]
    context = task_context(run_type="backfill", run_after=tick)
    assert moments(deferral(sensor(wait_in_backfill=True), context).trigger)["ready_at"] >= before


def test_the_decision_is_that_of_the_run() -> None:
    def decision_id(run_id: str) -> Any:
        context = task_context(run_type="scheduled", ti=TaskInstance(run_id=run_id))
        return deferral(sensor(), context).trigger.serialize()[1]["decision_id"]

    assert decision_id("one") == decision_id("one")
    assert decision_id("one") != decision_id("another")
