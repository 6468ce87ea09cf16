"""### Run where electricity is cleanest.

The operator ranks the regions by intensity x PUE under your data-residency rule and follows the branch of the best
one. The XCom `ranking` shows every candidate, and why each rejected one was left out.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task

from airflow_carbon import BestRegionBranchOperator

REGIONS = {
    "azure:swedencentral": "run_in_sweden",
    "azure:uksouth": "run_in_london",
    "azure:germanywestcentral": "run_in_frankfurt",
    "aws:us-east-1": "run_in_virginia",
}


@dag(
    schedule=None,
    doc_md=__doc__,
    tags=["carbon", "example"],
    params={
        "duration": Param("2h", type="string", description="How long the run takes."),
        "allowed_countries": Param("SE,GB,DE", type="string", description="Where the data may go."),
    },
)
def pick_region_and_branch() -> None:
    """Pick, branch, join."""
    pick = BestRegionBranchOperator(
        task_id="pick_region",
        branches=REGIONS,
        duration="{{ params.duration }}",
        allowed_countries="{{ params.allowed_countries }}",
    )

    @task
    def run(region: str) -> str:
        """Submit the job there; here it only says where it would go."""
        print(f"running in {region}")
        return region

    @task(trigger_rule="none_failed_min_one_success")
    def collect(done: list[Any]) -> str:
        """Gather what the one branch that ran has left."""
        return next(region for region in done if region is not None)

    runs = [run.override(task_id=task_id)(region) for region, task_id in REGIONS.items()]
    pick >> runs
    collect(runs)


pick_region_and_branch()
