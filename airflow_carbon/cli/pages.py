"""A list of Airflow's REST API, read page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_carbon.cli.airflow_api import AirflowApi

#: How many rows are asked for at a time; an api-server may give fewer (``[api] maximum_page_limit``).
PAGE = 100


@dataclass(frozen=True, slots=True)
class Pages:
    """Hold what was read of a list.

    :param rows: in the order that was asked for.
    :param left_out: how many more there are, beyond the most that were wanted.
    """

    rows: list[dict[str, Any]]
    left_out: int


def pages(api: AirflowApi, *path: str, key: str, most: int, query: Mapping[str, object]) -> Pages:
    """Read a list until its end, whatever the size of a page that the api-server grants.

    :param key: under which an answer holds its rows.
    :param most: read no more rows than so many.
    :raises LocalAirflowError: if Airflow answers with an error.
    """
    rows: list[dict[str, Any]] = []
    while True:
        answer = api.request("GET", *path, query={**query, "limit": min(PAGE, most - len(rows)), "offset": len(rows)})
        rows += answer[key]
        total = answer.get("total_entries")
        if not answer[key] or len(rows) == total:
            return Pages(rows, 0)
        if len(rows) >= most:
            return Pages(rows, 0 if total is None else max(0, total - len(rows)))
