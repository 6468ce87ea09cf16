"""Decisions joined to the work that they govern, and to what was measured in those hours."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.records import START, decision, emission

from airflow_carbon.core.governed import link
from airflow_carbon.core.record import DecisionRecord, EmissionRecord, ImpactRecord

pytestmark = pytest.mark.airflow

HOUR = timedelta(hours=1)
#: From START on, hour by hour.
GB = [300, 250, 200, 100, 60, 150, 300, 300]
FR = [50, 50, 50, 40, 40, 40, 40, 40]
NOW = START + 30 * HOUR


def at(hours: float) -> datetime:
    return START + hours * HOUR


def wait(decision_id: str = "one", **changed: Any) -> DecisionRecord:
    """Ready at once, allowed to start within four hours; 110 g/kWh foreseen for the hour from 03:00."""
    windows = [{"start": at(3).isoformat(), "end": at(4).isoformat(), "intensity_g_per_kwh": 110.0}]
    raw = {"earliest_start": START.isoformat(), "latest_start": at(4).isoformat()}
    return decision(
        decision_id,
        **{"location": "zone:GB", "home": "zone:GB", "ready_at": START, "start": at(3), "raw": raw,
           "recommended": {"windows": windows}, "promised_saving_percent": 60.0, **changed},
    )  # fmt: skip


def work(begin: float = 3, hours: float = 1, **changed: Any) -> EmissionRecord:
    """2 kWh."""
    return emission(**{"started_at": at(begin), "ended_at": at(begin + hours), "operational_g": None, **changed})


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    from airflow_carbon.ledger.sql import SqlLedger

    for zone, values in (("GB", GB), ("FR", FR)):
        rows = [f"{at(hour).isoformat()},{value}" for hour, value in enumerate(values)]
        (tmp_path / f"{zone}.csv").write_text("\n".join(["timestamp,intensity", *rows]))
        extra = {"path": str(tmp_path / f"{zone}.csv"), "zone": zone}
        monkeypatch.setenv(f"AIRFLOW_CONN_{zone}", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path))
    return SqlLedger(f"sqlite:///{tmp_path}/ledger.db")


def concluded(ledger: Any, *records: Any) -> Any:
    from airflow_carbon.hooks.impact import conclude

    ledger.write(records)
    return conclude(ledger, now=NOW, carbon_conn_id="gb,fr")


def only(ledger: Any, *records: Any) -> ImpactRecord:
    told = concluded(ledger, *records)
    assert not told.left
    (one,) = told.records
    return one


def test_a_wait_by_hand(ledger: Any) -> None:
    """2 kWh at 100 instead of 300; at 60 at the best; 60 % promised and 67 % kept; 110 foreseen where 100 came."""
    one = only(ledger, wait(), work())
    assert (one.emitted_g, one.baseline_g, one.reduction_g) == (200.0, 600.0, 400.0)
    assert one.oracle_g == 120.0
    assert (one.saving_percent, one.promised_saving_percent) == (pytest.approx(200 / 3), 60.0)
    assert one.forecast_error_percent == pytest.approx(10.0)
    assert (one.signal, one.measured, one.zone, one.home_zone) == ("average", True, "GB", "GB")
    assert one.raw["reduction_label"] == "attributed reduction"
    assert [kept.reduction_g for kept in ledger.read(ImpactRecord)] == [400.0]


def test_a_run_that_did_worse_keeps_its_negative_reduction(ledger: Any) -> None:
    one = only(ledger, wait(ready_at=at(3)), work(6))
    assert one.reduction_g == -400.0
    assert one.saving_percent == -200.0


def test_a_reduction_counts_once_however_often_it_is_concluded(ledger: Any) -> None:
    from airflow_carbon.ledger.reductions import reduction_totals

    for _ in range(3):
        concluded(ledger, wait(), work())
    (total,) = reduction_totals(ledger, ("dag",))
    assert (total.decisions, total.reduction_g) == (1, 400.0)


def test_a_failed_try_is_part_of_the_work(ledger: Any) -> None:
    # 1 kWh at 100 and 2 kWh at 60, against 1 at 300 and 2 at 250.
    first = work(3, try_number=1, state="failed", energy_kwh=1.0)
    one = only(ledger, wait(), first, work(4, try_number=2))
    assert (one.emitted_g, one.baseline_g) == pytest.approx((220.0, 800.0))


def test_without_an_energy_there_are_a_percentage_and_grams_for_each_kilowatt_hour_alone(ledger: Any) -> None:
    one = only(ledger, wait(), work(energy_kwh=None, energy_how="none"))
    assert (one.energy_kwh, one.emitted_g, one.baseline_g, one.reduction_g, one.oracle_g) == (None,) * 5
    assert (one.intensity_g_per_kwh, one.baseline_intensity_g_per_kwh) == (100.0, 300.0)
    assert one.saving_percent == pytest.approx(200 / 3)


def test_on_always_on_hardware_only_the_dynamic_part_moves(ledger: Any) -> None:
    one = only(ledger, wait(), work(raw={"always_on": True, "reducible_kwh": 0.5}))
    assert (one.energy_kwh, one.reduction_g) == (0.5, 100.0)


def test_on_always_on_hardware_of_unknown_idle_power_no_grams_are_claimed(ledger: Any) -> None:
    one = only(ledger, wait(), work(raw={"always_on": True, "reducible_kwh": None}))
    assert one.reduction_g is None
    assert one.saving_percent == pytest.approx(200 / 3)


def test_hardware_that_was_reserved_for_the_wait_costs_what_it_drew(ledger: Any) -> None:
    """1.5 kWh of work and 0.5 kWh from 00:00 to 03:00 at a mean of 250: 150 + 125 g against 450 g."""
    raw = {"always_on": False, "reducible_kwh": 1.5, "waiting_kwh": 0.5, "waited_seconds": 3 * 3600.0}
    one = only(ledger, wait(), work(raw=raw))
    assert (one.emitted_g, one.baseline_g, one.reduction_g) == (pytest.approx(275.0), 450.0, pytest.approx(175.0))


def region(decision_id: str = "place", **changed: Any) -> DecisionRecord:
    recommended = {"region": "zone:FR", "regions": ["zone:FR", "zone:GB"]}
    return wait(
        decision_id,
        **{"sort": "region", "task_id": "pick", "location": "zone:FR", "home": "zone:GB", "raw": {},
           "recommended": recommended, **changed},
    )  # fmt: skip


def test_a_choice_of_region_is_held_against_its_home(ledger: Any) -> None:
    one = only(ledger, region(), work(0, location="zone:FR"))
    assert (one.zone, one.home_zone) == ("FR", "GB")
    assert (one.emitted_g, one.baseline_g, one.oracle_g) == (100.0, 600.0, 100.0)


def test_work_of_two_decisions_counts_once_for_what_both_changed(ledger: Any) -> None:
    later = wait("time", location="zone:FR", home="zone:FR", decided_at=at(3))
    told = concluded(ledger, region(decided_at=START), later, work(location="zone:FR"))
    (one,) = told.records
    # At 40 in FR at 03:00, instead of 300 in GB at 00:00; the best was 40 too, in FR.
    assert (one.decision_id, one.emitted_g, one.baseline_g, one.oracle_g) == ("time", 80.0, 600.0, 80.0)
    assert told.left == {"place": "its work counts with the later decision time"}
    # What the wait alone promised is no promise of both.
    assert one.promised_saving_percent is None


def test_a_plan_in_chunks_is_held_against_the_run_without_a_cut(ledger: Any) -> None:
    windows = [
        {"start": at(begin).isoformat(), "end": at(begin + 1).isoformat(), "intensity_g_per_kwh": foreseen}
        for begin, foreseen in ((2, 180.0), (4, 80.0))
    ]
    plan = wait(sort="schedule", recommended={"windows": windows})
    one = only(ledger, plan, work(2, map_index=0), work(4, map_index=1))
    # 2 kWh at 200 and 2 at 60, against 2 at 300 and 2 at 250; 20 and 20 missed of 200 and 60.
    assert (one.emitted_g, one.baseline_g, one.oracle_g) == (520.0, 1100.0, None)
    assert one.forecast_error_percent == pytest.approx(100 * 40 / 260)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"governs": ()}, "it governs nothing"),
        ({"action": "shadow"}, "a shadow changes nothing"),
        ({"action": ""}, "it is not known yet what was done"),
        ({"governs": ("another",)}, "nothing is recorded of another"),
        ({"ready_at": at(4)}, "nothing is recorded of a_task"),
    ],
)
def test_a_decision_without_work_claims_nothing(ledger: Any, changed: dict[str, Any], reason: str) -> None:
    told = concluded(ledger, wait(**changed), work())
    assert told.records == []
    assert told.left == {"one": reason}


def test_hours_that_are_not_measured_yet_are_left_for_later(ledger: Any) -> None:
    told = concluded(ledger, wait(), work(7.5))
    assert told.records == []
    assert "one" in told.left


def test_the_best_is_not_told_where_not_all_that_was_promised_is_measured(ledger: Any) -> None:
    raw = {"earliest_start": START.isoformat(), "latest_start": at(9).isoformat()}
    one = only(ledger, wait(raw=raw), work())
    assert (one.reduction_g, one.oracle_g) == (400.0, None)


def test_a_source_without_measured_values_makes_an_estimate(ledger: Any) -> None:
    from airflow_carbon.hooks.impact import conclude

    ledger.write([wait(), work()])
    (one,) = conclude(ledger, now=NOW).records
    assert not one.measured
    assert not one.final


def test_mapped_work_belongs_to_the_decision_of_its_own_index() -> None:
    decisions = [wait(f"d{index}", map_index=index) for index in range(3)]
    works = [work(map_index=index) for index in range(3)]
    links, left = link(decisions, works)
    assert [(one.decision.decision_id, [each.map_index for each in one.works]) for one in links] == [
        ("d0", [0]), ("d1", [1]), ("d2", [2]),
    ]  # fmt: skip
    assert left == {}


def test_work_behind_many_mapped_decisions_counts_for_one_of_them() -> None:
    decisions = [wait(f"d{index}", map_index=index) for index in range(3)]
    links, left = link(decisions, [work()])
    assert len(links) == 1
    assert len(left) == 2
    assert all("counts with the later decision" in reason for reason in left.values())


def test_work_of_another_run_is_not_governed() -> None:
    links, left = link([wait()], [work(run_id="another_run"), work(dag_id="another_dag")])
    assert links == []
    assert left == {"one": "nothing is recorded of a_task"}
