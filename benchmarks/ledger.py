"""Time the ledger: totals over 100,000 rows, and what one write costs a task.

Run it with the package installed: ``python benchmarks/ledger.py``. SQLite, in a folder for temporary files; PostgreSQL
too where ``tools/postgres.sh start`` has started one and a driver is installed.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_carbon.core.record import EmissionRecord
from airflow_carbon.ledger.ghg import ghg_view
from airflow_carbon.ledger.sql import SqlLedger
from airflow_carbon.ledger.totals import emission_totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS, DAGS, MONTHS = 100_000, 100, 24
PROCESSES = 15
START = datetime(2025, 1, 1, tzinfo=UTC)
SCRIPT = Path(__file__).parents[1] / "tools" / "postgres.sh"

# What a task does once, in a process of its own: the hook comes with the task, the ledger's own imports do not.
WRITE = """
import json, sys, time
from datetime import UTC, datetime, timedelta
from airflow_carbon.core.record import EmissionRecord
from airflow_carbon.hooks.ledger import LedgerHook
begun = time.perf_counter()
hook = LedgerHook()
hook.ledger
built = time.perf_counter()
at = datetime.now(UTC)
record = EmissionRecord(
    dag_id="a_dag", run_id="a_run", task_id="a_task", try_number=int(sys.argv[1]), started_at=at,
    ended_at=at + timedelta(hours=1), energy_kwh=2.0, energy_how="measured", intensity_g_per_kwh=100.0,
    signal="average", raw={"energy": 2.0, "meter": "codecarbon", "samples": list(range(50))})
ready = time.perf_counter()
done = hook.write(record)
print(json.dumps([done, 1e3 * (built - begun), 1e3 * (time.perf_counter() - ready)]))
"""


def records() -> Iterator[EmissionRecord]:
    rng = random.Random(1)
    for row in range(ROWS):
        began = START + timedelta(days=rng.uniform(0, 365 * MONTHS / 12))
        dag = row % DAGS
        yield EmissionRecord(
            dag_id=f"dag_{dag}",
            run_id=f"scheduled__{began.isoformat()}",
            task_id=f"task_{row}",
            started_at=began,
            ended_at=began + timedelta(minutes=rng.uniform(1, 200)),
            energy_kwh=rng.uniform(0.1, 20.0),
            energy_how="measured",
            intensity_g_per_kwh=rng.uniform(20.0, 600.0),
            kind="measured",
            signal="marginal" if dag % 10 == 0 else "average",
            accounting="direct, consumption, CO2e",
            owner=f"team_{dag % 7}",
            tags=(f"tag_{dag % 5}", "nightly"),
            location="azure:uksouth",
            zone="GB",
            embodied_g=1.0,
            final=True,
            raw={"meter": "codecarbon", "samples": [rng.random() for _ in range(10)]},
        )


def timed_ms(call: Callable[[], object], repeats: int = 15) -> tuple[float, float]:
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - begin))
    return min(times), statistics.median(times)


def line(figure: str, target: str, least: float, median: float) -> None:
    print(f"{figure:<62}{target:>8}{least:>10.1f}{median:>10.1f}")


def totals(name: str, ledger: SqlLedger) -> None:
    begin = time.perf_counter()
    written = ledger.write(records())
    seconds = time.perf_counter() - begin
    print(f"{name}: {written:,} rows written in {seconds:.1f} s, making them included\n")
    target = "100" if name == "SQLite" else ""
    line(f"{name}: totals by DAG and month", target, *timed_ms(lambda: emission_totals(ledger)))
    line(f"{name}: the same, the first question of a process", target, *first_totals(ledger))
    for by in (("month",), ("owner", "month"), ("tag", "month"), ("region",)):
        line(f"{name}: totals by {' and '.join(by)}", "", *timed_ms(lambda by=by: emission_totals(ledger, by), 5))
    line(f"{name}: GHG view, by account and month", "", *timed_ms(lambda: ghg_view(ledger), 5))


def first_totals(ledger: SqlLedger) -> tuple[float, float]:
    code = (
        "import sys, time; from airflow_carbon.ledger.sql import SqlLedger;"
        "from airflow_carbon.ledger.totals import emission_totals; ledger = SqlLedger(sys.argv[1]);"
        "begin = time.perf_counter(); emission_totals(ledger); print(1e3 * (time.perf_counter() - begin))"
    )
    address = ledger._engine.url.render_as_string(hide_password=False)
    times = [
        float(subprocess.run([sys.executable, "-c", code, address], capture_output=True, check=True).stdout)
        for _ in range(5)
    ]
    return min(times), statistics.median(times)


def writes(name: str, environment: dict[str, str]) -> None:
    built, wrote = [], []
    for number in range(PROCESSES + 1):
        said = subprocess.run(
            [sys.executable, "-c", WRITE, str(number)],
            env={**os.environ, **environment},
            capture_output=True,
            check=True,
            text=True,
        ).stdout.splitlines()[-1]
        done, imports, write = json.loads(said)
        assert done, "the ledger did not take it"
        # The first one makes the schema.
        if number:
            built.append(imports)
            wrote.append(write)
    line(f"{name}: one write in a fresh task process, after the import", "10", min(wrote), statistics.median(wrote))
    line(f"{name}: the import before it (SQLAlchemy, driver, engine)", "", min(built), statistics.median(built))


def postgres_url() -> str | None:
    if find_spec("psycopg") is None or subprocess.run([SCRIPT, "status"], capture_output=True).returncode:
        return None
    return subprocess.run([SCRIPT, "url"], capture_output=True, check=True, text=True).stdout.strip()


def main() -> None:
    print(f"{ROWS:,} emissions of {DAGS} DAGs over {MONTHS} months; in ms\n")
    print(f"{'figure':<62}{'target':>8}{'min':>10}{'median':>10}")
    with tempfile.TemporaryDirectory() as folder:
        home = {"AIRFLOW_HOME": folder, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        writes("SQLite", {**home, "AIRFLOW__CARBON__STATE_DIR": folder})
        url = postgres_url()
        if url is not None:
            in_earnest = {"AIRFLOW_CONN_LEDGER": url.replace("postgresql:", "postgres:")}
            writes("PostgreSQL", {**home, **in_earnest, "AIRFLOW__CARBON__LEDGER_CONN_ID": "ledger"})
        totals("SQLite", SqlLedger(f"sqlite:///{folder}/totals.db"))
        if url is not None:
            totals("PostgreSQL", SqlLedger(url, patience_seconds=60))


if __name__ == "__main__":
    main()
