"""The plugin that records every task; it holds a listener only where ``[carbon] record_every_task`` is true.

On Airflow 3.3.2 a plugin with any listener makes each DAG that uses ``end_from_trigger=True`` an import error, so this
one has none by default, and is a plugin apart. Airflow loads it in every task process: it imports nothing that is not
loaded there already.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk.configuration import conf
from airflow.sdk.plugins_manager import AirflowPlugin

#: As in ``airflow_carbon.hooks.settings``, whose import would double what this one costs.
SECTION = "carbon"


def _listeners() -> list[Any]:
    if not conf.getboolean(SECTION, "record_every_task", fallback=False):
        return []
    from airflow_carbon.listeners import every_task

    return [every_task]


class EveryTaskPlugin(AirflowPlugin):
    """Register the listener, where it is asked for."""

    name = "airflow_carbon_every_task"
    listeners = _listeners()
