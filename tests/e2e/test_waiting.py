"""A user's DAG waits for clean power on a real Airflow, and nothing that breaks makes it late."""

from __future__ import annotations

import json
import re
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_carbon.cli.airflow_api import AirflowApi, poll

if TYPE_CHECKING:
    from airflow_carbon.cli.local_airflow import LocalAirflow

#: The wait of each scenario; all of them begin together, since waiting costs nothing.
SCENARIOS: dict[str, tuple[str, dict[str, Any]]] = {
    "training": ("train_when_clean", {"location": "azure:uksouth", "duration": "20s", "max_delay": "130s"}),
    "region": ("pick_region_and_branch", {"duration": "20s"}),
    "sci": ("report_sci", {}),
    "deadline": ("waits_for_a_deadline", {}),
    "rescheduled": ("waits_rescheduled", {"max_delay": "120s"}),
    "mapped": ("waits_mapped", {}),
    # Where no profile was calibrated that could stand in.
    "outage": ("waits", {"conn_id": "gone", "location": "zone:DE", "max_delay": "130s"}),
    "stands in": ("waits", {"conn_id": "gone", "max_delay": "130s"}),
    "fails": ("waits", {"conn_id": "gone", "max_delay": "130s", "on_outage": "fail"}),
    "shadow": ("waits", {"max_delay": "130s", "carbon": "shadow"}),
    "typo": ("waits", {"location": "azure:uksuth", "max_delay": "130s"}),
}


#: Monday before the evening peak, after which Great Britain's profile falls until three in the morning.
EVENING = "2026-01-05T16:00:00+00:00"
#: Ten seconds an hour: the tasks of all scenarios have started before the peak is over.
SPEED = 360


def connect(api: AirflowApi, conn_id: str, conn_type: str, **extra: Any) -> None:
    body = {"connection_id": conn_id, "conn_type": conn_type, "extra": json.dumps(extra)}
    api.request("POST", "connections", body=body)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def play_the_evening(api: AirflowApi, conn_id: str) -> None:
    """Connect the typical source so that its evening peak begins now, and an hour of it takes ten seconds."""
    connect(api, conn_id, "carbon_typical", speed=SPEED, played_since=datetime.now(UTC).isoformat(), plays_from=EVENING)


def replay_great_britain(api: AirflowApi, airflow: LocalAirflow, series: Path) -> None:
    """Connect the measured series so that the evening peak of a Tuesday of January 2020 begins now."""
    rows = series.read_text().splitlines()
    evening = next(row for row, line in enumerate(rows) if line.startswith("2020-01-14T17"))
    path = airflow.home / "gb.csv"
    path.write_text("\n".join(["timestamp,intensity", *(",".join(row.split(",")[:2]) for row in rows[evening:])]))
    connect(api, "gb_history", "carbon_history", path=str(path), replay=datetime.now(UTC).isoformat(), speed=SPEED)


@pytest.fixture(scope="module")
def runs(api: AirflowApi, airflow: LocalAirflow, repository: Path) -> dict[str, tuple[str, str]]:
    """Start every scenario at once; give each its DAG and run."""
    scenarios = dict(SCENARIOS)
    for dag_id in {dag_id for dag_id, _ in SCENARIOS.values()}:
        api.wait_for_dag(dag_id)
    connect(api, "gone", "carbon_history", path="no-such-file.csv")
    series = repository.parent / "shared" / "data" / "neso_GB_2020_2022_60min.csv"
    if series.is_file():
        replay_great_britain(api, airflow, series)
        scenarios["great britain"] = ("waits", {"conn_id": "gb_history", "max_delay": "130s"})
    play_the_evening(api, "carbon_default")
    return {name: (dag_id, api.trigger(dag_id, conf)) for name, (dag_id, conf) in scenarios.items()}


def kept(record: dict[str, Any]) -> bool:
    """Tell whether the start kept the promise, from the record's own moments."""
    started, latest = (datetime.fromisoformat(record[name]) for name in ("started_at", "latest_start"))
    return bool(record["in_time"]) and started <= latest + timedelta(seconds=20)


def test_the_training_waits_deferred_then_runs_on_cleaner_power(api: AirflowApi, runs: dict[str, Any]) -> None:
    dag_id, run = runs["training"]
    api.wait_for_task(dag_id, run, "wait_for_clean_power", states={"deferred"}, timeout=90)
    assert api.wait_for_run(dag_id, run, timeout=240) == "success"
    record = api.xcom(dag_id, run, "wait_for_clean_power")
    assert kept(record)
    assert record["kind"] == "typical"
    assert record["zone"] == "GB"
    assert record["intensity_g_per_kwh"] < 0.9 * record["baseline_intensity_g_per_kwh"]
    assert record["promised_saving_percent"] > 10.0
    trained = api.xcom(dag_id, run, "train")
    assert trained["accuracy"] > 0.8
    assert trained["start"] > record["started_at"]
    assert "cleaner" in api.log(dag_id, run, "train")


