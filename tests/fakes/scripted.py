"""A service that answers one thing, whatever it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from airflow_carbon.hooks.asking import asked_in_time
from airflow_carbon.web.http import Http


class Service(ThreadingHTTPServer):
    """Hold what it answers, and the requests that came: path and headers."""

    answer: tuple[int, dict[str, str], bytes] = (200, {}, b"{}")

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        status, headers, body = self.server.answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def service(status: int = 200, body: bytes = b"{}", **headers: str) -> Iterator[Service]:
    """Serve one answer; ``headers`` with underscores for hyphens."""
    with Service() as one:
        one.answer = (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)
        thread = Thread(target=one.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield one
        finally:
            one.shutdown()
            thread.join()


def answered(body: bytes, status: int = 200, **headers: str) -> Any:
    """Ask such a service as any source does."""
    with service(status, body, **headers) as one:
        return asked_in_time(Http("service", one.url, ceiling=20.0).get("/"))
