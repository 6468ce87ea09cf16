"""What a DAG file asks of a wait, as its author wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.moment import parse_duration, stated
from airflow_carbon.core.value import value
from airflow_carbon.exceptions import InvalidRequestError

# What reads the fields is imported where they are read: who goes on after the wait reads none of them.
if TYPE_CHECKING:
    from airflow_carbon.core.location import Location
    from airflow_carbon.core.power import PowerProfile
    from airflow_carbon.core.request import OnOutage
    from airflow_carbon.core.threshold import Threshold


@value
class Asked:
    """Hold the task's fields as the user wrote them, rendered.

    :param location: where the work runs.
    :param duration: how long the work takes.
    :param deadline: latest finish: a moment, or a duration counted from the run's ``run_after``.
    :param max_delay: latest start, counted from the moment the task was first ready.
    :param earliest_start: a moment, or a duration counted from ``run_after``.
    :param min_saving_percent: least reduction of intensity that makes waiting worth it [%].
    :param on_outage: what a wait does while no source answers and no plan stands.
    :param carbon_conn_id: one connection, or an ordered list of them.
    :param carbon_mode: how far a decision reaches; None leaves it to the deployment.
    :param spread: whether to start beside other tasks, not on the optimum itself.
    :param wait_in_backfill: whether a backfill run waits too.
    :param deferrable: whether to wait in the triggerer.
    :param power: what the work draws as it goes on; tells the duration too.
    :param tail: expected time from the end of this work to the end of all that the deadline is for.
    :param from_tick: whether the wait is that of a schedule: it counts from the tick, and only the schedule's own runs
        wait.
    :param threshold: start as soon as the intensity meets it, not in the cleanest window.
    """

    location: str
    duration: timedelta | str | None
    deadline: datetime | timedelta | str | None = None
    max_delay: timedelta | str | None = None
    earliest_start: datetime | timedelta | str | None = None
    min_saving_percent: float | str = 10.0
    on_outage: str = "run"
    carbon_conn_id: str | Sequence[str] | None = None
    carbon_mode: str | None = None
    spread: bool = True
    wait_in_backfill: bool = False
    deferrable: bool = True
    power: PowerProfile | str | Sequence[Any] | None = None
    tail: timedelta | str | None = None
    from_tick: bool = False
    threshold: Threshold | None = None

    def run(self) -> tuple[timedelta, PowerProfile | None]:
        """Read how long the work takes, and its power profile where it changes.

        :raises InvalidRequestError: if neither is given, one cannot be read, or the two do not agree.
        """
        from airflow_carbon.core.power import PowerProfile, run_of

        length, power = stated(self.duration), stated(self.power)
        return run_of(
            None if length is None else parse_duration(length, "duration"),
            None if power is None else PowerProfile.parse(power),
        )

    def time_after(self, deadline: datetime | None) -> timedelta:
        """Read the time that is needed between the end of the work and the deadline.

        :raises InvalidRequestError: if it is no duration, or there is no deadline that it could be kept off.
        """
        if (tail := stated(self.tail)) is None:
            return timedelta(0)
        if deadline is None:
            raise InvalidRequestError("tail: it is kept off the deadline, and there is none; give one, or no tail")
        return parse_duration(tail, "tail", zero_allowed=True)

    def place(self) -> Location:
        """Read where the work runs.

        :raises InvalidRequestError: if the text is no location.
        :raises UnknownZoneError: if it is a cloud region that is in no table, with the nearest names.
        """
        from airflow_carbon.core.location import Location

        location = Location.parse(self.location)
        if location.is_region:
            # Reading the table costs; a zone or a point needs none.
            from airflow_carbon.sources import regions

            regions.lookup(location)
        return location

    def outage(self) -> OnOutage:
        """Read what to do in an outage.

        :raises InvalidRequestError: if it is none of the words.
        """
        from airflow_carbon.core.request import OnOutage

        try:
            return OnOutage(self.on_outage)
        except ValueError:
            raise InvalidRequestError(f"on_outage: {self.on_outage!r} must be one of {', '.join(OnOutage)}") from None
