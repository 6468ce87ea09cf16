"""A connection of the engine, made or changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airflow_carbon.exceptions import LocalAirflowError

if TYPE_CHECKING:
    from airflow_carbon.cli.airflow_api import AirflowApi


def connect(
    api: AirflowApi, conn_id: str, conn_type: str, *, password: str = "", host: str = "", **extra: object
) -> None:
    """Make a connection; change it where it is there."""
    body = {"connection_id": conn_id, "conn_type": conn_type, "extra": json.dumps(extra)}
    body |= {name: value for name, value in (("password", password), ("host", host)) if value}
    try:
        api.request("POST", "connections", body=body)
    except LocalAirflowError as error:
        if ": 409 " not in str(error):
            raise
        api.request("PATCH", "connections", conn_id, body=body)
