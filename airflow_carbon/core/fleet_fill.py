"""Tasks that fit into a slot: by filling, by a flow, or by a rounded flow; longer ones are left to ``fleet_runs``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from airflow_carbon.core.fleet_alike import alike, cheapest_flow_of_alike
from airflow_carbon.core.fleet_flow import cheapest_flow
from airflow_carbon.core.fleet_plan import Demand, Plan, emitted_by, plan_of
from airflow_carbon.core.fleet_runs import plan_runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Costs that differ by less than this share are equal: what rounding makes of equal means.
_EQUAL = 2.0**-40
_LARGEST = np.finfo(np.float64).max


def planned(demands: Sequence[Demand], free: NDArray[np.int64]) -> Plan:
    """Plan all demands within the free cores of shape ``(r, k)``."""
    if any(demand.width > 1 for demand in demands):
        return plan_runs(demands, free)
    if len(demands) == 1:
        return _filled(demands[0], free)
    if len({demand.cores for demand in demands}) == 1:
        return _by_flow(demands, free // demands[0].cores)
    return _by_rounded_flow(demands, free)


def _filled(demand: Demand, free: NDArray[np.int64]) -> Plan:
    """Fill the cheapest places; of equally cheap ones, the earliest."""
    slots = slice(demand.first, demand.first + demand.costs.shape[1])
    room = (free[:, slots] if demand.cores == 1 else free[:, slots] // demand.cores).ravel()
    costs, width = demand.costs.ravel(), demand.costs.shape[1]
    limit = marginal_cost(costs, room, demand.count)
    # Equal means of different slots differ by rounding; what is not finite is not allowed.
    at = np.flatnonzero(costs <= min(limit * (1.0 + _EQUAL), _LARGEST))
    order = np.lexsort((at // width, at % width, costs[at] >= limit * (1.0 - _EQUAL)))
    at = at[order]
    rooms = room[at]
    taken = np.minimum(rooms, np.maximum(demand.count - rooms.cumsum() + rooms, 0))
    used = taken > 0
    at, taken = at[used], taken[used]
    order = np.lexsort((at // width, at % width))
    at, taken = at[order], taken[order]
    which = np.stack((np.zeros_like(at), at // width, at % width + demand.first))
    emitted = float(taken @ costs[at]) * demand.energy_kwh
    return Plan(which, taken, emitted, emitted, True, np.array([demand.count - int(taken.sum())]))


def marginal_cost(costs: NDArray[np.float64], room: NDArray[np.int64], count: int) -> float:
    """Give the cost of the dearest place that is needed, in time linear in the places (Hoare's selection, by halves).

    Infinite where all places together do not suffice.
    """
    # Places of the mean room would need so many: a first cut there leaves little to look at.
    guess = int(count * costs.size / max(1, int(room.sum()))) + 32
    while costs.size > 64:
        half = min(guess, costs.size // 2)
        guess = costs.size
        order = costs.argpartition(half)
        lower = order[:half]
        rooms = room[lower]
        fits = int(rooms.sum())
        if fits < count:
            count -= fits
            lower = order[half:]
            rooms = room[lower]
        costs, room = costs[lower], rooms
    order = costs.argsort()
    at = int(room[order].cumsum().searchsorted(count))
    return float(costs[order[at]]) if at < order.size else np.inf


def _spread(demands: Sequence[Demand], free: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the emission of one task of each class in each region and slot, slot by slot, shape ``(m, k * r)``."""
    regions, slots = free.shape
    grams = np.full((len(demands), slots, regions), np.inf)
    for kind, demand in enumerate(demands):
        grams[kind, demand.first : demand.first + demand.costs.shape[1]] = demand.costs.T * demand.energy_kwh
    return grams.reshape(len(demands), -1)


def _by_flow(demands: Sequence[Demand], room: NDArray[np.int64]) -> Plan:
    grams, counts = _spread(demands, room), np.array([demand.count for demand in demands])
    solve = cheapest_flow_of_alike if alike(grams) else cheapest_flow
    flow = solve(grams, counts, room.T.ravel())
    return plan_of(demands, _tables(demands, flow.placed, room), None, flow.left_out)


def _by_rounded_flow(demands: Sequence[Demand], free: NDArray[np.int64]) -> Plan:
    """Cut tasks into cores, which gives a bound, then make them whole: each leftover goes where it still fits."""
    cores = np.array([demand.cores for demand in demands])
    counts = np.array([demand.count for demand in demands])
    grams = _spread(demands, free)
    flow = cheapest_flow(grams / cores[:, None], counts * cores, free.T.ravel())
    bound = 0.0
    whole, rest, left = np.zeros_like(flow.placed), free.T.ravel().copy(), counts.copy()
    widest_first = sorted(range(len(demands)), key=lambda kind: -demands[kind].cores)
    if not flow.left_out.any():
        bound = sum(emitted_by(placed, each) for placed, each in zip(flow.placed, grams / cores[:, None], strict=True))
        whole = flow.placed // cores[:, None]
        left -= whole.sum(axis=1)
        rest -= (whole * cores[:, None]).sum(axis=0)
        for kind in widest_first:
            left[kind] -= _fill(whole[kind], grams[kind], rest, demands[kind].cores, int(left[kind]))
    if left.any():
        # Not even cut tasks fit, or the rounding split the room up: pack from nothing, the widest first.
        whole[:], rest, left = 0, free.T.ravel().copy(), counts.copy()
        for kind in widest_first:
            left[kind] -= _fill(whole[kind], grams[kind], rest, demands[kind].cores, int(left[kind]))
    rounded = plan_of(demands, _tables(demands, whole, free), bound, left)
    if rounded.exact:
        return rounded
    searched = plan_runs(demands, free)
    best = min((rounded, searched), key=lambda plan: (int(plan.left_out.sum()), plan.emitted_g))
    bound = max(bound, searched.bound_g)
    return replace(best, bound_g=bound, exact=best.emitted_g <= bound * (1.0 + 1e-12))


def _fill(tasks: NDArray[np.int64], grams: NDArray[np.float64], rest: NDArray[np.int64], cores: int, left: int) -> int:
    """Put tasks where they are cheapest and fit, and give how many found room; changes ``tasks`` and ``rest``."""
    order = grams.argsort(kind="stable")
    order = order[grams[order] < np.inf]
    room = rest[order] // cores
    taken = np.minimum(room, np.maximum(left - np.concatenate(([0], room.cumsum()[:-1])), 0)) if order.size else room
    tasks[order] += taken
    rest[order] -= taken * cores
    return int(taken.sum())


def _tables(demands: Sequence[Demand], placed: NDArray[np.int64], free: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    regions, slots = free.shape
    tables = placed.reshape(len(demands), slots, regions).transpose(0, 2, 1)
    return [
        table[:, demand.first : demand.first + demand.costs.shape[1]]
        for demand, table in zip(demands, tables, strict=True)
    ]