def test_the_task_links_to_its_source(api: AirflowApi, runs: dict[str, Any]) -> None:
    dag_id, run = runs["training"]
    api.wait_for_run(dag_id, run, timeout=240)
    links = api.request("GET", "dags", dag_id, "dagRuns", run, "taskInstances", "wait_for_clean_power", "links")
    assert links["extra_links"]["Carbon source"].startswith("https://www.neso.energy/")


def test_the_cleanest_region_is_picked_and_its_branch_alone_runs(api: AirflowApi, runs: dict[str, Any]) -> None:
    dag_id, run = runs["region"]
    assert api.wait_for_run(dag_id, run, timeout=240) == "success"
    states = {one["task_id"]: one["state"] for one in api.task_instances(dag_id, run)}
    assert states["run_in_sweden"] == "success"
    assert {states[one] for one in ("run_in_london", "run_in_frankfurt", "run_in_virginia")} == {"skipped"}
    assert api.xcom(dag_id, run, "pick_region") == "azure:swedencentral"
    ranking = {one["region"]: one for one in api.xcom(dag_id, run, "pick_region", "ranking")}
    assert len(ranking) == 4
    assert "US" in ranking["aws:us-east-1"]["rejected"]
    assert ranking["azure:swedencentral"]["rejected"] is None
    assert api.xcom(dag_id, run, "collect") == "azure:swedencentral"


def test_the_sci_report_follows_from_its_own_parts(api: AirflowApi, runs: dict[str, Any]) -> None:
    dag_id, run = runs["sci"]
    assert api.wait_for_run(dag_id, run, timeout=240) == "success"
    report = api.xcom(dag_id, run, "sci_report")
    orders, invoices = report["components"]
    assert (orders["task_id"], invoices["task_id"]) == ("process_orders", "send_invoices")
    for part in (orders, invoices):
        hours = (moment(part["ended_at"]) - moment(part["started_at"])) / timedelta(hours=1)
        assert hours > 0.0
        assert part["embodied_g"] == pytest.approx(1e6 * hours / 35_040.0, rel=1e-6)
        assert part["operational_g"] == pytest.approx(part["energy_kwh"] * part["intensity_g_per_kwh"])
    declared = (moment(orders["ended_at"]) - moment(orders["started_at"])) / timedelta(hours=1)
    assert orders["energy_kwh"] == pytest.approx(0.095 * declared, rel=1e-6)
    carbon = sum(part["operational_g"] + part["embodied_g"] for part in (orders, invoices))
    assert report["total_g"] == pytest.approx(carbon)
    assert report["sci_g_per_unit"] == pytest.approx(carbon / 398.0)
    assert (report["functional_unit"], report["final"]) == ("order", False)


def test_a_templated_deadline_holds_for_a_manual_run(api: AirflowApi, runs: dict[str, Any]) -> None:
    dag_id, run = runs["deadline"]
    assert api.wait_for_run(dag_id, run, timeout=240) == "success"
    record = api.xcom(dag_id, run, "wait")
    run_after = datetime.fromisoformat(api.run(dag_id, run)["run_after"])
    assert datetime.fromisoformat(record["deadline"]) == run_after + timedelta(seconds=110)
    assert datetime.fromisoformat(record["latest_start"]) == run_after + timedelta(seconds=110 - 20 - 40)
    assert kept(record)


def test_a_sensor_that_needs_no_triggerer_reschedules(api: AirflowApi, runs: dict[str, Any]) -> None:
    dag_id, run = runs["rescheduled"]
    assert api.wait_for_run(dag_id, run, timeout=240) == "success"
    record = api.xcom(dag_id, run, "wait")
    assert kept(record)
    # Each decision is a process of its own: the second one took the plan from where the first had left it.
    assert record["decisions"] >= 2
    assert record["reason"].startswith("started as planned")
    assert record["promised_saving_percent"] > 10.0


def test_mapped_sensors_wait_each_for_their_own_location_beside_each_other(
    api: AirflowApi, runs: dict[str, Any]
) -> None:
    dag_id, run = runs["mapped"]
    assert api.wait_for_run(dag_id, run, timeout=240) == "success"
    records = [api.xcom(dag_id, run, "wait", map_index=index) for index in range(3)]
    assert [record["location"] for record in records] == ["zone:GB", "azure:uksouth", "51.5,-0.12"]
    assert all(kept(record) for record in records)
    assert len({record["decision_id"] for record in records}) == 3
    assert len({record["start"] for record in records}) == 3


def test_an_outage_runs_the_work_at_once_and_says_so(api: AirflowApi, runs: dict[str, Any]) -> None:
    dag_id, run = runs["outage"]
    assert api.wait_for_run(dag_id, run, timeout=240) == "success"
    record = api.xcom(dag_id, run, "wait")
    assert "no-such-file.csv" in record["reason"]
    assert record["intensity_g_per_kwh"] is None
    assert datetime.fromisoformat(record["started_at"]) < datetime.fromisoformat(record["latest_start"])


