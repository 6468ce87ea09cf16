"""Parts of the engine die while tasks wait and work: each task succeeds once, and no record is lost or wrong."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_carbon.cli.airflow_api import poll

if TYPE_CHECKING:
    from distributed.account import Account
    from distributed.engine import Engine

COUNT = 8
#: What Airflow itself takes, with the engine's times of recovery, until a task that died with its worker works again: a
#: missed heartbeat (30 s), the search for such tasks (5 s), the retry (5 s), and starts on a busy machine.
RECOVERY = timedelta(seconds=75)


def begin(engine: Engine, conn_id: str, works: float) -> str:
    """Start a crowd, and give its run once each of it has its decision from a triggerer."""
    run = engine.api.trigger("crowd", {"conn_id": conn_id, "count": COUNT, "works": works, "max_delay": [90, 110]})
    poll(
        lambda: True if len(engine.database.waits("crowd", run)) == COUNT else None,
        what="the crowd to wait",
        timeout=90,
    )
    return run


def end(engine: Engine, run: str, account: Callable[..., Account]) -> Account:
    """Wait for the end of a run, and give its account, with all checked that must hold whatever was broken."""
    assert engine.api.wait_for_run("crowd", run, timeout=300) == "success"
    told = account("crowd", run)
    told.check(works="one.work")
    late = max(told.lateness().values()).total_seconds()
    print(f"\nworst start {late:+.0f} s against what was asked for; tries that did not succeed: {len(told.retried)}")
    return told


def test_a_triggerer_killed_in_mid_wait_leaves_its_waits_to_the_other_one(
    engine: Engine, evening: str, account: Callable[..., Account]
) -> None:
    run = begin(engine, evening, works=1.0)
    held = engine.database.triggers("crowd")
    fullest = max((host for host in held if host), key=lambda host: held[host])
    other = {"triggerer-1": "triggerer-2", "triggerer-2": "triggerer-1"}[fullest]
    with engine.supervisor.held_down(fullest, signal.SIGKILL):

        def taken_over() -> dict[str | None, int] | None:
            now = engine.database.triggers("crowd")
            return now if not now.keys() - {other} else None

        poll(taken_over, what=f"{other} to take over from {fullest}", timeout=60)
        told = end(engine, run, account)
    # Nothing failed on the way: a wait that changes hands is no new try.
    assert told.retried == []
    assert all(record["in_time"] for record in told.records.values())
    engine.wait_healthy()


def test_a_worker_killed_in_mid_work_leaves_its_tasks_to_a_second_try(
    engine: Engine, evening: str, account: Callable[..., Account]
) -> None:
    run = begin(engine, evening, works=8.0)

    def busy() -> str | None:
        begun = [one for one in account("crowd", run).traces if one.what == "began"]
        return begun[-1].host if len(begun) >= 3 else None

    killed = poll(busy, what="workers to work", timeout=120)
    starts = engine.supervisor.units[killed].starts
    engine.supervisor.kill(killed, signal.SIGKILL)
    told = end(engine, run, account)
    assert told.retried, f"{killed} was killed, and no task noticed"
    assert max(told.lateness().values()) <= RECOVERY
    engine.wait_healthy()
    assert engine.supervisor.units[killed].starts == starts + 1


def test_a_scheduler_that_is_asked_to_end_and_started_anew_takes_up_where_it_left(
    engine: Engine, evening: str, account: Callable[..., Account]
) -> None:
    run = begin(engine, evening, works=3.0)
    engine.supervisor.kill("scheduler", signal.SIGTERM)
    told = end(engine, run, account)
    assert max(told.lateness().values()) <= RECOVERY
    engine.wait_healthy()
    # What was on its way to a worker is adopted, not done again.
    assert told.retried == []
