"""A real DAG shifts, fails its first try, measures itself and reports; the ledger's numbers follow from its inputs."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_carbon.cli.airflow_api import AirflowApi
    from airflow_carbon.cli.local_airflow import LocalAirflow

DAG_ID = "reports"
MINUTE = timedelta(minutes=1)
#: Of one server of 1000 kg that serves 35,040 hours [g/s].
EMBODIED_G_PER_SECOND = 1e6 / (35_040 * 3600)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture(scope="module")
def minutes(airflow: LocalAirflow, api: AirflowApi) -> tuple[datetime, list[float]]:
    """Connect a series of minutes, dirty for one or two more and clean then; give its begin and its numbers."""
    api.wait_for_dag(DAG_ID)
    begin = datetime.now(UTC).replace(second=0, microsecond=0) - 10 * MINUTE
    values = [400.0] * 12 + [100.0 + step for step in range(60)]
    path = airflow.home / "minutes.csv"
    rows = (f"{(begin + step * MINUTE).isoformat()},{value}" for step, value in enumerate(values))
    path.write_text("\n".join(["timestamp,intensity", *rows]))
    extra = json.dumps({"path": str(path), "zone": "DE"})
    api.request(
        "POST", "connections", body={"connection_id": "de_minutes", "conn_type": "carbon_history", "extra": extra}
    )
    return begin, values


@pytest.fixture(scope="module")
def run(api: AirflowApi, minutes: Any) -> str:
    """Take the DAG through one run."""
    triggered = api.trigger(DAG_ID)
    assert api.wait_for_run(DAG_ID, triggered, timeout=420) == "success"
    return triggered


def mean(minutes: tuple[datetime, list[float]], start: datetime, end: datetime) -> float:
    """Add up the minutes that a time touches, each by its share."""
    begin, values = minutes
    grams = 0.0
    for step, value in enumerate(values):
        left, right = begin + step * MINUTE, begin + (step + 1) * MINUTE
        grams += value * max(0.0, (min(right, end) - max(left, start)) / MINUTE)
    return grams / ((end - start) / MINUTE)


def emissions(airflow: LocalAirflow, run: str) -> list[dict[str, Any]]:
    exported = json.loads(airflow.airflow("carbon", "ledger", "export", "--format", "json", "--dag", DAG_ID))
    return sorted((one for one in exported if one["run_id"] == run), key=lambda one: one["try_number"])


def test_a_failed_try_and_its_retry_are_in_the_ledger_by_their_own_arithmetic(
    airflow: LocalAirflow, run: str, minutes: tuple[datetime, list[float]]
) -> None:
    failed, done = emissions(airflow, run)
    assert [(one["task_id"], one["state"]) for one in (failed, done)] == [("work", "failed"), ("work", "success")]
    assert done["functional_units"] == 200
    for one in (failed, done):
        start, end = moment(one["started_at"]), moment(one["ended_at"])
        assert one["energy_how"] == "measured"
        assert one["energy_kwh"] > 0.0
        assert one["intensity_g_per_kwh"] == pytest.approx(mean(minutes, start, end), rel=1e-6)
        assert one["operational_g"] == pytest.approx(one["energy_kwh"] * one["intensity_g_per_kwh"])
        assert one["embodied_g"] == pytest.approx((end - start).total_seconds() * EMBODIED_G_PER_SECOND, rel=1e-3)
    assert 1.5 < (moment(failed["ended_at"]) - moment(failed["started_at"])).total_seconds() < 30


def test_the_report_is_the_whole_runs_carbon_over_its_one_count(
    airflow: LocalAirflow, api: AirflowApi, run: str
) -> None:
    report = api.xcom(DAG_ID, run, "report")
    carbon = sum(one["operational_g"] + one["embodied_g"] for one in emissions(airflow, run))
    assert report["total_g"] == pytest.approx(carbon)
    assert report["sci_g_per_unit"] == pytest.approx(carbon / 200)
    assert len(report["components"]) == 2


def test_the_reduction_is_that_of_the_hours_in_which_the_work_ran(
    airflow: LocalAirflow, api: AirflowApi, run: str, minutes: tuple[datetime, list[float]]
) -> None:
    said = airflow.airflow("carbon", "ledger", "finalise", "--conn-id", "de_minutes", "--dag", DAG_ID)
    assert "1 decisions have an impact" in said
    told = emissions(airflow, run)
    assert [one["final"] for one in told] == [True, True]
    said = airflow.airflow("carbon", "impact", DAG_ID, run, "--conn-id", "de_minutes", "--json")
    decision = api.xcom(DAG_ID, run, "wait")
    assert decision["governs"] == ["work"]
    with closing(sqlite3.connect(airflow.home / "carbon" / "ledger.db")) as ledger:
        ledger.row_factory = sqlite3.Row
        [impact] = ledger.execute("SELECT * FROM carbon_impact WHERE decision_id = ?", (decision["decision_id"],))
    assert str(decision["decision_id"]) in said
    assert impact["emitted_g"] == pytest.approx(sum(one["operational_g"] for one in told))
    assert impact["reduction_g"] == pytest.approx(impact["baseline_g"] - impact["emitted_g"])
    assert impact["baseline_g"] > impact["emitted_g"]
    # Dirty minutes, 400 g/kWh, from the moment in which the wait was ready.
    energy = sum(one["energy_kwh"] for one in told)
    assert impact["baseline_g"] == pytest.approx(400.0 * energy, rel=0.02)
