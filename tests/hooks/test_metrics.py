"""Airflow's own metrics, over a real StatsD socket."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_carbon.exceptions import InvalidRequestError, SourceAuthError, SourceUnavailableError, UnknownZoneError
from airflow_carbon.hooks import metrics
from airflow_carbon.hooks.asking import asked_in_time
from airflow_carbon.hooks.counter import Period, Reduction

pytestmark = pytest.mark.airflow

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
RECORD = {"ready_at": NOW.isoformat(), "started_at": (NOW + timedelta(hours=2)).isoformat(), "mode": "enforce"}


class Client:
    """The client that Airflow's StatsD logger speaks through: each call is one packet.

    ``statsd`` is an extra of Airflow's; its wire format (https://github.com/statsd/statsd, metric_types.md) is three
    lines.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))

    def incr(self, stat: str, count: int = 1, rate: float = 1) -> None:
        self._send(f"{stat}:{count}|c")

    def gauge(self, stat: str, value: float, rate: float = 1, delta: bool = False) -> None:
        self._send(f"{stat}:{value}|g")

    def timing(self, stat: str, delta: timedelta | float) -> None:
        milliseconds = delta.total_seconds() * 1000.0 if isinstance(delta, timedelta) else delta
        self._send(f"{stat}:{milliseconds:.6f}|ms")

    def close(self) -> None:
        self._socket.close()

    def _send(self, packet: str) -> None:
        self._socket.send(f"airflow.{packet}".encode())


@dataclass
class Server:
    """A StatsD server: what came so far."""

    socket: socket.socket

    @property
    def port(self) -> int:
        port: int = self.socket.getsockname()[1]
        return port

    def got(self) -> list[str]:
        """Read what has arrived; a packet to oneself is there once it is sent."""
        packets = []
        while True:
            try:
                packets.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return packets


@pytest.fixture
def server() -> Iterator[Server]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.setblocking(False)
        yield Server(listening)


Setup = Callable[..., None]


@pytest.fixture
def airflow_metrics(server: Server) -> Iterator[Setup]:
    """Set up a copy of Airflow's metrics, as its processes do when they start; none is before."""
    from airflow._shared.observability.metrics import stats as core
    from airflow.sdk._shared.observability.metrics import stats as sdk
    from airflow.sdk._shared.observability.metrics.statsd_logger import SafeStatsdLogger

    before = [(one, one._factory, one._backend, one._export_legacy_names) for one in (core, sdk)]
    for one in (core, sdk):
        one._factory = one._backend = None
    clients = []

    def set_up(process: str = "task", **options: Any) -> None:
        clients.append(Client(server.port))
        one = {"task": sdk, "triggerer": core}[process]
        client = clients[-1]
        one.initialize(factory=lambda: SafeStatsdLogger(client, **options), export_legacy_names=True)

    yield set_up
    for one, factory, backend, legacy in before:
        one._factory, one._backend, one._export_legacy_names = factory, backend, legacy
    for client in clients:
        client.close()


@pytest.mark.parametrize("process", ["task", "triggerer"])
def test_a_decision_and_its_wait_reach_a_statsd_server(process: str, server: Server, airflow_metrics: Setup) -> None:
    airflow_metrics(process)
    metrics.decided(RECORD, dag_id="a_dag", task_id="wait")
    assert server.got() == [
        "airflow.carbon.decision:1|c",
        "airflow.carbon.wait:7200000.000000|ms",
        "airflow.carbon.wait_seconds:7200|c",
    ]


def test_a_process_that_set_up_both_copies_tells_each_metric_once(server: Server, airflow_metrics: Setup) -> None:
    airflow_metrics("triggerer")
    airflow_metrics("task")
    metrics.stood_in()
    assert server.got() == ["airflow.carbon.source_stand_in:1|c"]


def test_tags_name_the_task(server: Server, airflow_metrics: Setup) -> None:
    airflow_metrics("task", influxdb_tags_enabled=True, statsd_influxdb_enabled=True)
    metrics.decided({"mode": "shadow"}, dag_id="a_dag", task_id="wait")
    assert server.got() == ["airflow.carbon.decision,dag_id=a_dag,task_id=wait,mode=shadow:1|c"]


def test_a_task_that_was_not_held_adds_no_seconds(server: Server, airflow_metrics: Setup) -> None:
    airflow_metrics()
    metrics.decided({**RECORD, "started_at": RECORD["ready_at"]}, dag_id="a_dag", task_id="wait")
    assert [packet.partition(":")[0] for packet in server.got()] == ["airflow.carbon.decision", "airflow.carbon.wait"]


