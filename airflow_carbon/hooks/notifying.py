"""What a worker tells the channels that a task names: bounded in time, and never at the task's cost."""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

#: A start that leaves no more than this before the latest one is told as near.
NEAR = timedelta(minutes=15)
#: The task goes on after this long [s], whatever its channels do.
PATIENCE_SECONDS = 5.0
IN_WORDS = {"waiting": "waits", "started": "starts", "near": "starts near its latest start"}


def tell(
    notify: Any, what: str, record: Mapping[str, Any], context: Context, *, patience: float = PATIENCE_SECONDS
) -> None:
    """Tell every channel; a failure is logged by its kind, and the task goes on.

    :param notify: one notifier or several, or any callables that take a context; None tells nobody.
    :param what: ``waiting``, ``started`` or ``near``.
    :param record: of the decision, or of what was promised.
    :param patience: the task goes on after so long [s].
    """
    channels = list(notify) if isinstance(notify, Sequence) else [] if notify is None else [notify]
    if not channels:
        return
    ti = context["ti"]
    key = {name: getattr(ti, name) for name in ("dag_id", "run_id", "task_id", "map_index")}
    known = {**context, "carbon": {**record, **key, "what": what, "in_words": IN_WORDS[what]}}

    def call() -> None:
        for channel in channels:
            try:
                # A copy: a notifier renders its templates in place, and once only.
                copy.copy(channel)(dict(known))
            except Exception as error:
                log.warning("a channel was not told that the task is %s: %s", what, type(error).__name__)

    thread = threading.Thread(target=call, name="carbon-notify", daemon=True)
    thread.start()
    thread.join(patience)
    if thread.is_alive():
        log.warning("a channel did not answer within %g s; the task goes on", patience)


def occasion(record: Mapping[str, Any]) -> str:
    """Say of a task that goes on whether it does so near its latest start."""
    started, latest = record.get("started_at"), record.get("latest_start")
    if not started or not latest:
        return "started"
    left = datetime.fromisoformat(latest) - datetime.fromisoformat(started)
    return "near" if left <= NEAR else "started"
