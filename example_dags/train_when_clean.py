"""### Train a model when electricity is cleanest.

The sensor lets go of its worker and waits in the triggerer; the training starts in the cleanest window that still
meets the promise, and gets the decision as a plain dict. Copy it: set `location` to where your workers run and
`duration` to how long your training takes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_carbon import CarbonAwareSensor


@dag(
    schedule=None,
    doc_md=__doc__,
    tags=["carbon", "example"],
    render_template_as_native_obj=False,
    params={
        "location": Param("azure:uksouth", type="string", description="Where the training runs."),
        "duration": Param("2h", type="string", description="How long it takes."),
        "max_delay": Param("12h", type="string", description="How long it may wait."),
        "epochs": Param(200, type="integer", minimum=1),
    },
)
def train_when_clean() -> None:
    """Wait, then train."""
    wait = CarbonAwareSensor(
        task_id="wait_for_clean_power",
        location="{{ params.location }}",
        duration="{{ params.duration }}",
        max_delay="{{ params.max_delay }}",
    )

    @task
    def train(decision: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        """Fit a small classifier by gradient descent, and say when and on what power it ran."""
        import numpy as np

        began = datetime.now(UTC)
        rng = np.random.default_rng(0)
        samples = rng.normal(size=(2000, 8))
        labels = (samples @ rng.normal(size=8) + rng.normal(scale=0.5, size=2000) > 0).astype(float)
        weights = np.zeros(8)
        for _ in range(params["epochs"]):
            predicted = 1.0 / (1.0 + np.exp(-samples @ weights))
            weights -= 0.5 * samples.T @ (predicted - labels) / len(labels)
        accuracy = float(((samples @ weights > 0) == labels).mean())
        print(f"accuracy {accuracy:.3f}; {decision['reason']}")
        return {"accuracy": accuracy, "start": began.isoformat(), "end": datetime.now(UTC).isoformat()}

    train(wait.output)


train_when_clean()
