"""A duration that is learned from the task's own past runs, and the work that a task's own decision governs."""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.records import emission
from fakes.sensors import moments
from fakes.task_context import StateStore, TaskInstance, task_context
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.airflow

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
RESUME = "carbon_wait_complete"
#: What stands in until there are enough runs.
DEFAULT = 90 * MINUTE


@pytest.fixture(autouse=True)
def state_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keep a ledger of the test's own."""
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path))
    return tmp_path


def a_run(number: int, minutes: float, **changed: Any) -> Any:
    """Give the record of a run of so many minutes, each a day after the other."""
    begin = datetime.now(UTC) - 60 * 24 * HOUR + number * 24 * HOUR
    known = {"run_id": f"run-{number}", "started_at": begin, "ended_at": begin + minutes * MINUTE}
    return emission(**{**known, "operational_g": None, **changed})


def keep(*records: Any) -> None:
    from airflow_carbon.hooks.ledger import LedgerHook

    assert LedgerHook().write(*records)


def learned(**changed: Any) -> tuple[timedelta, str]:
    """Give the duration that the wait was made with, and what it says it stands on."""
    from fakes.aware import deferral, event, process, worker

    one, context = worker(duration="p90", duration_default=DEFAULT, **changed), task_context()
    trigger = deferral(one, context).trigger
    process(one, context, RESUME, event())
    record = context["ti"].xcoms["carbon_decision"]
    assert record["duration_seconds"] == trigger.duration_seconds
    return timedelta(seconds=trigger.duration_seconds), record["duration_from"]


def test_ten_runs_tell_the_ninetieth_percentile() -> None:
    keep(*(a_run(number, 10 + number) for number in range(10)))
    assert learned() == (18 * MINUTE, "p90 of the last 10 runs")


def test_until_there_are_ten_the_default_holds_and_the_record_says_so() -> None:
    keep(*(a_run(number, 10) for number in range(9)))
    length, said = learned()
    assert length == DEFAULT
    assert said == "duration_default, as the ledger knows 9 past runs, and 10 are needed"


def test_a_failed_try_a_fault_another_task_and_an_old_run_tell_nothing() -> None:
    keep(
        *(a_run(number, 10) for number in range(9)),
        *(a_run(number, 1, try_number=2, state="failed") for number in range(9)),
        a_run(20, 99, task_id="another"),
        a_run(21, 99, dag_id="another"),
        a_run(-400, 99),
        a_run(22, 0),
    )
    assert learned()[1].startswith("duration_default, as the ledger knows 9 past runs")


def test_a_run_that_was_cleared_and_ran_again_counts_once_by_its_last_try() -> None:
    keep(*(a_run(number, 10) for number in range(10)), *(a_run(number, 40, try_number=2) for number in (8, 9)))
    assert learned() == (40 * MINUTE, "p90 of the last 10 runs")


def test_each_instance_of_a_mapped_task_is_a_run() -> None:
    keep(*(a_run(0, 10 + index, map_index=index) for index in range(10)))
    assert learned() == (18 * MINUTE, "p90 of the last 10 runs")


def test_a_ledger_that_is_down_leaves_the_default_and_the_task_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    down = {"conn_type": "sqlite", "host": str(tmp_path / "file" / "ledger.db")}
    monkeypatch.setenv("AIRFLOW_CONN_DOWN", json.dumps(down))
    monkeypatch.setenv("AIRFLOW__CARBON__LEDGER_CONN_ID", "down")
    assert learned() == (DEFAULT, "duration_default, as the ledger did not answer (LedgerError)")


def test_the_promise_of_a_deadline_is_kept_for_the_learned_duration() -> None:
    from fakes.aware import deferral, worker

    keep(*(a_run(number, 30) for number in range(10)))
    run_after = datetime.now(UTC)
    one = worker(duration="p90", duration_default="6h", max_delay=None, deadline="8h")
    pinned = moments(deferral(one, task_context(run_after=run_after)).trigger)
    assert pinned["latest_start"] == run_after + 8 * HOUR - 30 * MINUTE - 5 * MINUTE


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=60), st.integers(1, 99))
def test_a_percentile_is_the_least_length_that_enough_runs_did_not_exceed(seconds: list[int], percent: int) -> None:
    from airflow_carbon.decorators.past_runs import percentile

    lengths = [timedelta(seconds=one) for one in seconds]
    enough = [one for one in lengths if 100 * sum(other <= one for other in lengths) >= percent * len(lengths)]
    assert percentile(lengths, percent) == min(enough)
    assert not math.isnan(percentile(lengths, percent).total_seconds())


