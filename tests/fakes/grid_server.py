"""One local HTTP server that speaks every vendor's wire format, and fails on demand.

As a process, ``python tests/fakes/grid_server.py --port 0 --control`` prints its url and runs until its input closes or
SIGTERM comes. ``POST /control`` then takes the orders of `GridServer.order`, and ``GET /control`` gives the counts and
the log of requests.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import sys
import threading
import traceback
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from fakes.answers import ANSWERS
from fakes.answers.common import Answer, Ask, RefusedError, instant
from fakes.grid_faults import LONGEST_HANG, ROWS, Fault, instead, spoil

EM_TOKEN = "em-token-of-the-fake"
WT_USER = "wt-user-of-the-fake"
WT_PASSWORD = "wt-password-of-the-fake"
VENDORS = tuple(ANSWERS)
SECRET_HEADERS = ("authorization", "auth-token", "cookie", "proxy-authorization", "x-blobr-key")
#: What an order may set as it stands.
SETTINGS = (
    "em_token",
    "em_wrapped",
    "wt_user",
    "wt_password",
    "token_life",
    "sdk_forecasts",
    "az_rows",
    "az_page",
    "az_next",
)


def daily(zone: str, moment: datetime) -> float:
    """Give every zone a level of its own, half of it from 02:00 to 05:00 UTC, and a peak at 18:00 [g/kWh]."""
    level, hour = 100 + zlib.crc32(zone.encode(), 101) % 700, moment.astimezone(UTC).hour
    return level // 2 if 2 <= hour < 5 else level + 60 - 5 * abs(hour - 18)


@dataclass(frozen=True)
class Steps:
    """A series of steps; its ends hold before and after it.

    :param values: One per step [g/kWh].
    """

    start: datetime
    step: timedelta
    values: tuple[float, ...]

    def __call__(self, moment: datetime) -> float:
        return self.values[min(max((moment - self.start) // self.step, 0), len(self.values) - 1)]


@dataclass(frozen=True)
class Request:
    """A request as it came, the path without its vendor; of a secret header the name alone (and the scheme) is kept.

    :param query: A text by name; a list of them where a name is repeated.
    """

    vendor: str
    path: str
    query: dict[str, Any]
    headers_seen: dict[str, str]
    method: str
    at: datetime


class GridServer:
    """Serve Electricity Maps (em), WattTime (wt), Carbon Aware SDK (sdk), Carbon Intensity (uk), Energy-Charts (ec).

    And the prices of Azure (az), which are no series: see `answers.azure_retail`.
    """

    def __init__(self, *, port: int = 0, control: bool = False) -> None:
        #: g/kWh by zone: a callable of the moment, or a number. WattTime's and the SDK's are by WattTime's regions,
        #: Great Britain's regions are GB-1 to GB-17.
        self.series: dict[str, Callable[[datetime], float] | float] = {}
        minute = timedelta(minutes=1)
        self.step = {"em": 60 * minute, "wt": 5 * minute, "sdk": 5 * minute, "uk": 30 * minute, "ec": 15 * minute}
        self.step["az"] = 60 * minute
        #: Rows in place of Azure's list, rows on a page, and where the next page is said to lie.
        self.az_rows: list[dict[str, Any]] | None = None
        self.az_page, self.az_next = 1000, ""
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.em_token, self.wt_user, self.wt_password = EM_TOKEN, WT_USER, WT_PASSWORD
        #: Zones whose forecast the token may read, temporalities that it may not read at all; None: every zone.
        self.em_zones: set[str] | None = None
        self.em_refused: set[str] = set()
        #: Wrap `zones` and `past` as the vendor's own client says that they are.
        self.em_wrapped = False
        self.wt_regions: set[str] | None = None
        self.token_life = 1800.0
        self.sdk_forecasts = True
        self.requests: list[Request] = []
        self.connections = 0
        #: Tracebacks of this fake itself; leaving the `with` block raises them.
        self.broken: list[str] = []
        self.control = control
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        #: Those that have had their times: what they hold is still to be let go.
        self._spent: list[Fault] = []
        self._tokens: dict[str, datetime] = {}
        self._sequence = 0
        self._http = _Http(("127.0.0.1", port), _Handler)
        self._http.grid = self
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close()
        if self.broken and kind is None:
            raise RuntimeError(f"the fake itself broke:\n{self.broken[0]}")

    def close(self) -> None:
        self.heal()
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.hang_up()
        self._http.server_close()

    def base(self, vendor: str) -> str:
        return f"{self.url}/{self._vendor(vendor)}"

    def value(self, zone: str, moment: datetime) -> float:
        """Tell the truth of a zone at a moment [g/kWh]; a row of any vendor carries that of its start."""
        series = self.series.get(zone)
        if series is None:
            return daily(zone, moment)
        return series(moment) if callable(series) else series

    def fail(
        self,
        vendor: str,
        fault: str,
        *,
        times: int | None = None,
        path: str | None = None,
        zone: str | None = None,
        **options: Any,
    ) -> Fault:
        """Let a vendor fail.

        :param times: For so many requests; None: until healed.
        :param path: Only where the path contains it.
        :param zone: Only for requests that name it, in the path or in the query.
        :param options: See `grid_faults.OPTIONS`.
        """
        made = Fault(self._vendor(vendor), fault, times, path, zone, options)
        with self._lock:
            self._faults.append(made)
        return made

    def heal(self, vendor: str | None = None) -> None:
        with self._lock:
            healed = [fault for fault in self._faults + self._spent if vendor in (None, fault.vendor)]
            self._faults = [fault for fault in self._faults if fault not in healed]
            self._spent = [fault for fault in self._spent if fault not in healed]
        for fault in healed:
            fault.healed.set()

    def count(self, vendor: str | None = None, path_contains: str | None = None) -> int:
        with self._lock:
            return sum(vendor in (None, one.vendor) and (path_contains or "") in one.path for one in self.requests)

    def forget(self) -> None:
        """Start to count anew."""
        with self._lock:
            self.requests.clear()

    def new_token(self) -> str:
        with self._lock:
            self._sequence += 1
            token = f"token-{self._sequence}-of-the-fake"
            self._tokens[token] = self.clock()
        return token

    def knows_token(self, token: str) -> bool:
        with self._lock:
            issued = self._tokens.get(token)
        return issued is not None and self.clock() - issued < timedelta(seconds=self.token_life)

    def expire_tokens(self) -> None:
        with self._lock:
            self._tokens.clear()

    def order(self, orders: dict[str, Any]) -> None:
        """Do what another process asks for, in its order.

        ``heal`` (true or a vendor), ``fail`` (the arguments of `fail`, or a list), ``forget``, ``expire_tokens``,
        ``series`` (by zone: a number or ``{start, step_seconds, values}``), ``step`` (by vendor [s]),
        ``clock`` (a moment to stand still at, or null), ``clock_offset`` [s], ``em_zones``, ``em_refused``,
        ``wt_regions`` and `SETTINGS`.

        :raises ValueError: On an order that is none of these.
        """
        for name, value in orders.items():
            if name == "heal":
                self.heal(None if value is True else value)
            elif name in ("forget", "expire_tokens"):
                getattr(self, name)()
            elif name == "fail":
                for one in value if isinstance(value, list) else [value]:
                    self.fail(**one)
            elif name == "series":
                self.series |= {zone: self._steps(one) for zone, one in value.items()}
            elif name == "step":
                self.step |= {self._vendor(one): timedelta(seconds=seconds) for one, seconds in value.items()}
            elif name == "clock":
                frozen = instant(value) if value else None
                self.clock = lambda frozen=frozen: frozen or datetime.now(UTC)
            elif name == "clock_offset":
                offset = timedelta(seconds=value)
                self.clock = lambda offset=offset: datetime.now(UTC) + offset
            elif name in ("em_zones", "wt_regions", "em_refused"):
                setattr(self, name, value if value is None else set(value))
            elif name in SETTINGS:
                setattr(self, name, value)
            else:
                raise ValueError(f"no such order: {name!r}")

    def report(self) -> dict[str, Any]:
        with self._lock:
            requests, faults = list(self.requests), list(self._faults)
        counts = dict.fromkeys(VENDORS, 0) | Counter(one.vendor for one in requests)
        log = [asdict(one) | {"at": one.at.isoformat()} for one in requests]
        live = [{"vendor": one.vendor, "fault": one.name, "times": one.times, "path": one.path} for one in faults]
        return {"url": self.url, "counts": counts, "connections": self.connections, "faults": live, "requests": log}

    @staticmethod
    def _steps(given: Any) -> Steps | float:
        if not isinstance(given, dict):
            return float(given)
        start = datetime.fromisoformat(given["start"])
        return Steps(start, timedelta(seconds=given["step_seconds"]), tuple(given["values"]))

    @staticmethod
    def _vendor(name: str) -> str:
        if name not in VENDORS:
            raise ValueError(f"no such vendor: {name!r}; the vendors are {', '.join(VENDORS)}")
        return name

    def _arrived(self, request: Request, query: dict[str, list[str]], moved: bool) -> list[Fault]:
        """Note a request, and draw the faults that it meets: all that join, and the eldest of those that do not."""
        met: list[Fault] = []
        with self._lock:
            self.requests.append(request)
            for fault in list(self._faults):
                if not fault.meets(request.vendor, request.path, query) or (moved and fault.name == "redirect"):
                    continue
                if not fault.joins and any(not one.joins for one in met):
                    continue
                met.append(fault)
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                        self._spent.append(fault)
        return met


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512
    grid: GridServer

    def __init__(self, *arguments: Any) -> None:
        self.open: set[socket.socket] = set()
        self.changed = threading.Condition()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.changed:
            self.open.add(request)
            self.grid.connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self.changed:
            self.open.discard(request)
            self.changed.notify_all()

    def hang_up(self) -> None:
        """End the connections that clients keep alive, and wait for their threads."""
        with self.changed:
            for one in self.open:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue
            self.changed.wait_for(lambda: not self.open, timeout=5)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that went away is what the tests do to it; all else is this fake's own mistake.
        if not isinstance(sys.exception(), ConnectionError):
            self.grid.broken.append(traceback.format_exc())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        grid, split = self.server.grid, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        vendor, _, path = unquote(split.path).lstrip("/").partition("/")
        if vendor == "control" and grid.control:
            return self._control(body)
        if vendor not in VENDORS:
            return self._send(Answer({"error": "not found"}, 404), grid.clock())
        moved = path.startswith("moved/")
        path = "/" + path.removeprefix("moved/")
        query = parse_qs(split.query, keep_blank_values=True)
        flat = {name: many if len(many) > 1 else many[0] for name, many in query.items()}
        seen = {name.lower(): self._shown(name.lower(), value) for name, value in self.headers.items()}
        request = Request(vendor, path, flat, seen, self.command, grid.clock())
        faults = grid._arrived(request, query, moved)
        now = request.at
        for fault in faults:
            if fault.name == "skew":
                now += timedelta(seconds=fault.options.get("seconds", 3600))
            if fault.name == "slow":
                fault.healed.wait(fault.options.get("seconds", 1))
        headers = {name.lower(): value for name, value in self.headers.items()}
        ask = Ask(vendor, self.command, path, query, headers, body, now)
        return self._answer(grid, ask, faults)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _answer(self, grid: GridServer, ask: Ask, faults: list[Fault]) -> None:
        stands = next((fault for fault in faults if not fault.joins), None)
        name = stands.name if stands else ""
        if stands and name in ("hang", "refuse"):
            stands.healed.wait(LONGEST_HANG if name == "hang" else 0)
            self.close_connection = True
            return None
        if stands and name == "redirect" and not stands.options.get("to"):
            stands = Fault(ask.vendor, name, options={"to": f"{grid.url}/{ask.vendor}/moved"})
        if stands and name == "redirect" and not urlsplit(stands.options["to"]).query:
            rest = self.path.removeprefix(f"/{ask.vendor}")
            stands = Fault(ask.vendor, name, options={"to": stands.options["to"] + rest})
        answer = instead(stands, ask) if stands else None
        if answer is None:
            try:
                answer = ANSWERS[ask.vendor](grid, ask)
            except RefusedError as refused:
                answer = refused.answer
            except Exception:
                grid.broken.append(traceback.format_exc())
                answer = Answer("the fake itself broke", 599, "text/plain")
        for fault in faults:
            if fault.name in ROWS and answer.status == 200 and isinstance(answer.body, dict | list):
                answer.body = spoil(fault, answer.body, ask.now, grid.step[ask.vendor])
        return self._send(answer, ask.now, stands)

    def _send(self, answer: Answer, now: datetime, fault: Fault | None = None) -> None:
        content, name = answer.content(), fault.name if fault else ""
        padding = int(fault.options.get("megabytes", 16)) * 1_000_000 if fault and name == "huge" else 0
        if padding:
            content = b'{"padding": "' + b"x" * padding + b'"}'
        chunked = fault is not None and bool(fault.options.get("chunked"))
        self.send_response_only(answer.status)
        self.send_header("Date", format_datetime(now.astimezone(UTC), usegmt=True))
        self.send_header("Content-Type", answer.content_type)
        for header, value in answer.headers.items():
            self.send_header(header, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif answer.status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if chunked:
            for at in range(0, len(content), 65536):
                piece = content[at : at + 65536]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        elif fault and name == "half":
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
        elif fault and name == "drip":
            for byte in content:
                self.wfile.write(bytes([byte]))
                if fault.healed.wait(fault.options.get("seconds", 0.01)):
                    self.close_connection = True
                    return
        else:
            self.wfile.write(content)

    def _control(self, body: bytes) -> None:
        grid = self.server.grid
        try:
            if self.command == "POST":
                grid.order(json.loads(body))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return self._send(Answer({"error": str(error)}, 400), grid.clock())
        return self._send(Answer(grid.report()), grid.clock())

    @staticmethod
    def _shown(name: str, value: str) -> str:
        if name not in SECRET_HEADERS:
            return value
        scheme, _, rest = value.partition(" ")
        return f"{scheme} <hidden>" if name == "authorization" and rest else "<hidden>"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control", action="store_true", help="take orders at /control")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with GridServer(port=asked.port, control=asked.control) as server:
        print(server.url, flush=True)
        sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
