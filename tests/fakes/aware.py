"""Tasks made carbon-aware in one line, and what their processes do with them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator

LATER = timedelta(seconds=20)
#: What is asked of each, unless a test asks for something else.
WAIT: dict[str, Any] = {"location": "azure:uksouth", "duration": "1h", "max_delay": "8h"}


class Worker(BaseOperator):
    """Do some work: note it, and fail as often as asked. It takes whatever else it is given."""

    template_fields = ("said",)

    def __init__(self, *, said: str = "", failures: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.said = said
        self.failures = failures
        self.done: list[str] = []

    def execute(self, context: Any) -> str:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the work failed")
        self.done.append("work")
        return f"worked: {self.said}"

    def on_kill(self) -> None:
        self.done.append("killed")


class TwoSteps(BaseOperator):
    """Defer twice, each time to a method of its own."""

    def execute(self, context: Any) -> None:
        self.defer(trigger=TimeDeltaTrigger(LATER), method_name="second_step", kwargs={"from_step": 1})

    def second_step(self, context: Any, from_step: int = 0, event: Any = None) -> None:
        self.defer(trigger=TimeDeltaTrigger(LATER), method_name="third_step")

    def third_step(self, context: Any, event: Any = None) -> str:
        return "third step"


def worker(**changed: Any) -> Any:
    """Give a carbon-aware worker; what is not of the wait is the operator's."""
    from airflow_carbon import carbon_aware

    own = {name: changed.pop(name) for name in ("said", "failures", "retries") if name in changed}
    return carbon_aware(Worker(task_id="a_task", **own), **{**WAIT, **changed})


def deferral(task: Any, context: dict[str, Any], next_method: str = "", event: Any = None) -> Any:
    """Take a process to where it defers: its first one, or one that resumes."""
    from airflow.sdk.exceptions import TaskDeferred

    with pytest.raises(TaskDeferred) as raised:
        process(task, context, next_method, event)
    return raised.value


def process(task: Any, context: dict[str, Any], next_method: str = "", event: Any = None) -> Any:
    """Do what Airflow does in one process of a task."""
    if not next_method:
        return task.execute(context)
    return task.resume_execution(next_method, {} if event is None else {"event": event}, context)


def event(**changed: Any) -> dict[str, Any]:
    """Give what the trigger sends when it is time."""
    return {"record": {"reason": "started as planned", "source_url": "https://grid.example/GB", "notes": [], **changed}}
