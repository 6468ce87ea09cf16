"""The plugin that registers the timetables, so that the scheduler can read a DAG that is scheduled by one.

Airflow loads it in every task process, and asks for the classes only where it reads or writes a serialized DAG: they
are imported then, because a task that has none of these schedules has no use for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow.sdk.plugins_manager import AirflowPlugin


class _WhenAsked(list[Any]):
    """Import the timetables when somebody looks at them."""

    def __iter__(self) -> Iterator[Any]:
        from airflow_carbon.timetables.carbon_cron import TIMETABLES

        return iter(TIMETABLES)


class TimetablesPlugin(AirflowPlugin):
    """Register the timetables of :func:`~airflow_carbon.timetables.carbon_schedule.carbon_schedule`."""

    name = "airflow_carbon_timetables"
    timetables = _WhenAsked()
