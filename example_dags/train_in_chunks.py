"""### Train a model in chunks, each when electricity is cleanest.

A training that saves checkpoints can stop and go on: the plan cuts it into chunks and lays them into the cleanest
hours before the promise ends. Each chunk waits in the triggerer, loads the last checkpoint, trains its share of the
epochs and saves the next one. In the end the weights are those of a training that was never interrupted.

`evaluate` is there to show that: it trains the whole model a second time and compares. It is a demonstration; do not
copy it, or the clean hours have saved nothing.

Clearing a run that has ended trains nothing: its checkpoint, named by the run, is at the last epoch already. Trigger a
new run to train anew, or delete the run's folder before you clear it.

The chunks are a mapped task *group*. `wait.expand(window=plan.output) >> train.expand(...)` would hold every training
back until the last of all waits is over. `max_active_tis_per_dagrun=1` keeps two chunks from training at once where one
takes longer than planned. Copy it: put your own training into `train`, and `folder` where all your workers see it.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow.sdk import Param, dag, task, task_group

from airflow_carbon import BestScheduleOperator, PlannedWindowSensor

SAMPLES, FEATURES, HIDDEN, BATCH, LEARNING_RATE = 2000, 4, 16, 50, 0.2


def data() -> tuple[Any, Any]:
    """Make the samples and their labels: which side of a curved surface each lies on."""
    import numpy as np

    rng = np.random.default_rng(7)
    samples = rng.normal(size=(SAMPLES, FEATURES))
    return samples, (samples[:, 0] * samples[:, 1] + 0.5 * samples[:, 2] > 0).astype(float)


def fresh() -> dict[str, Any]:
    """Give the state before the first epoch: the weights, the epoch, and the generator that shuffles the samples."""
    import numpy as np

    rng = np.random.default_rng(0)
    weights = rng.normal(scale=0.5, size=(FEATURES + 1, HIDDEN)), rng.normal(scale=0.5, size=HIDDEN + 1)
    return {"inner": weights[0], "outer": weights[1], "epoch": 0, "rng": rng}


def predict(state: dict[str, Any], samples: Any) -> tuple[Any, Any]:
    """Give the hidden layer and the probability of the label 1."""
    import numpy as np

    hidden = np.tanh(samples @ state["inner"][:-1] + state["inner"][-1])
    return hidden, 1.0 / (1.0 + np.exp(-(hidden @ state["outer"][:-1] + state["outer"][-1])))


def fit_epoch(state: dict[str, Any], samples: Any, labels: Any) -> None:
    """Train one epoch of stochastic gradient descent in a network with one hidden layer."""
    import numpy as np

    for batch in np.split(state["rng"].permutation(len(labels)), len(labels) // BATCH):
        hidden, predicted = predict(state, samples[batch])
        error = (predicted - labels[batch]) / BATCH
        back = np.outer(error, state["outer"][:-1]) * (1.0 - hidden**2)
        state["outer"] -= LEARNING_RATE * np.append(hidden.T @ error, error.sum())
        state["inner"] -= LEARNING_RATE * np.vstack((samples[batch].T @ back, back.sum(axis=0)))
    state["epoch"] += 1


def save(state: dict[str, Any], file: Path) -> None:
    """Write a checkpoint in one step: whoever reads it finds the old or the new one, never half of it."""
    import numpy as np

    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}.new")
    rng = json.dumps(state["rng"].bit_generator.state)
    with draft.open("wb") as stream:
        np.savez(stream, inner=state["inner"], outer=state["outer"], epoch=state["epoch"], rng=rng)
    draft.replace(file)


def load(file: Path) -> dict[str, Any]:
    """Read the last checkpoint; a fresh state where there is none."""
    import numpy as np

    state = fresh()
    if file.is_file():
        with np.load(file) as kept:
            state |= {"inner": kept["inner"], "outer": kept["outer"], "epoch": int(kept["epoch"])}
            state["rng"].bit_generator.state = json.loads(str(kept["rng"]))
    return state


def fit(file: Path, until: int, *, every: int = 10) -> dict[str, Any]:
    """Go on from the last checkpoint up to an epoch; what is done already is not done again.

    :param every: epochs between two checkpoints; a try that dies loses no more than these.
    """
    state, (samples, labels) = load(file), data()
    while state["epoch"] < until:
        fit_epoch(state, samples, labels)
        if state["epoch"] % every == 0 or state["epoch"] == until:
            save(state, file)
    return state


def checkpoint(params: dict[str, Any], run_id: str) -> Path:
    """Name the checkpoint of a run, in a folder of its own."""
    kept = params["folder"] or Path(os.environ.get("AIRFLOW_HOME", "~/airflow")) / "train_in_chunks"
    return Path(kept).expanduser() / quote(run_id, safe="") / "checkpoint.npz"


@dag(
    schedule=None,
    doc_md=__doc__,
    tags=["carbon", "example"],
    params={
        "location": Param("azure:uksouth", type="string", description="Where the training runs."),
        "duration": Param("4h", type="string", description="How long it takes when nothing interrupts it."),
        "max_delay": Param("24h", type="string", description="How much later than at once it may end."),
        "max_chunks": Param(3, type="integer", minimum=1, description="Into how many pieces it may be cut."),
        "min_chunk": Param("30m", type="string", description="No piece is shorter."),
        "resume_overhead": Param("2m", type="string", description="What loading a checkpoint costs each time."),
        "carbon_conn_id": Param("", type="string", description="The source; empty for the default."),
        "epochs": Param(120, type="integer", minimum=1),
        "folder": Param("", type="string", description="For checkpoints, seen by all workers; empty: in AIRFLOW_HOME."),
    },
)
def train_in_chunks() -> None:
    """Plan, then train chunk by chunk."""
    plan = BestScheduleOperator(
        task_id="plan",
        location="{{ params.location }}",
        duration="{{ params.duration }}",
        max_delay="{{ params.max_delay }}",
        max_chunks="{{ params.max_chunks }}",
        min_chunk="{{ params.min_chunk }}",
        resume_overhead="{{ params.resume_overhead }}",
        carbon_conn_id="{{ params.carbon_conn_id }}",
    )

    @task(retries=3, retry_delay=timedelta(seconds=30), max_active_tis_per_dagrun=1)
    def train(window: dict[str, Any], params: dict[str, Any], run_id: str) -> dict[str, Any]:
        """Train this chunk's share of the epochs, and whatever a chunk before it has left undone."""
        began, file = datetime.now(UTC), checkpoint(params, run_id)
        first, until = load(file)["epoch"], round(window["work_end_fraction"] * params["epochs"])
        state = fit(file, until)
        print(f"chunk {window['index'] + 1} of {window['count']}: from epoch {first} to {state['epoch']}")
        return {
            "epochs": [first, state["epoch"]],
            "intensity_g_per_kwh": window["intensity_g_per_kwh"],
            "start": began.isoformat(),
            "end": datetime.now(UTC).isoformat(),
        }

    @task
    def evaluate(params: dict[str, Any], run_id: str) -> dict[str, Any]:
        """Show that the interruptions have not changed the model, by training it once more in one; not for copying."""
        import numpy as np

        trained, whole, (samples, labels) = load(checkpoint(params, run_id)), fresh(), data()
        while whole["epoch"] < params["epochs"]:
            fit_epoch(whole, samples, labels)
        apart = max(float(np.abs(trained[part] - whole[part]).max()) for part in ("inner", "outer"))
        _, predicted = predict(trained, samples)
        accuracy = float(((predicted > 0.5) == labels).mean())
        print(f"accuracy {accuracy:.3f}; the weights are {apart:g} apart from those of a training without a cut")
        if trained["epoch"] != whole["epoch"] or apart > 1e-9:
            raise RuntimeError(f"the chunks have trained another model: {apart:g} apart, epoch {trained['epoch']}")
        return {"accuracy": accuracy, "largest_difference": apart, "epochs": trained["epoch"]}

    @task_group
    def chunk(window: dict[str, Any]) -> None:
        """Wait for one window, then train in it."""
        train(PlannedWindowSensor(task_id="wait", window=window).output)

    chunk.expand(window=plan.output) >> evaluate()


train_in_chunks()
