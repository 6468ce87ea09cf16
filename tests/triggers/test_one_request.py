"""However many tasks a host runs, a service is asked once for each zone and refresh, and logged in to once."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.grid_server import GridServer

pytestmark = pytest.mark.airflow

ZONES = [f"ZONE_{number:02d}" for number in range(20)]
TASKS = Path(__file__).parent.parent / "fakes" / "thousand_tasks.py"
SECOND = timedelta(seconds=1)


@pytest.fixture
def grid() -> Iterator[GridServer]:
    with GridServer() as server:
        server.series |= {zone: 100.0 + 10.0 * number for number, zone in enumerate(ZONES)}
        yield server


@pytest.fixture
def connected(grid: GridServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Connect WattTime, with a cold cache; give the folder of the cache."""
    connection = {
        "conn_type": "watttime",
        "host": grid.base("wt"),
        "login": grid.wt_user,
        "password": grid.wt_password,
        # Longer than the tests: whatever is asked twice is asked once too often.
        "extra": {"refresh": "1h"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_GRID", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "state"))
    # What is counted here is what a service is asked.
    monkeypatch.setenv("AIRFLOW__CARBON__LEDGER_CONN_ID", "off")
    return tmp_path / "state"


def asked(grid: GridServer) -> dict[str, Any]:
    paths = Counter(request.path for request in grid.requests)
    by_zone = Counter(one.query["region"] for one in grid.requests if one.path == "/v3/forecast")
    return {"paths": dict(paths), "most of one zone": max(by_zone.values(), default=0), "zones": len(by_zone)}


ONCE = {"paths": {"/login": 1, "/v3/forecast": 20}, "most of one zone": 1, "zones": 20}


def run_tasks(kind: str, count: int) -> None:
    words = [sys.executable, str(TASKS), kind, str(count), "grid", *(f"zone:{zone}" for zone in ZONES)]
    done = subprocess.run(words, env=os.environ, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.usefixtures("connected")
def test_a_thousand_sensors_as_processes_of_their_own_ask_once_for_each_zone(grid: GridServer) -> None:
    run_tasks("sensors", 1000)
    assert asked(grid) == ONCE


@pytest.mark.usefixtures("connected")
def test_a_thousand_region_choices_as_processes_of_their_own_ask_once_for_each_zone(grid: GridServer) -> None:
    run_tasks("regions", 1000)
    assert asked(grid) == ONCE


@pytest.mark.usefixtures("connected")
def test_a_thousand_triggers_in_one_loop_ask_once_for_each_zone(grid: GridServer) -> None:
    from airflow_carbon.triggers.carbon_window import CarbonWindowTrigger
    from airflow_carbon.web.http import close

    now = datetime.now(UTC)

    def trigger(number: int) -> CarbonWindowTrigger:
        return CarbonWindowTrigger(
            location=f"zone:{ZONES[number % len(ZONES)]}",
            duration_seconds=3600.0,
            ready_at=now.isoformat(),
            earliest_start=now.isoformat(),
            latest_start=(now + timedelta(hours=8)).isoformat(),
            not_before=now.isoformat(),
            carbon_conn_id=["grid"],
        )

    async def first(one: CarbonWindowTrigger) -> dict[str, Any]:
        async for event in one.run():
            return event.payload
        raise AssertionError("the trigger ended without an event")

    async def all_of_them() -> list[dict[str, Any]]:
        try:
            return await asyncio.gather(*(first(trigger(number)) for number in range(1000)))
        finally:
            await close()

    # Every zone is flat: no later start is cleaner, and each fires with its first look.
    payloads = asyncio.run(asyncio.wait_for(all_of_them(), timeout=120))
    assert {payload["record"]["source"] for payload in payloads} == {"watttime"}
    assert asked(grid) == ONCE


@pytest.mark.usefixtures("connected")
def test_a_service_that_fails_is_not_asked_by_each_task_anew(grid: GridServer) -> None:
    grid.fail("wt", "400", path="/v3/forecast")
    words = [sys.executable, str(TASKS), "sensors", "60", "grid", *(f"zone:{zone}" for zone in ZONES[:2])]
    subprocess.run(words, env=os.environ, capture_output=True, timeout=120, check=False)
    # An error is kept for ten seconds: sixty tasks within them are two requests, and a few more where that time ends.
    assert grid.count("wt", "/v3/forecast") <= 8
