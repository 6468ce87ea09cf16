"""The hook by which Airflow shows every DAG that it loads, in the dag-processor and in each task process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.policies import hookimpl

if TYPE_CHECKING:
    from airflow.sdk import DAG


@hookimpl
def dag_policy(dag: DAG) -> None:
    """Let a DAG with a carbon-aware schedule wait; every other one passes for the price of two attributes."""
    timetable = getattr(dag, "timetable", None)
    # The schedule may be one half of an AssetOrTimeSchedule.
    if getattr(getattr(timetable, "timetable", timetable), "carbon_wait", None) is None:
        return
    from airflow_carbon.timetables.attaching import attach

    attach(dag)
