"""### Run every night, when electricity is cleanest.

Cron with one more line: the run is created at 02:00, with the dates that plain cron would give it, and its tasks begin
when power is clean, at 08:00 at the latest. The task `wait_for_clean_power` is added by the schedule; a run that is
triggered by hand starts at once, or waits with the configuration `{"carbon": "enforce"}`. Copy it: set `location` to
where your workers run and `duration` to how long a run takes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task

from airflow_carbon import carbon_schedule


@dag(
    schedule=carbon_schedule(
        "0 2 * * *",
        timezone="Europe/London",
        max_delay=timedelta(hours=6),
        location="azure:uksouth",
        duration=timedelta(hours=1),
    ),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    doc_md=__doc__,
    tags=["carbon", "example"],
)
def carbon_cron() -> None:
    """Rebuild what the day's users look at."""

    @task
    def rebuild(part: str, ds: str) -> str:
        """Stand for an hour of work."""
        return f"{part} of {ds} is rebuilt"

    @task
    def publish(parts: list[str]) -> str:
        """Stand for what follows once everything is there."""
        return "; ".join(parts)

    publish([rebuild.override(task_id="index")("index"), rebuild.override(task_id="thumbnails")("thumbnails")])  # type: ignore[call-arg]


carbon_cron()