def test_a_task_that_learns_records_each_of_its_tries() -> None:
    from fakes.aware import deferral, event, process, worker

    from airflow_carbon.core.record import EmissionRecord
    from airflow_carbon.hooks.ledger import LedgerHook

    one, store = worker(duration="p90", duration_default="1h", failures=1), StateStore()
    for number in (1, 2):
        ti: Any = TaskInstance()
        ti.try_number = number
        context = task_context(ti=ti, store=store)
        if number == 1:
            deferral(one, context)
            with pytest.raises(RuntimeError, match="the work failed"):
                process(one, context, RESUME, event())
        else:
            process(one, context)
    failed, done = LedgerHook().read(EmissionRecord)
    assert [(each.try_number, each.state, each.energy_kwh) for each in (failed, done)] == [
        (1, "failed", None),
        (2, "success", None),
    ]
    assert failed.started_at < failed.ended_at <= done.started_at


def test_work_that_goes_on_in_another_process_is_not_taken_for_a_short_one() -> None:
    from fakes.aware import WAIT, TwoSteps, deferral, event

    from airflow_carbon import carbon_aware
    from airflow_carbon.core.record import EmissionRecord
    from airflow_carbon.hooks.ledger import LedgerHook

    wait = {**WAIT, "duration": "p90", "duration_default": "1h"}
    one, context = carbon_aware(TwoSteps(task_id="a_task"), **wait), task_context()
    deferral(one, context)
    deferral(one, context, RESUME, event())
    assert list(LedgerHook().read(EmissionRecord)) == []


def test_a_task_that_governs_itself_is_measured_by_the_work_after_its_wait(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ready in an hour of 400 g/kWh, it works in one of 100: 3 kWh emit 300 g instead of 1200."""
    from fakes.aware import WAIT, deferral, event, process

    from airflow_carbon import SciHook, carbon_aware
    from airflow_carbon.hooks.impact import conclude
    from airflow_carbon.hooks.ledger import LedgerHook

    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    ready = hour - 5 * HOUR
    rows = [f"{(hour + step * HOUR).isoformat()},{400 if step < -2 else 100}" for step in range(-24, 24)]
    (tmp_path / "de.csv").write_text("\n".join(["timestamp,intensity", *rows]))
    extra = {"path": str(tmp_path / "de.csv"), "zone": "DE"}
    monkeypatch.setenv("AIRFLOW_CONN_DE", json.dumps({"conn_type": "carbon_history", "extra": extra}))

    def work() -> float:
        began = time.monotonic()
        with SciHook("de").measure(location="zone:DE", energy="3 kWh", context=context):
            pass
        return time.monotonic() - began

    from airflow.providers.standard.operators.python import PythonOperator

    ti: Any = TaskInstance(run_id=f"run-{time.monotonic_ns()}")
    one = carbon_aware(
        PythonOperator(task_id="a_task", python_callable=work),
        **{**WAIT, "location": "zone:DE", "carbon_conn_id": "de"},
    )
    context = task_context(ti=ti, run_after=ready)
    deferral(one, context)
    kept = context["task_state_store"].values["carbon_wait"]
    kept["ready_at"] = kept["earliest_start"] = ready.isoformat()
    context["outlet_events"] = {}
    process(one, context, RESUME, event(zone="DE", start=datetime.now(UTC).isoformat()))
    told = conclude(LedgerHook().ledger, now=datetime.now(UTC) + HOUR, carbon_conn_id="de")
    assert told.left == {}
    [impact] = told.records
    assert impact.decision_id == context["ti"].xcoms["carbon_decision"]["decision_id"]
    assert (impact.energy_kwh, impact.emitted_g, impact.baseline_g, impact.reduction_g) == pytest.approx(
        (3.0, 300.0, 1200.0, 900.0)
    )
