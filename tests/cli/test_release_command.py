"""``airflow carbon release``, against a server on a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest

from airflow_carbon.cli.main import main

SAID = "mine.wait of r 1 starts as soon as a worker takes it up"


class Server(BaseHTTPRequestHandler):
    """Answer a release as the plugin does, and keep what was asked."""

    asked: ClassVar[list[tuple[str, str | None, dict[str, Any]]]] = []
    answer: ClassVar[list[tuple[int, dict[str, Any]]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, self.headers["Authorization"], body))
        status, told = self.answer[0]
        data = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words: object) -> None: ...


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AIRFLOW_CARBON_TOKEN", "hunter22")
    Server.asked.clear()
    Server.answer[:] = [(200, {"said": SAID, "released": True})]
    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def release(url: str, *more: str) -> int:
    return main(["release", "mine", "r 1", "wait", "--reason", "a deploy is due", "--url", url, *more])


def test_it_asks_the_route_with_the_token_and_prints_what_follows(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert release(url, "--map-index", "3") == 0
    assert capsys.readouterr().out.strip() == SAID
    body = {"dag_id": "mine", "run_id": "r 1", "task_id": "wait", "map_index": 3, "reason": "a deploy is due"}
    assert Server.asked == [("/carbon/api/release", "Bearer hunter22", body)]


def test_a_typo_is_answered_in_the_servers_words(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    Server.answer[:] = [(422, {"detail": "task: there is no 'wiat'; there is wait"})]
    assert release(url) != 0
    said = capsys.readouterr()
    assert "there is no 'wiat'; there is wait" in said.err + said.out
    assert "hunter22" not in said.err + said.out


def test_without_an_address_it_says_what_to_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["release", "mine", "r", "wait", "--reason", "x"]) != 0
    assert "--url: say which api-server to ask" in capsys.readouterr().err
