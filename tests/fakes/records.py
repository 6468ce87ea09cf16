"""Records for tests of the ledger: right ones, of which a test changes what it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_carbon.core.record import DecisionRecord, EmissionRecord, ImpactRecord

START = datetime(2026, 11, 22, 6, tzinfo=UTC)


def emission(**changed: Any) -> EmissionRecord:
    """2 kWh at 100 g/kWh for an hour: 200 g."""
    started = changed.pop("started_at", START)
    return EmissionRecord(
        **{
            "dag_id": "a_dag",
            "run_id": "a_run",
            "task_id": "a_task",
            "started_at": started,
            "ended_at": started + timedelta(hours=1),
            "energy_kwh": 2.0,
            "energy_how": "measured",
            "intensity_g_per_kwh": 100.0,
            "kind": "measured",
            "signal": "average",
            "accounting": "direct, consumption, CO2e",
            "location": "zone:GB",
            "zone": "GB",
            "owner": "ann",
            **changed,
        }
    )


def decision(decision_id: str = "one", **changed: Any) -> DecisionRecord:
    return DecisionRecord(
        **{
            "decision_id": decision_id,
            "dag_id": "a_dag",
            "run_id": "a_run",
            "task_id": "wait",
            "sort": "wait",
            "decided_at": START,
            "action": "taken",
            "governs": ("a_task",),
            "owner": "ann",
            **changed,
        }
    )


def impact(decision_id: str = "one", **changed: Any) -> ImpactRecord:
    """2 kWh at 100 instead of 300 g/kWh: 400 g less."""
    return ImpactRecord(
        **{
            "decision_id": decision_id,
            "started_at": START,
            "ended_at": START + timedelta(hours=1),
            "zone": "GB",
            "home_zone": "GB",
            "energy_kwh": 2.0,
            "intensity_g_per_kwh": 100.0,
            "baseline_intensity_g_per_kwh": 300.0,
            "emitted_g": 200.0,
            "baseline_g": 600.0,
            "signal": "average",
            "measured": True,
            **changed,
        }
    )
