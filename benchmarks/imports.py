"""What this package costs where tasks are many: at each parse of a DAG, and on the worker around each wait.

Run it with the package installed: ``python benchmarks/imports.py [PROCESSES]``. Every figure is the median of fresh
processes, 30 of each kind by default, taken in turns so that a busy machine is as unfair to one as to the other. They
are forked from one that has imported Airflow and nothing of this package, as Airflow's own task processes are.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FAKES = Path(__file__).resolve().parent.parent / "tests"
MODULES = (
    "airflow_carbon.sensors.carbon_aware",
    "airflow_carbon.operators.best_region",
    "airflow_carbon.hooks.sci",
)
WORST = 8
#: The waits that are compared: Airflow's own sensor first, then this package's, without and with a connection.
WAITS = {
    "DateTimeSensorAsync": ("", None),
    "zone, no connection": ("zone:GB", None),
    "cloud region, no connection": ("azure:uksouth", None),
    "cloud region, a connection": ("azure:uksouth", "bench"),
}


def airflows_own() -> None:
    """Import what every task process has imported before it comes to its DAG file."""
    # What every executor's worker runs a task by.
    __import__("airflow.executors.base_executor")
    __import__("airflow.executors.workloads")
    __import__("airflow.sdk.execution_time.supervisor")
    __import__("airflow.sdk.execution_time.task_runner")
    from airflow.sdk import DAG, BaseHook, BaseOperator, BaseSensorOperator  # noqa: F401


def cost(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Do the work and tell what it took: time on the clock and CPU time of the process [ms]."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return found, {"wall": 1e3 * (time.perf_counter() - wall), "cpu": 1e3 * (time.process_time() - cpu)}


def import_all() -> None:
    for module in MODULES:
        __import__(module)


def parse() -> dict[str, Any]:
    """Be a dag-processor that meets the sensor, the operators and the hook for the first time."""
    from airflow.providers.standard.operators.branch import BaseBranchOperator  # noqa: F401
    from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync  # noqa: F401

    _, spent = cost(import_all)
    return spent


def execute(location: str, conn_id: str | None) -> dict[str, Any]:
    """Be the worker's first process: import the sensor, make the task, execute it until it defers."""
    from airflow.sdk.exceptions import TaskDeferred

    store, context = fake_context({})

    def work() -> dict[str, Any]:
        try:
            task(location, conn_id).execute(context)
        except TaskDeferred as deferral:
            path, kwargs = deferral.trigger.serialize()
            return {"method": deferral.method_name, "path": path, "kwargs": str(kwargs)}
        raise SystemExit("the sensor did not defer")

    found, spent = cost(work)
    return {**spent, **found, "store": store.values}


def resume(location: str, conn_id: str | None, store: dict[str, Any], method: str) -> dict[str, Any]:
    """Be the worker's second process: import the sensor, make the task, take the trigger's event."""
    _, context = fake_context(store)
    event: Any = {"record": {"reason": "started as planned", "source_url": "", "notes": []}} if location else {}
    _, spent = cost(lambda: task(location, conn_id).resume_execution(method, {"event": event}, context))
    return spent


def fake_context(values: dict[str, Any]) -> tuple[Any, Any]:
    sys.path.insert(0, str(FAKES))
    from fakes.task_context import StateStore, task_context

    store = StateStore(values)
    return store, task_context(store=store)


def task(location: str, conn_id: str | None) -> Any:
    """Make the task as a DAG file does; an empty location makes Airflow's own sensor."""
    if not location:
        from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync

        return DateTimeSensorAsync(task_id="wait", target_time="2099-01-01T00:00:00+00:00")
    from airflow_carbon.sensors.carbon_aware import CarbonAwareSensor

    return CarbonAwareSensor(task_id="wait", location=location, duration="1h", max_delay="8h", carbon_conn_id=conn_id)


CHILDREN: dict[str, Callable[..., dict[str, Any]]] = {"parse": parse, "execute": execute, "resume": resume}


def serve() -> None:
    """Import Airflow once, then do each piece of work that stdin names in a fork, and write its answer to stdout."""
    airflows_own()
    for line in sys.stdin:
        kind, arguments = json.loads(line)
        reader, writer = os.pipe()
        if (process := os.fork()) == 0:
            with os.fdopen(writer, "w") as answer, contextlib.redirect_stdout(io.StringIO()):
                json.dump(CHILDREN[kind](*arguments), answer)
            sys.stderr.flush()
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answer:
            print(answer.read() or "null", flush=True)
        os.waitpid(process, 0)


