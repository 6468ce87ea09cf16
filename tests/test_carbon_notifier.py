"""The notifier, on a channel that listens on a real socket."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from airflow.sdk import BaseNotifier
from fakes.sensors import deferral, sensor
from fakes.task_context import StateStore, task_context

from airflow_carbon import CarbonNotifier
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.hooks import notifying

pytestmark = pytest.mark.airflow


class Channel:
    """Keep what is posted, with its path; answers with a status, after a while."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.status, self.slow = 200, 0.0
        channel = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                channel.said.append((self.path, body))
                time.sleep(channel.slow)
                self.send_response(channel.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Channel]:
    one = Channel()
    told = {"conn_type": "slackwebhook", "host": f"http://127.0.0.1:{one.port}/services", "password": "T0/hunter22"}
    monkeypatch.setenv("AIRFLOW_CONN_TEAM", json.dumps(told))
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path))


def test_a_task_that_starts_to_wait_says_so_in_the_users_words(channel: Channel) -> None:
    told = CarbonNotifier("team", message="{{ carbon.task_id }} {{ carbon.in_words }} until {{ carbon.latest_start }}")
    store = StateStore()
    deferral(sensor(notify=told), task_context(store=store))
    ((path, body),) = channel.said
    assert path == "/services/T0/hunter22"
    assert body["text"] == f"a_task waits until {store.values['carbon_wait']['latest_start']}"
    assert (body["carbon"]["what"], body["carbon"]["location"]) == ("waiting", "azure:uksouth")
    # Its template is as it was: the same notifier serves every task and every occasion.
    assert told.message.startswith("{{")


def test_a_task_that_goes_on_says_whether_its_latest_start_is_near(channel: Channel) -> None:
    record = {"started_at": "2026-01-05T06:00:00+00:00", "latest_start": "2026-01-05T06:15:00+00:00"}
    assert notifying.occasion(record) == "near"
    assert notifying.occasion({**record, "latest_start": "2026-01-05T06:16:00+00:00"}) == "started"
    one = sensor(notify=[CarbonNotifier("team"), CarbonNotifier("team", on=["near"])])
    store = StateStore()
    context = task_context(store=store)
    deferral(one, context)
    channel.said.clear()
    one.execute_complete(context, {"record": {"reason": "started as planned", "source_url": ""}})
    ((_, body),) = channel.said
    assert body["text"] == "a_dag.a_task starts: started as planned"


def test_it_speaks_through_any_notifier_of_airflow() -> None:
    class Mail(BaseNotifier):
        template_fields = ("text",)
        sent: list[str] = []  # noqa: RUF012

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

        def notify(self, context: Any) -> None:
            self.sent.append(self.text)

    mail = Mail("{{ carbon_message }} ({{ carbon.what }})")
    for _ in range(2):
        notifying.tell(
            CarbonNotifier(mail, message="{{ carbon.reason }}"), "started", {"reason": "now"}, task_context()
        )
    assert Mail.sent == ["now (started)"] * 2


@pytest.mark.parametrize("fault", ["refuses", "is gone", "no connection", "another type"])
def test_a_channel_that_fails_costs_the_task_nothing_and_shows_no_secret(
    channel: Channel, fault: str, caplog: pytest.LogCaptureFixture, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn_id = "team"
    if fault == "refuses":
        channel.status = 403
    elif fault == "is gone":
        channel.server.shutdown()
        channel.server.server_close()
    elif fault == "no connection":
        conn_id = "nowhere"
    else:
        monkeypatch.setenv("AIRFLOW_CONN_TEAM", "postgres://user:hunter22@host/db")
    with caplog.at_level(logging.DEBUG):
        notifying.tell(CarbonNotifier(conn_id), "waiting", {"reason": "x"}, task_context())
    out, err = capfd.readouterr()
    assert "was not told" in caplog.text + out + err
    assert "hunter22" not in caplog.text + out + err


def test_a_channel_that_never_answers_does_not_hold_the_task_up() -> None:
    released, done = threading.Event(), threading.Event()

    def slow(_: Any) -> None:
        released.wait()
        done.set()

    notifying.tell(slow, "waiting", {}, task_context(), patience=0.1)
    assert not done.is_set()
    released.set()
    assert done.wait(30)


def test_an_occasion_that_there_is_not_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="on: 'late' must be one of waiting, started, near"):
        CarbonNotifier("team", on=["late"])
