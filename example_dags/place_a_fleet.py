"""### Render a film where and when electricity is cleanest.

Thousands of frames of three minutes each, and some long scenes, go to the regions and hours of least intensity x PUE
that have cores free, and all end by the deadline. The plan is a list of batches; a mapped task *group* stands over it,
so that each batch waits for its own start and no batch for another's. A task that got a batch knows which frames are
its own: `first` to `last`. The XCom `carbon_decision` of the plan holds the totals, and what all at once in the first
region would emit. Copy it: set the regions, the cores that you have there, and what renders one batch.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task, task_group

from airflow_carbon import PlaceFleetOperator, PlannedWindowSensor

#: Where the film may be rendered, and the cores that may be used there.
CORES = {"azure:uksouth": 2000, "azure:swedencentral": 1500, "azure:germanywestcentral": 4000}


@dag(
    schedule=None,
    doc_md=__doc__,
    tags=["carbon", "example"],
    params={
        "frames": Param(5000, type="integer", minimum=1, description="How many frames of one core each."),
        "scenes": Param(40, type="integer", minimum=1, description="How many scenes of sixteen cores each."),
        "frame": Param("3m", type="string", description="How long one frame takes."),
        "scene": Param("45m", type="string", description="How long one scene takes."),
        "slot": Param("15m", type="string", description="Batches start with a slot of this length."),
        "deadline": Param("24h", type="string", description="When all must be done, from the run's begin on."),
        "batch_size": Param(2000, type="integer", minimum=1, description="No batch is larger."),
    },
)
def place_a_fleet() -> None:
    """Plan, wait batch by batch, render, count."""
    plan = PlaceFleetOperator(
        task_id="plan",
        regions=list(CORES),
        capacity=CORES,
        tasks=[
            {"name": "frames", "count": "{{ params.frames }}", "duration": "{{ params.frame }}"},
            {"name": "scenes", "count": "{{ params.scenes }}", "duration": "{{ params.scene }}", "cores": 16},
        ],
        slot="{{ params.slot }}",
        deadline="{{ params.deadline }}",
        batch_size="{{ params.batch_size }}",
    )

    @task
    def render(window: dict[str, Any]) -> dict[str, Any]:
        """Submit the batch to its region; here it only says what it would render there."""
        print(f"{window['class']} {window['first']} to {window['last']} in {window['region']}: {window['reason']}")
        return {"class": window["class"], "first": window["first"], "last": window["last"]}

    @task_group
    def batch(window: Any) -> Any:
        """Wait for the batch's own start, then render it."""
        return render(PlannedWindowSensor(task_id="wait", window=window).output)

    @task
    def check(rendered: Any, params: dict[str, Any]) -> dict[str, int]:
        """See that every frame and every scene was rendered once."""
        counted = {}
        for name in ("frames", "scenes"):
            numbers = [
                number
                for each in rendered
                if each["class"] == name
                for number in range(each["first"], each["last"] + 1)
            ]
            if sorted(numbers) != list(range(params[name])):
                raise ValueError(f"{len(set(numbers))} of {params[name]} {name} were rendered, {len(numbers)} in all")
            counted[name] = len(numbers)
        return counted

    check(batch.expand(window=plan.output))


place_a_fleet()
