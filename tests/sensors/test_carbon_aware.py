"""The sensor on a worker: what it pins, defers and records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes.sensors import deferral, moments, sensor
from fakes.task_context import StateStore, task_context

pytestmark = pytest.mark.airflow

HOUR = timedelta(hours=1)
MARGIN = timedelta(minutes=5)


def test_it_defers_with_absolute_moments_so_that_a_restart_keeps_the_promise() -> None:
    before = datetime.now(UTC)
    deferred = deferral(sensor(), task_context())
    after = datetime.now(UTC)
    pinned = moments(deferred.trigger)
    assert before <= pinned["ready_at"] <= after
    assert pinned["latest_start"] == pinned["ready_at"] + 8 * HOUR - MARGIN
    assert pinned["not_before"] == pinned["ready_at"] + timedelta(seconds=30)
    assert deferred.method_name == "execute_complete"
    assert 8 * HOUR - MARGIN <= deferred.timeout <= 8 * HOUR - MARGIN + timedelta(seconds=30)


def test_a_retry_does_not_extend_the_wait() -> None:
    store = StateStore()
    first = moments(deferral(sensor(), task_context(store=store)).trigger)
    second = moments(deferral(sensor(max_delay="20h"), task_context(store=store)).trigger)
    assert second["latest_start"] == first["latest_start"]
    assert second["ready_at"] == first["ready_at"]


def test_the_deadline_is_the_latest_finish_and_the_margin_is_kept_off_it() -> None:
    context = task_context(run_after=datetime.now(UTC))
    deadline = datetime.now(UTC) + 6 * HOUR
    pinned = moments(deferral(sensor(max_delay=None, deadline=deadline.isoformat()), context).trigger)
    assert pinned["latest_start"] == deadline - HOUR - MARGIN


def test_a_deadline_may_be_counted_from_run_after() -> None:
    run_after = datetime.now(UTC) - HOUR
    pinned = moments(deferral(sensor(max_delay=None, deadline="6h"), task_context(run_after=run_after)).trigger)
    assert pinned["latest_start"] == run_after + 5 * HOUR - MARGIN


def test_the_earlier_of_deadline_and_delay_holds() -> None:
    run_after = datetime.now(UTC)
    one = sensor(deadline=timedelta(hours=4), max_delay="8h")
    assert (
        moments(deferral(one, task_context(run_after=run_after)).trigger)["latest_start"]
        == run_after + 3 * HOUR - MARGIN
    )


def test_a_tail_keeps_the_wait_from_eating_what_is_downstream() -> None:
    run_after = datetime.now(UTC)
    one = sensor(deadline="8h", max_delay=None, tail="2h30m")
    context = task_context(run_after=run_after)
    assert moments(deferral(one, context).trigger)["latest_start"] == run_after + 4.5 * HOUR - MARGIN
    # The promise is still for the end of all, and the start that keeps it leaves room for the tail.
    assert sensor(deadline="8h", tail="None").tail == "None"
    plain = moments(deferral(sensor(deadline="8h", max_delay=None, tail=""), task_context(run_after=run_after)).trigger)
    assert plain["latest_start"] == run_after + 7 * HOUR - MARGIN


def test_a_power_profile_tells_the_duration_and_travels_to_the_triggerer() -> None:
    store = StateStore()
    one = sensor(duration=None, power="30m@50W, 90m@300W", deadline="8h", max_delay=None)
    run_after = datetime.now(UTC)
    trigger = deferral(one, task_context(store=store, run_after=run_after)).trigger
    path, arguments = trigger.serialize()
    assert arguments["duration_seconds"] == 7200.0
    assert arguments["power"] == "1800s@50.0W, 5400s@300.0W"
    assert moments(trigger)["latest_start"] == run_after + 6 * HOUR - MARGIN
    assert json.loads(json.dumps(arguments)) == arguments
    assert type(trigger)(**arguments).serialize() == (path, arguments)
    again = deferral(one, task_context(store=store, run_after=run_after)).trigger
    assert again.serialize()[1]["power"] == arguments["power"]


def test_many_tasks_get_places_of_their_own_and_keep_them_at_a_retry() -> None:
    from fakes.task_context import TaskInstance

    def place(index: int) -> float:
        context = task_context(ti=TaskInstance(map_index=index))
        return float(deferral(sensor(), context).trigger.serialize()[1]["spread"])

    places = [place(index) for index in range(20)]
    assert len(set(places)) == 20
    assert all(0.0 <= one < 1.0 for one in places)
    assert place(3) == places[3]
    assert deferral(sensor(spread=False), task_context()).trigger.serialize()[1]["spread"] is None


def test_too_little_time_left_runs_now() -> None:
    record = sensor(max_delay=MARGIN + timedelta(seconds=20)).execute(task_context())
    assert "left before the latest start" in record["reason"]
    assert record["in_time"]


def test_a_late_scheduler_is_not_the_users_mistake_but_is_recorded() -> None:
    """The deadline could be met at run_after; Airflow came to the task too late for it."""
    context = task_context(run_after=datetime.now(UTC) - 3 * HOUR)
    record = sensor(max_delay=None, deadline="3h").execute(context)
    assert not record["in_time"]


def test_a_clear_after_the_deadline_does_not_wait_again() -> None:
    store = StateStore()
    deferral(sensor(), task_context(store=store))
    kept = store.values["carbon_wait"]
    kept["latest_start"] = (datetime.now(UTC) - HOUR).isoformat()
    kept["ready_at"] = kept["earliest_start"] = (datetime.now(UTC) - 9 * HOUR).isoformat()
    record = sensor().execute(task_context(store=store))
    assert record["start_overrun_seconds"] > 3500


def test_a_backfill_does_not_wait_unless_asked() -> None:
    record = sensor().execute(task_context(run_type="backfill"))
    assert "backfill" in record["reason"]
    deferral(sensor(wait_in_backfill=True), task_context(run_type="backfill"))


def test_the_run_decides_over_the_task_and_the_task_over_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sensor(carbon_mode="off").execute(task_context())["mode"] == "off"
    deferral(sensor(carbon_mode="off"), task_context(conf={"carbon": {"mode": "enforce"}}))
    assert sensor().execute(task_context(conf={"carbon": "off"}))["mode"] == "off"
    monkeypatch.setenv("AIRFLOW__CARBON__MODE", "off")
    assert sensor().execute(task_context())["mode"] == "off"
    deferral(sensor(carbon_mode="enforce"), task_context())


def test_the_decision_of_the_trigger_is_the_tasks_result() -> None:
    context = task_context()
    one = sensor()
    deferral(one, context)
    event = {
        "record": {"reason": "it is clean", "source_url": "https://example.org", "start": "2026-01-01T00:00:00+00:00"}
    }
    record = one.execute_complete(context, event)
    assert record["decision_id"] == context["task_state_store"].values["carbon_wait"]["decision_id"]
    assert record["reason"] == "it is clean"
    assert one.operator_extra_links[0].get_link(one, ti_key=None) == "https://example.org"


def test_the_margin_gives_way_to_the_earliest_start_that_the_user_named() -> None:
    """Four hours, a run of one, and no start before three hours less two minutes: the margin would be five."""
    run_after = datetime.now(UTC)
    earliest = 3 * HOUR - timedelta(minutes=2)
    one = sensor(max_delay=None, deadline=4 * HOUR, earliest_start=earliest)
    pinned = moments(deferral(one, task_context(run_after=run_after)).trigger)
    assert pinned["earliest_start"] == pinned["latest_start"] == run_after + earliest


def test_the_record_has_the_same_keys_whatever_happened() -> None:
    one = sensor(carbon_mode="shadow")
    full = set(one.execute(task_context()))
    context = task_context()
    deferral(sensor(), context)
    assert set(sensor(carbon_mode="off").execute(task_context())) == full
    assert set(sensor().execute(task_context(run_type="backfill"))) == full
    assert set(sensor().execute_complete(context, {"broken": "x"})) == full
    assert set(sensor().resume_execution("__fail__", {"error": "Trigger timeout"}, context)) == full


def test_a_start_after_the_delay_is_not_in_time_even_where_the_deadline_would_allow_it() -> None:
    context = task_context()
    one = sensor(max_delay="1h", deadline="20h")
    deferral(one, context)
    kept = context["task_state_store"].values["carbon_wait"]
    for name in ("ready_at", "earliest_start", "latest_start", "limit"):
        kept[name] = (datetime.fromisoformat(kept[name]) - 5 * HOUR).isoformat()
    assert not one.execute_complete(context, {"broken": "x"})["in_time"]


def test_a_backfill_that_waits_counts_from_when_it_was_ready() -> None:
    """A backfill run keeps the old tick as its run_after; a deadline counted from there has long gone by."""
    context = task_context(run_type="backfill", run_after=datetime.now(UTC) - 999 * HOUR)
    one = sensor(wait_in_backfill=True, max_delay=None, deadline="6h")
    assert moments(deferral(one, context).trigger)["latest_start"] > datetime.now(UTC) + 4 * HOUR


A_WHOLE_WAIT = """
import json, sys
from airflow.sdk.exceptions import TaskDeferred
from fakes.task_context import task_context
from airflow_carbon import CarbonAwareSensor

