"""An api-server on a real socket: task instances, their XComs and their states, and the routes to read them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from airflow_carbon.cli.airflow_api import AirflowApi

#: Fewer rows than a client asks for: what ``[api] maximum_page_limit`` does.
MOST = 40


@dataclass
class KnownTask:
    """One task instance."""

    dag_id: str = "a_dag"
    run_id: str = "a_run"
    task_id: str = "a_task"
    map_index: int = -1
    state: str = "success"
    try_number: int = 1
    xcoms: dict[str, Any] = field(default_factory=dict)
    states: dict[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> dict[str, Any]:
        return {"dag_id": self.dag_id, "task_id": self.task_id, "map_index": self.map_index}


class OutboxServer:
    """Serve them; ``asked`` lists the paths of all requests."""

    def __init__(self, tasks: list[KnownTask]) -> None:
        self.tasks = tasks
        self.asked: list[str] = []
        self.url = ""

    @property
    def api(self) -> AirflowApi:
        return AirflowApi(self.url, "admin", "secret")

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        self.asked.append(path)
        words = [unquote(word) for word in path.removeprefix("/api/v2/dags/").split("/")]
        dag_id, run_id, task_id = words[0], words[2], words[4] if len(words) > 4 else "~"
        index = int(query["map_index"]) if "map_index" in query else None
        tasks = [
            task
            for task in self.tasks
            if dag_id in ("~", task.dag_id) and run_id in ("~", task.run_id) and task_id in ("~", task.task_id)
            and index in (None, task.map_index)
        ]  # fmt: skip
        if words[3:] == ["taskInstances"]:
            rows = [{**t.place, "dag_run_id": t.run_id, "state": t.state, "try_number": t.try_number} for t in tasks]
            return 200, self.page("task_instances", rows, query)
        if words[5:] == ["xcomEntries"]:
            rows = [{**t.place, "run_id": t.run_id} for t in tasks if query["xcom_key"] in t.xcoms]
            return 200, self.page("xcom_entries", rows, query)
        held = {} if not tasks else tasks[0].xcoms if words[5] == "xcomEntries" else tasks[0].states
        return (200, {"value": held[words[6]]}) if words[6] in held else (404, {"detail": "not found"})

    @staticmethod
    def page(name: str, rows: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
        first, limit = int(query["offset"]), min(MOST, int(query["limit"]))
        return {name: rows[first : first + limit], "total_entries": len(rows)}


@contextmanager
def outbox_server(tasks: list[KnownTask]) -> Iterator[OutboxServer]:
    """Run one until the end of the block."""
    served = OutboxServer(tasks)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self.send(*served.answer(parts.path, query))

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send(201, {"access_token": "x"})

        def send(self, status: int, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
