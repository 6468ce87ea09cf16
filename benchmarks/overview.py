"""Time the Carbon page's first answer over a ledger of 100,000 records, and what the plugin costs a task process.

Run it with the package installed: ``python benchmarks/overview.py``. It serves Airflow's own web app on a socket, with
a login, from a SQLite ledger in a folder for temporary files.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FAKES = Path(__file__).parents[1] / "tests"
PROCESSES = 15
FIRST = 5
REPEATS = 50

PLUGIN = """
import json, time
import airflow.sdk.plugins_manager
import asyncio, logging, threading
wall, cpu = time.perf_counter(), time.process_time()
import airflow_carbon.plugin.plugin
print(json.dumps([1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)]))
"""


def line(figure: str, target: str, times: list[float]) -> None:
    print(f"{figure:<62}{target:>8}{min(times):>10.1f}{statistics.median(times):>10.1f}")


def plugin_cost() -> None:
    # An installed package has its byte code: without it this would time the compiler.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    rows = []
    for number in range(PROCESSES + 1):
        said = subprocess.run([sys.executable, "-c", PLUGIN], capture_output=True, check=True, text=True).stdout
        # The first one writes the byte code.
        if number:
            rows.append(json.loads(said.splitlines()[-1]))
    line("import of the plugin in a task process, wall", "2", [row[0] for row in rows])
    line("the same, CPU", "", [row[1] for row in rows])


def served() -> tuple[Any, Any, str]:
    """Serve Airflow's web app; give it, the carbon app's books, and the address."""
    import uvicorn
    from airflow.api_fastapi.app import create_app
    from airflow.utils.db import initdb

    initdb()
    app = create_app(apps="core")
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    return app, server, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"


def timed(browser: Any, path: str) -> float:
    begin = time.perf_counter()
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    return 1e3 * (time.perf_counter() - begin)


def overview(home: str) -> None:
    sys.path.insert(0, str(FAKES))
    from fakes.many_records import write

    (Path(home) / "carbon").mkdir()
    write(f"{home}/carbon/ledger.db", datetime.now(UTC))
    app, server, address = served()
    import httpx
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    from airflow_carbon.plugin.asgi import LazyApp
    from airflow_carbon.plugin.books import Books

    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="admin", role="admin"))
    with httpx.Client(base_url=address, timeout=60.0, headers={"Authorization": f"Bearer {token}"}) as browser:
        line("the very first request: the app is built", "", [timed(browser, "/carbon/openapi.json")])
        lazy = next(one.app for one in app.routes if isinstance(getattr(one, "app", None), LazyApp))
        first = []
        for _ in range(FIRST):
            # Nothing is known of the ledger, as after a start of the web server.
            lazy._app._app.state.books = Books()
            first.append(timed(browser, "/carbon/api/overview"))
        line("overview, first answer (nothing is known of the ledger)", "300", first)
        line("overview, from then on", "", [timed(browser, "/carbon/api/overview") for _ in range(REPEATS)])
        line("a DAG's tab", "", [timed(browser, "/carbon/api/dags/dag_1") for _ in range(10)])
    server.should_exit = True


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="carbon-bench-") as home:
        for name in [name for name in os.environ if name.lstrip("_").startswith("AIRFLOW")]:
            del os.environ[name]
        os.environ |= {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__API_AUTH__JWT_SECRET": "0123456789abcdef" * 4,
            "_AIRFLOW_PROCESS_CONTEXT": "server",
        }
        print("100,000 records (decisions, impacts, emissions) and 200 waits; in ms\n")
        print(f"{'figure':<62}{'target':>8}{'min':>10}{'median':>10}")
        plugin_cost()
        overview(home)


if __name__ == "__main__":
    main()
