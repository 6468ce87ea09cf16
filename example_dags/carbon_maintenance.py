"""### Keep the ledger whole, and make it final.

Daily: `sync` brings in what tasks recorded while the ledger was down; `finalise` looks the intensities up again that
were forecasts when the work ended, and makes final what was measured meanwhile; `conclude` makes of each decision what
it changed; `count` tells the reductions to Airflow's own metrics (StatsD, OpenTelemetry), where these are on.

`sync` reads Airflow's REST API: as the user of a connection `carbon_airflow_api` (type `http`: host with its scheme,
port, login and password of a user who may read runs and XComs). Without that connection it is skipped, and the rest
runs. The same by hand: `airflow carbon ledger sync`, `airflow carbon ledger finalise`, `airflow carbon counter`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Param, dag, task


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["carbon", "example"],
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
    params={
        "api_conn_id": Param("carbon_airflow_api", type="string", description="Connection to Airflow's own REST API."),
        "days": Param(14, type="integer", minimum=1, description="How far back sync and finalise look."),
    },
)
def carbon_maintenance() -> None:
    """Sync, then finalise, then conclude, then count."""

    @task
    def sync(params: dict[str, Any]) -> dict[str, int]:
        """Bring records into the ledger that wait in XComs and task states."""
        from airflow.sdk import BaseHook
        from airflow.sdk.exceptions import AirflowNotFoundException, AirflowSkipException

        from airflow_carbon.cli.airflow_api import AirflowApi
        from airflow_carbon.cli.ledger_sync import sync
        from airflow_carbon.hooks.ledger import LedgerHook

        try:
            api = BaseHook.get_connection(params["api_conn_id"])
        except AirflowNotFoundException:
            raise AirflowSkipException(f"the connection {params['api_conn_id']!r} is not defined") from None
        host = api.host or ""
        url = host if "://" in host else f"{api.schema or 'http'}://{host}"
        port = f":{api.port}" if api.port else ""
        now = datetime.now(UTC)
        told = sync(
            AirflowApi(f"{url.rstrip('/')}{port}", api.login or "", api.password or ""),
            LedgerHook().ledger,
            since=now - timedelta(days=params["days"]),
            until=now,
        )
        return {"tasks": told.tasks, "records": told.records, "written": told.written}

    @task(trigger_rule="all_done")
    def finalise(params: dict[str, Any]) -> dict[str, Any]:
        """Make provisional emissions final, where their hours were measured meanwhile."""
        from airflow_carbon.hooks.ledger import LedgerHook
        from airflow_carbon.hooks.ledger_finalise import finalise

        now = datetime.now(UTC)
        told = finalise(LedgerHook().ledger, now=now, since=now - timedelta(days=params["days"]))
        return {"finalised": told.finalised, "left": dict(told.left)}

    @task(trigger_rule="all_done")
    def conclude(params: dict[str, Any]) -> dict[str, Any]:
        """Make of each decision what it changed, against the same work at home when it was first ready."""
        from collections import Counter

        from airflow_carbon.hooks.impact import conclude
        from airflow_carbon.hooks.ledger import LedgerHook

        now = datetime.now(UTC)
        told = conclude(LedgerHook().ledger, now=now, since=now - timedelta(days=params["days"]))
        return {"impacts": len(told.records), "unclaimed": dict(Counter(told.left.values()))}

    @task(trigger_rule="none_failed")
    def count() -> list[dict[str, Any]]:
        """Tell the reductions to Airflow's metrics."""
        from airflow_carbon.hooks import metrics
        from airflow_carbon.hooks.counter import count
        from airflow_carbon.hooks.ledger import LedgerHook

        periods = count(LedgerHook(), datetime.now(UTC))
        metrics.counted(periods)
        return [one.record() for one in periods]

    # A failed sync stops no other, and yet fails the run: count, the last task, asks for all.
    synced, finalised, concluded, counted = sync(), finalise(), conclude(), count()
    synced >> finalised >> concluded >> counted
    [synced, finalised] >> counted


carbon_maintenance()
