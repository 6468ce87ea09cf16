"""The cluster policy that Airflow calls for each task that it reads: in the dag-processor, and in every task process.

The entry point ``airflow.policy`` loads this file everywhere, so it imports next to nothing; and whatever goes wrong in
here, the DAG loads and the task runs.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow.policies import hookimpl

log = logging.getLogger("airflow_carbon.policy")

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
        from airflow_carbon.policy.configured import configured

        if (file := configured()) is not None:
            from airflow_carbon.policy.govern import govern

            govern(task, file, running=running is not None, say=say)
        elif running is not None:
            from airflow_carbon.policy.resumed import let_resume

            let_resume(task)
    except Exception as error:
        say(f"the carbon policy leaves {_name(task)} as it is: {type(error).__name__}: {error}")


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


def _name(task: Any) -> str:
    return f"{getattr(getattr(task, 'dag', None), 'dag_id', '?')}.{getattr(task, 'task_id', '?')}"
