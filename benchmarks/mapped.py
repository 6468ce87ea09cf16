"""Mapped waits on a real Airflow: until all are deferred, until all are done, and how late each came.

Run it with the package installed: ``python benchmarks/mapped.py [MAPPED] [KIND ...]``; 100 of each kind take five
minutes. It starts a local Airflow and, on it, one after another, so many mapped waits of each kind until one moment:
``date_time`` is Airflow's own ``DateTimeSensorAsync``, ``carbon`` the ``CarbonAwareSensor``, and ``spread`` the same
with ``spread``, its default, which starts equally clean waits beside each other. The triggerer starts anew before each.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from airflow_carbon.cli.local_airflow import LocalAirflow

MIB = 1 << 20
MOST_TIME_PERCENT, MOST_MEMORY_PERCENT, MOST_START_SECONDS = 10.0, 5.0, 60.0

DAGS = """
from datetime import timedelta

from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import DAG

from airflow_carbon import CarbonAwareSensor

COUNT = {count}
AT, UNTIL = "{{{{ dag_run.conf['at'] }}}}", "{{{{ dag_run.conf['until'] }}}}"
ARGS = {{"retries": 2, "retry_delay": timedelta(seconds=5)}}
ONE = dict(location="zone:GB", duration="1m", earliest_start=AT, deadline=UNTIL, carbon_conn_id="rising")

with DAG("date_time", schedule=None, default_args=ARGS):
    DateTimeSensorAsync.partial(task_id="wait", target_time=AT).expand(poke_interval=[60.0] * COUNT)
with DAG("carbon", schedule=None, default_args=ARGS):
    CarbonAwareSensor.partial(task_id="wait", spread=False, **ONE).expand(poke_interval=[60.0] * COUNT)
with DAG("spread", schedule=None, default_args=ARGS):
    CarbonAwareSensor.partial(task_id="wait", **ONE).expand(poke_interval=[60.0] * COUNT)
"""
KINDS = ("date_time", "carbon", "spread")


class Side(NamedTuple):
    """Hold what was measured of one kind; times in seconds, memory in MiB."""

    deferred: float
    resumed: float
    total: float
    memory: float
    fired: list[float]
    errors: list[float]
    late: int
    failed: int


def on_airflow(count: int, kinds: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="carbon-scale-") as folder:
        home, dags = Path(folder) / "home", Path(folder) / "dags"
        dags.mkdir()
        (dags / "scale.py").write_text(DAGS.format(count=count))
        series, begun = Path(folder) / "rising.csv", datetime.now(UTC).replace(second=0, microsecond=0)
        # It only rises: the cleanest start is the earliest, and six minutes lie within the two percent of `spread`.
        rows = [
            f"{(begun + timedelta(minutes=m)).isoformat()},{300 + 1.0 * (m + 60):.1f}\n" for m in range(-60, 24 * 60)
        ]
        series.write_text("timestamp,intensity\n" + "".join(rows))
        rising = {"conn_type": "carbon_history", "extra": {"path": str(series)}}
        # The margin is Airflow's own queue here, which is what is measured.
        environment = {
            "AIRFLOW_CONN_RISING": json.dumps(rising),
            "AIRFLOW__CARBON__START_MARGIN": "0s",
            "AIRFLOW__TRIGGERER__CAPACITY": str(max(1000, count)),
        }
        with LocalAirflow(home, dags=[dags], environment=environment) as airflow:
            sides = {kind: measured(airflow, kind, count) for kind in kinds}
        report(count, sides)


def measured(airflow: LocalAirflow, kind: str, count: int) -> Side:
    airflow.kill("triggerer")
    triggerer = airflow.start_component("triggerer")
    airflow.wait_healthy()
    airflow.api.wait_for_dag(kind)
    begun = datetime.now(UTC)
    at = begun + timedelta(seconds=count / 2.5 + 45.0)
    # Nothing on this machine can be later than that: three tasks a second, twice.
    until = at + timedelta(minutes=6, seconds=count + 300.0)
    airflow.api.trigger(kind, {"at": at.isoformat(), "until": until.isoformat()}, run_id="scale")
    deferred, memory = 0.0, 0.0
    while (states := states_of(airflow.home, kind)).get("success", 0) + states.get("failed", 0) < count:
        if not deferred and states.get("deferred", 0) == count:
            deferred = (datetime.now(UTC) - begun).total_seconds()
        if deferred and datetime.now(UTC) < at:
            memory = max(memory, memory_of(triggerer))
        if datetime.now(UTC) > until + timedelta(seconds=600):
            raise TimeoutError(f"{kind}: {states} long after the last of its latest starts")
        time.sleep(1.0)
    ends = ends_of(airflow.home, kind)
    told = told_of(airflow.home, kind)
    fired = [(one["started"] - one["start"]).total_seconds() for one in told.values() if one["started"]]
    errors = [(end - told.get(index, {"start": at})["start"]).total_seconds() for index, end in ends.items()]
    late = sum(one["started"] is None or one["started"] > one["latest"] for one in told.values())
    last = max(ends.values())
    return Side(
        deferred, (last - at).total_seconds(), (last - begun).total_seconds(), memory, sorted(fired), sorted(errors),
        late, states.get("failed", 0),
    )  # fmt: skip


def asked(database: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30.0)) as connection:
        return connection.execute(query, values).fetchall()


def moment(text: str) -> datetime:
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def states_of(home: Path, dag: str) -> dict[str, int]:
    return dict(asked(home / "airflow.db", "select state, count(*) from task_instance where dag_id=? group by 1", dag))


def ends_of(home: Path, dag: str) -> dict[int, datetime]:
    rows = asked(home / "airflow.db", "select map_index, end_date from task_instance where dag_id=?", dag)
    return {index: moment(end) for index, end in rows}


def told_of(home: Path, dag: str) -> dict[int, dict[str, Any]]:
    """Give what the ledger knows of each wait; nothing of Airflow's own."""
    from airflow_carbon.ledger.sql import SqlLedger

    waits = SqlLedger(f"sqlite:///{home}/carbon/ledger.db").waits(limit=10_000, forecasts=False)
    return {
        wait.map_index: {"start": wait.start, "started": wait.started_at, "latest": wait.latest_start}
        for wait in waits
        if wait.dag_id == dag and wait.start is not None
    }


