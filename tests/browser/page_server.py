"""The pages in a state that is set from outside, on a real socket, with the policy that they must work under."""

from __future__ import annotations

import gzip
import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import plotly

import airflow_carbon.plugin
from airflow_carbon.plugin.guard import page_policy

if TYPE_CHECKING:
    from types import TracebackType

    from browser.page_states import Answers

STATIC = Path(airflow_carbon.plugin.__file__).parent / "static"
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
MOUNT = "/carbon"
POLICY = page_policy("once")
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html; charset=utf-8"}
PAGES = {"": ("index.html", "./"), "dag": ("dag.html", "../"), "task": ("task.html", "../../../../")}


class PageServer:
    """Serve the pages and the answers of one state.

    :ivar answers: path below the mount (of a forecast: with ``?`` and its location) -> answer, or status and detail.
    :ivar asked: what was asked for, each as method, path and headers; :attr:`bodies` of what was posted.
    """

    def __init__(self, policy: str = POLICY) -> None:
        self.answers: Answers = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[Any] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, policy))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}{MOUNT}"

    def __enter__(self) -> PageServer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(server: PageServer, policy: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name)
            """Say nothing."""

        def do_GET(self) -> None:
            whole = urlsplit(self.path)
            path, query = unquote(whole.path), parse_qs(whole.query)
            server.asked.append(("GET", path, dict(self.headers)))
            if path.startswith("/frame"):
                # A page of Airflow's around one of ours: the class of its document names its theme.
                dark = "dark" if "dark" in query else "light"
                page = query["page"][0]
                self._send(200, TYPES[".html"], (
                    f'<!doctype html><html lang="en" class="{dark}"><title>Airflow</title><style>iframe {{ border: 0; '
                    f'width: 100%; height: 100vh }} body {{ margin: 0 }}</style><iframe title="Carbon" src="{page}" '
                    'sandbox="allow-scripts allow-same-origin allow-forms allow-downloads"></iframe>'
                ).encode(), framed=False)  # fmt: skip
                return
            if not path.startswith(MOUNT):
                self._send(
                    200, TYPES[".html"], b"<!doctype html><title>Airflow</title><p>a page of Airflow", framed=False
                )
                return
            below = path.removeprefix(MOUNT)
            if below.startswith("/api/"):
                location = query.get("location", [""])[0]
                self._answer(below if "forecast" not in below else f"{below}?{location}", query)
            elif below.startswith("/static/"):
                file = PLOTLY if below.endswith("plotly.min.js") else STATIC / below.removeprefix("/static/1/")
                if file.is_file():
                    self._send(200, TYPES[file.suffix], file.read_bytes())
                else:
                    self._send(404, "application/json", b'{"detail": "no such file"}')
            else:
                name, base = PAGES[below.strip("/").split("/")[0]]
                words = {"base": base, "static": "static/1", "plotly": "static/plotly-1/plotly.min.js", "nonce": "once"}
                text = (STATIC / name).read_text()
                for word, value in words.items():
                    text = text.replace("{{" + word + "}}", value)
                self._send(200, TYPES[".html"], text.encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            server.asked.append(("POST", self.path, dict(self.headers)))
            server.bodies.append(json.loads(body))
            self._answer(self.path.removeprefix(MOUNT), {})

        def _answer(self, path: str, query: dict[str, list[str]]) -> None:
            known = server.answers.get(path)
            if known is None:
                known = 404, f"unknown: {path}"
            if isinstance(known, tuple):
                status, detail = known
                self._send(status, "application/json", json.dumps({"detail": detail}).encode())
                return
            self._send(200, "application/json", known.model_dump_json().encode())

        def _send(self, status: int, kind: str, body: bytes, *, framed: bool = True) -> None:
            packed = gzip.compress(body, 6 if len(body) < 1_000_000 else 1)
            self.send_response(HTTPStatus(status))
            self.send_header("Content-Type", kind)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(packed)))
            self.send_header("Cache-Control", "max-age=3600" if "script" in kind else "no-store")
            if framed:
                self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(packed)

    return Handler
