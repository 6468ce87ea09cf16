"""Manifests drawn at random, of what Impact Framework and this package both accept."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_carbon.core.manifest.of_run import Hardware, TaskRow

BEGINS = datetime(2026, 3, 2, tzinfo=UTC)
METHODS = ("sum", "avg", "copy")
#: What each leaf ends with, and may be aggregated.
OWN = ("energy", "grid/carbon-intensity", "cpu", "mem", "orders", "spare", "per-core", "share", "load")
BUILT_IN = ("carbon", "embodied-carbon", "sci", "vCPUs", "usage-ratio")


def random_manifest(dice: random.Random) -> dict[str, Any]:
    """Draw a manifest with every plugin, groups up to three deep, defaults and metadata anywhere."""
    kind = dice.choice(["time", "component", "both", "both", "horizontal", "vertical"])
    metadata = {
        name: {
            "unit": "u",
            "description": "d",
            "aggregation-method": {
                "time": dice.choice([*METHODS, "none"]),
                # It cannot reduce over time what a group has not.
                "component": dice.choice([*METHODS, "none"] if kind in ("time", "horizontal") else METHODS),
            },
        }
        for name in OWN
    }
    rows = dice.randint(1, 5)
    metrics = dice.sample([*OWN, *BUILT_IN], dice.randint(1, 8))
    pipeline = {"compute": ["operational", "embodied", "total", "spare", "per-core", "share", "load", "sci"]}
    tree = group(dice, rows, depth=dice.randint(0, 2))
    return {
        "name": "random",
        "description": None,
        "aggregation": {"metrics": metrics, "type": kind},
        "initialize": {"plugins": plugins(dice, metadata)},
        "tree": {**tree, "pipeline": pipeline, "defaults": {"mem": number(dice), "grid/carbon-intensity": 300.5}},
    }


def random_run(dice: random.Random) -> dict[str, Any]:
    """Draw the arguments of a DAG run's manifest: mapped tasks, second tries, machines of several kinds, and none."""
    machines = [
        Hardware(dice.uniform(1e5, 5e6), timedelta(hours=dice.uniform(20_000, 60_000)))
        for _ in range(dice.randint(1, 3))
    ]
    tasks = []
    for index in range(dice.randint(1, 8)):
        machine = dice.choice([None, *machines])
        tasks.append(
            TaskRow(
                task_id=dice.choice(["extract", "train.fit", "load_2"]),
                map_index=index,
                try_number=dice.randint(1, 3),
                energy_kwh=dice.choice([0.0, dice.uniform(1e-6, 20)]),
                intensity_g_per_kwh=dice.uniform(0, 900),
                embodied_g=dice.uniform(0, 50),
                hardware=machine,
                reserved=timedelta(seconds=dice.choice([0, 0.25, dice.uniform(1, 9e4)])),
                resource_share=dice.choice([0.0, 1.0, dice.uniform(0.01, 1)]),
                signal="average",
            )
        )
    return {
        "dag_id": "a_dag",
        "run_id": "manual__2026-03-02T00:00:00+00:00",
        "started": BEGINS,
        "ended": BEGINS + timedelta(seconds=dice.choice([0, 0.5, dice.uniform(1, 1e5)])),
        "tasks": tasks,
        "functional_unit": dice.choice(["order", "1000 rows", "carbon", "42", "visit/user", "Bestellungen (Stück)"]),
        "functional_units": dice.choice([1, 398, dice.uniform(1e-3, 1e7)]),
    }


