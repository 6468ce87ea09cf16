"""How long a task's own past runs took on a worker, as the ledger knows it."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

#: Fewer runs than this say too little of how long the next one takes.
LEAST_RUNS = 10
#: No more of them are looked at, the latest ones; and none that are older: the work may have changed.
MOST_RUNS, OLDEST = 500, timedelta(days=400)


def usual_length(context: Context, percent: int, default: timedelta) -> tuple[timedelta, str]:
    """Tell how long the work takes, and what that stands on.

    A run is one task instance that succeeded: the time of its last successful try on a worker. A failed try says
    nothing of how long the work takes. The instances of a mapped task are runs of their own.

    :param percent: which percentile of the past runs.
    :param default: what holds until there are ten, or while the ledger does not answer.
    """
    try:
        lengths = _past_lengths(context)
    except Exception as error:
        # The wait must not depend on the ledger, whatever is wrong with it.
        log.warning("the ledger does not tell how long the past runs took", exc_info=True)
        return default, f"duration_default, as the ledger did not answer ({type(error).__name__})"
    if len(lengths) < LEAST_RUNS:
        return default, f"duration_default, as the ledger knows {len(lengths)} past runs, and {LEAST_RUNS} are needed"
    return percentile(lengths, percent), f"p{percent} of the last {len(lengths)} runs"


def percentile(lengths: Sequence[timedelta], percent: int) -> timedelta:
    """Give the least length that at least so many per cent of the runs did not exceed (the nearest rank).

    :param lengths: at least one.
    :param percent: 1 to 100 [%].
    """
    ordered = sorted(lengths)
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]


def recorded(work: Callable[[], Any], context: Context) -> Any:
    """Do the work and put into the ledger how long it took, so that later runs can learn from it.

    Work that goes on in another process, since it defers or is rescheduled, is not recorded, as no single process knows
    how long it took; nor is work that was skipped. A body that measures itself tells more, and its record replaces this
    one.
    """
    from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSkipException, TaskDeferred

    began, state = datetime.now(UTC), "failed"
    try:
        done = work()
        state = "success"
    except (AirflowRescheduleException, AirflowSkipException, TaskDeferred):
        state = ""
        raise
    finally:
        if state:
            _record(context, began, state)
    return done


def _past_lengths(context: Context) -> list[timedelta]:
    from airflow_carbon.core.record import EmissionRecord
    from airflow_carbon.hooks.ledger import LedgerHook

    ti, since = context["ti"], datetime.now(UTC) - OLDEST
    last: dict[tuple[str, int], timedelta] = {}
    for one in LedgerHook().read(EmissionRecord, dag_id=ti.dag_id, task_id=ti.task_id, since=since):
        length = one.ended_at - one.started_at
        if one.state == "success" and not one.fault and length > timedelta(0):
            # In the order of time: a task that was cleared and ran again counts once, by its last run.
            last.pop((one.run_id, one.map_index), None)
            last[one.run_id, one.map_index] = length
    return list(deque(last.values(), maxlen=MOST_RUNS))


def _record(context: Context, began: datetime, state: str) -> None:
    try:
        from airflow_carbon.core.record import EmissionRecord
        from airflow_carbon.hooks.ledger import LedgerHook

        ti, task, dag = context["ti"], context.get("task"), context.get("dag")
        record = EmissionRecord(
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            task_id=ti.task_id,
            map_index=-1 if ti.map_index is None else ti.map_index,
            try_number=getattr(ti, "try_number", 1) or 1,
            started_at=began,
            ended_at=max(began, datetime.now(UTC)),
            state=state,
            tags=tuple(sorted(getattr(dag, "tags", None) or ())),
            owner=getattr(task, "owner", "") or "",
            made_at=began,
            raw={"recorded_by": "carbon_aware"},
        )
        LedgerHook().write(record, context=context)
    except Exception:
        log.warning("how long this run took is not in the ledger", exc_info=True)
