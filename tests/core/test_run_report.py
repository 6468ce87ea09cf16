"""A run's SCI and the trend over runs, with numbers worked by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.record import EmissionRecord
from airflow_carbon.core.run_report import RunReport
from airflow_carbon.core.trend import trend
from airflow_carbon.exceptions import InvalidRequestError

START = datetime(2026, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def emission(task_id: str, **changed: Any) -> EmissionRecord:
    """Give one hour of 0.5 kWh at 200 g/kWh with 20 g embodied: 120 g in all."""
    fields: dict[str, Any] = {
        "dag_id": "shop", "run_id": "monday", "task_id": task_id, "started_at": START, "ended_at": START + HOUR,
        "location": "zone:DE", "zone": "DE", "energy_kwh": 0.5, "energy_how": "declared", "intensity_g_per_kwh": 200.0,
        "kind": "measured", "signal": "average", "accounting": "life-cycle", "intensity_source": "history",
        "embodied_g": 20.0, "final": True,
    }  # fmt: skip
    return EmissionRecord(**{**fields, **changed})


def report(*components: EmissionRecord, **changed: Any) -> RunReport:
    asked = {"functional_unit": "order", "functional_units": 40.0, **changed}
    return RunReport.of(components, **asked)


def test_a_runs_sci_is_its_whole_carbon_over_its_one_r_worked_by_hand() -> None:
    """120 g + (2 kWh x 400 + 80 = 880 g) = 1000 g over 40 orders: 25 g an order; 2.5 kWh at (100 + 800) / 2.5 = 360."""
    train = emission("train", energy_kwh=2.0, intensity_g_per_kwh=400.0, embodied_g=80.0, started_at=START - HOUR)
    run = report(emission("load"), train)
    record = run.record()
    assert run.score == record["sci_g_per_unit"] == 25.0
    assert (record["total_g"], record["operational_g"], record["embodied_g"]) == (1000.0, 900.0, 100.0)
    assert (record["energy_kwh"], record["intensity_g_per_kwh"]) == (2.5, 360.0)
    assert [one["task_id"] for one in record["components"]] == ["train", "load"]
    assert [one["share_of_carbon_percent"] for one in record["components"]] == [88.0, 12.0]
    assert [one["of_sci_g_per_unit"] for one in record["components"]] == [22.0, 3.0]
    assert record["complete"] is record["final"] is True
    assert (record["zone"], record["kind"], record["energy_how"]) == ("DE", "measured", ["declared"])
    assert json.loads(json.dumps(record)) == record


def test_scis_of_tasks_are_added_only_where_every_task_has_the_runs_own_r() -> None:
    same = {"functional_unit": "order", "functional_units": 40.0}
    assert report(emission("a", **same), emission("b", **same)).sum_of_task_scis == 6.0
    assert report(emission("a", **same), emission("b", **same)).score == 6.0
    for other in ({"functional_unit": "row"}, {"functional_units": 41.0}, {"functional_units": None}):
        run = report(emission("a", **same), emission("b", **{**same, **other}))
        assert run.sum_of_task_scis is None
        assert run.record()["sum_of_task_scis_note"].startswith("not added")
        assert run.score == 6.0


def test_a_tasks_own_sci_stands_beside_its_part_of_the_runs() -> None:
    (one,) = report(emission("load", functional_unit="row", functional_units=1200.0)).record()["components"]
    assert (one["own_sci_g_per_unit"], one["own_functional_unit"], one["of_sci_g_per_unit"]) == (0.1, "row", 3.0)


def test_a_failed_try_emitted_too() -> None:
    failed = emission("load", state="failed", try_number=1)
    run = report(failed, emission("load", try_number=2, started_at=START + HOUR, ended_at=START + 2 * HOUR))
    assert run.total_g == 240.0
    assert [one["state"] for one in run.record()["components"]] == ["failed", "success"]


def test_a_component_without_energy_leaves_the_run_without_an_sci_and_says_so() -> None:
    bare = {"energy_kwh": None, "energy_how": "none", "embodied_g": None}
    run = report(emission("load"), emission("train", **bare))
    record = run.record()
    assert (run.score, record["complete"], record["total_g"]) == (None, False, 120.0)
    assert record["incomplete"] == {"train, try 1": "no energy is known"}


def test_without_any_energy_there_are_shares_and_an_intensity_and_never_grams() -> None:
    """Three hours at 200 and one at 400 g/kWh: 250 on average over the time at work."""
    bare = {"energy_kwh": None, "energy_how": "none", "embodied_g": None}
    long = emission("train", **bare, ended_at=START + 3 * HOUR)
    record = report(long, emission("load", **bare, intensity_g_per_kwh=400.0)).record()
    assert record["intensity_g_per_kwh"] == 250.0
    assert sorted(one["share_of_time_percent"] for one in record["components"]) == [25.0, 75.0]
    for part in (record, *record["components"]):
        assert [value for key, value in part.items() if key.endswith("_g") and value is not None] == []
    assert record["sci_g_per_unit"] is None


def test_what_was_refused_before_any_work_leaves_the_run_complete() -> None:
    refused = EmissionRecord.faulty(
        dag_id="shop", run_id="monday", task_id="load", at=START, fault="energy: no unit", raw={"energy": 3}
    )
    run = report(refused, emission("load", try_number=2))
    assert (run.score, run.record()["final"]) == (3.0, True)
    assert run.record()["components"][0]["fault"] == "energy: no unit"


def test_a_fault_after_the_work_leaves_its_carbon_unknown() -> None:
    fault = emission("load", energy_kwh=None, energy_how="none", embodied_g=None, fault="kwh: -1")
    run = report(fault, emission("train"))
    assert (run.score, run.incomplete) == (None, {"load, try 1": "kwh: -1"})


def test_an_r_of_zero_is_an_error_that_names_the_carbon() -> None:
    run = report(emission("load"), functional_units=0.0)
    with pytest.raises(InvalidRequestError, match="R is 0, the run did no order; its carbon of 120 g"):
        _ = run.score
    assert (run.record()["total_g"], run.record()["sci_g_per_unit"]) == (120.0, None)


def test_different_signals_are_never_added() -> None:
    with pytest.raises(InvalidRequestError, match=r"different signal do not add up .*load has average.*train has marg"):
        report(emission("load"), emission("train", signal="marginal"), mixed_accounting=True)


def test_different_accounting_is_added_only_where_asked_for_and_then_labelled() -> None:
    parts = emission("load"), emission("train", accounting="direct")
    with pytest.raises(InvalidRequestError, match=r"different accounting.*mixed_accounting=True"):
        report(*parts)
    record = report(*parts, mixed_accounting=True).record()
    assert (record["mixed_accounting"], record["accounting"]) == (True, "direct + life-cycle")


def test_one_forecast_among_the_intensities_keeps_the_report_open() -> None:
    assert report(emission("load"), emission("train", kind="forecast", final=False)).record()["final"] is False


@pytest.mark.parametrize(
    ("changed", "fault"),
    [({"functional_units": -1.0}, "functional_units"), ({"functional_units": "40"}, "functional_units"),
     ({"functional_unit": " "}, "functional_unit")],
)  # fmt: skip
def test_an_r_that_cannot_be_meant_is_refused(changed: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidRequestError, match=fault):
        report(emission("load"), **changed)


def test_a_run_of_which_nothing_was_recorded_has_no_report() -> None:
    with pytest.raises(InvalidRequestError, match="no task recorded an emission"):
        report()


@given(st.lists(st.tuples(st.floats(0, 1e3), st.floats(0, 2e3), st.floats(0, 1e6)), min_size=1, max_size=8))
def test_the_parts_of_a_runs_sci_add_up_to_it(parts: list[tuple[float, float, float]]) -> None:
    components = [
        emission(f"task_{number}", energy_kwh=energy, intensity_g_per_kwh=intensity, embodied_g=embodied)
        for number, (energy, intensity, embodied) in enumerate(parts)
    ]
    record = report(*components).record()
    expected = sum(energy * intensity + embodied for energy, intensity, embodied in parts) / 40.0
    assert record["sci_g_per_unit"] == pytest.approx(expected, rel=1e-9)
    assert sum(one["of_sci_g_per_unit"] for one in record["components"]) == pytest.approx(expected, rel=1e-9)


def a_run(run_id: str, total_g: float | None, units: float, **changed: Any) -> dict[str, Any]:
    sort = {"functional_unit": "order", "signal": "average", "accounting": "life-cycle", "complete": True}
    return {"run_id": run_id, "total_g": total_g, "functional_units": units, **sort, **changed}


def test_the_trend_worked_by_hand() -> None:
    """100 g / 10 = 10, 300 g / 100 = 3: their mean is 6.5; with 30 g of an empty day, 430 g / 110 = 3.909."""
    found = trend([a_run("mon", 100.0, 10.0), a_run("tue", 300.0, 100.0), a_run("wed", 30.0, 0.0)])
    record = found.record()
    assert record["mean_of_ratios_g_per_unit"] == 6.5
    assert record["total_over_total_g_per_unit"] == pytest.approx(430.0 / 110.0, rel=1e-12)
    assert (record["total_g"], record["functional_units"]) == (430.0, 110.0)
    assert record["to_report"] == "total_over_total_g_per_unit"
    assert [one["sci_g_per_unit"] for one in record["runs"]] == [10.0, 3.0, None]
    assert json.loads(json.dumps(record)) == record


def test_a_run_whose_carbon_is_not_wholly_known_is_left_out_and_named() -> None:
    found = trend([a_run("mon", 100.0, 10.0), a_run("tue", None, 10.0), a_run("wed", 5.0, 10.0, complete=False)])
    assert found.left_out == ("tue", "wed")
    assert found.total_over_total == 10.0


@pytest.mark.parametrize("field", ["functional_unit", "signal", "accounting"])
def test_rates_of_different_sorts_make_no_trend(field: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"{field}: tue has 'other'"):
        trend([a_run("mon", 1.0, 1.0), a_run("tue", 1.0, 1.0, **{field: "other"})])


def test_a_trend_needs_some_carbon_and_some_work() -> None:
    with pytest.raises(InvalidRequestError, match="there is none"):
        trend([])
    with pytest.raises(InvalidRequestError, match="none has carbon"):
        trend([a_run("mon", None, 1.0)])
    with pytest.raises(InvalidRequestError, match="R is 0 in every run"):
        _ = trend([a_run("mon", 1.0, 0.0)]).total_over_total
