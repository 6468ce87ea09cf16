"""Record when every task worked on a worker, whatever it is: time alone, no energy and so no grams.

A task that measures itself (``with sci.measure(...)``) is recorded by that: this record was made before, when the work
began, and of two records of one try the later counts.

``on_task_instance_running`` fires anew each time a deferred task resumes, while the task's own start date stays: what
is recorded is the last stretch on a worker, from there to the end. Earlier stretches, before a deferral, are short in
tasks that only wait, and are not in it; the record says that there were some.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.listeners import hookimpl

log = logging.getLogger(__name__)

#: Since when the tasks of this process work, by their identity: one, in a task process; none in the api-server and the
#: scheduler, which tell of states that they set by hand.
_began: dict[tuple[str, str, str, int, int], datetime] = {}
#: Between the task's start date, set by the server, and its first moment here.
_START_UP = timedelta(seconds=30)


@hookimpl
def on_task_instance_running(previous_state: Any, task_instance: Any) -> None:
    """Note when a task began, or went on after a deferral."""
    _began[_identity(task_instance)] = datetime.now(UTC)


@hookimpl
def on_task_instance_success(previous_state: Any, task_instance: Any) -> None:
    """Record a task that succeeded."""
    _record(task_instance, "success")


@hookimpl
def on_task_instance_failed(previous_state: Any, task_instance: Any, error: Any) -> None:
    """Record a try that failed: it worked, too."""
    _record(task_instance, "failed")


def _identity(task_instance: Any) -> tuple[str, str, str, int, int]:
    index = task_instance.map_index
    return (
        task_instance.dag_id,
        task_instance.run_id,
        task_instance.task_id,
        -1 if index is None else index,
        task_instance.try_number or 1,
    )


def _record(task_instance: Any, state: str) -> None:
    began = _began.pop(_identity(task_instance), None)
    if began is None:
        return
    try:
        from airflow_carbon.core.record import EmissionRecord
        from airflow_carbon.hooks.ledger import LedgerHook

        dag_id, run_id, task_id, map_index, try_number = _identity(task_instance)
        task = task_instance.task
        first = task_instance.start_date
        record = EmissionRecord(
            dag_id=dag_id,
            run_id=run_id,
            task_id=task_id,
            map_index=map_index,
            try_number=try_number,
            started_at=began,
            ended_at=max(began, datetime.now(UTC)),
            state=state,
            tags=tuple(sorted(getattr(getattr(task, "dag", None), "tags", None) or ())),
            owner=getattr(task, "owner", "") or "",
            made_at=began,
            raw={
                "recorded_by": "record_every_task",
                "start_date": None if first is None else first.isoformat(),
                "resumed": first is not None and began - first > _START_UP,
            },
        )
        LedgerHook().write(record, context=getattr(task_instance, "_cached_template_context", None))
    except Exception:
        # Whoever watches every task must fail none.
        log.warning("this task is not in the ledger", exc_info=True)
