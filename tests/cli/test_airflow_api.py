"""The REST client against a server on a real socket that answers as Airflow does under load."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from airflow_carbon.cli.airflow_api import BUSY_PAUSES, AirflowApi
from airflow_carbon.exceptions import LocalAirflowError

BUSY = (500, {"detail": {"reason": "Database error", "message": "Serious error when handling your request."}})
BROKEN = (500, {"detail": "Internal Server Error"})


class Busy(BaseHTTPRequestHandler):
    """Give the answers that are left, one for each request; log-ins always succeed."""

    answers: ClassVar[list[tuple[int, object]]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, body = (201, {"access_token": "x"}) if self.path == "/auth/token" else self.answers.pop(0)
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[AirflowApi]:
    server = HTTPServer(("127.0.0.1", 0), Busy)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield AirflowApi(f"http://127.0.0.1:{server.server_port}", "admin", "secret")
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_run_that_met_a_busy_database_is_started_at_the_next_try(api: AirflowApi) -> None:
    Busy.answers[:] = [BUSY, BUSY, (200, {"dag_run_id": "a_run"})]
    assert api.trigger("a_dag") == "a_run"
    assert Busy.answers == []


def test_any_other_failure_of_the_server_is_told_at_once(api: AirflowApi) -> None:
    Busy.answers[:] = [BROKEN, (200, {})]
    with pytest.raises(LocalAirflowError, match="500"):
        api.trigger("a_dag")
    assert len(Busy.answers) == 1


def test_a_database_that_stays_busy_is_told_in_the_end(api: AirflowApi) -> None:
    Busy.answers[:] = [BUSY] * (len(BUSY_PAUSES) + 1)
    with pytest.raises(LocalAirflowError, match="Database error"):
        api.trigger("a_dag")
    assert Busy.answers == []
