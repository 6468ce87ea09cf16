"""What a task pays for being made carbon-aware in one line: CPU of the worker, in each of its processes.

Run it with the package installed: ``python benchmarks/one_line.py [PROCESSES]``. It measures as ``imports.py`` does,
which holds how: fresh processes forked from one that has imported Airflow and nothing of this package, taken in turns.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import imports

TARGET_MS = 60.0
#: Of each kind what is asked; of the first, which none is added to, nothing: it defers to a trigger of Airflow's own.
KINDS: dict[str, dict[str, Any] | None] = {
    "a BashOperator that defers": None,
    "in one line, a zone": {"location": "zone:GB", "duration": "1h"},
    "in one line, a cloud region": {"location": "azure:uksouth", "duration": "1h"},
    "in one line, a connection": {"location": "azure:uksouth", "duration": "1h", "carbon_conn_id": "bench"},
    "in one line, p90 of past runs": {"location": "azure:uksouth", "duration": "p90", "duration_default": "1h"},
}


def task(asked: dict[str, Any] | None) -> Any:
    """Make the task as a DAG file does; its own work, a shell, is left out."""
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.sdk.bases.operator import ExecutorSafeguard

    # Outside of Airflow's task runner each call of execute would log a warning, which costs as much as the call.
    ExecutorSafeguard.test_mode = True

    class Workless(BashOperator):
        def execute(self, context: Any) -> None:
            pass

    class Deferring(BashOperator):
        def execute(self, context: Any) -> None:
            from airflow.providers.standard.triggers.temporal import DateTimeTrigger

            moment = datetime.now(UTC) + timedelta(hours=8)
            self.defer(trigger=DateTimeTrigger(moment=moment), method_name="resumed", timeout=timedelta(hours=9))

        def resumed(self, context: Any, event: Any = None) -> None:
            pass

    if asked is None:
        return Deferring(task_id="work", bash_command="true")
    one = Workless(task_id="work", bash_command="true")
    from airflow_carbon import carbon_aware

    return carbon_aware(one, max_delay="8h", **asked)


def first(asked: dict[str, Any] | None) -> dict[str, Any]:
    """Be the first process: import, make the task, execute it until it defers."""
    from airflow.sdk.exceptions import TaskDeferred

    store, context = imports.fake_context({})

    def work() -> str:
        try:
            task(asked).execute(context)
        except TaskDeferred as deferral:
            deferral.trigger.serialize()
            return str(deferral.method_name)
        raise SystemExit("the task did not defer")

    method, spent = imports.cost(work)
    return {**spent, "method": method, "store": store.values}


def second(asked: dict[str, Any] | None, store: dict[str, Any], method: str) -> dict[str, Any]:
    """Be the second process: import, make the task, take the trigger's event, go on to the work."""
    _, context = imports.fake_context(store)
    event = {"event": {"record": {"reason": "started as planned", "source_url": "", "notes": []}}}
    _, spent = imports.cost(lambda: task(asked).resume_execution(method, event, context))
    return spent


CHILDREN: dict[str, Callable[..., dict[str, Any]]] = {"first": first, "second": second}


def main() -> None:
    if sys.argv[1:] == ["--serve"]:
        imports.CHILDREN.update(CHILDREN)
        imports.serve()
        return
    processes = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in KINDS}
    with tempfile.TemporaryDirectory(prefix="carbon-bench-") as home, imports.Server(home, script=__file__) as fresh:
        for turn in range(processes + 1):
            for name, asked in KINDS.items():
                begun = fresh("first", asked)
                ended = fresh("second", asked, begun["store"], begun["method"])
                if turn:  # the first one writes the byte code and makes the ledger
                    spent[name].append((begun["cpu"], ended["cpu"]))
    print("worker CPU of one task, its own work left out: the process that defers, and the one that resumes [ms]")
    print(f"  {'':32}{'first':>9}{'second':>9}{'both':>9}{'added':>9}{'least':>9}")
    imports.report_added(spent, width=32)
    print(f"  target: at most {TARGET_MS:.0f} added, for a duration that is given")


if __name__ == "__main__":
    main()
