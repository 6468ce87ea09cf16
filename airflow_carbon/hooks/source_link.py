"""The link from a task in Airflow to the data that its decision stood on."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperatorLink


class CarbonSourceLink(BaseOperatorLink):
    """Lead from the task to its source of intensities; the task computes the address, Airflow keeps it as an XCom."""

    name = "Carbon source"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Give the address that the operator's last decision named; empty before there is one."""
        # A task that also does other work may have a source of its own, which is not meant.
        found = getattr(operator, "carbon_source_url", getattr(operator, "source_url", ""))
        return str(found or "")
