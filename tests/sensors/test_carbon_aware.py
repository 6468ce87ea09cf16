"""The sensor on a worker: what it pins, refuses, defers and records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.task_context import StateStore, task_context

from airflow_carbon.exceptions import (
    InvalidRequestError,
    NoFeasibleWindowError,
    SourceUnavailableError,
    UnknownZoneError,
)

pytestmark = pytest.mark.airflow

HOUR = timedelta(hours=1)
MARGIN = timedelta(minutes=5)


def sensor(**changed: Any) -> Any:
    from airflow_carbon import CarbonAwareSensor

    asked: dict[str, Any] = {"location": "azure:uksouth", "duration": "1h", "max_delay": "8h"}
    return CarbonAwareSensor(task_id="wait", **{**asked, **changed})


def deferral(one: Any, context: dict[str, Any]) -> Any:
    from airflow.sdk.exceptions import TaskDeferred

    with pytest.raises(TaskDeferred) as raised:
        one.execute(context)
    return raised.value


def moments(trigger: Any) -> dict[str, datetime]:
    _, arguments = trigger.serialize()
    names = ("ready_at", "earliest_start", "latest_start", "not_before")
    return {name: datetime.fromisoformat(arguments[name]) for name in names}


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


def test_shadow_decides_and_records_but_never_delays() -> None:
    record = sensor(carbon_mode="shadow").execute(task_context())
    assert record["mode"] == "shadow"
    assert record["kind"] == "typical"
    assert record["intensity_g_per_kwh"] <= record["baseline_intensity_g_per_kwh"]
    assert record["reason"].startswith("shadow, not delayed: ")
    assert json.loads(json.dumps(record)) == record


def test_shadow_survives_a_source_that_must_not_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_GONE", json.dumps({"conn_type": "carbon_history", "extra": {"path": str(tmp_path / "no.csv")}})
    )
    one = sensor(carbon_mode="shadow", carbon_conn_id="gone", on_outage="fail")
    assert "no.csv" in one.execute(task_context())["reason"]


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


def test_an_outage_that_must_fail_does() -> None:
    with pytest.raises(SourceUnavailableError, match="no answer"):
        sensor().execute_complete(task_context(), {"failed": "no answer"})


@pytest.mark.parametrize(
    ("error", "said"), [("Trigger timeout", "no triggerer answered"), ("Trigger failure", "the trigger failed")]
)
def test_a_trigger_that_fails_or_is_never_picked_up_resumes_the_work(error: str, said: str) -> None:
    record = sensor().resume_execution("__fail__", {"error": error, "traceback": ["boom"]}, task_context())
    assert said in record["reason"]


def test_without_a_triggerer_it_reschedules_and_keeps_its_plan(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from airflow.sdk.exceptions import AirflowRescheduleException

    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows = [f"{(now + hour * HOUR).isoformat()},{10 if hour == 5 else 100}" for hour in range(24)]
    (tmp_path / "own.csv").write_text("\n".join(["timestamp,intensity", *rows]))
    monkeypatch.setenv(
        "AIRFLOW_CONN_MINE", json.dumps({"conn_type": "carbon_history", "extra": {"path": str(tmp_path / "own.csv")}})
    )
    store = StateStore()
    one = sensor(deferrable=False, carbon_conn_id="mine", spread=False)
    assert one.reschedule
    with pytest.raises(AirflowRescheduleException) as raised:
        one.execute(task_context(store=store))
    assert datetime.now(UTC) < raised.value.reschedule_date <= now + 5 * HOUR
    assert store.values["carbon_plan"]["standing"][0] == (now + 5 * HOUR).isoformat()
    # An hour goes by, and the start of the plan comes.
    store.values["carbon_wait"]["ready_at"] = (datetime.now(UTC) - HOUR).isoformat()
    store.values["carbon_plan"]["standing"][0] = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    assert one.execute(task_context(store=store))["reason"].startswith("started as planned")


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
    for name in ("ready_at", "earliest_start", "latest_start"):
        kept[name] = (datetime.fromisoformat(kept[name]) - 5 * HOUR).isoformat()
    assert not one.execute_complete(context, {"broken": "x"})["in_time"]


def test_a_dag_that_is_edited_in_mid_wait_does_not_fail_what_was_promised() -> None:
    context = task_context()
    deferral(sensor(max_delay=None, deadline="8h"), context)
    edited = sensor(max_delay=None, deadline="30m")
    assert edited.execute_complete(context, {"broken": "x"})["in_time"]
    assert "no triggerer" in edited.resume_execution("__fail__", {"error": "Trigger timeout"}, context)["reason"]


def test_optional_fields_that_a_template_leaves_empty_are_not_given() -> None:
    empty = {"deadline": "None", "earliest_start": "", "carbon_mode": "None", "carbon_conn_id": ""}
    assert moments(deferral(sensor(**empty), task_context()).trigger)["latest_start"]


def test_a_backfill_that_waits_counts_from_when_it_was_ready() -> None:
    """A backfill run keeps the old tick as its run_after; a deadline counted from there has long gone by."""
    context = task_context(run_type="backfill", run_after=datetime.now(UTC) - 999 * HOUR)
    one = sensor(wait_in_backfill=True, max_delay=None, deadline="6h")
    assert moments(deferral(one, context).trigger)["latest_start"] > datetime.now(UTC) + 4 * HOUR


def test_an_outage_that_must_fail_skips_where_the_dag_asks_for_that() -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    with pytest.raises(AirflowSkipException, match="no answer"):
        sensor(soft_fail=True).execute_complete(task_context(), {"failed": "no answer"})


def test_a_series_that_is_malformed_fails_the_task_with_its_line() -> None:
    with pytest.raises(InvalidRequestError, match="line 4"):
        sensor().execute_complete(task_context(), {"refused": "own.csv: line 4: ..."})


def test_a_source_that_hangs_does_not_hold_a_rescheduled_or_a_shadow_task(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "drive-that-is-gone.csv")
    extra = {"path": str(tmp_path / "drive-that-is-gone.csv")}
    monkeypatch.setenv("AIRFLOW_CONN_GONE", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    monkeypatch.setenv("AIRFLOW__CARBON__START_MARGIN", "0")
    for how in ({"deferrable": False}, {"carbon_mode": "shadow"}):
        record = sensor(carbon_conn_id="gone", max_delay="2s", **how).execute(task_context())
        assert "no answer" in record["reason"]


def test_a_rescheduled_wait_that_wakes_after_its_latest_start_keeps_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    store = StateStore()
    deferral(sensor(), task_context(store=store))
    kept = store.values["carbon_wait"]
    for name in ("ready_at", "earliest_start", "latest_start"):
        kept[name] = (datetime.fromisoformat(kept[name]) - 9 * HOUR).isoformat()
    start = datetime.fromisoformat(kept["latest_start"])
    store.values["carbon_plan"] = {
        "standing": [start.isoformat(), (start + HOUR).isoformat(), 10.0],
        "baseline": 100.0, "replans": 1, "decisions": 3, "notes": [],
        "reason": "it will be clean", "origin": {"zone": "GB"},
    }  # fmt: skip
    record = sensor(deferrable=False).execute(task_context(store=store))
    assert record["intensity_g_per_kwh"] == 10.0
    assert record["promised_saving_percent"] == 90.0
    assert record["zone"] == "GB"
    assert "it will be clean" in record["reason"]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"location": "azure:uksuth"}, "did you mean azure:uksouth"),
        ({"location": "DE"}, "zone:DE"),
        ({"duration": "0h"}, "duration"),
        ({"duration": "-1h"}, "duration"),
        ({"duration": timedelta(hours=-1)}, "duration"),
        ({"duration": 3600}, "duration"),
        ({"max_delay": None}, "deadline, max_delay"),
        ({"max_delay": "soon"}, "max_delay"),
        ({"deadline": "2026-11-23T06:00:00"}, "deadline.*timezone"),
        ({"deadline": datetime(2030, 1, 1)}, "deadline.*timezone"),  # noqa: DTZ001
        ({"deadline": "2026-01-01T00:00:00+00:00"}, "deadline.*cannot be met"),
        ({"deadline": "30m"}, "deadline.*cannot be met"),
        ({"earliest_start": "12h"}, "earliest_start"),
        ({"min_saving_percent": "many"}, "min_saving_percent"),
        ({"min_saving_percent": 120}, "min_saving_percent"),
        ({"on_outage": "panic"}, "on_outage"),
        ({"carbon_mode": "loud"}, "carbon_mode"),
        ({"carbon_conn_id": []}, "carbon_conn_id"),
        ({"carbon_conn_id": "nowhere"}, "'nowhere' is not defined"),
    ],
)
def test_bad_input_is_refused_before_anything_waits(changed: dict[str, Any], fault: str) -> None:
    with pytest.raises((InvalidRequestError, NoFeasibleWindowError, UnknownZoneError), match=fault):
        sensor(**changed).execute(task_context())


def test_a_typo_in_a_connections_field_is_refused_before_anything_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "carbon_typical", "extra": {"sped": 60}}))
    with pytest.raises(InvalidRequestError, match="did you mean 'speed'"):
        sensor(carbon_conn_id="mine").execute(task_context())


def test_a_typo_in_a_connections_type_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "carbon_histroy"}))
    with pytest.raises(InvalidRequestError, match="did you mean 'carbon_history'"):
        sensor(carbon_conn_id="mine").execute(task_context())


def test_retries_are_two_unless_the_dag_says_otherwise() -> None:
    from airflow.sdk import DAG

    assert sensor().retries == 2
    with DAG("a_dag", default_args={"retries": 0}, schedule=None):
        assert sensor().retries == 0


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
