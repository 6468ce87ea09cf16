"""Rows of Airflow's trigger table that another version wrote, carried by Airflow's own code to a trigger."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import pkgutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.sensors import sensor
from fakes.task_context import task_context
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.airflow

SECOND = timedelta(seconds=1)
WINDOW = "airflow_carbon.triggers.carbon_window.CarbonWindowTrigger"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("AIRFLOW__CARBON__MIN_DEFER", "0")
    monkeypatch.setenv("AIRFLOW__CARBON__LEDGER_CONN_ID", "off")
    import airflow_carbon.core.wait
    import airflow_carbon.triggers.carbon_window  # noqa: F401


def classes() -> list[type]:
    """Find every trigger of this package."""
    from airflow.triggers.base import BaseTrigger

    import airflow_carbon.triggers as package

    found = {}
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        for _, one in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(one, BaseTrigger) and one.__module__.startswith("airflow_carbon."):
                found[f"{one.__module__}.{one.__qualname__}"] = one
    return [found[name] for name in sorted(found)]


def arguments(latest: datetime, **changed: Any) -> dict[str, Any]:
    """Give what a worker of this version writes."""
    from airflow_carbon.triggers.carbon_window import CarbonWindowTrigger

    ready = (latest - timedelta(hours=2)).isoformat()
    told = {"ready_at": ready, "earliest_start": ready, "not_before": ready, "latest_start": latest.isoformat()}
    one = CarbonWindowTrigger(
        location="zone:GB", duration_seconds=600.0, decision_id="0123-abcd", task_key=["d", "r", "t", -1], **told
    )
    return {**one.serialize()[1], **changed}


def carried(kwargs: dict[str, Any], classpath: str = WINDOW, timeout_after: datetime | None = None) -> dict[str, Any]:
    """Take arguments the way of a deferral: worker, API, row, triggerer; give the payload of what is fired.

    :raises AssertionError: if Airflow would fail the task, or end its triggerer.
    """
    from airflow.executors.workloads.trigger import RunTrigger
    from airflow.jobs.triggerer_job_runner import TriggerRunner
    from airflow.models.trigger import Trigger
    from airflow.sdk.execution_time.comms import _new_encoder
    from airflow.sdk.serde import serialize

    row = Trigger(classpath=classpath, kwargs=serialize(kwargs))

    async def fire() -> Any:
        runner = TriggerRunner()
        runner.to_create.append(
            RunTrigger(
                id=1, classpath=row.classpath, encrypted_kwargs=row.encrypted_kwargs, timeout_after=timeout_after
            )
        )
        await runner.create_triggers()
        assert not runner.failed_triggers, runner.failed_triggers
        await asyncio.wait_for(runner.triggers[1]["task"], timeout=30)
        (entry,) = runner.events
        # As it goes back to the api-server.
        _new_encoder().encode(entry.event)
        return entry.event.payload

    payload = asyncio.run(fire())
    assert isinstance(payload, dict)
    return json.loads(json.dumps(payload, allow_nan=False))  # type: ignore[no-any-return]


def resumed(payload: dict[str, Any]) -> str:
    """Let a sensor take the event up, and give the reason in its record."""
    record = sensor().execute_complete(task_context(), payload)
    assert record["start"] is None
    return str(record["reason"])


def test_every_trigger_of_the_package_writes_its_version() -> None:
    from airflow.models.trigger import Trigger

    from airflow_carbon.triggers.row import VERSION

    assert [one.__name__ for one in classes()] == ["CarbonWindowTrigger"]
    for one in classes():
        row = Trigger.from_object(one())
        assert row.kwargs["version"] == VERSION
        assert one(**row.kwargs).serialize() == (row.classpath, row.kwargs)


def test_a_row_without_a_version_is_one_of_the_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    told = arguments(now - SECOND)
    del told["version"]
    assert "cannot read" not in carried(told)["record"]["reason"]


def test_a_row_of_this_version_is_decided_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    rows = [f"{(now + step * SECOND).isoformat()},{100 if step != 2 else 10}" for step in range(60)]
    (tmp_path / "own.csv").write_text("\n".join(["timestamp,intensity", *rows]))
    extra = {"path": str(tmp_path / "own.csv")}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    told = arguments(now + 10 * SECOND, carbon_conn_id=["mine"], duration_seconds=1.0, earliest_start=now.isoformat())
    record = carried(told, timeout_after=now + 20 * SECOND)["record"]
    assert record["start"] == (now + 2 * SECOND).isoformat()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"version": 2}, "of version 2, and 1 is known"),
        ({"version": "1"}, "of version '1'"),
        ({"version": None}, "of version None"),
        ({"carbon_budget_g": 5.0}, "arguments that are not known here: 'carbon_budget_g'"),
        ({"self": 1}, "'self'"),
        ({"location": "nowhere at all"}, "is no location"),
        ({"location": ""}, "names no location"),
        ({"duration_seconds": 0.0}, "duration_seconds: 0.0"),
        ({"duration_seconds": 1e300}, "duration"),
        ({"on_outage": "panic"}, "panic"),
        ({"carbon_conn_id": 5}, "carbon_conn_id: 5"),
        ({"carbon_conn_id": "one"}, "carbon_conn_id: 'one'"),
        ({"task_key": ["d", "r"]}, "task_key"),
        ({"power": "a lot"}, "power"),
        ({"threshold": "low"}, "threshold"),
        ({"pool": ["etl"]}, "pool"),
        ({"decision_id": 7}, "decision_id"),
        ({"not_before": "soon"}, "not_before"),
        ({"ready_at": None}, "ready_at"),
    ],
)
def test_what_cannot_be_read_waits_for_the_latest_start_and_says_so(changed: dict[str, Any], said: str) -> None:
    latest = datetime.now(UTC) + SECOND / 2
    payload = carried(arguments(latest, **changed))
    assert datetime.now(UTC) >= latest
    reason = resumed(payload)
    assert reason.startswith("ran at the latest start, without a decision: the triggerer cannot read the wait (")
    assert said in reason


def test_an_argument_that_a_newer_version_took_away_is_missed_only_where_nothing_stands_for_it() -> None:
    latest = datetime.now(UTC) + SECOND
    told = arguments(latest)
    del told["duration_seconds"]
    assert "without a decision" in resumed(carried(told))
    told = arguments(datetime.now(UTC) - SECOND)
    for name in ("pool", "pool_size", "pool_slots", "threshold", "power", "spread"):
        del told[name]
    assert "cannot read" not in resumed(carried(told))


def test_an_unreadable_latest_start_is_found_in_the_deferral_itself() -> None:
    from airflow_carbon.triggers.waiting import GRACE

    soon = datetime.now(UTC) + 2 * SECOND
    payload = carried(arguments(soon, latest_start="at dusk"), timeout_after=soon + GRACE)
    assert soon <= datetime.now(UTC) < soon + GRACE
    assert resumed(payload).startswith("ran at the latest start, without")


@pytest.mark.parametrize("far", ["9999-12-31T23:59:59+00:00", "9999-12-31T23:59:59-14:00"])
def test_a_latest_start_beyond_the_deferral_does_not_outlast_it(far: str) -> None:
    soon = datetime.now(UTC) + 2 * SECOND
    carried(arguments(soon, latest_start=far, version=9), timeout_after=soon)
    assert datetime.now(UTC) < soon


def test_with_no_latest_start_at_all_it_fires_at_once_and_says_so() -> None:
    reason = resumed(carried({"version": 3}))
    assert reason.startswith("ran at once, since no latest start is known, without a decision: ")
    assert "version 3" in reason


def test_an_event_never_comes_so_early_that_airflow_would_lose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__MIN_DEFER", "2s")
    before = datetime.now(UTC)
    carried({"version": 3})
    assert datetime.now(UTC) >= before + 2 * SECOND


def test_a_reason_is_of_bounded_length_and_one_line_whatever_the_row_says() -> None:
    reason = resumed(carried(arguments(datetime.now(UTC) - SECOND, location="\x1b[2J\n" + "x" * 100_000)))
    assert len(reason) < 600
    assert reason.isprintable()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = sorted(arguments(datetime(2026, 1, 1, tzinfo=UTC)))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changed=st.dictionaries(st.sampled_from(NAMES), JSON, max_size=5),
    added=st.dictionaries(st.text(max_size=8).filter(lambda name: not name.startswith("__")), JSON, max_size=2),
    removed=st.sets(st.sampled_from(NAMES), max_size=4),
)
def test_no_mutilated_row_fails_the_task_or_ends_the_triggerer(
    changed: dict[str, Any], added: dict[str, Any], removed: set[str]
) -> None:
    # The latest start has gone by, so that nothing sleeps.
    told = {**added, **arguments(datetime.now(UTC) - SECOND), **changed}
    told = {name: value for name, value in told.items() if name not in removed}
    payload = carried(told, timeout_after=datetime.now(UTC))
    assert set(payload) == {"record"}
    reason = resumed(payload)
    assert reason
    assert len(reason) < 600


@settings(max_examples=200)
@given(event=st.none() | JSON | st.dictionaries(st.sampled_from(["record", "broken", "plan", "released"]), JSON))
def test_no_event_of_another_version_fails_the_task(event: Any) -> None:
    record = sensor().execute_complete(task_context(), event)
    assert isinstance(record["reason"], str)


@settings(max_examples=100)
@given(kept=JSON | st.dictionaries(st.sampled_from(["decision_id", "ready_at", "power", "threshold", "limit"]), JSON))
def test_no_promise_of_another_version_fails_the_task(kept: Any) -> None:
    from airflow_carbon.triggers.promise import Promise

    context = task_context()
    context["task_state_store"].values["carbon_wait"] = kept
    assert Promise.pinned(context) is None  # type: ignore[arg-type]
