"""The pool in which a waiting task will work, where its slots are known."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.hooks.settings import pools

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.triggers.asked import Asked

log = logging.getLogger(__name__)


class Pool(NamedTuple):
    """Hold a pool, in the words of the trigger's arguments.

    :param pool_size: all its slots.
    :param pool_slots: those that the task holds while it works.
    """

    pool: str
    pool_size: int
    pool_slots: int


def pool_of(context: Context, asked: Asked) -> Pool | None:
    """Give the pool of a task that waits before its own work; None for one whose work others do, or that is unknown."""
    task = context.get("task")
    # A sensor's own pool is not that of the work behind it; and a schedule's one decision starts several tasks.
    if task is None or asked.from_tick or getattr(type(task), "carbon_wait", None) is None:
        return None
    try:
        size = pools().get(task.pool)
    except InvalidRequestError as error:
        log.warning("tasks of one pool are not planned side by side: %s", error)
        return None
    return None if size is None else Pool(task.pool, size, int(task.pool_slots))