class Server:
    """Hold a process that serves, in an Airflow that is nobody's.

    :param home: AIRFLOW_HOME, an empty folder.
    :param errors: where its stderr goes.
    :param options: of the interpreter.
    :param script: which benchmark serves.
    """

    def __init__(self, home: str, errors: Any = None, *options: str, script: str = __file__) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.lstrip("_").startswith("AIRFLOW")}
        # An installed package has its byte code: without it this would time the compiler.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["AIRFLOW_HOME"] = home
        environment["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
        environment["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"
        environment["AIRFLOW_CONN_BENCH"] = json.dumps({"conn_type": "carbon_typical", "extra": {"speed": 2.0}})
        command = [sys.executable, *options, script, "--serve"]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        )

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def __call__(self, kind: str, *arguments: Any) -> dict[str, Any]:
        """Have one piece of work done in a fresh process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([kind, arguments]) + "\n")
        self.process.stdin.flush()
        if (answer := json.loads(self.process.stdout.readline() or "null")) is None:
            raise SystemExit(f"{kind} failed")
        return answer


def worst_offenders(home: str, processes: int) -> list[tuple[float, str]]:
    """Give the modules of this package that cost most by themselves to import, by ``-X importtime`` [ms]."""
    with tempfile.TemporaryFile("w+") as errors:
        with Server(home, errors, "-X", "importtime") as fresh:
            for _ in range(processes):
                fresh("parse")
        errors.seek(0)
        report = errors.read()
    each: dict[str, list[float]] = {}
    for own, module in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(airflow_carbon\S*)", report):
        each.setdefault(module, []).append(int(own) / 1e3)
    return sorted(((statistics.median(times), module) for module, times in each.items()), reverse=True)


def report_parse(fresh: Server, home: str, processes: int) -> None:
    runs = [fresh("parse") for _ in range(processes)]
    cpu, wall = ([run[key] for run in runs] for key in ("cpu", "wall"))
    print("import of the sensor, operator and hook modules, over Airflow's own [ms]")
    print(f"  CPU: median {statistics.median(cpu):.1f}, least {min(cpu):.1f}")
    print(f"  wall: median {statistics.median(wall):.1f}, least {min(wall):.1f}")
    offenders = worst_offenders(home, processes)
    print(f"  by module, -X importtime, {len(offenders)} modules, {sum(own for own, _ in offenders):.1f} together:")
    for own, module in offenders[:WORST]:
        print(f"  {own:8.1f}  {module}")


def report_waits(fresh: Server, processes: int) -> None:
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in WAITS}
    for turn in range(processes + 1):
        for name, (location, conn_id) in WAITS.items():
            first = fresh("execute", location, conn_id)
            second = fresh("resume", location, conn_id, first["store"], first["method"])
            if turn:  # the first one makes the ledger
                spent[name].append((first["cpu"], second["cpu"]))
    print("worker CPU of one wait: import, make the task, execute until it defers; import, make it, resume [ms]")
    print(f"  {'':28}{'execute':>9}{'resume':>9}{'both':>9}{'added':>9}{'least':>9}")
    report_added(spent, width=28)


def report_added(spent: dict[str, list[tuple[float, float]]], width: int) -> None:
    """Print the medians of both processes and of their sum, and what is added to the first kind of all: by the medians,
    and by the least of each, which a busy machine disturbs least."""
    own = list(map(sum, next(iter(spent.values()))))
    for name, pairs in spent.items():
        both = list(map(sum, pairs))
        first, second = (statistics.median(column) for column in zip(*pairs, strict=True))
        middle = statistics.median(both)
        print(
            f"  {name:{width}}{first:9.1f}{second:9.1f}{middle:9.1f}"
            f"{middle - statistics.median(own):9.1f}{min(both) - min(own):9.1f}"
        )


def main() -> None:
    if sys.argv[1:] == ["--serve"]:
        serve()
        return
    processes = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with tempfile.TemporaryDirectory(prefix="carbon-bench-") as home, Server(home) as fresh:
        fresh("parse")  # the first one writes the byte code
        report_parse(fresh, home, processes)
        report_waits(fresh, processes)


if __name__ == "__main__":
    main()
