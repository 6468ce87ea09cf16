"""What is told to Airflow's own metrics, and so to the StatsD, Datadog or OpenTelemetry that it is set up for.

========================== ======= ==================================================================================
``carbon.decision``        counter a waiting or planned task went on; tags ``dag_id``, ``task_id``, ``mode``
``carbon.wait``            timer   from the moment it was first ready until then; the same tags
``carbon.wait_seconds``    counter the same in whole seconds, which add up over tasks
``carbon.source_failure``  counter a source of intensities did not answer; tag ``error``
``carbon.source_stand_in`` counter the last good forecast, or a typical profile, stood in for one
``carbon.price_failure``   counter a source of prices did not answer; tag ``error``
``carbon.reduction_g...``  gauge   ``.<signal>.<period>``: the counter's sums [gCO2eq], negative ones too; the signal
                                   stands in the name, as plain StatsD drops tags and sums never cross signals
``carbon.tasks_shifted...`` gauge  ``.<period>``: how many tasks have shifted; ``carbon.owners_shifted...`` likewise
========================== ======= ==================================================================================

Airflow puts its own prefix before each name (``airflow.`` by default). Nothing is imported here that the process has
not imported already, and no metric fails a task.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_carbon.exceptions import CarbonError, InvalidForecastError, InvalidRequestError, UnknownZoneError

if TYPE_CHECKING:
    from airflow_carbon.hooks.counter import Period

log = logging.getLogger(__name__)

#: The two copies of Airflow's metrics: a task process sets up the first, the triggerer and the scheduler the second.
_COPIES = ("airflow.sdk._shared.observability.metrics.stats", "airflow._shared.observability.metrics.stats")
#: Mistakes in what was asked: no source failed.
_NO_FAILURE = (InvalidRequestError, InvalidForecastError, UnknownZoneError)

SOURCE_FAILURE, STAND_IN, PRICE_FAILURE = "carbon.source_failure", "carbon.source_stand_in", "carbon.price_failure"


def decided(record: Mapping[str, Any], *, dag_id: str, task_id: str) -> None:
    """Count a task that goes on, and how long it was held.

    :param record: of the decision: ``ready_at`` and ``started_at`` in ISO 8601; without them no wait is told.
    """
    tags = {"dag_id": dag_id, "task_id": task_id, "mode": str(record.get("mode") or "enforce")}
    _tell("incr", "carbon.decision", tags=tags)
    ready, started = record.get("ready_at"), record.get("started_at")
    if not ready or not started:
        return
    try:
        waited = datetime.fromisoformat(started) - datetime.fromisoformat(ready)
    except (TypeError, ValueError):
        return
    _tell("timing", "carbon.wait", waited, tags=tags)
    # A counter of none, or of less, is refused by some of them.
    if (seconds := round(waited.total_seconds())) > 0:
        _tell("incr", "carbon.wait_seconds", seconds, tags=tags)


def failed(error: BaseException, name: str = SOURCE_FAILURE) -> None:
    """Count a source that failed; a mistake in what was asked is none.

    :param name: :data:`SOURCE_FAILURE` or :data:`PRICE_FAILURE`.
    """
    if isinstance(error, (CarbonError, TimeoutError)) and not isinstance(error, _NO_FAILURE):
        _tell("incr", name, tags={"error": type(error).__name__})


@contextmanager
def failures(name: str = SOURCE_FAILURE) -> Iterator[None]:
    """Count what fails within, and let it pass on."""
    try:
        yield
    except Exception as error:
        failed(error, name)
        raise


def stood_in() -> None:
    """Count an answer that something else gave in place of the source."""
    _tell("incr", STAND_IN)


def counted(periods: Iterable[Period]) -> None:
    """Tell the counter: a gauge says the same however often it is told, and may be negative."""
    for one in periods:
        _tell("gauge", f"carbon.tasks_shifted.{one.name}", one.tasks_shifted)
        _tell("gauge", f"carbon.owners_shifted.{one.name}", one.owners_shifted)
        # Accountings do not add up, no more than signals do: with several of them no sum is told.
        signals = [row.signal for row in one.reductions]
        for row in one.reductions:
            if row.signal and row.reduction_g is not None and signals.count(row.signal) == 1:
                _tell("gauge", f"carbon.reduction_g.{row.signal}.{one.name}", row.reduction_g)


def _tell(how: str, name: str, *values: Any, **tags: Any) -> None:
    try:
        for copy in _COPIES:
            # The one that nobody set up would drop what it is told; where both are, the first is this process's own.
            stats = sys.modules.get(copy)
            if stats is not None and getattr(stats, "_factory", None) is not None:
                getattr(stats, how)(name, *values, **tags)
                return
    except Exception:
        log.debug("the metric %s was not told", name, exc_info=True)
