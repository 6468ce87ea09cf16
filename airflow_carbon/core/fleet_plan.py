"""What a class of tasks asks of the slots, and where its tasks go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Demand:
    """Hold one class of tasks on the slots.

    :param cores: cores of one task.
    :param width: slots that one task holds.
    :param energy_kwh: energy of one task [kWh].
    :param first: the first slot that it may start with.
    :param costs: mean intensity x PUE from that slot on, infinite where not allowed, shape ``(r, s)``.
    """

    count: int
    cores: int
    width: int
    energy_kwh: float
    first: int
    costs: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plan:
    """Hold the batches as arrays.

    :param which: class, region and slot of each batch, shape ``(3, b)``, sorted by class, slot and region.
    :param counts: tasks of each, shape ``(b,)``.
    :param emitted_g: what all of them emit [gCO2eq].
    :param bound_g: a lower bound on what any plan emits [gCO2eq].
    :param exact: whether the plan is known to be optimal.
    :param left_out: tasks of each class without room, shape ``(m,)``.
    """

    which: NDArray[np.intp]
    counts: NDArray[np.int64]
    emitted_g: float
    bound_g: float
    exact: bool
    left_out: NDArray[np.int64]


def emitted_by(tasks: NDArray[np.int64], grams: NDArray[np.float64]) -> float:
    """Add up what tasks emit, given what one does at each place; infinite where none is."""
    at = np.nonzero(tasks)
    return float(tasks[at] @ grams[at])


def plan_of(
    demands: Sequence[Demand],
    tables: Sequence[NDArray[np.int64]],
    bound_g: float | None,
    left_out: NDArray[np.int64],
) -> Plan:
    """Make a plan of tables of tasks, one for each class, shape ``(r, s)``; without a bound it is its own."""
    which, counts = [], []
    emitted = 0.0
    for kind, (demand, table) in enumerate(zip(demands, tables, strict=True)):
        slot, region = np.nonzero(table.T)
        tasks = table[region, slot]
        emitted += demand.energy_kwh * float(tasks @ demand.costs[region, slot])
        which.append(np.stack((np.full(slot.size, kind), region, slot + demand.first)))
        counts.append(tasks)
    exact = bound_g is None or emitted <= bound_g * (1.0 + 1e-12)
    bound = emitted if bound_g is None else bound_g
    return Plan(np.concatenate(which, axis=1), np.concatenate(counts), emitted, bound, exact, left_out)
