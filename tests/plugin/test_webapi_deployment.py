"""The sources of this deployment: from its connections to answers, and what changes while the server runs."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes.grid_server import EM_TOKEN, GridServer
from fakes.webapi_server import series, webapi

from airflow_carbon.core.location import Location
from airflow_carbon.exceptions import InvalidRequestError

pytestmark = pytest.mark.airflow

HOUR = timedelta(hours=1)
CURRENT = "/emissions/forecasts/current"


def connect(monkeypatch: pytest.MonkeyPatch, conn_id: str, conn_type: str, **fields: Any) -> None:
    extra = {name: value for name, value in fields.items() if name not in ("host", "password", "login")}
    own = {name: value for name, value in fields.items() if name not in extra}
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({"conn_type": conn_type, "extra": extra, **own}))


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "state"))


def file(tmp_path: Path, name: str, value: float) -> str:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    series(tmp_path / name, start, HOUR, [value] * 80)
    return str(tmp_path / name)


def ask(url: str, location: str = "swedencentral", **query: Any) -> httpx.Response:
    return httpx.get(f"{url}{CURRENT}", params={"location": location, **query}, timeout=60, verify=False)


def value_of(response: httpx.Response) -> float:
    assert response.status_code == 200, response.text
    value: float = response.json()[0]["forecastData"][0]["value"]
    return value


def test_without_any_connection_typical_profiles_answer() -> None:
    with webapi() as url:
        [answer] = ask(url, "uksouth", windowSize=60).json()
    assert answer["optimalDataPoints"]
    assert len(answer["forecastData"]) > 70


def test_the_default_connection_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    connect(monkeypatch, "carbon_default", "carbon_history", path=file(tmp_path, "own.csv", 7.0))
    with webapi() as url:
        assert value_of(ask(url)) == 7.0


def test_the_configured_chain_goes_before_the_default_connection(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    connect(monkeypatch, "carbon_default", "carbon_history", path=file(tmp_path, "own.csv", 7.0))
    connect(monkeypatch, "gone", "carbon_history", path=str(tmp_path / "gone.csv"))
    connect(monkeypatch, "mine", "carbon_history", path=file(tmp_path, "mine.csv", 9.0))
    monkeypatch.setenv("AIRFLOW__CARBON__API_CONN_ID", "gone, mine")
    with webapi() as url:
        assert value_of(ask(url)) == 9.0


def test_a_connection_that_is_not_defined_is_told_without_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__API_CONN_ID", "secret_name")
    with webapi() as url:
        answer = ask(url)
    assert answer.status_code == 400
    assert answer.json()["title"] == "InvalidOperationException"
    assert "ForecastDataSource is not configured" in answer.json()["detail"]
    assert "secret_name" not in answer.text


def test_many_askers_of_one_zone_make_one_request_to_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    with GridServer() as server:
        connect(monkeypatch, "carbon_default", "electricity_maps", host=server.base("em"), password=EM_TOKEN)
        with webapi() as url:

            async def everyone() -> list[httpx.Response]:
                async with httpx.AsyncClient(verify=False, timeout=60) as client:
                    asked = {"location": "zone:DE"}
                    sizes = (
                        client.get(f"{url}{CURRENT}", params={**asked, "windowSize": size}) for size in range(1, 21)
                    )
                    return await asyncio.gather(*sizes)

            answers = asyncio.run(everyone())
        assert [answer.status_code for answer in answers] == [200] * 20
        assert server.count("em", "forecast") == 1


@pytest.mark.parametrize("fault", ["401", "500", "not_json"])
def test_a_service_that_fails_is_told_in_the_sdks_form_without_its_words_or_the_key(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    with GridServer() as server:
        server.fail("em", fault)
        connect(monkeypatch, "carbon_default", "electricity_maps", host=server.base("em"), password="the-s3cr3t-key")
        with webapi() as url:
            # A zone for which no typical profile stands in.
            answer = ask(url, "zone:DE")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "s3cr3t" not in answer.text
    assert server.url not in answer.text
    # Of a chain whose last resorts have nothing either, more cannot be told.
    assert answer.status_code == 503


def test_a_live_service_answers_its_present_forecast_in_a_batch_and_501_to_earlier_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with GridServer() as server:
        connect(monkeypatch, "carbon_default", "electricity_maps", host=server.base("em"), password=EM_TOKEN)
        with webapi() as url:
            now = datetime.now(UTC)
            items = [{"requestedAt": f"{at:%Y-%m-%dT%H:%M:%SZ}", "location": "DE"} for at in (now, now - 30 * HOUR)]
            answers = [
                httpx.post(f"{url}/emissions/forecasts/batch", json=[one], timeout=60, verify=False) for one in items
            ]
    assert [answer.status_code for answer in answers] == [200, 501]


def test_a_changed_connection_is_seen_within_a_minute_and_an_unchanged_one_keeps_its_sources(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from airflow_carbon.plugin.webapi.grid import LOOK_AGAIN, Deployment

    seconds = [0.0]
    deployment = Deployment(clock=lambda: seconds[0])

    def chain() -> Any:
        return asyncio.run(deployment.sources()).chain

    def value() -> float:
        now = datetime.now(UTC)
        question = chain().forecast(Location.parse("zone:DE"), now=now, until=now + HOUR)
        answer: float = asyncio.run(question).intensity[0]
        return answer

    connect(monkeypatch, "carbon_default", "carbon_history", path=file(tmp_path, "own.csv", 7.0))
    first = chain()
    assert value() == 7.0
    seconds[0] += LOOK_AGAIN
    assert chain() is first
    connect(monkeypatch, "carbon_default", "carbon_history", path=file(tmp_path, "other.csv", 8.0))
    assert value() == 7.0
    seconds[0] += LOOK_AGAIN
    assert value() == 8.0
    connect(monkeypatch, "carbon_default", "carbon_historie", path=file(tmp_path, "other.csv", 8.0))
    seconds[0] += LOOK_AGAIN
    with pytest.raises(InvalidRequestError, match="carbon_history"):
        chain()
