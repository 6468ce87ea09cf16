"""What users do in the midst of a wait: they clear tasks, mark them, or change the DAG."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_carbon.cli.airflow_api import poll
from airflow_carbon.exceptions import LocalAirflowError
from distributed.broken_source import put
from distributed.fault import Fault, Scene, once

if TYPE_CHECKING:
    from airflow_carbon.cli.airflow_api import AirflowApi

DAG_ID, WAIT = "crowd", "one.wait"
#: As many at the most are touched at once.
MOST = 3


def touched(what: str, do: Callable[[AirflowApi, str, int], None]) -> Fault:
    """Do something to a few tasks that wait."""

    @once
    def during(scene: Scene) -> None:
        states = scene.engine.database.states(DAG_ID, scene.run)
        waiting = sorted(index for (task, index), state in states.items() if (task, state) == (WAIT, "deferred"))
        for index in scene.dice.sample(waiting, min(MOST, len(waiting))):
            _patiently(lambda index=index: do(scene.engine.api, scene.run, index))  # type: ignore[misc]
            scene.touched[WAIT, index] = what

    marked = what if what == "cleared" else f"marked as {what}"
    return Fault(f"tasks {marked} in mid-wait", during, holds="postgres", own=True)


def _patiently(do: Callable[[], None]) -> None:
    def done() -> bool | None:
        try:
            do()
        except OSError:
            # The api-server may be what else is broken.
            return None
        except LocalAirflowError as error:
            if ": 409 " in str(error):
                return True
            if not re.search(r": 5\d\d ", str(error)):
                raise
            return None
        return True

    poll(done, what="the api-server to take an order", timeout=90)


def _clear(api: AirflowApi, run: str, index: int) -> None:
    body = {"dry_run": False, "only_failed": False, "dag_run_id": run, "task_ids": [[WAIT, index]]}
    api.request("POST", "dags", DAG_ID, "clearTaskInstances", body=body)


def _mark(state: str) -> Callable[[AirflowApi, str, int], None]:
    def mark(api: AirflowApi, run: str, index: int) -> None:
        path = ("dags", DAG_ID, "dagRuns", run, "taskInstances", WAIT, str(index))
        api.request("PATCH", *path, body={"new_state": state})

    return mark


@once
def _dag_file_changed(scene: Scene) -> None:
    file = scene.engine.shared / "dags" / "crowd.py"
    # Another version of the DAG: what waits belongs to the one before.
    changed = re.sub(r'"""(At \d+: )?[Mm]any waits', f'"""At {time.time():.0f}: many waits', file.read_text())
    changed = re.sub(r"SOON = timedelta\(.*\)", f"SOON = timedelta(seconds={scene.dice.randint(4, 8)})", changed)
    put(file, changed)


HANDS = [
    touched("cleared", _clear),
    touched("failed", _mark("failed")),
    touched("success", _mark("success")),
    Fault("the DAG file changed", _dag_file_changed),
]