def plugins(dice: random.Random, metadata: dict[str, Any]) -> dict[str, Any]:
    """Set the plugins up, each with its part of the metadata."""

    def plugin(method: str, config: dict[str, Any], inputs: tuple[str, ...] = (), outputs: tuple[str, ...] = ()) -> Any:
        halves = {"inputs": inputs, "outputs": outputs}
        stated = {half: {name: metadata[name] for name in names} for half, names in halves.items() if names}
        return {
            "path": "builtin",
            "method": method,
            "config": config,
            **({"parameter-metadata": stated} if stated else {}),
        }

    embodied = {
        "baseline-vcpus": dice.choice([1, 2]),
        "baseline-memory": dice.choice([16, 8]),
        "baseline-emissions": dice.uniform(1e5, 3e6),
        "lifespan": dice.choice([126_144_000, 157_680_000]),
        "vcpu-emissions-constant": dice.uniform(1, 2e5),
        "memory-emissions-constant": dice.uniform(0.1, 3),
        "ssd-emissions-constant": 40_000,
        "hdd-emissions-constant": 90_000.5,
        "gpu-emissions-constant": 318_000,
    }
    chosen = {name: embodied[name] for name in dice.sample(list(embodied), dice.randint(0, len(embodied)))}
    products = {"input-parameters": ["energy", "grid/carbon-intensity"], "output-parameter": "carbon-operational"}
    total = {"input-parameters": ["carbon-operational", "embodied-carbon"], "output-parameter": "carbon"}
    spare = {"input-parameters": ["mem", "cpu", "energy"], "output-parameter": "spare"}
    divided = {"numerator": "cpu", "denominator": dice.choice(["vCPUs", 3, 0.5, 0]), "output": "per-core"}
    share = {"input-parameter": "cpu", "coefficient": dice.uniform(-2, 2), "output-parameter": "share"}
    copied = {"keep-existing": False, "from": "given-load", "to": "load"}
    return {
        "operational": plugin("Multiply", products, ("energy", "grid/carbon-intensity", "cpu", "mem")),
        "embodied": plugin("SciEmbodied", chosen),
        "total": plugin("Sum", total),
        "spare": plugin("Subtract", spare, (), ("spare",)),
        "per-core": plugin("Divide", divided, (), ("per-core",)),
        "share": plugin("Coefficient", share, (), ("share",)),
        "load": plugin("Copy", copied, (), ("load",)),
        "sci": plugin("Sci", {"functional-unit": "orders"}, ("orders",)),
    }


def group(dice: random.Random, rows: int, depth: int) -> dict[str, Any]:
    """Draw a group of components and groups."""
    children = {}
    for name in dice.sample(["web", "db", "queue", "cache", "batch"], dice.randint(1, 4)):
        nested = depth > 0 and dice.random() < 0.5
        children[name] = group(dice, rows, depth - 1) if nested else component(dice, rows)
    return {
        "children": children,
        **({"defaults": {"mem": 7, "grid/carbon-intensity": 12}} if dice.random() < 0.3 else {}),
    }


def component(dice: random.Random, rows: int) -> dict[str, Any]:
    """Draw a component: what may be left out is left out sometimes."""
    optional = {"vCPUs": 4, "memory": 64.5, "ssd": 1, "hdd": 2, "gpu": 3, "usage-ratio": 0.25, "time": 90}
    stated = dice.sample(list(optional), dice.randint(0, len(optional)))
    return {
        "inputs": [
            {
                "timestamp": (BEGINS + index * timedelta(hours=1)).isoformat().replace("+00:00", "Z"),
                "duration": 3600,
                "energy": number(dice),
                **({"grid/carbon-intensity": number(dice)} if dice.random() < 0.8 else {}),
                **({"mem": number(dice)} if dice.random() < 0.5 else {}),
                "cpu": number(dice),
                "orders": dice.choice([0, dice.randint(1, 1000), number(dice)]),
                "given-load": number(dice),
                **{name: optional[name] for name in stated},
            }
            for index in range(rows)
        ]
    }


def number(dice: random.Random) -> float:
    """Draw a positive number, of any size that one meets."""
    return dice.choice([dice.randint(1, 100), round(dice.uniform(0.001, 10), 3), 10 ** dice.uniform(-9, 9)])
