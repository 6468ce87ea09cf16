"""Triggerers that have held a wait already, so that none builds Airflow's API in the midst of what is tested."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from airflow_carbon.cli.airflow_api import poll
from distributed.connection import connect

if TYPE_CHECKING:
    from distributed.engine import Engine

DAG_ID = "waits_for_somebody"
#: Waits that are begun for it at most; they go on for hours, and cost nothing.
MOST = 10


def warm(engine: Engine) -> None:
    """Begin waits until every triggerer holds one, and has decided about it; what comes does not depend on that."""
    connect(engine.api, "hours", "carbon_typical")
    expected = {name for name in engine.supervisor.units if name.startswith("triggerer")}
    engine.api.wait_for_dag(DAG_ID, timeout=90)
    runs = [engine.api.trigger(DAG_ID) for _ in expected]

    def each_holds_one() -> bool | None:
        # Who is busy with its first one leaves the next to the others.
        if expected <= engine.database.triggers().keys():
            return all(engine.database.waits(DAG_ID, run) for run in runs) or None
        if len(runs) < MOST:
            runs.append(engine.api.trigger(DAG_ID))
        return None

    # On a busy machine one of them may have taken up all.
    with suppress(TimeoutError):
        poll(each_holds_one, what="every triggerer to hold a wait", timeout=120, interval=4.0)
