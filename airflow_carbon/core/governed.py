"""The work that decisions govern: each piece of it counts for one decision alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_carbon.core.record import DecisionRecord, EmissionRecord


@dataclass(frozen=True, slots=True)
class Governed:
    """Hold a decision and the work that it governs.

    :param works: one for each try, in the order of time; at least one.
    :param before: earlier decisions for the same work, whose effect is in this one's numbers; in the order of time.
    """

    decision: DecisionRecord
    works: tuple[EmissionRecord, ...]
    before: tuple[DecisionRecord, ...] = ()

    @property
    def home(self) -> str:
        """Where the baseline runs: the home that the first of these decisions left."""
        every = (*self.before, self.decision)
        return next((one.home for one in every if one.home), self.decision.location)

    @property
    def ready_at(self) -> datetime:
        """When the work was first ready: start of the baseline."""
        return self.decision.ready_at or self.decision.decided_at


def link(
    decisions: Iterable[DecisionRecord], emissions: Iterable[EmissionRecord]
) -> tuple[list[Governed], dict[str, str]]:
    """Join decisions to the work that they govern, in the same run of the same DAG.

    Where several decisions govern one piece of work (a region, then a time), it counts for the last of them, against
    the home that the first of them left: what both changed is claimed once.

    :return: the decisions with work, and of each other one the reason why it claims nothing, by its id.
    """
    done: dict[tuple[str, str, str], list[EmissionRecord]] = defaultdict(list)
    for work in emissions:
        done[work.dag_id, work.run_id, work.task_id].append(work)
    left: dict[str, str] = {}
    claimed: dict[tuple[str, str, str, int, int], list[DecisionRecord]] = defaultdict(list)
    works: dict[tuple[str, str, str, int, int], EmissionRecord] = {}
    ordered = sorted(decisions, key=lambda one: (one.decided_at, one.decision_id))
    for decision in ordered:
        if reason := _claims_nothing(decision):
            left[decision.decision_id] = reason
            continue
        left[decision.decision_id] = f"nothing is recorded of {', '.join(decision.governs)}"
        for task in decision.governs:
            for work in _of(decision, done[decision.dag_id, decision.run_id, task]):
                key = (work.dag_id, work.run_id, work.task_id, work.map_index, work.try_number)
                claimed[key].append(decision)
                works[key] = work
    linked: dict[str, list[EmissionRecord]] = defaultdict(list)
    before: dict[str, dict[str, DecisionRecord]] = defaultdict(dict)
    for key, claimants in claimed.items():
        *others, last = claimants
        linked[last.decision_id].append(works[key])
        before[last.decision_id].update((one.decision_id, one) for one in others)
        for one in others:
            left[one.decision_id] = f"its work counts with the later decision {last.decision_id}"
    found = []
    for decision in ordered:
        mine = linked.get(decision.decision_id)
        if mine:
            left.pop(decision.decision_id)
            earlier = sorted(before[decision.decision_id].values(), key=lambda one: one.decided_at)
            mine.sort(key=lambda one: (one.started_at, one.task_id, one.map_index, one.try_number))
            found.append(Governed(decision, tuple(mine), tuple(earlier)))
    return found, left


def _claims_nothing(decision: DecisionRecord) -> str:
    if not decision.governs:
        return "it governs nothing"
    if decision.action == "shadow":
        return "a shadow changes nothing"
    return "" if decision.action else "it is not known yet what was done"


def _of(decision: DecisionRecord, works: Sequence[EmissionRecord]) -> list[EmissionRecord]:
    """Give the work of one task that a decision governs: of a mapped one that of its own index, where there is one."""
    ready = decision.ready_at or decision.decided_at
    later = [one for one in works if one.started_at >= ready]
    if decision.map_index < 0:
        return later
    same = [one for one in later if one.map_index == decision.map_index]
    return same or [one for one in later if one.map_index < 0]
