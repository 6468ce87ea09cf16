"""The links from a task in Airflow: to the data that its decision stood on, and to its Carbon tab."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf

#: The tab's name in an address, as the plugin declares it.
PAGE = "carbon-task"


class CarbonSourceLink(BaseOperatorLink):
    """Lead from the task to its source of intensities; the task computes the address, Airflow keeps it as an XCom."""

    name = "Carbon source"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Give the address that the operator's last decision named; empty before there is one."""
        # A task that also does other work may have a source of its own, which is not meant.
        found = getattr(operator, "carbon_source_url", getattr(operator, "source_url", ""))
        return str(found or "")


class CarbonPageLink(BaseOperatorLink):
    """Lead from the task to its tab in Airflow's UI: the forecast, the plan, and why."""

    name = "Carbon"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Give the tab's address, below the address that Airflow is configured with, or from the root of its server."""
        base = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
        dag, run, task = (quote(one, safe="") for one in (ti_key.dag_id, ti_key.run_id, ti_key.task_id))
        mapped = "" if ti_key.map_index is None or ti_key.map_index < 0 else f"/mapped/{ti_key.map_index}"
        return f"{base}/dags/{dag}/runs/{run}/tasks/{task}{mapped}/plugin/{PAGE}"
