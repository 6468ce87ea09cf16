"""Carbon-aware waiting, region choice and SCI reports for Apache Airflow 3."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_carbon.decorators.carbon_aware import carbon_aware as carbon_aware
    from airflow_carbon.hooks.sci import SciHook as SciHook
    from airflow_carbon.notifications.carbon import CarbonNotifier as CarbonNotifier
    from airflow_carbon.operators.best_region import BestRegionOperator as BestRegionOperator
    from airflow_carbon.operators.best_region_branch import BestRegionBranchOperator as BestRegionBranchOperator
    from airflow_carbon.operators.best_schedule import BestScheduleOperator as BestScheduleOperator
    from airflow_carbon.operators.place_fleet import PlaceFleetOperator as PlaceFleetOperator
    from airflow_carbon.operators.sci_report import SciReportOperator as SciReportOperator
    from airflow_carbon.sensors.carbon_aware import CarbonAwareSensor as CarbonAwareSensor
    from airflow_carbon.sensors.intensity import CarbonIntensitySensor as CarbonIntensitySensor
    from airflow_carbon.sensors.planned_window import PlannedWindowSensor as PlannedWindowSensor
    from airflow_carbon.timetables.carbon_schedule import carbon_schedule as carbon_schedule

__version__ = "0.1.0"

_HOME = {
    "BestRegionBranchOperator": "airflow_carbon.operators.best_region_branch",
    "BestRegionOperator": "airflow_carbon.operators.best_region",
    "BestScheduleOperator": "airflow_carbon.operators.best_schedule",
    "CarbonAwareSensor": "airflow_carbon.sensors.carbon_aware",
    "CarbonIntensitySensor": "airflow_carbon.sensors.intensity",
    "CarbonNotifier": "airflow_carbon.notifications.carbon",
    "PlaceFleetOperator": "airflow_carbon.operators.place_fleet",
    "PlannedWindowSensor": "airflow_carbon.sensors.planned_window",
    "SciHook": "airflow_carbon.hooks.sci",
    "SciReportOperator": "airflow_carbon.operators.sci_report",
    "carbon_aware": "airflow_carbon.decorators.carbon_aware",
    "carbon_schedule": "airflow_carbon.timetables.carbon_schedule",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562), so that importing the package costs nothing."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; public names: {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
