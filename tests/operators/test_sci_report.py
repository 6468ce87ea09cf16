"""Reporting a whole run, as a task does it: what it pulls, adds, returns and refuses."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.task_context import TaskInstance, task_context

from airflow_carbon.core.record import EmissionRecord
from airflow_carbon.core.record_document import document_of
from airflow_carbon.exceptions import InvalidRequestError

pytestmark = pytest.mark.airflow

START = datetime(2026, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass
class Pulling(TaskInstance):
    """Answer what other tasks of the run pushed: for each one its own, all instances of a mapped one, or nothing."""

    pushed: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def xcom_pull(self, task_ids: Iterable[str], key: str) -> list[Any]:
        assert key == "carbon_emission"
        return [one for task_id in task_ids for one in self.pushed.get(task_id, [None])]


@pytest.fixture(autouse=True)
def ledger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give each test a ledger of its own."""
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path))


@pytest.fixture
def run_id() -> str:
    return f"run-{time.monotonic_ns()}"


@pytest.fixture
def load(run_id: str) -> EmissionRecord:
    """Give 0.5 kWh at 200 g/kWh and 20 g embodied: 120 g."""
    return EmissionRecord(
        dag_id="a_dag", run_id=run_id, task_id="load", started_at=START, ended_at=START + HOUR, location="zone:DE",
        zone="DE", energy_kwh=0.5, energy_how="declared", intensity_g_per_kwh=200.0, kind="measured", signal="average",
        accounting="life-cycle", intensity_source="history", embodied_g=20.0, final=True,
    )  # fmt: skip


