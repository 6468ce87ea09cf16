"""Every form of a wait on two triggerers and two Celery workers, with PostgreSQL and Redis between them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_carbon.cli.airflow_api import poll
from airflow_carbon.exceptions import LocalAirflowError
from distributed.evening import DIRTY, play

if TYPE_CHECKING:
    from distributed.account import Account
    from distributed.engine import Engine

COUNT = 32
REASON = "a deploy is due"
Runs = dict[str, str]


@pytest.fixture(scope="module")
def runs(engine: Engine) -> Runs:
    """Start all of them at once, and give their ids."""
    api = engine.api
    play(api, engine.shared, "crowd", seed=8, dirty=5)
    started = {"crowd": api.trigger("crowd", {"count": COUNT, "works": 1.0, "max_delay": [120, 150]})}
    for dag_id in ("waits_for_somebody", "one_line_each", "pick_region_and_branch"):
        started[dag_id] = api.trigger(dag_id)
    return started


@pytest.fixture(scope="module")
def held(engine: Engine, runs: Runs) -> set[str]:
    """Wait until triggerers have decided about the whole crowd, and name those that were seen to hold a part of it."""
    seen: set[str] = set()

    def all_decided() -> bool | None:
        seen.update(host for host in engine.database.triggers("crowd") if host)
        return len(engine.database.waits("crowd", runs["crowd"])) == COUNT or None

    poll(all_decided, what="the whole crowd to wait", timeout=120)
    return seen


@pytest.fixture(scope="module")
def crowd(engine: Engine, runs: Runs, held: object, account: Callable[..., Account]) -> Account:
    """Give the account of the crowd's run."""
    assert engine.api.wait_for_run("crowd", runs["crowd"], timeout=240) == "success"
    return account("crowd", runs["crowd"])


def test_every_process_is_well_and_tells_of_itself_by_a_host_of_its_own(engine: Engine) -> None:
    assert engine.unwell() == []
    assert {"scheduler", "dag-processor", "triggerer-1", "triggerer-2"} <= engine.database.beating().keys()


def test_both_triggerers_hold_waits_beside_each_other(held: set[str]) -> None:
    assert held == {"triggerer-1", "triggerer-2"}


def test_a_crowd_waits_decides_and_starts_in_time(crowd: Account) -> None:
    assert len(crowd.records) == COUNT
    for record in crowd.records.values():
        assert record["in_time"]
        assert record["mode"] == "enforce"
        assert record["decisions"] >= 1
        assert record["source"].startswith("history")
    # Who was ready in the dirty hours waited for the clean ones; on a busy machine the last were not ready so soon.
    waited = [one for one in crowd.records.values() if one["baseline_intensity_g_per_kwh"] > 0.75 * DIRTY]
    assert len(waited) >= COUNT / 2
    assert all(one["intensity_g_per_kwh"] < 0.6 * one["baseline_intensity_g_per_kwh"] for one in waited)
    assert max(crowd.lateness().values()) <= timedelta(0)
    assert len({record["decision_id"] for record in crowd.records.values()}) == COUNT


def test_each_of_the_crowd_worked_once_and_both_workers_took_part(crowd: Account) -> None:
    crowd.check_tries()
    crowd.check_effects("one.work")
    assert crowd.retried == []
    assert {one.host for one in crowd.traces} == {"worker-1", "worker-2"}


def test_celery_brought_each_start_to_a_worker(engine: Engine, crowd: Account) -> None:
    [ended] = engine.database.rows("SELECT count(*) AS count FROM celery_taskmeta WHERE status = 'SUCCESS'")
    # A wait is started twice, the second time when it is over.
    assert ended["count"] >= 3 * COUNT


def test_the_ledger_in_the_same_database_says_what_the_records_say(crowd: Account) -> None:
    crowd.check_ledger()


def test_tasks_that_wait_by_themselves_do_their_work_after_it(
    engine: Engine, runs: Runs, account: Callable[..., Account]
) -> None:
    dag_id, run = "one_line_each", runs["one_line_each"]
    assert engine.api.wait_for_run(dag_id, run, timeout=240) == "success"
    told = account(dag_id, run, dict.fromkeys(("bash", "mapped"), "carbon_decision"))
    told.check(works="mapped")
    assert len(told.records) == 4
    for (task_id, _), record in told.records.items():
        assert record["governs"] == [task_id]
        assert record["in_time"]
        assert record["decisions"] >= 1
    began = datetime.fromisoformat(engine.api.xcom(dag_id, run, "bash"))
    assert began >= datetime.fromisoformat(told.records["bash", -1]["started_at"]).replace(microsecond=0)
    assert [engine.api.xcom(dag_id, run, "mapped", map_index=index) for index in range(3)] == [2, 4, 6]


def test_the_cleanest_region_is_picked_and_its_branch_alone_runs(engine: Engine, runs: Runs) -> None:
    dag_id, run = "pick_region_and_branch", runs["pick_region_and_branch"]
    assert engine.api.wait_for_run(dag_id, run, timeout=240) == "success"
    states = {task: state for (task, _), state in engine.database.states(dag_id, run).items()}
    assert states["run_in_sweden"] == "success"
    assert {states[one] for one in ("run_in_london", "run_in_frankfurt", "run_in_virginia")} == {"skipped"}
    kept = engine.database.decisions(dag_id, run)["pick_region", -1]
    assert kept["sort"] == "region"
    assert kept["raw"]["chosen"] == engine.api.xcom(dag_id, run, "pick_region") == "azure:swedencentral"


def test_a_wait_of_hours_starts_once_somebody_releases_it(
    engine: Engine, runs: Runs, account: Callable[..., Account]
) -> None:
    dag_id, run = "waits_for_somebody", runs["waits_for_somebody"]
    engine.api.wait_for_task(dag_id, run, "wait", states={"deferred"}, timeout=120)

    def said() -> str | None:
        body: dict[str, Any] = {"dag_id": dag_id, "run_id": run, "task_id": "wait", "reason": REASON}
        try:
            return str(engine.api.post("/carbon/api/release", body)["said"])
        except LocalAirflowError as error:
            if "only just begun to wait" not in str(error):
                raise
            return None

    assert "starts as soon as" in poll(said, what="the wait to be released", timeout=60)
    assert engine.api.wait_for_run(dag_id, run, timeout=120) == "success"
    told = account(dag_id, run, {"wait": "return_value"})
    told.check()
    assert told.records["wait", -1]["released"] == {"by": "admin", "reason": REASON}
    assert engine.database.waits(dag_id, run)["wait", -1]["state"] == "released"
