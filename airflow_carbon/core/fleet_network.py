"""Who holds which room, and the trades that lead from a first guess of prices to the cheapest plan.

The nodes are the kinds of task, and one more that stands for idle room. At first every place belongs wholly to whom it
is worth most at the guessed prices; that is optimal, but for other supplies than those asked for. Room then moves along
shortest paths from who has too much to who has too little, which keeps it optimal (successive shortest paths with
potentials: Ahuja, Magnanti, Orlin, Network Flows, 1993, section 9.7), until all supplies are met.

Only places that are nearly worth the same to two kinds ever change hands. They are opened by and by, the closest calls
first: as long as no two prices have moved apart by more than the margin of the first place that is still closed, no
closed place could be part of a shorter path.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Cost where a task must not go: dearer than any path of reassignments.
NEVER = 1 << 56
#: Farther than any path.
_FAR = 1 << 80
#: Places for each node that are opened at first.
_OPENED = 4


class Trade:
    """Hold the opened places, in plain numbers: the graph is too small for arrays to pay.

    :param costs: cost of a unit of each node at each place, in whole numbers, shape ``(m, n)``.
    :param rooms: how much room each place has, shape ``(n,)``.
    :param prices: what one more unit of room is worth to each node, as far as known, shape ``(m,)``.
    :param wanted: how much room each node needs, as much as there is in all, shape ``(m,)``.
    """

    def __init__(
        self,
        costs: NDArray[np.int64],
        rooms: NDArray[np.int64],
        prices: NDArray[np.int64],
        wanted: NDArray[np.int64],
    ) -> None:
        self._costs, self._rooms = costs, rooms
        places = np.arange(rooms.size)
        worth = costs - prices[:, None]
        self._owners = worth.argmin(axis=0)
        best = worth[self._owners, places]
        worth[self._owners, places] = np.iinfo(np.int64).max
        margins = worth.min(axis=0) - best
        self._order = margins.argsort()
        self._margins = margins[self._order]
        nodes = wanted.size
        owned = np.zeros(nodes, dtype=np.int64)
        np.add.at(owned, self._owners, rooms)
        self._lack: list[int] = (wanted - owned).tolist()
        self._guess: list[int] = prices.tolist()
        self._prices: list[int] = prices.tolist()
        self._nodes = range(nodes)
        self._rows: dict[int, list[int]] = {}
        self._held: list[dict[int, int]] = [{} for _ in self._nodes]
        # For each giver and taker what it costs to hand over each place, the cheapest first, and of that one apart.
        self._heaps: list[list[list[tuple[int, int]]]] = [[[] for _ in self._nodes] for _ in self._nodes]
        self._gain = [[_FAR] * nodes for _ in self._nodes]
        self._at = [[-1] * nodes for _ in self._nodes]
        self._opened, self._margin = 0, 0
        self._open(_OPENED * nodes)

    def settle(self) -> NDArray[np.int64]:
        """Move room until every node has what it needs, and give who holds how much of each place, shape (m, n)."""
        while any(self._lack):
            distance, before = self._search()
            ends = [node for node, short in enumerate(self._lack) if short > 0]
            farthest = max(distance[end] for end in ends)
            prices = [price + min(far, farthest) for price, far in zip(self._prices, distance, strict=True)]
            moved = [price - guess for price, guess in zip(prices, self._guess, strict=True)]
            if max(moved) - min(moved) > self._margin:
                self._open(self._opened)
                continue
            self._prices = prices
            for end in sorted(ends, key=distance.__getitem__):
                path = [end]
                while before[path[-1]] >= 0:
                    path.append(before[path[-1]])
                self._move(path[::-1])
        return self._table()

    def _open(self, more: int) -> None:
        """Open some more places, which their owners hold in full."""
        places = self._order[self._opened : self._opened + more]
        self._opened += places.size
        self._margin = int(self._margins[self._opened]) if self._opened < self._order.size else _FAR
        owners, costs = self._owners[places], self._costs[:, places]
        for owner, place, row, room in zip(
            owners.tolist(), places.tolist(), costs.T.tolist(), self._rooms[places].tolist(), strict=True
        ):
            self._rows[place] = row
            if room:
                self._held[owner][place] = room
        costs -= costs[owners, np.arange(places.size)]
        order = costs.argsort(axis=1)
        costs.sort(axis=1)
        allowed = (costs < NEVER // 2).sum(axis=1).tolist()
        for taker, stop in enumerate(allowed):
            at = order[taker, :stop]
            offers = zip(costs[taker, :stop].tolist(), places[at].tolist(), strict=True)
            for owner, offer in zip(owners[at].tolist(), offers, strict=True):
                self._heaps[owner][taker].append(offer)
        for giver in self._nodes:
            for taker in self._nodes:
                # What was sorted is a heap; what was appended to an older one may not be.
                if places.size < self._opened:
                    heapify(self._heaps[giver][taker])
                self._offer(giver, taker)

    def _search(self) -> tuple[list[int], list[int]]:
        """Find the shortest paths from all nodes that have too much to those that lack room (Dijkstra, 1959).

        :returns: each node's distance at the present prices, and the node before it; beyond the farthest that lacks
            room, no more than that the distance is no shorter.
        """
        prices, lack = self._prices, self._lack
        distance = [0 if short < 0 else _FAR for short in lack]
        before = [-1] * len(lack)
        ahead = list(self._nodes)
        ends = sum(short > 0 for short in lack)
        while True:
            giver = min(ahead, key=distance.__getitem__)
            ahead.remove(giver)
            if lack[giver] > 0:
                ends -= 1
                if not ends:
                    return distance, before
            base = distance[giver] + prices[giver]
            gain = self._gain[giver]
            for taker in ahead:
                reached = base + gain[taker] - prices[taker]
                if reached < distance[taker]:
                    distance[taker], before[taker] = reached, giver

    def _move(self, path: list[int]) -> None:
        """Move as much as can be along a path, unless paths that went before have taken what it needs."""
        prices, amount = self._prices, min(-self._lack[path[0]], self._lack[path[-1]])
        hops = []
        for giver, taker in pairwise(path):
            if self._gain[giver][taker] != prices[taker] - prices[giver]:
                return
            place = self._at[giver][taker]
            hops.append((giver, taker, place))
            amount = min(amount, self._held[giver][place])
        if amount <= 0:
            return
        for giver, taker, place in hops:
            self._held[giver][place] -= amount
            if place in self._held[taker]:
                self._held[taker][place] += amount
            else:
                self._give(taker, place, amount)
        for giver, _, place in hops:
            if not self._held[giver][place]:
                del self._held[giver][place]
                for taker, at in enumerate(self._at[giver]):
                    if at == place:
                        self._offer(giver, taker)
        self._lack[path[0]] += amount
        self._lack[path[-1]] -= amount

    def _give(self, node: int, place: int, amount: int) -> None:
        """Enter a place that a node did not hold, and what it costs to hand it on."""
        self._held[node][place] = amount
        row, gain = self._rows[place], self._gain[node]
        own, heaps = row[node], self._heaps[node]
        for taker, cost in enumerate(row):
            if cost < NEVER:
                heappush(heaps[taker], (cost - own, place))
                if cost - own < gain[taker]:
                    gain[taker], self._at[node][taker] = cost - own, place

    def _offer(self, giver: int, taker: int) -> None:
        """Look up the cheapest place that a giver can hand to a taker."""
        held, heap = self._held[giver], self._heaps[giver][taker]
        while heap and heap[0][1] not in held:
            heappop(heap)
        self._gain[giver][taker], self._at[giver][taker] = heap[0] if heap else (_FAR, -1)

    def _table(self) -> NDArray[np.int64]:
        table = np.zeros_like(self._costs)
        table[self._owners, np.arange(self._owners.size)] = self._rooms
        table[:, self._order[: self._opened]] = 0
        for node, held in enumerate(self._held):
            table[node, list(held)] = list(held.values())
        return table
