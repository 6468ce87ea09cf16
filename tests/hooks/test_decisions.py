"""A decision on its way into the ledger."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.sensors import deferral, sensor
from fakes.task_context import StateStore, TaskInstance, task_context

from airflow_carbon.core.record import DecisionRecord

pytestmark = pytest.mark.airflow

READY = datetime(2026, 1, 5, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def own_ledger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "carbon"))
    return tmp_path / "carbon" / "ledger.db"


def kept() -> list[DecisionRecord]:
    from airflow_carbon.hooks.ledger import LedgerHook

    return list(LedgerHook().read(DecisionRecord))


def waited(**changed: Any) -> dict[str, Any]:
    """Give the record of a wait that started as planned, at 02:00."""
    start = READY + 2 * HOUR
    return {
        "decision_id": "a-wait", "location": "zone:DE", "mode": "enforce", "zone": "DE", "source": "history",
        "kind": "forecast", "signal": "average", "accounting": "direct", "ready_at": READY.isoformat(),
        "earliest_start": READY.isoformat(), "latest_start": (READY + 5 * HOUR).isoformat(),
        "started_at": start.isoformat(), "start": start.isoformat(), "end": (start + HOUR).isoformat(),
        "intensity_g_per_kwh": 90.0, "baseline_intensity_g_per_kwh": 300.0, "promised_saving_percent": 70.0,
        "reason": "started as planned", "governs": ["train"], **changed,
    }  # fmt: skip


def made(record: dict[str, Any], sort: str = "wait", context: Any = None, **more: Any) -> DecisionRecord:
    from airflow_carbon.hooks.decisions import decision_record

    return decision_record(record, context or task_context(), sort=sort, **more)


def test_a_wait_says_what_was_recommended_what_was_promised_and_what_it_governs() -> None:
    one = made(waited())
    assert (one.decision_id, one.sort, one.action, one.governs) == ("a-wait", "wait", "taken", ("train",))
    assert (one.ready_at, one.start) == (READY, READY + 2 * HOUR)
    assert (one.promised_saving_percent, one.baseline_intensity_g_per_kwh) == (70.0, 300.0)
    assert (one.location, one.home, one.zone, one.signal) == ("zone:DE", "zone:DE", "DE", "average")
    (window,) = one.recommended["windows"]
    assert window["intensity_g_per_kwh"] == 90.0


@pytest.mark.parametrize(
    ("changed", "action"),
    [
        ({}, "taken"),
        ({"mode": "shadow"}, "shadow"),
        ({"mode": "off", "start": None}, "overridden"),
        ({"started_at": (READY + 4 * HOUR).isoformat()}, "timed out"),
        ({"start": None, "end": None, "reason": "ran at once, as on_outage says"}, "taken"),
    ],
)
def test_what_was_done_follows_from_the_record(changed: dict[str, Any], action: str) -> None:
    assert made(waited(**changed)).action == action


def test_a_wait_that_no_triggerer_ended_is_timed_out_and_says_why() -> None:
    one = made(waited(start=None, reason="no triggerer answered"), timed_out=True)
    assert (one.action, one.why) == ("timed out", "no triggerer answered")


def test_a_choice_of_region_is_promised_against_a_run_at_home_at_once() -> None:
    regions = [
        {"region": "zone:SE", "intensity_g_per_kwh": 30.0, "start": READY.isoformat(), "rejected": None},
        {"region": "zone:DE", "intensity_g_per_kwh": 300.0, "start": READY.isoformat(), "rejected": None},
        {"region": "zone:PL", "intensity_g_per_kwh": None, "start": None, "rejected": "not allowed"},
    ]
    decision = {"chosen": "zone:SE", "decided_at": READY.isoformat(), "regions": regions, **regions[0]}
    one = made(decision, "region", home="zone:DE")
    assert (one.location, one.home, one.promised_saving_percent) == ("zone:SE", "zone:DE", pytest.approx(90.0))
    assert one.recommended["regions"] == ["zone:SE", "zone:DE"]
    # Ranked at its own best time, the home tells nothing of a run at once.
    regions[1]["start"] = (READY + 3 * HOUR).isoformat()
    assert made(decision, "region", home="zone:DE").promised_saving_percent is None


def test_the_same_task_instance_keeps_its_decision_and_another_has_its_own() -> None:
    from airflow_carbon.hooks.decisions import decision_id

    def named(**changed: Any) -> str:
        return decision_id(task_context(ti=TaskInstance(**changed)), "region")

    assert named() == named()
    assert len({named(), named(map_index=1), named(run_id="b"), named(task_id="c")}) == 4


def test_a_plan_in_chunks_is_recommended_window_by_window() -> None:
    chunks = [{"start": (READY + at * HOUR).isoformat(), "end": (READY + (at + 1) * HOUR).isoformat(),
               "intensity_g_per_kwh": 50.0, "index": at} for at in (1, 4)]  # fmt: skip
    one = made(waited(plan=chunks, start=None, decided_at=READY.isoformat()), "schedule")
    assert [window["start"] for window in one.recommended["windows"]] == [each["start"] for each in chunks]
    assert one.start == READY + HOUR


def test_it_governs_what_is_directly_downstream_and_behind_tasks_that_only_wait() -> None:
    from airflow.sdk import DAG, BaseOperator

    from airflow_carbon import BestRegionOperator, CarbonAwareSensor
    from airflow_carbon.hooks.decisions import governed

    with DAG("a_dag"):
        pick = BestRegionOperator(task_id="pick", regions=["zone:DE"], duration="1h")
        wait = CarbonAwareSensor(task_id="wait", location="zone:DE", duration="1h", max_delay="8h")
        train, report, far = (BaseOperator(task_id=name) for name in ("train", "report", "far"))
        pick >> [wait, report]
        wait >> train >> far
    assert governed(wait) == ("train",)
    assert governed(pick) == ("report", "train")
    assert governed(far) == ()
    assert governed(wait, ["b", far]) == ("b", "far")
    assert governed(wait, "a, b") == ("a", "b")
    assert governed(wait, []) == ()


def test_the_sensor_names_the_governed_work_and_keeps_its_decision() -> None:
    one = sensor(max_delay="5m", governs=["train"])
    record = one.execute(task_context())
    (decision,) = kept()
    assert record["governs"] == ["train"]
    assert decision.governs == ("train",)
    assert decision.decision_id == record["decision_id"]


def test_a_second_delivery_is_one_decision() -> None:
    from airflow_carbon.hooks.decisions import keep_decision

    for _ in range(3):
        assert keep_decision(waited(), task_context(), sort="wait")
    assert len(kept()) == 1


def test_a_wait_without_a_triggerer_is_kept_as_timed_out() -> None:
    from airflow.sdk.exceptions import TaskDeferralTimeout

    store = StateStore()
    one = sensor(governs=["train"])
    deferral(one, task_context(store=store))
    assert kept() == []

    def resumed(*_: Any) -> Any:
        raise TaskDeferralTimeout

    one.execute_complete = resumed
    one.resume_execution("execute_complete", {}, task_context(store=store))
    (decision,) = kept()
    assert decision.action == "timed out"


def test_a_choice_of_region_is_kept_with_its_home_and_its_identity() -> None:
    from airflow_carbon import BestRegionOperator

    context = task_context()
    regions = ["aws:us-east-1", "azure:swedencentral"]
    BestRegionOperator(task_id="pick", regions=regions, duration="2h", governs="train").execute(context)
    (decision,) = kept()
    told = context["ti"].xcoms["carbon_decision"]
    assert (told["decision_id"], told["governs"]) == (decision.decision_id, ["train"])
    assert (decision.home, decision.location) == ("aws:us-east-1", "azure:swedencentral")
    assert decision.promised_saving_percent is not None
    assert decision.promised_saving_percent > 50.0


def test_a_ledger_that_is_down_fails_no_task_and_the_decision_waits_in_the_outbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__LEDGER_CONN_ID", "gone")
    gone = {"conn_type": "postgres", "host": "127.0.0.1", "port": 1, "schema": "x", "login": "a", "password": "b"}
    monkeypatch.setenv("AIRFLOW_CONN_GONE", json.dumps(gone))
    store = StateStore()
    record = sensor(max_delay="5m", governs=["train"]).execute(task_context(store=store))
    assert record["in_time"]
    assert store.values["carbon_outbox"][0]["decision_id"] == record["decision_id"]


def test_a_record_that_cannot_be_read_fails_no_task() -> None:
    from airflow_carbon.hooks.decisions import keep_decision

    assert keep_decision(waited(ready_at="yesterday"), task_context(), sort="wait") is False
    assert kept() == []


def test_where_the_mode_or_the_ledger_is_off_nothing_is_kept(monkeypatch: pytest.MonkeyPatch, own_ledger: Path) -> None:
    sensor(carbon_mode="off").execute(task_context())
    assert not own_ledger.exists()
    monkeypatch.setenv("AIRFLOW__CARBON__LEDGER_CONN_ID", "off")
    sensor(max_delay="5m").execute(task_context())
    assert not own_ledger.exists()


def test_a_run_that_switches_carbon_off_overrides_what_its_dag_asks_for() -> None:
    sensor(governs=["train"]).execute(task_context(conf={"carbon": "off"}))
    (decision,) = kept()
    assert decision.action == "overridden"
    assert "the run asked for carbon mode off" in decision.why


def test_who_lets_go_of_the_worker_imports_no_ledger() -> None:
    code = (
        "import sys; from fakes.sensors import sensor; from fakes.task_context import task_context\n"
        "from airflow.sdk.exceptions import TaskDeferred\n"
        "try: sensor().execute(task_context())\n"
        "except TaskDeferred: pass\n"
        "names = ('airflow_carbon.hooks.ledger', 'airflow_carbon.hooks.decisions', 'airflow_carbon.ledger.sql')\n"
        "print([name for name in names if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"
