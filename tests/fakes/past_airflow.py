"""An Airflow with a past: as much of its REST API as a backtest reads, on a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from fakes.backtests import BEGINS, HOUR


class Airflow(BaseHTTPRequestHandler):
    """Answer what a backtest asks, from a list of task instances, as Airflow's public API does."""

    instances: ClassVar[list[dict[str, Any]]] = []
    #: State of the runs that did not succeed.
    runs: ClassVar[dict[str, str]] = {}
    dags: ClassVar[list[str]] = ["nightly_training"]
    #: ``[api] maximum_page_limit``.
    page: ClassVar[int] = 100
    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        right = body == {"username": "me", "password": "right"}
        self._answer(201 if right else 401, {"access_token": "good"} if right else {"detail": "Invalid credentials"})

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.asked.append(url.path)
        if self.headers["Authorization"] != "Bearer good":
            self._answer(401, {"detail": "Not authenticated"})
        elif url.path == "/api/v2/dags":
            self._page("dags", [{"dag_id": name} for name in self.dags], query)
        elif not url.path.startswith("/api/v2/dags/nightly_training/"):
            self._answer(404, {"detail": "The DAG was not found"})
        elif url.path.endswith("/tasks"):
            names = sorted({one["task_id"] for one in self.instances})
            self._answer(200, {"tasks": [{"task_id": name} for name in names], "total_entries": len(names)})
        elif url.path.endswith("/dagRuns"):
            self._page("dag_runs", self._within(self._runs(), query), query)
        else:
            assert url.path.endswith("/dagRuns/~/taskInstances")
            found = [one for one in self.instances if one["task_id"] == query.get("task_id", one["task_id"])]
            self._page("task_instances", self._within(found, query), query)

    def _runs(self) -> list[dict[str, Any]]:
        every: dict[str, list[dict[str, Any]]] = {}
        for one in self.instances:
            every.setdefault(one["dag_run_id"], []).append(one)
        return [
            {
                "dag_run_id": name,
                "state": self.runs.get(name, "success"),
                "start_date": min(one["start_date"] for one in rows),
                "end_date": max(one["end_date"] for one in rows),
            }
            for name, rows in every.items()
        ]

    def _within(self, rows: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
        assert query["order_by"] == "-start_date"
        return [
            one
            for one in sorted(rows, key=lambda one: str(one["start_date"]), reverse=True)
            if one["state"] == query["state"]
            and query["start_date_gte"] <= one["start_date"]
            and one["end_date"] <= query["end_date_lte"]
        ]

    def _page(self, key: str, rows: list[dict[str, Any]], query: dict[str, str]) -> None:
        first = int(query["offset"])
        page = rows[first : first + min(int(query["limit"]), self.page)]
        self._answer(200, {key: page, "total_entries": len(rows)})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def past_airflow() -> Iterator[str]:
    """Serve it, and give its address."""
    Airflow.instances, Airflow.runs, Airflow.dags, Airflow.page = [], {}, ["nightly_training"], 100
    Airflow.asked[:] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Airflow)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def instance(
    task: str, hour: float, hours: float, *, run: str = "", state: str = "success", operator: str = "Python"
) -> dict[str, Any]:
    """Give one task instance as Airflow lists it, begun so many hours after ``BEGINS``."""
    start = BEGINS + hour * HOUR
    return {
        "task_id": task,
        "dag_run_id": run or f"run_{hour}",
        "state": state,
        "operator_name": operator,
        "start_date": start.isoformat(),
        "end_date": (start + hours * HOUR).isoformat(),
    }
