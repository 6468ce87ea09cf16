"""Kinds of task that cost the same at a place and differ in where they may go: the cheapest assignment, greedily.

What a set of tasks costs then depends on the places alone, and the sets of places that can be filled together form a
polymatroid (transversal: Edmonds and Fulkerson, Transversals and matroid partition, 1965). There greed is exact: from
the cheapest place to the dearest, each takes as many tasks as can be, if need be by moving others to places that they
may have as well. Kinds among which no such move is left are full for good, and no later place asks for them again.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from airflow_carbon.core.fleet_flow import Flow

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Sets of kinds are kept as the bits of a whole number of 64 bits.
MOST_KINDS = 62


def alike(costs: NDArray[np.float64]) -> bool:
    """Tell whether each place costs the same for all kinds that may go there, shape ``(m, n)``."""
    return len(costs) <= MOST_KINDS and bool(((costs == costs.min(axis=0)) | (costs == np.inf)).all())


def cheapest_flow_of_alike(costs: NDArray[np.float64], supply: NDArray[np.int64], room: NDArray[np.int64]) -> Flow:
    """Assign all tasks of each kind to places at least total cost, as ``cheapest_flow`` does.

    :param costs: cost of one task of each kind at each place, the same for all kinds but infinite where not allowed,
        shape ``(m, n)``.
    :param supply: how many tasks of each kind there are, shape ``(m,)``.
    :param room: how many tasks each place takes, shape ``(n,)``.
    """
    allowed = costs < np.inf
    # Who has the least choice stands first: then fewer tasks have to move later.
    kinds = np.argsort(allowed @ room.astype(np.float64) / np.maximum(supply, 1), kind="stable")
    masks = np.zeros(room.size, dtype=np.int64)
    for bit, kind in enumerate(kinds.tolist()):
        masks |= allowed[kind].astype(np.int64) << bit
    least = costs.min(axis=0)
    order = np.flatnonzero((masks > 0) & (room > 0))
    order = order[least[order].argsort(kind="stable")]
    taking = _Taking(masks, supply[kinds].tolist())
    for place, free in zip(order.tolist(), room[order].tolist(), strict=True):
        taking.fill(place, free)
        if not taking.needy:
            break
    placed = np.zeros(costs.shape, dtype=np.int64)
    for kind, held in zip(kinds.tolist(), taking.held, strict=True):
        placed[kind, list(held.keys())] = list(held.values())
    return Flow(placed, supply - placed.sum(axis=1))


class _Taking:
    """Hold who has how much of which place.

    :param masks: for each place the kinds that may go there, as bits.
    :ivar needy: the kinds of which tasks are left, as bits.
    :ivar reach: for each kind a superset of the kinds that may have one of its places instead, as bits.
    """

    def __init__(self, masks: NDArray[np.int64], wanted: list[int]) -> None:
        self.masks: list[int] = masks.tolist()
        self.wanted = wanted
        self.held: list[dict[int, int]] = [{} for _ in wanted]
        self.reach = [0] * len(wanted)
        self.needy = sum(1 << kind for kind, left in enumerate(wanted) if left)
        self.full_for_good = 0

    def fill(self, place: int, free: int) -> None:
        """Take as much of a place as can be."""
        while free:
            allowed = self.masks[place] & ~self.full_for_good
            if not allowed:
                return
            open_to = allowed & self.needy
            if open_to:
                free -= self._take(_lowest(open_to), place, free)
                continue
            path = self._path(allowed)
            if not path:
                return
            free -= self._shift(path, place, free)

    def _take(self, kind: int, place: int, amount: int) -> int:
        amount = min(amount, self.wanted[kind])
        self._give(kind, place, amount)
        self.wanted[kind] -= amount
        if not self.wanted[kind]:
            self.needy &= ~(1 << kind)
        return amount

    def _give(self, kind: int, place: int, amount: int) -> None:
        held = self.held[kind]
        held[place] = held.get(place, 0) + amount
        self.reach[kind] |= self.masks[place]

    def _path(self, allowed: int) -> list[int]:
        """Find kinds, from one that may have the place on, of which each can hand a place to the next, the last needy.

        Where there is none, all that were reached are full for good.
        """
        seen, layer, before = allowed, [*_bits(allowed)], {}
        while layer:
            found = []
            for kind in layer:
                fresh = self.reach[kind] & ~seen & ~self.full_for_good
                if fresh:
                    # What was handed on since may have left too much here.
                    self.reach[kind] = self._reach(kind)
                    fresh &= self.reach[kind]
                for other in _bits(fresh):
                    before[other] = kind
                    if self.needy >> other & 1:
                        path = [other]
                        while path[-1] in before:
                            path.append(before[path[-1]])
                        return path[::-1]
                    found.append(other)
                seen |= fresh
            layer = found
        self.full_for_good |= seen
        return []

    def _reach(self, kind: int) -> int:
        reach = 0
        for place in self.held[kind]:
            reach |= self.masks[place]
        return reach

    def _shift(self, path: list[int], place: int, free: int) -> int:
        """Hand a place on from each kind of a path to the next, so that the first has room in the new place."""
        handed = []
        amount = min(free, self.wanted[path[-1]])
        for giver, taker in pairwise(path):
            # The largest share that can go moves most at once.
            held = self.held[giver]
            given = max((each for each in held if self.masks[each] >> taker & 1), key=held.__getitem__)
            amount = min(amount, held[given])
            handed.append((giver, taker, given))
        for giver, taker, given in handed:
            self.held[giver][given] -= amount
            if not self.held[giver][given]:
                del self.held[giver][given]
            self._give(taker, given, amount)
        self.wanted[path[-1]] -= amount
        if not self.wanted[path[-1]]:
            self.needy &= ~(1 << path[-1])
        self._give(path[0], place, amount)
        return amount


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


def _bits(bits: int) -> list[int]:
    found = []
    while bits:
        found.append(_lowest(bits))
        bits &= bits - 1
    return found
