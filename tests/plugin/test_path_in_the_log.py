"""What the path of a request leaves in the api-server's log."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytestmark = pytest.mark.airflow


@pytest.mark.parametrize("path", ["/carbon/api/dags/\x1b[2J\x1b]0;root\x07\u202e", "/carbon/%0a\x9b2J"])
def test_the_path_of_a_request_that_fails_is_one_line_of_the_servers_log(
    airflow_app: Any, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    from starlette.requests import Request

    from airflow_carbon.exceptions import SourceUnavailableError
    from airflow_carbon.plugin.app import _broken, _failed
    from airflow_carbon.plugin.webapi.problem import problem_of

    asked = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [(b"host", b"x")]}
    asyncio.run(_failed(Request(asked), SourceUnavailableError("no answer\n2026-11-22 INFO all is well\x1b[2J")))
    asyncio.run(_broken(Request(asked), RuntimeError("broken")))
    problem_of(SourceUnavailableError("no answer\n2026-11-22 INFO all is well\x1b[2J"), path)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    assert all(map(str.isprintable, said))
