"""A task's context without a scheduler: the few things that the operators ask of it, kept in plain dicts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any


@dataclass
class StateStore:
    """Keep values across tries, as Airflow's ``task_state_store`` does: JSON alone, never None."""

    values: dict[str, Any] = field(default_factory=dict)

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    def delete(self, key: str) -> None:
        self.values.pop(key, None)

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        assert value is not None
        self.values[key] = value


@dataclass
class DagRun:
    run_after: datetime = field(default_factory=lambda: datetime.now(UTC))
    run_type: str = "manual"
    conf: dict[str, Any] | None = None


@dataclass
class TaskInstance:
    dag_id: str = "a_dag"
    run_id: str = "a_run"
    task_id: str = "a_task"
    map_index: int = -1
    xcoms: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


def task_context(*, store: StateStore | None = None, ti: TaskInstance | None = None, **run: Any) -> dict[str, Any]:
    """Give a context; ``run`` are fields of the DAG run."""
    return {"dag_run": DagRun(**run), "ti": ti or TaskInstance(), "task_state_store": store or StateStore()}
