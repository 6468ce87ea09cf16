"""The page about sources of one's own: what it shows is installed and run, and gives the numbers that it names."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

pytestmark = pytest.mark.airflow

TOKEN = "token-7f3a"
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
#: The words of the page's command, asked at the midnight that its document begins with.
WINDOW = ["window", "zone:DE", "--duration", "2h", "--max-delay", "4h", "--now", MIDNIGHT.isoformat(), "--json"]

ASK = """
import asyncio, json, sys
from datetime import datetime, timedelta
from airflow_carbon.core.location import Location
from airflow_carbon.exceptions import CarbonError
from airflow_carbon.hooks import chain

ids, location, now = json.loads(sys.argv[1])
hooks = chain.hooks_of(chain.conn_ids(ids))
now = datetime.fromisoformat(now)
source = chain.source_of(hooks)
try:
    answer = asyncio.run(source.forecast(Location.parse(location), now=now, until=now + timedelta(hours=4)))
    said = {"intensity": answer.intensity.tolist(), "start": answer.start.isoformat(), "source": answer.source}
except CarbonError as error:
    said = {"error": type(error).__name__, "words": str(error)}
print(json.dumps(said | {"hooks": [f"{type(hook).__module__}.{type(hook).__name__}" for hook in hooks]}))
"""


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "your_own_source.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def files(page: str) -> dict[str, str]:
    """Give the page's files by their paths."""
    found = dict(re.findall(r"^<!-- file: (\S+) -->\n```\w*\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    assert len(found) == page.count("<!-- file:")
    return found


@pytest.fixture(scope="module")
def written(files: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def installed(written: Path) -> Path:
    """Install the package as the page says, but into a folder of its own and without an index."""
    target = written / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    done = subprocess.run(
        [*pip, "--disable-pip-version-check", "--target", str(target), str(written / "acme")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def gateway(written: Path) -> Iterator[str]:
    """Answer as the page says that the gateway does."""

    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = 200, b""
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                status = 401
            elif self.path == "/v1/intensity/DE":
                body = (written / "DE.json").read_bytes()
            elif self.path == "/v1/intensity/HTML":
                body = b"<html>"
            elif self.path == "/v1/intensity/EMPTY":
                body = b"{}"
            else:
                status = 404
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def surroundings(installed: Path, written: Path, gateway: str, token: str = TOKEN) -> dict[str, str]:
    grid = {"conn_type": "acme_grid", "host": gateway, "password": token}
    series = {"conn_type": "carbon_history", "extra": {"path": str(written / "series.csv"), "zone": "DE"}}
    return {
        **os.environ,
        "AIRFLOW_CONN_GRID": json.dumps(grid),
        "AIRFLOW_CONN_MY_SERIES": json.dumps(series),
        # Its own each time: one test must not be answered by what another one asked.
        "AIRFLOW__CARBON__STATE_DIR": tempfile.mkdtemp(dir=written),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "PYTHONPATH": str(installed),
    }


def output(words: list[str], environment: dict[str, str]) -> Any:
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1] if words[1] == "-c" else done.stdout)


def asked(environment: dict[str, str], ids: list[str], location: str = "zone:DE", now: datetime = MIDNIGHT) -> Any:
    return output([sys.executable, "-c", ASK, json.dumps([ids, location, now.isoformat()])], environment)


def check_the_window(said: dict[str, Any], source: str) -> None:
    """(120 + 100) / 2 from 02:00 on, against (420 + 380) / 2 at once: 290 of 400 less."""
    assert (said["action"], said["start"]) == ("wait", "2026-11-22T02:00:00+00:00")
    assert (said["intensity_g_per_kwh"], said["baseline_intensity_g_per_kwh"]) == (110.0, 400.0)
    assert said["promised_saving_percent"] == 72.5
    assert (said["zone"], said["kind"], said["source"], said["signal"]) == ("DE", "forecast", source, "average")


@pytest.mark.parametrize("program", [["airflow-carbon"], ["airflow", "carbon"]], ids=" ".join)
def test_the_installed_package_plans_the_window_that_the_page_names(
    installed: Path, written: Path, gateway: str, program: list[str], page: str
) -> None:
    name, *group = program
    words = [str(Path(sys.executable).parent / name), *group, *WINDOW, "--conn-id", "grid"]
    said = output(words, surroundings(installed, written, gateway))
    check_the_window(said, "acme")
    assert said["accounting"] == "direct, consumption, CO2"
    assert "waits until 02:00: 110 instead of 400 g/kWh" in page


def test_a_sensors_chain_finds_its_hook_and_begins_with_the_hour_that_holds_now(
    installed: Path, written: Path, gateway: str
) -> None:
    said = asked(surroundings(installed, written, gateway), ["grid", "my_series"], now=MIDNIGHT + 1.5 * HOUR)
    assert said["hooks"] == ["acme_grid.hook.AcmeHook", "airflow_carbon.hooks.history.HistoryHook"]
    assert (said["start"], said["source"]) == ("2026-11-22T01:00:00+00:00", "acme")
    assert said["intensity"] == [380.0, 120.0, 100.0, 390.0, 430.0]


def test_where_the_gateway_refuses_the_next_source_of_the_chain_answers(
    installed: Path, written: Path, gateway: str
) -> None:
    said = asked(surroundings(installed, written, gateway, token="stale"), ["grid", "my_series"])
    assert said["source"] == "history (after acme: DE: status 401)"
    assert said["intensity"] == [420.0, 380.0, 120.0, 100.0, 390.0, 430.0]


@pytest.mark.parametrize(
    ("location", "now", "error", "words"),
    [
        ("zone:FR", MIDNIGHT, "UnknownZoneError", "acme: FR: status 404"),
        ("azure:swedencentral", MIDNIGHT, "UnknownZoneError", "acme knows grid zones alone; write for example zone:DE"),
        # After the chain has looked for what could stand in for it.
        ("zone:html", MIDNIGHT, "SourceUnavailableError", "acme: HTML: the answer is no JSON"),
        ("zone:empty", MIDNIGHT, "SourceUnavailableError", "the answer for EMPTY is no series: KeyError"),
        ("zone:DE", MIDNIGHT - HOUR, "SourceUnavailableError", "DE is known from 2026-11-22 00:00:00+00:00 to"),
        ("zone:DE", MIDNIGHT + 6 * HOUR, "SourceUnavailableError", "to 2026-11-22 06:00:00+00:00, not at"),
    ],
)
def test_its_errors_are_those_of_the_protocol(
    installed: Path, written: Path, gateway: str, location: str, now: datetime, error: str, words: str
) -> None:
    said = asked(surroundings(installed, written, gateway), ["grid"], location, now)
    assert said["error"] == error
    assert words in said["words"]


def test_a_gateway_that_is_down_is_an_outage(installed: Path, written: Path) -> None:
    # Port 1 is nobody's.
    said = asked(surroundings(installed, written, "http://127.0.0.1:1", token="down"), ["grid"])
    assert said["error"] == "SourceUnavailableError"
    assert said["words"].startswith("zone:DE: every source failed: acme: DE: URLError; last good forecast: ")


def test_its_metadata_is_what_airflow_allows(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(written / "acme"))
    from acme_grid import get_provider_info

    schema = json.loads(resources.files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)
    (kind,) = get_provider_info()["connection-types"]
    assert (kind["connection-type"], list(kind["conn-fields"])) == ("acme_grid", ["zone"])
    assert kind["ui-field-behaviour"]["relabeling"] == {"host": "Gateway", "password": "Token"}


def test_the_source_class_is_as_short_as_an_example_should_be(files: dict[str, str]) -> None:
    lines = files["acme/acme_grid/source.py"].partition("class AcmeSource")[2].splitlines()
    assert len([line for line in lines if line.strip()]) <= 45


def test_the_pages_file_gives_the_same_window(installed: Path, written: Path, gateway: str) -> None:
    words = [str(Path(sys.executable).parent / "airflow-carbon"), *WINDOW, "--conn-id", "my_series"]
    check_the_window(output(words, surroundings(installed, written, gateway)), "history")


def test_the_pages_function_serves_once_it_is_listed(written: Path, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk import Connection

    from airflow_carbon.core.location import Location
    from airflow_carbon.exceptions import InvalidRequestError, UnknownZoneError
    from airflow_carbon.hooks.computed import ComputedHook

    monkeypatch.syspath_prepend(str(written))
    (extra,) = (extra for kind, extra in connections(page) if kind == "carbon_callable")
    hook = ComputedHook(connection=Connection(conn_id="plant", conn_type="carbon_callable", extra=json.dumps(extra)))
    monkeypatch.delenv("AIRFLOW__CARBON__CALLABLES", raising=False)
    with pytest.raises(InvalidRequestError, match="is not allowed"):
        hook.source()
    option, _, listed = next(line for line in page.split() if line.startswith("AIRFLOW__")).partition("=")
    monkeypatch.setenv(option, listed)
    source = hook.source()

    def ahead(location: str) -> Any:
        morning = MIDNIGHT + 8.5 * HOUR
        return asyncio.run(source.forecast(Location.parse(location), now=morning, until=morning + 2 * HOUR))

    assert ahead("zone:PLANT").intensity.tolist() == [350.0, 40.0, 40.0]
    assert ahead("zone:PLANT").start == MIDNIGHT + 8 * HOUR
    with pytest.raises(UnknownZoneError, match=r"zone:DE: my_company\.grid\.intensity does not know it"):
        ahead("zone:DE")


def test_the_pages_function_is_found_by_a_sensors_chain(
    installed: Path, written: Path, gateway: str, page: str
) -> None:
    (extra,) = (extra for kind, extra in connections(page) if kind == "carbon_callable")
    environment = surroundings(installed, written, gateway) | {
        "AIRFLOW_CONN_PLANT": json.dumps({"conn_type": "carbon_callable", "extra": extra}),
        "AIRFLOW__CARBON__CALLABLES": "my_company.grid",
        "PYTHONPATH": str(written),
    }
    said = asked(environment, ["plant"], "zone:PLANT", MIDNIGHT + 14 * HOUR)
    assert said["hooks"] == ["airflow_carbon.hooks.computed.ComputedHook"]
    assert (said["source"], said["intensity"][:3]) == ("callable", [40.0, 350.0, 350.0])


def test_the_pages_dag_waits_on_the_pages_connections(written: Path, page: str) -> None:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(written / "dags"))
    assert bag.import_errors == {}
    wait = bag.dags["nightly"].get_task("wait")
    assert wait.carbon_conn_id == ["grid", "my_series"]
    assert {task.task_id for task in wait.downstream_list} == {"train"}
    for conn_id in wait.carbon_conn_id:
        assert f"airflow connections add {conn_id} " in page


def connections(page: str) -> list[tuple[str, dict[str, str]]]:
    """Give type and extra of every connection that the page adds."""
    lines = re.findall(r"^ +(airflow connections add (?:.*\\\n)*.*)$", page, re.MULTILINE)
    found = []
    for line in lines:
        words = shlex.split(line.replace("\\\n", ""))
        options = dict(zip(words[4::2], words[5::2], strict=True))
        found.append((options["--conn-type"], json.loads(options.get("--conn-extra", "{}"))))
    return found


def test_the_pages_connections_have_the_fields_of_their_forms(page: str) -> None:
    from airflow_carbon.hooks.computed import ComputedHook
    from airflow_carbon.hooks.history import HistoryHook

    hooks = {"carbon_history": HistoryHook, "carbon_callable": ComputedHook}
    known = {kind: {field.name for field in hook.fields} for kind, hook in hooks.items()} | {"acme_grid": set()}
    found = connections(page)
    assert [kind for kind, _ in found] == ["carbon_history", "carbon_history", "carbon_callable", "acme_grid"]
    for kind, extra in found:
        assert set(extra) <= known[kind]
