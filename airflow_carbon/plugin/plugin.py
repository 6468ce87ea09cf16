"""What Airflow loads: the pages' places in its UI, and the app behind them.

Airflow loads it in every task process too, so it imports nothing that is not loaded there already; the app itself is
built in the web server, on its first request.
"""

from __future__ import annotations

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_carbon.plugin.asgi import LazyApp

#: Where the app is mounted.
PREFIX = "/carbon"
#: A leaf; as data, so that no page of Airflow's asks the app for it.
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='%23{}' "
    "stroke-width='1.8' stroke-linecap='round' stroke-linejoin='round'%3E%3Cpath d='M5 19C4 10 10 4 20 4c0 10-6 16-15 "
    "15zM4 21c2-5 5-8 9-10'/%3E%3C/svg%3E"
)
_ICONS = {"icon": _ICON.format("2f6f44"), "icon_dark_mode": _ICON.format("8fd6a8")}


class CarbonPlugin(AirflowPlugin):
    """Put the Carbon pages into Airflow's UI."""

    name = "airflow_carbon"
    fastapi_apps = [{"app": LazyApp(), "url_prefix": PREFIX, "name": "Carbon"}]  # noqa: RUF012 - as Airflow's own
    # Relative to Airflow's root, which a proxy may put elsewhere.
    external_views = [  # noqa: RUF012
        {"name": "Carbon", "href": "carbon/", "url_route": "carbon", "destination": "nav", **_ICONS},
        {
            "name": "Carbon",
            "href": "carbon/dag/{DAG_ID}",
            "url_route": "carbon-dag",
            "destination": "dag",
            **_ICONS,
        },
        {
            "name": "Carbon",
            "href": "carbon/task/{DAG_ID}/{RUN_ID}/{TASK_ID}/{MAP_INDEX}",
            "url_route": "carbon-task",
            "destination": "task_instance",
            **_ICONS,
        },
    ]