context = task_context()
sensor = CarbonAwareSensor(task_id="wait", location="azure:uksouth", duration="1h", max_delay="8h")
try:
    sensor.execute(context)
except TaskDeferred as deferred:
    deferred.trigger.serialize()
else:
    raise SystemExit("it did not defer")
sensor.execute_complete(context, {"record": {"reason": "it is clean", "source_url": ""}})
print(json.dumps(sorted({"numpy", "httpx"} & set(sys.modules) - before)))
"""


def test_a_worker_that_defers_and_resumes_imports_neither_numpy_nor_httpx(repository: Path) -> None:
    """Each costs as much CPU as the start of the task itself; what Airflow's own runner loads is not counted."""
    code = "import sys, airflow.sdk.execution_time.task_runner; before = set(sys.modules)\n" + A_WHOLE_WAIT
    environment = {**os.environ, "PYTHONPATH": str(repository / "tests")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, cwd=repository
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_a_backfill_that_does_not_wait_is_not_refused_for_its_old_tick() -> None:
    run_after = datetime.now(UTC) - 999 * HOUR
    asked = {"max_delay": None, "deadline": (run_after + 8 * HOUR).isoformat()}
    record = sensor(**asked).execute(task_context(run_type="backfill", run_after=run_after))
    assert "backfill" in record["reason"]


def test_no_start_comes_before_the_earliest_even_where_it_is_too_near_for_a_trigger() -> None:
    now = datetime.now(UTC)
    earliest = now + timedelta(seconds=2)
    one = sensor(max_delay=None, deadline=earliest + HOUR + timedelta(seconds=20), earliest_start=earliest)
    record = one.execute(task_context(run_after=now))
    assert datetime.fromisoformat(record["started_at"]) >= earliest
    assert record["in_time"]


def test_a_start_beyond_the_delay_is_late_though_the_margin_gave_way() -> None:
    context = task_context()
    one = sensor(max_delay="1m")
    one.execute(context)
    kept = context["task_state_store"].values["carbon_wait"]
    for name in ("ready_at", "earliest_start", "latest_start", "limit"):
        kept[name] = (datetime.fromisoformat(kept[name]) - timedelta(minutes=4)).isoformat()
    assert not one.execute_complete(context, {"broken": "x"})["in_time"]
