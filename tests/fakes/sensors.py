"""A sensor as a DAG has it, and what its first try leaves behind."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest


def sensor(**changed: Any) -> Any:
    from airflow_carbon import CarbonAwareSensor

    asked: dict[str, Any] = {"location": "azure:uksouth", "duration": "1h", "max_delay": "8h"}
    return CarbonAwareSensor(task_id="wait", **{**asked, **changed})


def deferral(one: Any, context: dict[str, Any]) -> Any:
    from airflow.sdk.exceptions import TaskDeferred

    with pytest.raises(TaskDeferred) as raised:
        one.execute(context)
    return raised.value


def moments(trigger: Any) -> dict[str, datetime]:
    _, arguments = trigger.serialize()
    names = ("ready_at", "earliest_start", "latest_start", "not_before")
    return {name: datetime.fromisoformat(arguments[name]) for name in names}
