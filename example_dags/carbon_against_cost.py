"""### Is a lower footprint worth its price?

Region, spot or dedicated machines, and with a deadline the time, in one ranking: by the carbon and the cost of the
whole job, under limits that hold whatever it would save. Whoever triggers the run decides; every field below is a
Param. The XCom `ranking` holds each candidate with what it emits and costs, and why each rejected one was left out.

The prices here are made up, so that the example runs offline. `prices="azure_retail"` asks Azure's public list, and the
path of a CSV names your own.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task

from airflow_carbon import BestRegionOperator

SKU = "Standard_D8s_v5"
PRICES = [
    {"region": region, "sku": SKU, "purchase": purchase, "per_hour": per_hour, "eviction_rate_per_hour": rate}
    for region, purchase, per_hour, rate in (
        ("azure:swedencentral", "dedicated", 0.41, None),
        ("azure:swedencentral", "spot", 0.09, 0.05),
        ("azure:germanywestcentral", "dedicated", 0.46, None),
        ("azure:germanywestcentral", "spot", 0.11, 0.20),
        ("azure:eastus", "dedicated", 0.38, None),
        ("azure:eastus", "spot", 0.07, 0.10),
    )
]


@dag(
    schedule=None,
    doc_md=__doc__,
    tags=["carbon", "example"],
    params={
        "regions": Param("azure:swedencentral,azure:germanywestcentral,azure:eastus", type="string"),
        "power": Param("20m@200W, 6h@450W, 10m@150W", type="string", description="What the job draws as it goes on."),
        "deadline": Param("12h", type="string", description="Latest end, counted from the trigger."),
        "allowed_countries": Param("SE,DE", type="string", description="Where the data may go; empty allows all."),
        "purchase": Param("", type="string", description="spot, dedicated, or empty for both."),
        "checkpoint_interval": Param("30m", type="string", description="Work between two checkpoints."),
        "tradeoff": Param(
            "carbon_price_per_tonne=100",
            type="string",
            description="carbon_price_per_tonne, max_extra_cost_percent or cost_percent_per_carbon_percent.",
        ),
        "delay_cost_per_hour": Param(0.0, type="number", description="What an hour of delay costs."),
        "queue_wait": Param("azure:swedencentral=20m", type="string", description="Expected waits for a machine."),
    },
)
def carbon_against_cost() -> None:
    """Choose, then run there."""
    choose = BestRegionOperator(
        task_id="choose",
        prices=PRICES,
        required_sku=SKU,
        restart_time="3m",
        regions="{{ params.regions }}",
        power="{{ params.power }}",
        deadline="{{ params.deadline }}",
        allowed_countries="{{ params.allowed_countries }}",
        purchase="{{ params.purchase }}",
        checkpoint_interval="{{ params.checkpoint_interval }}",
        tradeoff="{{ params.tradeoff }}",
        delay_cost_per_hour="{{ params.delay_cost_per_hour }}",
        queue_wait="{{ params.queue_wait }}",
    )

    @task
    def run(choice: dict[str, Any]) -> str:
        """Submit the job there; here it only says what it would do."""
        said = (
            f"{choice['purchase']} in {choice['chosen']} from {choice['start']}: "
            f"{choice['carbon_g']:.0f} g for {choice['cost']:.2f} {choice['currency']}"
        )
        print(said)
        return said

    run(choose.output["carbon_decision"])


carbon_against_cost()
