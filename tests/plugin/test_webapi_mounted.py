"""The SDK's WebApi where users meet it: in Airflow's web app, behind its login, with connections of its database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes.webapi_server import series

from airflow_carbon.core.location import Location
from airflow_carbon.core.units import Signal
from airflow_carbon.exceptions import SourceAuthError
from airflow_carbon.hooks.asking import asked_in_time
from airflow_carbon.sources.carbon_aware_sdk import CarbonAwareSdk
from airflow_carbon.web.http import Http

if TYPE_CHECKING:
    import httpx

pytestmark = pytest.mark.airflow

HOUR = timedelta(hours=1)
CURRENT = "/carbon/emissions/forecasts/current"


@pytest.fixture
def kept_connection(metadata_database: None, tmp_path: Path) -> Iterator[None]:
    """Keep the default connection in the metadata database, and nowhere else."""
    from airflow.models import Connection
    from airflow.utils.session import create_session

    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    series(tmp_path / "kept.csv", start, HOUR, [200.0 + hour for hour in range(80)])
    extra = json.dumps({"path": str(tmp_path / "kept.csv")})
    with create_session() as session:
        session.add(Connection(conn_id="carbon_default", conn_type="carbon_history", extra=extra))
    yield
    with create_session() as session:
        session.query(Connection).filter(Connection.conn_id == "carbon_default").delete()


def test_a_connection_of_the_metadata_database_answers_whoever_is_logged_in(
    kept_connection: None, client: httpx.Client, logged_in: Any
) -> None:
    asked = {"location": "swedencentral", "windowSize": 60}
    for name in ("admin", "stranger"):
        answer = client.get(CURRENT, params=asked, headers=logged_in(name))
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()[0]["optimalDataPoints"][0]["value"] == 200.0


def test_without_a_login_nothing_is_told(client: httpx.Client) -> None:
    for path in ("emissions/forecasts/current", "emissions/bylocation", "locations"):
        assert client.get(f"/carbon/{path}?location=eastus").status_code == 401
    for path in ("emissions/forecasts/batch", "emissions/average-carbon-intensity/batch"):
        assert client.post(f"/carbon/{path}", json=[]).status_code == 401


def test_a_client_of_the_sdk_needs_its_address_and_a_token_alone(
    kept_connection: None, carbon: Any, address: str, token: Any
) -> None:
    def ask(header: str) -> Any:
        http = Http("carbon_aware_sdk", f"{address}/carbon", headers={"Authorization": header})
        source, now = CarbonAwareSdk(http, signal=Signal.AVERAGE), datetime.now(UTC)
        return asked_in_time(source.forecast(Location.parse("azure:swedencentral"), now=now, until=now + 9 * HOUR))

    assert ask(f"Bearer {token('viewer')}").intensity[0] == 200.0
    with pytest.raises(SourceAuthError):
        ask("Bearer nothing")


def test_refusals_keep_the_sdks_form_under_airflow(client: httpx.Client, logged_in: Any) -> None:
    answer = client.get(CURRENT, headers=logged_in("viewer"))
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"] == {"location": ["location is not set"]}
    answer = client.post("/carbon/emissions/forecasts/batch", content=b"[" * 300_000, headers=logged_in("viewer"))
    assert answer.status_code in (400, 415)
    assert answer.headers["content-type"] == "application/problem+json"