def test_a_question_that_fails_is_counted_and_the_error_goes_on(server: Server, airflow_metrics: Setup) -> None:
    airflow_metrics()

    async def question() -> None:
        raise SourceUnavailableError("down")

    with pytest.raises(SourceUnavailableError):
        asked_in_time(question())
    assert server.got() == ["airflow.carbon.source_failure:1|c"]


def test_a_source_that_hangs_is_counted(server: Server, airflow_metrics: Setup) -> None:
    import asyncio

    airflow_metrics()
    with pytest.raises(SourceUnavailableError):
        asked_in_time(asyncio.sleep(60), 0.01)
    assert server.got() == ["airflow.carbon.source_failure:1|c"]


def test_prices_that_fail_are_counted_apart(server: Server, airflow_metrics: Setup) -> None:
    airflow_metrics("task", influxdb_tags_enabled=True, statsd_influxdb_enabled=True)

    async def question() -> None:
        raise SourceAuthError("no key")

    with pytest.raises(SourceAuthError):
        asked_in_time(question(), failure=metrics.PRICE_FAILURE)
    assert server.got() == ["airflow.carbon.price_failure,error=SourceAuthError:1|c"]


@pytest.mark.parametrize("mistake", [UnknownZoneError("zone XX"), InvalidRequestError("duration"), KeyError("x")])
def test_a_mistake_in_what_was_asked_is_no_failure_of_a_source(
    mistake: Exception, server: Server, airflow_metrics: Setup
) -> None:
    airflow_metrics()
    with pytest.raises(type(mistake)), metrics.failures():
        raise mistake
    assert server.got() == []


def period(*reductions: Reduction) -> Period:
    return Period("day", NOW - timedelta(days=1), NOW, 3, 2, reductions)


def reduction(signal: str, grams: float | None, accounting: str = "") -> Reduction:
    return Reduction(signal, accounting, 1, 1, 0, grams)


def test_reductions_are_gauges_one_for_each_signal_and_negative_ones_stay_so(
    server: Server, airflow_metrics: Setup
) -> None:
    airflow_metrics()
    metrics.counted([period(reduction("average", -12.5), reduction("marginal", 400.0), reduction("", 7.0))])
    assert server.got() == [
        "airflow.carbon.tasks_shifted.day:3|g",
        "airflow.carbon.owners_shifted.day:2|g",
        "airflow.carbon.reduction_g.average.day:-12.5|g",
        "airflow.carbon.reduction_g.marginal.day:400.0|g",
    ]


def test_reductions_of_two_accountings_are_no_gauge_as_one_would_hide_the_other(
    server: Server, airflow_metrics: Setup
) -> None:
    airflow_metrics()
    metrics.counted([period(reduction("average", 1.0, "direct"), reduction("average", 2.0, "life-cycle"))])
    assert all("shifted" in packet for packet in server.got())


def test_where_no_metrics_are_set_up_nothing_is_told(server: Server, airflow_metrics: Setup) -> None:
    metrics.decided(RECORD, dag_id="a_dag", task_id="wait")
    assert server.got() == []


def test_a_metric_that_fails_fails_no_task(airflow_metrics: Setup) -> None:
    from airflow.sdk._shared.observability.metrics import stats

    def broken() -> Any:
        raise OSError("no route to the metrics host")

    stats.initialize(factory=broken, export_legacy_names=True)
    metrics.decided(RECORD, dag_id="a_dag", task_id="wait")


def test_every_name_is_one_that_airflow_takes(server: Server, airflow_metrics: Setup) -> None:
    from airflow.sdk._shared.observability.metrics.validators import OTEL_NAME_MAX_LENGTH

    airflow_metrics()
    metrics.decided(RECORD, dag_id="a_dag", task_id="wait")
    metrics.stood_in()
    longest = Period("all_time", None, NOW, 3, 2, [reduction("marginal", 1.0)])
    metrics.counted([longest])
    names = [packet.partition(":")[0] for packet in server.got()]
    assert len(names) == 7
    for name in names:
        assert re.fullmatch(r"[a-z_.]+", name)
        assert len(name) <= OTEL_NAME_MAX_LENGTH


def test_it_imports_nothing_of_airflow() -> None:
    code = (
        "import sys, airflow_carbon.hooks.metrics; print([m for m in sys.modules if m.partition('.')[0] == 'airflow'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
