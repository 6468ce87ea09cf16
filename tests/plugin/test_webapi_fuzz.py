"""Everything that the OpenAPI document allows, and much that it does not: no answer is a server error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from fakes.webapi_server import FixedGrid, series, webapi
from hypothesis import strategies as st

pytestmark = pytest.mark.airflow

NOW = datetime(2026, 3, 2, 12, 10, tzinfo=UTC)
BEGINS = datetime(2026, 3, 1, tzinfo=UTC)
CHECKS = (
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    values = [100.0 + hour for hour in range(120)]
    source = series(tmp_path_factory.mktemp("fuzz") / "own.csv", BEGINS, timedelta(hours=1), values)
    with webapi(FixedGrid(NOW, source, source)) as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30, verify=False) as client:
        yield client


@pytest.fixture(scope="module")
def document(url: str) -> Any:
    return schemathesis.openapi.from_url(f"{url}/openapi.json")


MODES = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
OPERATIONS = [
    ("/emissions/bylocation", "GET"),
    ("/emissions/bylocations", "GET"),
    ("/emissions/bylocations/best", "GET"),
    ("/emissions/average-carbon-intensity", "GET"),
    ("/emissions/average-carbon-intensity/batch", "POST"),
    ("/emissions/forecasts/current", "GET"),
    ("/emissions/forecasts/batch", "POST"),
    ("/locations", "GET"),
]


def test_no_route_of_the_document_is_left_out_here(document: Any) -> None:
    found = {(result.ok().path, result.ok().method.upper()) for result in document.get_all_operations()}
    assert found == set(OPERATIONS)


# Not by schemathesis' own pytest plugin, which reads a name that pytest 9.2 has no more.
@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_question_is_answered_by_a_server_error(document: Any, path: str, method: str, mode: Any) -> None:
    operation = document[path][method]
    if path == "/locations" and mode is schemathesis.GenerationMode.NEGATIVE:
        # It has no parameter that could be wrong.
        mode = schemathesis.GenerationMode.POSITIVE

    @hypothesis.settings(max_examples=20, suppress_health_check=list(hypothesis.HealthCheck), database=None)
    @hypothesis.given(operation.as_strategy(generation_mode=mode))
    def holds(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    holds()


NAMES = st.sampled_from(["swedencentral", "azure:uksouth", "zone:DE", "51.5,-0.12", "EASTUS", "nowhere", "", "0,0"])
MOMENTS = (
    st.datetimes(BEGINS.replace(tzinfo=None), BEGINS.replace(tzinfo=None) + timedelta(days=7)).map(
        lambda at: at.isoformat() + "Z"
    )
    | st.datetimes().map(datetime.isoformat)
    | st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.9999999-14:00", "now", "2026-03-02", "24:00"])
    | st.text(max_size=12)
)
SIZES = (
    st.integers(-2, 12_000)
    | st.integers()
    | st.sampled_from(["", "1e3", "NaN", "٣", True, None, 1.5])
    | st.text(max_size=5)
)
WORDS = ["location", "LOCATIONS", "time", "toTime", "startTime", "endTime", "dataStartAt", "dataEndAt", "requestedAt"]
FIELDS = {
    **dict.fromkeys(WORDS[2:], MOMENTS),
    "location": NAMES,
    "LOCATIONS": NAMES,
    "windowSize": SIZES,
    "exact": SIZES,
}
OPTIONAL = {name: values for name, values in FIELDS.items() if name != "location"}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FIELDS, "x"]), inner, max_size=4),
    max_leaves=8,
)
PATHS = ("bylocation", "bylocations", "bylocations/best", "average-carbon-intensity", "forecasts/current")
KNOWN = {200, 204, 400, 415, 501, 502, 503}


def sound(response: httpx.Response) -> None:
    assert response.status_code in KNOWN, response.text
    if response.status_code == 200:
        response.json()
        assert response.headers["content-type"] == "application/json"
    elif response.status_code != 204:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["status"] == response.status_code


@hypothesis.settings(max_examples=120, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(st.sampled_from(PATHS), st.fixed_dictionaries({"location": NAMES}, optional=OPTIONAL))
def test_no_query_of_likely_and_unlikely_values_is_answered_by_a_server_error(
    client: httpx.Client, path: str, query: dict[str, Any]
) -> None:
    given = {name: str(value).encode("utf-8", "surrogatepass") for name, value in query.items()}
    sound(client.get(f"/emissions/{path}", params={name: value.decode("latin-1") for name, value in given.items()}))


@hypothesis.settings(max_examples=120, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(
    st.sampled_from(["forecasts/batch", "average-carbon-intensity/batch"]),
    st.lists(st.fixed_dictionaries({}, optional=FIELDS) | ANYTHING, max_size=4) | ANYTHING,
)
def test_no_body_is_answered_by_a_server_error(client: httpx.Client, path: str, body: Any) -> None:
    # Python writes NaN, infinities and lone surrogates as well, which a server must bear.
    sound(client.post(f"/emissions/{path}", content=json.dumps(body), headers={"content-type": "application/json"}))


@hypothesis.settings(max_examples=100, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(st.sampled_from(PATHS), st.binary(max_size=60))
def test_no_query_of_bytes_is_answered_by_a_server_error(client: httpx.Client, path: str, query: bytes) -> None:
    raw = "".join(f"%{byte:02x}" if byte % 3 else chr(33 + byte % 90) for byte in query).replace("#", "")
    sound(client.get(f"/emissions/{path}?location=eastus&{raw}"))
