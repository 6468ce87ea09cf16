"""What the data API says of a ledger with decisions in it, and how it stands many viewers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fakes.many_records import write
from fakes.records import decision, emission, impact

from airflow_carbon.core.record_wait import WaitRecord
from airflow_carbon.ledger.sql import SqlLedger

pytestmark = pytest.mark.airflow

HOUR = timedelta(hours=1)


@pytest.fixture
def ledger(state: Any) -> SqlLedger:
    return SqlLedger(f"sqlite:///{state}/ledger.db")


@pytest.fixture
def get(client: httpx.Client, logged_in: Any) -> Any:
    def got(path: str, user: str = "admin") -> Any:
        answer = client.get(f"/carbon/{path}", headers=logged_in(user))
        assert answer.status_code == 200, answer.text
        return answer.json()

    return got


def a_wait(now: datetime, **changed: Any) -> WaitRecord:
    """Ready at a full hour; four hours at 400, 300, 100 and 200 g/kWh are foreseen, and the third is chosen."""
    begin = now.replace(minute=0, second=0, microsecond=0)
    return WaitRecord(
        **{
            "decision_id": "one", "dag_id": "mine", "run_id": "a run", "task_id": "wait", "location": "zone:GB",
            "zone": "GB", "ready_at": begin, "earliest_start": begin, "latest_start": begin + 3 * HOUR,
            "duration_seconds": 3600.0, "reason": "75 % cleaner than at once", "start": begin + 2 * HOUR,
            "end": begin + 3 * HOUR, "intensity_g_per_kwh": 100.0, "baseline_start": begin,
            "baseline_end": begin + HOUR, "baseline_intensity_g_per_kwh": 400.0, "promised_saving_percent": 75.0,
            "kind": "forecast", "signal": "average", "accounting": "direct, consumption, CO2e", "source": "a source",
            "forecast": {"start": begin.isoformat(), "step_seconds": 3600.0, "values": [400.0, 300.0, 100.0, 200.0]},
            "replans": [{"at": begin.isoformat(), "start": (begin + 2 * HOUR).isoformat(), "reason": "moved"}],
            "updated_at": now, **changed,
        }
    )  # fmt: skip


def test_a_waiting_task_is_seen_with_its_plan_its_bands_and_its_forecast(get: Any, ledger: SqlLedger) -> None:
    now = datetime.now(UTC)
    wait = a_wait(now)
    ledger.write([wait])

    [row] = get("api/overview")["waiting"]
    page = get("api/dags/mine/runs/a%20run/tasks/wait")

    assert row["task"]["page"] == "task/mine/a%20run/wait/-1"
    assert row["task"]["airflow"] == "dags/mine/runs/a%20run/tasks/wait"
    assert datetime.fromisoformat(row["planned_start"]) == wait.start
    assert datetime.fromisoformat(row["latest_start"]) == wait.latest_start
    assert (row["promised_saving_percent"], row["replans"], row["state"]) == (75.0, 1, None)
    assert page["waiting"] is page["can_release"] is True
    assert page["series"]["intensity_g_per_kwh"] == [400.0, 300.0, 100.0, 200.0]
    assert page["series"]["step_seconds"] == 3600.0
    assert datetime.fromisoformat(page["baseline"]["start"]) == wait.baseline_start
    assert [one["intensity_g_per_kwh"] for one in page["chosen"]] == [100.0]
    assert [one["said"] for one in page["replans"]] == ["moved"]
    assert page["reason"] == "75 % cleaner than at once"


def test_a_user_who_may_not_edit_a_dag_is_offered_no_release(get: Any, ledger: SqlLedger) -> None:
    ledger.write([a_wait(datetime.now(UTC)), a_wait(datetime.now(UTC), decision_id="two", dag_id="other")])

    assert [one["can_release"] for one in get("api/waiting", "viewer")["waiting"]] == [False]
    assert [one["can_release"] for one in get("api/waiting", "editor")["waiting"]] == [True]
    assert [one["can_release"] for one in get("api/waiting")["waiting"]] == [True, True]


def test_a_wait_whose_latest_start_is_past_and_that_never_told_its_end_waits_no_more(
    get: Any, ledger: SqlLedger
) -> None:
    ledger.write([a_wait(datetime.now(UTC) - 30 * HOUR)])

    assert get("api/waiting")["total"] == 0
    assert get("api/dags/mine/runs/a%20run/tasks/wait")["waiting"] is False


def test_a_forecast_shows_the_window_that_the_ledger_holds(get: Any, ledger: SqlLedger) -> None:
    wait = a_wait(datetime.now(UTC))
    ledger.write([wait, a_wait(datetime.now(UTC), decision_id="two", dag_id="other", run_id="another")])

    answer = get("api/forecast?location=zone:GB&hours=24", "viewer")

    assert answer["series"]["zone"] == "GB"
    assert answer["series"]["signal"] == "average"
    [window] = answer["windows"]
    assert window["task"]["dag_id"] == "mine"
    assert datetime.fromisoformat(window["window"]["start"]) == wait.start


def test_regions_are_ranked_by_intensity_and_overhead_and_the_unknown_one_keeps_its_reason(get: Any) -> None:
    answer = get("api/regions?location=azure:swedencentral&location=azure:uksouth&location=zone:XX")
    ranked = [one for one in answer["regions"] if one["rank"]]

    assert [one["rank"] for one in ranked] == [1, 2]
    assert ranked[0]["region"] == "azure:swedencentral"
    assert ranked[0]["effective_g_per_kwh"] <= ranked[1]["effective_g_per_kwh"]
    assert all(one["effective_g_per_kwh"] == pytest.approx(one["intensity_g_per_kwh"] * one["pue"]) for one in ranked)
    assert [one["region"] for one in answer["regions"] if one["rejected"]] == ["zone:XX"]


def test_a_dag_shows_promised_against_realised_and_sums_never_cross_signals(get: Any, ledger: SqlLedger) -> None:
    for name, signal, promised, became in (("a", "average", 50.0, 40.0), ("b", "average", 30.0, 40.0),
                                           ("c", "marginal", 10.0, -5.0)):  # fmt: skip
        ledger.write([
            decision(name, dag_id="mine", run_id=name, promised_saving_percent=promised, signal=signal),
            impact(name, signal=signal, saving_percent=became, started_at=datetime(2025, 3, 3, 6, tzinfo=UTC),
                   ended_at=datetime(2025, 3, 3, 7, tzinfo=UTC)),
        ])  # fmt: skip

    page = get("api/dags/mine?limit=2")

    assert {one["signal"]: (one["decisions"], one["promised_saving_percent"], one["saving_percent"])
            for one in page["promises"]} == {"average": (2, 40.0, 40.0), "marginal": (1, 10.0, -5.0)}  # fmt: skip
    assert {one["signal"]: one["reduction_g"] for one in page["reductions"]} == {"average": 800.0, "marginal": 400.0}
    assert (len(page["decisions"]), page["total"]) == (2, 3)
    assert get("api/dags/mine?offset=2&limit=2")["decisions"][0]["decision_id"] not in {
        one["decision_id"] for one in page["decisions"]
    }


def test_the_sci_of_a_run_is_all_its_carbon_over_its_one_unit_and_a_run_without_grams_is_left_out(
    get: Any, ledger: SqlLedger
) -> None:
    began = datetime(2026, 11, 1, tzinfo=UTC)
    known = {"functional_unit": "order", "functional_units": 100.0, "embodied_g": 50.0}
    ledger.write([
        emission(dag_id="mine", run_id="first", started_at=began, **known),
        emission(dag_id="mine", run_id="first", task_id="another", started_at=began),
        emission(dag_id="mine", run_id="second", started_at=began + HOUR, **known),
        emission(dag_id="mine", run_id="third", started_at=began + 2 * HOUR, energy_kwh=None, energy_how="none"),
    ])  # fmt: skip

    [trend] = get("api/dags/mine")["trends"]

    # 2 kWh at 100 g/kWh twice and 50 g embodied, over 100 orders; then 250 g over 100.
    assert [one["sci_g_per_unit"] for one in trend["runs"]] == [4.5, 2.5]
    assert [one["run_id"] for one in trend["runs"]] == ["first", "second"]
    assert trend["total_over_total_g_per_unit"] == 3.5
    assert trend["left_out"] == 1


def test_a_choice_of_region_shows_every_rejected_region_with_its_reason(get: Any, ledger: SqlLedger) -> None:
    rows = [
        {"region": "azure:swedencentral", "zone": "SE", "rank": 1, "intensity_g_per_kwh": 20.0},
        {"region": "azure:uksouth", "zone": "GB", "rank": None, "rejected": "not in an allowed country"},
    ]
    record = {"reason": "cleanest of one", "regions": rows, "chosen": "azure:swedencentral"}
    ledger.write([decision(dag_id="mine", run_id="r", task_id="choose", sort="region", raw=record)])

    page = get("api/dags/mine/runs/r/tasks/choose")

    assert (page["sort"], page["reason"], page["waiting"]) == ("region", "cleanest of one", False)
    assert [(one["region"], one["rejected"]) for one in page["regions"]] == [
        ("azure:swedencentral", ""), ("azure:uksouth", "not in an allowed country"),
    ]  # fmt: skip
    assert page["record"] == record


@pytest.mark.parametrize(("conn_id", "code"), [("off", "ledger_off"), ("nowhere", "ledger_down")])
def test_pages_without_a_ledger_say_what_to_do(
    get: Any, monkeypatch: pytest.MonkeyPatch, conn_id: str, code: str
) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__LEDGER_CONN_ID", conn_id)

    for path in ("api/overview", "api/waiting", "api/dags/mine", "api/dags/mine/runs/r/tasks/t"):
        assert [one["code"] for one in get(path)["hints"]] == [code], path


def test_twenty_viewers_of_a_hundred_thousand_records_and_two_hundred_waits_see_no_error(
    address: str, carbon: Any, state: Any, logged_in: Any
) -> None:
    state.mkdir(parents=True)
    write(str(state / "ledger.db"), datetime.now(UTC))
    paths = ("api/overview", "api/waiting?limit=200", "api/dags/dag_1", "api/sources",
             "api/dags/dag_1/runs/now/tasks/wait_0?map_index=1", "api/forecast?location=azure:uksouth")  # fmt: skip

    def look(number: int) -> list[int]:
        headers = logged_in("admin" if number % 2 else "stranger")
        with httpx.Client(base_url=address, timeout=120.0, headers=headers) as browser:
            return [browser.get(f"/carbon/{path}").status_code for path in (*paths[number % 6 :], *paths)]

    with ThreadPoolExecutor(20) as viewers:
        codes = [code for seen in viewers.map(look, range(20)) for code in seen]

    assert set(codes) == {200}
    with httpx.Client(base_url=address, timeout=120.0, headers=logged_in("admin")) as browser:
        assert browser.get("/carbon/api/waiting?limit=500").json()["total"] == 200
