"""What the sensor does where no trigger, no triggerer or no source helps."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes.sensors import deferral, sensor
from fakes.task_context import StateStore, task_context

from airflow_carbon.exceptions import (
    SourceUnavailableError,
)

pytestmark = pytest.mark.airflow

HOUR = timedelta(hours=1)
MARGIN = timedelta(minutes=5)


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


def test_a_dag_that_is_edited_in_mid_wait_does_not_fail_what_was_promised() -> None:
    context = task_context()
    deferral(sensor(max_delay=None, deadline="8h"), context)
    edited = sensor(max_delay=None, deadline="30m")
    assert edited.execute_complete(context, {"broken": "x"})["in_time"]
    assert "no triggerer" in edited.resume_execution("__fail__", {"error": "Trigger timeout"}, context)["reason"]


def test_an_outage_that_must_fail_skips_where_the_dag_asks_for_that() -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    with pytest.raises(AirflowSkipException, match="no answer"):
        sensor(soft_fail=True).execute_complete(task_context(), {"failed": "no answer"})


def test_a_source_that_hangs_does_not_hold_a_rescheduled_or_a_shadow_task(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "drive-that-is-gone.csv")
    extra = {"path": str(tmp_path / "drive-that-is-gone.csv")}
    monkeypatch.setenv("AIRFLOW_CONN_GONE", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    monkeypatch.setenv("AIRFLOW__CARBON__START_MARGIN", "0")
    rescheduled = sensor(carbon_conn_id="gone", max_delay="2s", deferrable=False).execute(task_context())
    assert "no answer" in rescheduled["reason"]
    # However long the task itself would have been willing to wait.
    shadowed = sensor(carbon_conn_id="gone", max_delay="8h", carbon_mode="shadow").execute(task_context())
    assert "no answer within 5 s" in shadowed["reason"]


def test_a_rescheduled_wait_that_wakes_after_its_latest_start_keeps_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    store = StateStore()
    deferral(sensor(), task_context(store=store))
    kept = store.values["carbon_wait"]
    for name in ("ready_at", "earliest_start", "latest_start"):
        kept[name] = (datetime.fromisoformat(kept[name]) - 8 * HOUR + MARGIN).isoformat()
    start = datetime.fromisoformat(kept["latest_start"])
    store.values["carbon_plan"] = {
        "location": "azure:uksouth", "duration_seconds": 3600.0,
        "standing": [start.isoformat(), (start + HOUR).isoformat(), 10.0],
        "baseline": 100.0, "replans": 1, "decisions": 3, "notes": [],
        "reason": "it will be clean", "origin": {"zone": "GB"},
    }  # fmt: skip
    record = sensor(deferrable=False).execute(task_context(store=store))
    assert record["intensity_g_per_kwh"] == 10.0
    assert record["promised_saving_percent"] == 90.0
    assert record["zone"] == "GB"
    assert record["reason"].startswith("started as planned: 90 % cleaner")


def test_a_start_too_near_to_reschedule_for_is_waited_for_on_the_worker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Airflow fails a task that it calls back before it has noted that the task let go."""
    now = datetime.now(UTC).replace(microsecond=0)
    start = now + timedelta(seconds=4)
    rows = [f"{(now + timedelta(seconds=s)).isoformat()},{10 if 4 <= s < 3604 else 100}" for s in range(4000)]
    (tmp_path / "own.csv").write_text("\n".join(["timestamp,intensity", *rows]))
    extra = {"path": str(tmp_path / "own.csv")}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    one = sensor(deferrable=False, carbon_conn_id="mine", spread=False, min_saving_percent=0)
    record = one.execute(task_context())
    assert datetime.fromisoformat(record["started_at"]) >= start
    assert record["reason"].startswith("started as planned")
