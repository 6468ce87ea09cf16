"""What a waiting task asks for; plain values, so a worker pays nothing for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from airflow_carbon.core.moment import aware, in_words
from airflow_carbon.core.power import PowerProfile, run_of
from airflow_carbon.core.value import value
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError

if TYPE_CHECKING:
    from airflow_carbon.core.threshold import Threshold

#: A start within this share of the optimum counts as equally clean when tasks are spread beside each other.
SPREAD_TOLERANCE = 0.02


class OnOutage(StrEnum):
    """What a wait does while no source answers and no plan stands yet."""

    RUN = "run"
    LATEST_START = "latest_start"
    FAIL = "fail"


@value
class WaitRequest:
    """State one uninterrupted run that may wait. Build it with :meth:`checked`.

    :param duration: how long the run takes; the promise holds for this duration.
    :param ready_at: when the task was first ready; the baseline run starts here.
    :param earliest_start: no start before this.
    :param latest_start: the promise: no start after this.
    :param min_saving_percent: waiting must promise at least this reduction of intensity against running now [%].
    :param spread: the task's own place in ``[0, 1)`` among the starts within ``SPREAD_TOLERANCE`` of the optimum, so
        that many tasks do not meet on one minute; None takes the optimum itself.
    :param power: what the run draws as it goes on; None where it draws the same all along.
    :param threshold: start as soon as the intensity meets this limit, not in the cleanest window; None for the latter.
    """

    duration: timedelta
    ready_at: datetime
    earliest_start: datetime
    latest_start: datetime
    min_saving_percent: float = 10.0
    spread: float | None = None
    power: PowerProfile | None = None
    threshold: Threshold | None = None

    @classmethod
    def checked(
        cls,
        *,
        duration: timedelta,
        ready_at: datetime,
        earliest_start: datetime | None = None,
        latest_start: datetime,
        min_saving_percent: float = 10.0,
        spread: float | None = None,
        power: PowerProfile | None = None,
        threshold: Threshold | None = None,
    ) -> WaitRequest:
        """Refuse what cannot be meant, and put every moment in UTC.

        :raises InvalidRequestError: naming the field, for a naive datetime, a duration that is not positive, a
            percentage outside 0..100, a spread outside ``[0, 1)`` or a profile that is not of this duration.
        :raises NoFeasibleWindowError: if the latest start comes before the earliest.
        """
        if duration <= timedelta(0):
            raise InvalidRequestError(f"duration: {duration} must be longer than zero")
        if not 0.0 <= min_saving_percent <= 100.0:
            raise InvalidRequestError(f"min_saving_percent: {min_saving_percent} must lie between 0 and 100 [%]")
        if spread is not None and not 0.0 <= spread < 1.0:
            raise InvalidRequestError(f"spread: {spread} must lie in [0, 1)")
        _, power = run_of(duration, power)
        ready_at = aware(ready_at, "ready_at")
        earliest = aware(earliest_start, "earliest_start") if earliest_start is not None else ready_at
        latest = aware(latest_start, "latest_start")
        if latest < earliest:
            raise NoFeasibleWindowError(
                f"the latest start {latest.isoformat()} comes {in_words(earliest - latest)} before the earliest "
                f"{earliest.isoformat()}; allow a later deadline or a shorter duration"
            )
        return cls(duration, ready_at, earliest, latest, float(min_saving_percent), spread, power, threshold)