def executed(run_id: str, *records: EmissionRecord, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    from airflow_carbon.operators.sci_report import SciReportOperator

    pushed: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        pushed.setdefault(record.task_id, []).append(document_of(record))
    context = task_context(ti=Pulling(run_id=run_id, task_id="report", pushed=pushed))
    asked = {"functional_unit": "order", "functional_units": "40", "task_ids": "load, train", **fields}
    try:
        report = SciReportOperator(task_id="report", **asked).execute(context)
    except InvalidRequestError as error:
        return {"error": str(error)}, context["ti"].xcoms
    assert context["ti"].xcoms["carbon_sci"] == report
    assert json.loads(json.dumps(report)) == report
    return report, context["ti"].xcoms


def test_the_run_is_reported_component_by_component(run_id: str, load: EmissionRecord) -> None:
    """120 g and, by two mapped instances of a second task, twice 440 g: 1000 g over 40 orders."""
    parts = [
        replace(load, task_id="train", map_index=index, energy_kwh=1.0, intensity_g_per_kwh=400.0, embodied_g=40.0,
                operational_g=None)
        for index in (0, 1)
    ]  # fmt: skip
    report, _ = executed(run_id, load, *parts)
    assert (report["sci_g_per_unit"], report["total_g"]) == (25.0, 1000.0)
    assert [(one["task_id"], one["map_index"], one["total_g"]) for one in report["components"]] == [
        ("load", -1, 120.0),
        ("train", 0, 440.0),
        ("train", 1, 440.0),
    ]
    assert (report["run_id"], report["not_measured"], report["final"]) == (run_id, [], True)


def test_a_failed_try_is_taken_from_the_ledger_since_a_retry_wipes_its_xcom(run_id: str, load: EmissionRecord) -> None:
    from airflow_carbon.hooks.ledger import LedgerHook

    failed = replace(load, state="failed")
    assert LedgerHook().write(failed, replace(load, task_id="elsewhere"), replace(load, run_id="another run"))
    report, _ = executed(run_id, replace(load, try_number=2))
    assert [(one["try_number"], one["state"]) for one in report["components"]] == [(1, "failed"), (2, "success")]
    assert report["total_g"] == 240.0


def test_what_was_finalised_meanwhile_counts_instead_of_what_the_task_knew(run_id: str, load: EmissionRecord) -> None:
    from airflow_carbon.hooks.ledger import LedgerHook

    assert LedgerHook().write(replace(load, intensity_g_per_kwh=100.0, operational_g=None))
    report, _ = executed(run_id, replace(load, kind="forecast", final=False))
    assert (report["total_g"], report["final"]) == (70.0, True)


def test_a_ledger_that_is_down_is_noted_and_fails_nothing(
    run_id: str, load: EmissionRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__LEDGER_CONN_ID", "no_such_ledger")
    report, _ = executed(run_id, load)
    assert report["total_g"] == 120.0
    assert "earlier tries are not in this report" in report["note"]


def test_tasks_that_recorded_nothing_are_named(run_id: str, load: EmissionRecord) -> None:
    report, _ = executed(run_id, load, task_ids=["load", "wait", "train"])
    assert report["not_measured"] == ["wait", "train"]
    assert report["sci_g_per_unit"] == 3.0


def test_by_default_all_tasks_upstream_are_reported() -> None:
    from airflow.sdk import DAG, BaseOperator

    from airflow_carbon.operators.sci_report import SciReportOperator

    with DAG("a_dag", schedule=None):
        first, second, beside = (BaseOperator(task_id=name) for name in ("first", "second", "beside"))
        report = SciReportOperator(task_id="report", task_ids="{{ none }}")
        first >> second >> report
    assert beside.task_id == "beside"
    report.task_ids = "None"
    assert report._task_ids() == ["first", "second"]


def test_an_r_of_zero_is_an_error_and_the_carbon_is_kept(run_id: str, load: EmissionRecord) -> None:
    found, xcoms = executed(run_id, load, functional_units="0")
    assert "R is 0, the run did no order; its carbon of 120 g" in found["error"]
    assert (xcoms["carbon_sci"]["total_g"], xcoms["carbon_sci"]["sci_g_per_unit"]) == (120.0, None)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"functional_units": "many"}, "functional_units: 'many' is text"),
        ({"functional_units": -1}, "functional_units: -1"),
        ({"functional_units": None}, "functional_units: None"),
        ({"functional_unit": ""}, "names nothing"),
        ({"task_ids": ["elsewhere"]}, "no task recorded an emission"),
    ],
)
def test_a_report_that_cannot_be_made_says_why_and_keeps_the_inputs(
    run_id: str, load: EmissionRecord, fields: dict[str, Any], fault: str
) -> None:
    found, xcoms = executed(run_id, load, **fields)
    assert fault in found["error"]
    kept = xcoms["carbon_sci"]
    assert kept["fault"] == found["error"]
    assert kept["functional_units"] == fields.get("functional_units", "40")
    assert len(kept["components"]) == (0 if "task_ids" in fields else 1)


def test_a_damaged_record_is_refused_and_kept(run_id: str, load: EmissionRecord) -> None:
    from airflow_carbon.operators.sci_report import SciReportOperator

    for spoilt, fault in (
        ({"energy_kwh": -1.0}, "energy_kwh"),
        ({"ended_at": (START - HOUR).isoformat()}, "comes before the start"),
        ({"record": "decision", "decision_id": "d"}, "record: .*decided_at"),
    ):
        document = {**document_of(load), **spoilt}
        context = task_context(ti=Pulling(run_id=run_id, pushed={"load": [document]}))
        operator = SciReportOperator(task_id="report", functional_unit="order", functional_units=40, task_ids=["load"])
        with pytest.raises(InvalidRequestError, match=fault):
            operator.execute(context)  # type: ignore[arg-type]
        assert context["ti"].xcoms["carbon_sci"]["components"] == [document]


def test_every_field_is_templated() -> None:
    import inspect

    from airflow_carbon.operators.sci_report import SciReportOperator

    own = set(inspect.signature(SciReportOperator.__init__).parameters) - {"self", "kwargs"}
    assert own == set(SciReportOperator.template_fields)
