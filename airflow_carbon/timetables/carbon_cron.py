"""Cron timetables that carry what their runs are to wait for; ticks, dates and intervals are those of plain cron."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.exceptions import AirflowTimetableInvalid
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable

from airflow_carbon.core.moment import in_words, parse_duration

if TYPE_CHECKING:
    from airflow.timetables._cron import CronMixin as _Cron
else:
    _Cron = object


class _Waiting(_Cron):
    """Add to a cron timetable the wait of its runs.

    :param cron: five or six fields, or a preset such as ``@daily``.
    :param timezone: what the cron expression is read in; None takes that of the DAG.
    :param wait: the fields of the sensor that waits, as plain JSON.
    :param attached: whether the DAG has that sensor; what comes out of the metadata database has.
    """

    #: Airflow's own timetable of the same ticks.
    plain: ClassVar[Any]

    def __init__(self, cron: str, *, timezone: Any = None, wait: Mapping[str, Any], attached: bool = False) -> None:
        super().__init__(cron, timezone=_default_timezone() if timezone is None else timezone)
        self.carbon_wait = dict(wait)
        self.attached = attached
        self._own_timezone = timezone is not None
        if self.description:
            self.description += f", then up to {self._delay} for clean power at {wait['location']}"

    def attached_to(self, timezone: Any) -> _Waiting:
        """Give this timetable as that of a DAG which has the sensor.

        :param timezone: of the DAG.
        """
        kept = self._timezone if self._own_timezone else timezone
        return type(self)(self._expression, timezone=kept, wait=self.carbon_wait, attached=True)

    @property
    def summary(self) -> str:
        """Give what the list of DAGs shows."""
        return f"{self._expression} (+ up to {self._delay})"

    def serialize(self) -> dict[str, Any]:
        """Give the timetable as plain JSON.

        :raises AirflowTimetableInvalid: if nobody makes the runs wait.
        """
        if not self.attached and not _policy_is_loaded():
            raise AirflowTimetableInvalid(
                "carbon_schedule: nothing makes this DAG's runs wait, because Airflow has not loaded the cluster "
                "policy of airflow-provider-carbon (entry point airflow.policy, airflow_carbon_timetables); install "
                "the package again, so that its entry points are known"
            )
        return {**super().serialize(), "wait": self.carbon_wait}  # type: ignore[misc]

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Any:
        """Read what :meth:`serialize` gave."""
        plain = cls.plain.deserialize(data)
        return cls(plain._expression, timezone=plain._timezone, wait=data["wait"], attached=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return (self._expression, self._timezone, self.carbon_wait) == (
            other._expression,
            other._timezone,
            other.carbon_wait,
        )

    def __hash__(self) -> int:
        return hash((self._expression, self._timezone))

    @property
    def _delay(self) -> str:
        return in_words(parse_duration(self.carbon_wait["max_delay"], "max_delay"))


class CarbonCronTriggerTimetable(_Waiting, CronTriggerTimetable):
    """Tick as ``CronTriggerTimetable`` does: the logical date is the tick."""

    plain = CronTriggerTimetable


class CarbonCronDataIntervalTimetable(_Waiting, CronDataIntervalTimetable):
    """Tick as ``CronDataIntervalTimetable`` does: the tick ends the data interval, which gives the logical date."""

    plain = CronDataIntervalTimetable


#: What the plugin registers.
TIMETABLES = (CarbonCronTriggerTimetable, CarbonCronDataIntervalTimetable)


def _default_timezone() -> Any:
    from airflow.settings import TIMEZONE

    return TIMEZONE


def _policy_is_loaded() -> bool:
    from airflow.settings import get_policy_plugin_manager

    from airflow_carbon.timetables import cluster_policy

    return cluster_policy in get_policy_plugin_manager().get_plugins()
