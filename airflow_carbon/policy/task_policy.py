"""The cluster policy that Airflow calls for each task that it reads: in the dag-processor, and in every task process.

The entry point ``airflow.policy`` loads this file everywhere. So all that a process without a policy file needs stands
in it, and nothing else is imported there; and whatever goes wrong in here, the DAG loads and the task runs.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.policies import hookimpl

if TYPE_CHECKING:
    from airflow_carbon.policy.file import PolicyFile

log = logging.getLogger("airflow_carbon.policy")

#: Where a wait's end calls the task back (``decorators.aware_task``).
COMPLETE = "carbon_wait_complete"
#: Set by Airflow where one task of a DAG is about to run.
_RUNNING = "_AIRFLOW_PARSING_CONTEXT_TASK_ID"
#: What was said already; the same sentence helps nobody twice.
_said: set[str] = set()
#: More than zero while tasks are to be left as they are.
_suspended = 0


# Last: what a DAG asks for itself, its schedule too, comes before what a deployment asks.
@hookimpl(trylast=True)
def task_policy(task: Any) -> None:
    """Make a task carbon-aware where a rule of the policy file says so; never raise."""
    try:
        running = os.environ.get(_RUNNING)
        # In the process of one task the others are never run.
        if _suspended or (running is not None and running != task.task_id):
            return
        if (file := configured()) is not None:
            from airflow_carbon.policy.govern import govern

            govern(task, file, running=running is not None, say=say)
        elif running is not None:
            _let_resume(task)
    except Exception as error:
        say(f"the carbon policy leaves {_name(task)} as it is: {type(error).__name__}: {error}")


def policy_file() -> Path | None:
    """Read ``[carbon] policy_file``; a relative path is counted from AIRFLOW_HOME, None where none is set."""
    from airflow.sdk.configuration import conf

    given = conf.get("carbon", "policy_file", fallback="").strip()
    if not given:
        return None
    return Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / Path(given).expanduser()


@cache
def configured() -> PolicyFile | None:
    """Give the deployment's policy file, None where none is set; the configuration is asked once per process."""
    path = policy_file()
    if path is None:
        return None
    from airflow_carbon.policy.file import PolicyFile

    return PolicyFile(path)


@contextmanager
def suspended() -> Iterator[None]:
    """Leave every task as its DAG has it, for a while; other policies still apply."""
    global _suspended
    _suspended += 1
    try:
        yield
    finally:
        _suspended -= 1


def say(sentence: str) -> None:
    """Log a warning, once in this process."""
    if sentence not in _said:
        _said.add(sentence)
        log.warning("%s", sentence)


def _let_resume(task: Any) -> None:
    """Let the one task that this process runs find its work, if it comes back from a wait that nobody asks for now.

    The policy was taken away meanwhile, or the line ``carbon_aware``. The task's class learns one method, in this
    process alone, which costs nothing and nobody else calls.
    """
    own = task.operator_class
    if not hasattr(own, COMPLETE):
        setattr(own, COMPLETE, _work)


def _work(task: Any, context: Any, event: Any = None) -> Any:
    """Do the work of a task that waited, and is asked to no more."""
    task.log.warning("nothing asks for this wait any more; the work begins")
    return task.execute(context)


def _name(task: Any) -> str:
    return f"{getattr(getattr(task, 'dag', None), 'dag_id', '?')}.{getattr(task, 'task_id', '?')}"
