"""Waits on live sources, which fail in mid-wait: the chain moves on, the task is in time, and the record tells."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fakes.grid_server import GridServer, Steps

from airflow_carbon.cli.airflow_api import AirflowApi, poll

if TYPE_CHECKING:
    from airflow_carbon.cli.local_airflow import LocalAirflow

MINUTE = timedelta(minutes=1)
#: What no log, XCom, record, cache or trigger may ever hold.
MARKERS = {"em_token": "MARKER-em-5f1c", "wt_password": "MARKER-wt-9d2e"}
SCENARIOS: dict[str, dict[str, Any]] = {
    "errors": {"conn_id": "em, ec", "location": "zone:GB"},
    "expires": {"conn_id": "wt", "location": "zone:CAISO_NORTH"},
    "hangs": {"conn_id": "em", "location": "zone:DE"},
}


@pytest.fixture(scope="module")
def grid() -> Iterator[GridServer]:
    """Give every vendor in one server, in steps of a minute instead of an hour."""
    with GridServer() as server:
        server.step |= {"em": MINUTE, "ec": MINUTE, "wt": MINUTE}
        server.em_token, server.wt_password = MARKERS["em_token"], MARKERS["wt_password"]
        yield server


def connect(api: AirflowApi, conn_id: str, conn_type: str, host: str, **more: Any) -> None:
    # Real sources are asked by the hour; these waits last minutes.
    extra = json.dumps({"refresh": "10s"})
    body = {"connection_id": conn_id, "conn_type": conn_type, "host": host, "extra": extra, **more}
    api.request("POST", "connections", body=body)


@pytest.fixture(scope="module")
def runs(api: AirflowApi, grid: GridServer) -> dict[str, str]:
    """Start all waits at once; break each one's source when its first plan stands, and give the runs."""
    api.wait_for_dag("waits")
    connect(api, "em", "electricity_maps", grid.base("em"), password=grid.em_token)
    connect(api, "ec", "energy_charts", grid.base("ec"))
    connect(api, "wt", "watttime", grid.base("wt"), login=grid.wt_user, password=grid.wt_password)
    ready = datetime.now(UTC)
    # Far enough that all wait and each has logged its plan by then, on a machine that is busy with other tests too.
    full = ready.replace(second=0, microsecond=0) + 4 * MINUTE
    # The clean minute of the first source comes a minute before that of the second.
    grid.series |= {
        "GB": lambda moment: 100.0 if full <= moment < full + MINUTE else 300.0,
        "DE": Steps(full, MINUTE, (300.0, 60.0, 300.0)),
        "CAISO_NORTH": Steps(full, MINUTE, (300.0, 60.0, 300.0)),
    }
    started = {name: api.trigger("waits", {**conf, "max_delay": "360s"}) for name, conf in SCENARIOS.items()}
    for name, run in started.items():
        api.wait_for_task("waits", run, "wait", states={"deferred"}, timeout=200)
        planned = lambda run=run: "cleaner than now" in api.log("waits", run, "wait") or None  # noqa: E731
        poll(planned, what=f"the first plan of {name}", timeout=120)
    # One server tells one truth of a zone: what the second source says differs from the first one's.
    grid.series["GB"] = Steps(full, MINUTE, (200.0, 50.0, 200.0))
    grid.fail("em", "500", zone="GB")
    grid.fail("em", "hang", zone="DE")
    grid.expire_tokens()
    return started


def record_of(api: AirflowApi, run: str) -> dict[str, Any]:
    assert api.wait_for_run("waits", run, timeout=600) == "success"
    record = dict(api.xcom("waits", run, "wait"))
    started, latest = (datetime.fromisoformat(record[name]) for name in ("started_at", "latest_start"))
    assert record["in_time"]
    assert started <= latest + timedelta(seconds=20)
    return record


def test_a_source_that_begins_to_fail_in_mid_wait_gives_way_to_the_next_one(
    api: AirflowApi, runs: dict[str, str]
) -> None:
    record = record_of(api, runs["errors"])
    assert record["source"].startswith("energy_charts (after electricity_maps: 500")
    assert record["accounting"] == "CO2e"
    [earlier, *_] = record["earlier_sources"]
    assert earlier["source"].startswith("electricity_maps")
    assert earlier["accounting"] == "life-cycle, consumption, CO2e"
    assert any("planned from scratch" in note for note in record["notes"])
    # From the second source alone, its baseline too.
    assert record["baseline_intensity_g_per_kwh"] == 200.0
    assert record["intensity_g_per_kwh"] < 100.0
    assert record["reason"].startswith("started as planned")


def test_a_token_that_expires_in_mid_wait_is_renewed_once(
    api: AirflowApi, grid: GridServer, runs: dict[str, str]
) -> None:
    record = record_of(api, runs["expires"])
    assert record["source"].startswith("watttime")
    assert record["signal"] == "marginal"
    assert (record["notes"], record["earlier_sources"]) == ([], [])
    assert record["intensity_g_per_kwh"] < 150.0
    assert record["reason"].startswith("started as planned")
    assert grid.count("wt", "login") == 2


def test_a_source_that_hangs_leaves_the_last_good_forecast(api: AirflowApi, runs: dict[str, str]) -> None:
    record = record_of(api, runs["hangs"])
    assert record["source"].startswith("electricity_maps")
    assert "last good forecast" in record["source"]
    assert "(after electricity_maps: no answer" in record["source"]
    assert record["intensity_g_per_kwh"] < 150.0


def test_no_secret_lies_anywhere_but_in_the_connection(
    api: AirflowApi, airflow: LocalAirflow, runs: dict[str, str]
) -> None:
    for run in runs.values():
        api.wait_for_run("waits", run, timeout=600)
    database = airflow.home / "airflow.db"
    searched = [path for path in airflow.home.rglob("*") if path.is_file() and not path.name.startswith(database.name)]
    assert any(path.suffix == ".log" for path in searched)
    assert any("cache" in path.parts and path.suffix == ".json" for path in searched)
    held = {marker: [path for path in searched if marker.encode() in path.read_bytes()] for marker in MARKERS.values()}
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as metadata:
        tables = [name for (name,) in metadata.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert {"trigger", "xcom", "connection"} <= set(tables)
        for table in sorted(set(tables) - {"connection"}):
            rows = str(metadata.execute(f'SELECT * FROM "{table}"').fetchall())
            held = {marker: [*found, *([table] if marker in rows else [])] for marker, found in held.items()}
    assert held == {marker: [] for marker in MARKERS.values()}
