"""``airflow carbon release``: start a waiting task now, by the api-server of the user's own Airflow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airflow_carbon.cli.airflow_login import connected
from airflow_carbon.exceptions import InvalidRequestError, printable

if TYPE_CHECKING:
    from argparse import Namespace

#: Below the api-server's address; the plugin of this package answers there.
ROUTE = "/carbon/api/release"


def run(args: Namespace) -> int:
    """Ask the api-server to start a waiting task now.

    :raises InvalidRequestError: if no address, or no secret for it, is given.
    :raises LocalAirflowError: if Airflow refuses, with what there is instead where a name is wrong.
    """
    if not args.url:
        raise InvalidRequestError("--url: say which api-server to ask, for example http://localhost:8080")
    told = connected(args).post(
        ROUTE,
        {
            "dag_id": args.dag_id,
            "run_id": args.run_id,
            "task_id": args.task_id,
            "map_index": args.map_index,
            "reason": args.reason,
        },
    )
    print(json.dumps(told) if args.json else printable(told.get("said") or "released"))
    return 0