def test_a_profile_calibrated_for_the_zone_stands_in_and_the_record_says_for_what(
    api: AirflowApi, runs: dict[str, Any]
) -> None:
    dag_id, run = runs["stands in"]
    assert api.wait_for_run(dag_id, run, timeout=240) == "success"
    record = api.xcom(dag_id, run, "wait")
    assert record["kind"] == "typical"
    assert record["source"].startswith("typical (after history: no-such-file.csv")
    assert kept(record)


def test_an_outage_that_must_fail_is_tried_again_before_it_does(api: AirflowApi, runs: dict[str, Any]) -> None:
    dag_id, run = runs["fails"]
    api.wait_for_task(dag_id, run, "wait", states={"failed"}, timeout=180)
    assert api.task_instance(dag_id, run, "wait")["try_number"] == 3
    assert "no-such-file.csv" in api.log(dag_id, run, "wait")


def test_a_shadow_run_is_recorded_and_never_delayed(api: AirflowApi, runs: dict[str, Any]) -> None:
    dag_id, run = runs["shadow"]
    assert api.wait_for_run(dag_id, run, timeout=240) == "success"
    record = api.xcom(dag_id, run, "wait")
    assert record["mode"] == "shadow"
    started, ready = (datetime.fromisoformat(record[name]) for name in ("started_at", "ready_at"))
    assert started - ready < timedelta(seconds=15)


def test_a_typo_fails_before_anything_waits_and_names_the_right_region(api: AirflowApi, runs: dict[str, Any]) -> None:
    dag_id, run = runs["typo"]
    api.wait_for_task(dag_id, run, "wait", states={"failed"}, timeout=180)
    assert "did you mean azure:uksouth" in api.log(dag_id, run, "wait")


def test_a_cleared_task_waits_again_only_as_far_as_its_promise(api: AirflowApi, runs: dict[str, Any]) -> None:
    dag_id, run = runs["training"]
    api.wait_for_run(dag_id, run, timeout=240)
    before = api.xcom(dag_id, run, "wait_for_clean_power")
    body = {"dry_run": False, "dag_run_id": run, "task_ids": ["wait_for_clean_power"], "only_failed": False}
    api.request("POST", "dags", dag_id, "clearTaskInstances", body=body)
    cleared = datetime.now(UTC)

    def again() -> dict[str, Any] | None:
        state = api.task_instance(dag_id, run, "wait_for_clean_power")
        done = state["state"] == "success" and datetime.fromisoformat(state["start_date"]) > cleared
        return dict(api.xcom(dag_id, run, "wait_for_clean_power")) if done else None

    after = poll(again, what="the cleared task to finish", timeout=180)
    assert after["latest_start"] == before["latest_start"]
    assert after["ready_at"] == before["ready_at"]
    assert after["decision_id"] == before["decision_id"]
    api.wait_for_run(dag_id, run, timeout=120)


def test_real_history_of_great_britain_is_replayed_and_waited_on(api: AirflowApi, runs: dict[str, Any]) -> None:
    if "great britain" not in runs:
        pytest.skip("the real series are not here: no ../shared/data beside the repository")
    dag_id, run = runs["great britain"]
    assert api.wait_for_run(dag_id, run, timeout=240) == "success"
    record = api.xcom(dag_id, run, "wait")
    assert record["source"].startswith("history")
    assert record["kind"] == "forecast"
    assert kept(record)
    assert record["intensity_g_per_kwh"] < record["baseline_intensity_g_per_kwh"]


def test_a_triggerer_killed_in_mid_wait_and_started_again_still_keeps_the_promise(
    api: AirflowApi, airflow: LocalAirflow
) -> None:
    play_the_evening(api, "evening")
    run = api.trigger("waits", {"conn_id": "evening", "max_delay": "150s"})
    api.wait_for_task("waits", run, "wait", states={"deferred"}, timeout=90)
    said = r"cleaner than now \(\d+ instead of (\d+) g/kWh\)"
    first = poll(lambda: re.search(said, api.log("waits", run, "wait")), what="the first decision", timeout=60)
    airflow.kill("triggerer", signal.SIGKILL)
    airflow.start_component("triggerer")
    assert api.wait_for_run("waits", run, timeout=300) == "success"
    record = api.xcom("waits", run, "wait")
    assert kept(record)
    # The second triggerer took up the plan of the first, with the intensity that the task was first ready at.
    assert record["reason"].startswith("started as planned")
    assert record["decisions"] >= 2
    assert record["baseline_intensity_g_per_kwh"] >= float(first[1]) - 1.0


def test_without_any_triggerer_the_work_still_runs_in_time(api: AirflowApi, airflow: LocalAirflow) -> None:
    airflow.kill("triggerer", signal.SIGKILL)
    try:
        run = api.trigger("waits_for_a_deadline")
        assert api.wait_for_run("waits_for_a_deadline", run, timeout=240) == "success"
        record = api.xcom("waits_for_a_deadline", run, "wait")
        assert "no triggerer answered" in record["reason"]
        started, deadline = (datetime.fromisoformat(record[name]) for name in ("started_at", "deadline"))
        assert started + timedelta(seconds=20) <= deadline
        assert record["in_time"]
    finally:
        airflow.start_component("triggerer")
        airflow.wait_healthy()
