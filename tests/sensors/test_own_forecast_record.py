"""A data plan with a history and no forecast: what a user's sensor does on it, and what its record says."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.grid_server import GridServer
from fakes.sensors import sensor
from fakes.task_context import StateStore, task_context

pytestmark = pytest.mark.airflow

HOUR = timedelta(hours=1)


def clean_at(hour: int) -> Any:
    """Give a day whose cleanest hour begins at ``hour``."""

    def grams(moment: datetime) -> float:
        return 300.0 - 150.0 * math.cos((moment.astimezone(UTC).hour - hour) * math.pi / 12.0)

    return grams


@pytest.fixture
def grid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[GridServer]:
    with GridServer() as server:
        server.series["DE"] = clean_at((datetime.now(UTC) + 5 * HOUR).hour)
        server.em_refused = {"forecast"}
        connection = {"conn_type": "electricity_maps", "host": server.base("em"), "password": server.em_token}
        monkeypatch.setenv("AIRFLOW_CONN_FREE", json.dumps(connection))
        monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "state"))
        monkeypatch.setenv("AIRFLOW__CARBON__LEDGER_CONN_ID", "off")
        yield server


@pytest.mark.usefixtures("grid")
def test_a_plan_without_a_forecast_waits_on_an_own_one_and_its_record_says_so() -> None:
    from airflow.sdk.exceptions import AirflowRescheduleException

    store = StateStore()
    one = sensor(deferrable=False, location="zone:DE", carbon_conn_id="free", max_delay="10h", spread=False)
    with pytest.raises(AirflowRescheduleException):
        one.execute(task_context(store=store))
    start = datetime.fromisoformat(store.values["carbon_plan"]["standing"][0])
    assert abs(start - datetime.now(UTC) - 5 * HOUR) <= HOUR
    # The hours go by, and the start of the plan comes.
    store.values["carbon_wait"]["ready_at"] = (datetime.now(UTC) - HOUR).isoformat()
    store.values["carbon_plan"]["standing"][0] = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    record = one.execute(task_context(store=store))
    assert record["kind"] == "own forecast"
    assert record["source"].startswith(
        "own forecast, from 28 days of electricity_maps history, issued by nobody (after "
    )
    assert "electricitymaps.com" in record["source_url"]
    assert record["promised_saving_percent"] > 10.0


def test_the_triggerer_gets_the_same_and_how_far_it_errs(grid: GridServer) -> None:
    from airflow_carbon.core.location import Location
    from airflow_carbon.hooks import chain
    from airflow_carbon.triggers.outlook import Outlook

    async def asked() -> Any:
        now = datetime.now(UTC)
        return await Outlook(chain_opener).ask(["free"], Location.parse("zone:DE"), now, now + 10 * HOUR)

    async def chain_opener(ids: Any) -> Any:
        return chain.hooks_of(ids)

    answer = asyncio.run(asked())
    assert str(answer.forecast.kind) == "own forecast"
    assert answer.forecast.errors
    assert "electricitymaps.com" in answer.source_url
    assert not answer.stands_in
    # Once for the forecast that the plan lacks, and as often as ten days at a time make four weeks.
    assert grid.count("em", "forecast") == 1
    assert grid.count("em", "past-range") == 3


def test_the_links_of_the_chain_answer_in_their_order(
    grid: GridServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from airflow_carbon.core.location import Location
    from airflow_carbon.exceptions import SourceUnavailableError
    from airflow_carbon.hooks import chain

    grid.series["GB"] = grid.series["DE"]

    def ask(zone: str = "GB") -> Any:
        # Made anew, as each task does; what it may know of before lies on disk alone.
        source, now = chain.source_of(chain.hooks_of(["free"])), datetime.now(UTC)
        return asyncio.run(source.forecast(Location.parse(f"zone:{zone}"), now=now, until=now + 8 * HOUR))

    grid.em_refused = set()
    live = ask()
    assert (str(live.kind), live.source.partition(" (after ")[0]) == ("forecast", "electricity_maps")
    grid.em_refused = {"forecast"}
    for kept in (tmp_path / "state").rglob("*.json"):
        document = json.loads(kept.read_text())
        if "expires_us" in document:
            # Too old to be taken unasked, and not too old to serve.
            kept.write_text(json.dumps({**document, "expires_us": document["asked_us"]}))
    assert "last good forecast" in ask().source
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "new host"))
    assert str(ask().kind) == "own forecast"
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "newer host"))
    grid.em_refused = {"forecast", "past", "past-range", "history", "latest"}
    assert str(ask().kind) == "typical"
    with pytest.raises(SourceUnavailableError, match="own forecast: "):
        ask("DE")
