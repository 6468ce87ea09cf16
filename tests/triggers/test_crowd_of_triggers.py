"""Triggers of one pool in one event loop, on a series of seconds: they wake in waves, no more than it has slots."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.standard.operators.bash import BashOperator
from fakes.task_context import task_context

from airflow_carbon.decorators.carbon_aware import carbon_aware
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.hooks.settings import pools
from airflow_carbon.sensors.carbon_aware import CarbonAwareSensor
from airflow_carbon.triggers.asked import Asked
from airflow_carbon.triggers.carbon_window import CarbonWindowTrigger
from airflow_carbon.triggers.pool import Pool, pool_of

pytestmark = pytest.mark.airflow

SECOND = timedelta(seconds=1)
ASKED = Asked("zone:GB", "1h", max_delay="8h")


def series(path: Path, start: datetime, values: list[float]) -> Path:
    rows = [f"{(start + row * SECOND).isoformat()},{value}" for row, value in enumerate(values)]
    path.write_text("\n".join(["timestamp,intensity", *rows]) + "\n")
    return path


def test_they_wake_in_waves_of_as_many_as_the_pool_has_slots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # What the loop would import once, before the clock counts.
    import airflow_carbon.sources.cached
    import airflow_carbon.sources.fallback
    import airflow_carbon.sources.history
    import airflow_carbon.sources.learned
    import airflow_carbon.triggers.crowd  # noqa: F401

    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "state"))
    now = datetime.now(UTC).replace(microsecond=0)
    path = series(tmp_path / "grid.csv", now, [400.0] * 6 + [100.0] * 6 + [400.0] * 40)
    extra = {"path": str(path), "zone": "GB"}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "carbon_history", "extra": extra}))

    def trigger(number: int) -> CarbonWindowTrigger:
        return CarbonWindowTrigger(
            location="zone:GB",
            duration_seconds=2.0,
            ready_at=now.isoformat(),
            earliest_start=now.isoformat(),
            latest_start=(now + 20 * SECOND).isoformat(),
            not_before=now.isoformat(),
            carbon_conn_id=["mine"],
            decision_id=f"{number:08x}",
            pool="etl",
            pool_size=2,
        )

    async def woken(one: CarbonWindowTrigger) -> dict[str, Any]:
        async for event in one.run():
            return dict(event.payload["record"])
        raise AssertionError("the trigger ended without an event")

    async def everyone() -> list[dict[str, Any]]:
        return await asyncio.wait_for(asyncio.gather(*(woken(trigger(number)) for number in range(6))), timeout=30)

    records = asyncio.run(everyone())
    starts = sorted((datetime.fromisoformat(one["start"]) - now) / SECOND for one in records)
    assert starts == pytest.approx([6, 6, 8, 8, 10, 10])
    assert {one["crowd"] for one in records} >= {f"{word} of 6 for 2 slots of pool etl" for word in ("second", "sixth")}


def test_the_pool_comes_back_from_the_serialized_form() -> None:
    now = datetime.now(UTC).isoformat()
    one = CarbonWindowTrigger(
        location="zone:GB",
        duration_seconds=60.0,
        ready_at=now,
        earliest_start=now,
        latest_start=now,
        not_before=now,
        **Pool("etl", 4, 2)._asdict(),
    )
    _, kwargs = one.serialize()
    assert (kwargs["pool"], kwargs["pool_size"], kwargs["pool_slots"]) == ("etl", 4, 2)
    assert CarbonWindowTrigger(**kwargs).serialize() == one.serialize()


def test_pools_are_read_from_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pools() == {}
    monkeypatch.setenv("AIRFLOW__CARBON__POOLS", " etl=4, gpu = 2,")
    assert pools() == {"etl": 4, "gpu": 2}


@pytest.mark.parametrize("text", ["etl", "etl=", "=4", "etl=0", "etl=-1", "etl=four"])
def test_what_is_no_pool_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__POOLS", text)
    with pytest.raises(InvalidRequestError, match=r"\[carbon\] pools: .* must be a pool and its slots, such as etl=4"):
        pools()


def test_only_a_task_that_waits_before_its_own_work_takes_a_place_in_its_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__POOLS", "etl=4")
    asked = {"location": "zone:GB", "duration": "1h", "max_delay": "8h"}
    aware = carbon_aware(BashOperator(task_id="a", bash_command="true", pool="etl", pool_slots=2), **asked)
    other = carbon_aware(BashOperator(task_id="b", bash_command="true", pool="unknown"), **asked)
    sensor = CarbonAwareSensor(task_id="c", pool="etl", **asked)
    found = [pool_of({**task_context(), "task": one}, ASKED) for one in (aware, other, sensor)]
    assert found == [Pool("etl", 4, 2), None, None]


def test_a_mistake_in_the_pools_leaves_each_task_to_plan_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__POOLS", "etl")
    work = BashOperator(task_id="a", bash_command="true", pool="etl")
    aware = carbon_aware(work, location="zone:GB", duration="1h", max_delay="8h")
    assert pool_of({**task_context(), "task": aware}, ASKED) is None
