"""Tasks longer than a slot, not interrupted: a good plan, and a bound on how much better any other can be.

Placing them is NP-hard (it holds bin packing). The plan is made greedily: the classes one after the other, each task at
its cheapest start that has room all along; in several orders, at plain costs and at costs that charge each slot's
scarcity; then each class is taken out and placed anew until nothing is gained.

Scarcity and bound come from Lagrange's relaxation: cores are not limited but priced, and the prices are raised where
more are used than there are (subgradient steps: Held, Wolfe, Crowder, Validation of subgradient optimization, 1974).
For any prices of zero or more, what the tasks then cost at least, less the price of all the cores there are, is a bound
below every plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from airflow_carbon.core.fleet_plan import Demand, Plan, emitted_by, plan_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Pricing ends after so many steps, or once the plan is proven to be this close to the bound.
_ROUNDS, _CLOSE = 60, 1e-4
_IMPROVEMENTS = 8

_Tables = list["NDArray[np.int64]"]


def plan_runs(demands: Sequence[Demand], free: NDArray[np.int64]) -> Plan:
    """Place runs of any length within the free cores of shape ``(r, k)``."""
    runs = _Runs(demands, free)
    best, emitted, left_out = runs.first()
    if left_out.any():
        return plan_of(demands, best, 0.0, left_out)
    bound = runs.bound(np.zeros(free.shape))[0]
    prices = np.zeros(free.shape)
    kept, agility = prices, 1.0
    stale = 0
    for round_ in range(_ROUNDS):
        if emitted - bound <= _CLOSE * emitted:
            break
        value, overuse = runs.bound(prices)
        if value > bound:
            bound, kept, stale = value, prices, 0
        else:
            stale += 1
            if stale == 4:
                agility, stale = agility / 2, 0
        if round_ % 6 == 5:
            best, emitted = min((best, emitted), runs.again(kept), key=lambda found: found[1])
        # Overuse where nothing is charged and nothing is short calls for no price.
        direction = np.where((prices > 0.0) | (overuse > 0.0), overuse, 0.0)
        norm = float((direction * direction).sum())
        if norm == 0.0:
            break
        prices = np.maximum(0.0, prices + agility * (emitted - value) / norm * direction)
    best, emitted = min((best, emitted), runs.again(kept), key=lambda found: found[1])
    best = runs.improved(best)
    return plan_of(demands, best, bound, left_out)


class _Runs:
    """Hold the runs to place: for each class the emission of one task at each start, flat, slot by slot."""

    def __init__(self, demands: Sequence[Demand], free: NDArray[np.int64]) -> None:
        self.demands = demands
        self.free = free
        self.grams = [demand.costs * demand.energy_kwh for demand in demands]
        self.room = [self._room(demand, free) for demand in demands]
        self.counts = np.array([demand.count for demand in demands])
        kinds = range(len(demands))
        dense = [demand.energy_kwh / (demand.cores * demand.width) for demand in demands]
        choices = [int((room > 0).sum()) / demand.width for room, demand in zip(self.room, demands, strict=True)]
        size = [demand.cores * demand.width for demand in demands]
        latest = [demand.first + demand.costs.shape[1] for demand in demands]
        self.orders = [
            sorted(kinds, key=lambda kind: -dense[kind]),
            sorted(kinds, key=lambda kind: choices[kind]),
            sorted(kinds, key=lambda kind: -size[kind]),
        ]
        self.by_deadline = sorted(kinds, key=lambda kind: (latest[kind], -size[kind]))

    def first(self) -> tuple[_Tables, float, NDArray[np.int64]]:
        """Give the best of the plain plans that leaves nothing out, or the one that leaves out least."""
        found = [self._placed(self.grams, order) for order in self.orders]
        if all(left.any() for _, _, left in found):
            # Each as early as can be, the nearest deadline first: dearer, but it breaks up no room.
            early = [np.where(np.isfinite(grams), np.arange(grams.shape[1]), np.inf) for grams in self.grams]
            found += [self._placed(early, order) for order in (self.by_deadline, *self.orders)]
        return min(found, key=lambda each: (int(each[2].sum()), each[1]))

    def again(self, prices: NDArray[np.float64]) -> tuple[_Tables, float]:
        """Give the best plan at costs that hold the price of each slot's cores; infinite where none places all."""
        charged = self._charged(prices)
        found = [self._placed(charged, order) for order in self.orders]
        tables, emitted, left = min(found, key=lambda each: (int(each[2].sum()), each[1]))
        return tables, np.inf if left.any() else emitted

    def bound(self, prices: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Give the bound at some prices, and how far its tasks use more cores than there are."""
        total = -float((prices * self.free).sum())
        used = np.zeros((self.free.shape[0], self.free.shape[1] + 1))
        for demand, grams, room in zip(self.demands, self._charged(prices), self.room, strict=True):
            flat, rooms = grams.ravel(), room.ravel()
            order = flat.argsort()
            before = rooms[order].cumsum()
            stop = int(before.searchsorted(demand.count)) + 1
            order = order[:stop]
            taken = rooms[order]
            taken[-1] -= before[stop - 1] - demand.count
            total += float(flat[order] @ taken)
            region, start = np.divmod(order, grams.shape[1])
            np.add.at(used, (region, start + demand.first), taken * demand.cores)
            np.add.at(used, (region, start + demand.first + demand.width), -taken * demand.cores)
        return total, used[:, :-1].cumsum(axis=1) - self.free

    def improved(self, tables: _Tables) -> _Tables:
        """Take out one class after the other and place it anew, as long as that gains something."""
        tables = [table.copy() for table in tables]
        free = self.free.copy()
        for demand, table in zip(self.demands, tables, strict=True):
            self._hold(free, demand, table)
        for _ in range(_IMPROVEMENTS):
            gained = 0.0
            for kind, (demand, grams) in enumerate(zip(self.demands, self.grams, strict=True)):
                self._hold(free, demand, -tables[kind])
                table, left = self._fill(demand, grams, free)
                before, after = (emitted_by(each, grams) for each in (tables[kind], table))
                if not left and after < before * (1.0 - 1e-12):
                    tables[kind], gained = table, gained + before - after
                else:
                    self._hold(free, demand, table, -1)
                    self._hold(free, demand, tables[kind])
            if not gained:
                break
        return tables

    def _charged(self, prices: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        total = np.concatenate((np.zeros((prices.shape[0], 1)), prices.cumsum(axis=1)), axis=1)
        charged = []
        for demand, grams in zip(self.demands, self.grams, strict=True):
            begin, end = demand.first, demand.first + grams.shape[1]
            held = total[:, begin + demand.width : end + demand.width] - total[:, begin:end]
            charged.append(grams + demand.cores * held)
        return charged

    def _placed(self, costs: list[NDArray[np.float64]], order: list[int]) -> tuple[_Tables, float, NDArray[np.int64]]:
        free = self.free.copy()
        tables: _Tables = [np.zeros(0, dtype=np.int64)] * len(self.demands)
        left, emitted = np.zeros(len(self.demands), dtype=np.int64), 0.0
        for kind in order:
            tables[kind], left[kind] = self._fill(self.demands[kind], costs[kind], free)
            emitted += emitted_by(tables[kind], self.grams[kind])
        return tables, emitted, left

    def _fill(
        self, demand: Demand, costs: NDArray[np.float64], free: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], int]:
        """Put tasks where they are cheapest, one start after the other; changes ``free``."""
        table = np.zeros(costs.shape, dtype=np.int64)
        room = self._room(demand, free)
        at = np.flatnonzero((room > 0) & (costs < np.inf))
        # Room only shrinks while a class is placed, so one pass in the order of cost sees every start.
        at = at[np.lexsort((at // costs.shape[1], at % costs.shape[1], costs.ravel()[at]))]
        left, cores, width = demand.count, demand.cores, demand.width
        for region, start in zip((at // costs.shape[1]).tolist(), (at % costs.shape[1]).tolist(), strict=True):
            held = free[region, start + demand.first : start + demand.first + width]
            taken = min(left, int(held.min()) // cores)
            if taken:
                held -= taken * cores
                table[region, start] = taken
                left -= taken
                if not left:
                    break
        return table, left

    @staticmethod
    def _room(demand: Demand, free: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give how many tasks may start in each region and slot, none where that is not allowed."""
        starts = demand.costs.shape[1]
        if not starts:
            return np.zeros(demand.costs.shape, dtype=np.int64)
        held = free[:, demand.first : demand.first + starts + demand.width - 1]
        least = np.lib.stride_tricks.sliding_window_view(held, demand.width, axis=1).min(axis=-1)
        return np.where(demand.costs < np.inf, least // demand.cores, 0)

    @staticmethod
    def _hold(free: NDArray[np.int64], demand: Demand, table: NDArray[np.int64], sign: int = 1) -> None:
        change = np.zeros((free.shape[0], free.shape[1] + 1), dtype=np.int64)
        change[:, demand.first : demand.first + table.shape[1]] += table
        change[:, demand.first + demand.width : demand.first + demand.width + table.shape[1]] -= table
        free -= sign * demand.cores * change[:, :-1].cumsum(axis=1)
