"""The task with which every run of a carbon-aware schedule begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_carbon.sensors.carbon_aware import CarbonAwareSensor

if TYPE_CHECKING:
    from airflow_carbon.triggers.asked import Asked


class CarbonScheduleSensor(CarbonAwareSensor):
    """Wait for the cleanest window from the run's tick on; only scheduled runs wait.

    ``carbon_schedule`` puts it into the DAG. The fields are those of
    :class:`~airflow_carbon.sensors.carbon_aware.CarbonAwareSensor`, with ``max_delay`` counted from the tick.
    """

    def _asked(self) -> Asked:
        from dataclasses import replace

        return replace(super()._asked(), from_tick=True)
