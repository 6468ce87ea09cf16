"""The settings in which the engine here differs from docker-compose.yml, and why."""

from __future__ import annotations

from datetime import timedelta

from airflow_carbon.core.moment import parse_duration

#: What docker-compose.yml says and the engine here does not. Who may log in is not what is tested: Airflow's simple
#: auth manager spares the FAB provider, with some forty packages behind it.
REPLACED = {"AIRFLOW__CORE__AUTH_MANAGER": None}

#: Airflow's own times of recovery, of minutes each, for tests that last minutes; behind each its default.
RECOVERY = {
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",  # 30 s
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",  # 300 s
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",  # 300 s
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",  # 10 s
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",  # 600 s
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",  # 120 s
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",  # 30 s
}

#: Waits of the tests last a minute where real ones last hours.
SHORT_WAITS = {"AIRFLOW__CARBON__START_MARGIN": "40s", "AIRFLOW__CARBON__MIN_DEFER": "15s"}
#: What is kept free before every latest start.
MARGIN: timedelta = parse_duration(SHORT_WAITS["AIRFLOW__CARBON__START_MARGIN"], "start_margin")