def memory_of(session: int) -> float:
    """Add up what the processes of one session hold for themselves [MiB]."""
    held = 0.0
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session:
                held += process.memory_full_info().pss / MIB
        except (psutil.Error, OSError):
            continue
    return held


def at_share(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def met(good: bool) -> str:
    return "met" if good else "MISSED"


#: What is printed of each kind: its name, and how it is read.
LINES: tuple[tuple[str, Callable[[Side], float]], ...] = (
    ("all deferred after [s]", lambda side: side.deferred),
    ("all done, after their moment [s]", lambda side: side.resumed),
    ("all done, after the start [s]", lambda side: side.total),
    ("triggerer, PSS of its processes [MiB]", lambda side: side.memory),
    ("trigger fired after its moment [s], p50", lambda side: at_share(side.fired, 0.5)),
    ("  p99", lambda side: at_share(side.fired, 0.99)),
    ("task over after its moment [s], p50", lambda side: at_share(side.errors, 0.5)),
    ("  p99", lambda side: at_share(side.errors, 0.99)),
    ("fired later than promised", lambda side: side.late),
    ("failed", lambda side: side.failed),
)


def report(count: int, sides: dict[str, Side]) -> None:
    print(f"{count} mapped waits of each kind, one kind after another, on one Airflow (SQLite, LocalExecutor, 8 slots)")
    print(f"{'':40}" + "".join(f"{kind:>12}" for kind in sides))
    for name, value in LINES:
        print(f"{name:40}" + "".join(f"{value(side):12.1f}" for side in sides.values()))
    own, base = sides.get("carbon"), sides.get("date_time")
    if own is not None and base is not None:
        for name, mine, theirs, most in (
            ("time to all deferred", own.deferred, base.deferred, MOST_TIME_PERCENT),
            ("time from the moment to all done", own.resumed, base.resumed, MOST_TIME_PERCENT),
            ("triggerer's memory", own.memory, base.memory, MOST_MEMORY_PERCENT),
        ):
            more = 100.0 * (mine / theirs - 1.0) if mine and theirs else float("nan")
            print(f"{name}: {more:+.1f} % of DateTimeSensorAsync's, target {most:g} %: {met(more <= most)}")
    for kind, side in sides.items():
        p99 = at_share(side.errors, 0.99)
        print(f"{kind}: start error p99 {p99:.0f} s, target {MOST_START_SECONDS:g} s: {met(p99 <= MOST_START_SECONDS)}")


if __name__ == "__main__":
    on_airflow(int(sys.argv[1]) if len(sys.argv) > 1 else 100, sys.argv[2:] or KINDS)
