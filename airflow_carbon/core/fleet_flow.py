"""The cheapest assignment of many alike tasks to many places of limited room: a transportation problem, solved exactly.

Few kinds of task stand against many places, so the search runs on a small graph whose nodes are the kinds, and one more
that stands for idle room. Every unit of room belongs to one of them; an edge is the cheapest place that one can take
over from the other. A plan is optimal exactly when this graph has no negative cycle, and giving room along a shortest
path from who has too much to who has too little keeps it so (successive shortest paths: Ahuja, Magnanti, Orlin, Network
Flows, 1993, section 9.7). Costs are whole numbers here, so that nothing is lost to rounding on the way.

How many paths it takes depends on where it begins. It begins at the prices of a smoothed problem, in which each place
goes to all kinds by a soft minimum (Cuturi and Peyre, Semidual regularized optimal transport, 2018): Newton's method
finds them in a few steps. A bad guess costs time, never the optimum.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The dearest cost becomes this whole number: a plan's cost is then exact to one part in 10**12 of its dearest task.
_SCALE = 2.0**40
#: Cost of leaving a task out: dearer than any path of reassignments, so that as many as possible are placed.
_NOWHERE = 1 << 48
#: Cost where a task must not go: dearer than leaving it out, yet sums of it along a path stay whole numbers of 64 bits.
_NEVER = 1 << 56
#: The guess is worth this many halvings of its softness by four, each with this many steps.
_COOLINGS, _STEPS = 8, 3


class Flow(NamedTuple):
    """Hold an assignment.

    :param placed: how many of each kind go to each place, shape ``(m, n)``.
    :param left_out: how many of each kind no place had room for, shape ``(m,)``; as few in all as possible.
    """

    placed: NDArray[np.int64]
    left_out: NDArray[np.int64]


def cheapest_flow(costs: NDArray[np.float64], supply: NDArray[np.int64], room: NDArray[np.int64]) -> Flow:
    """Assign all tasks of each kind to places at least total cost.

    Supplies and rooms are whole numbers, so the optimum among fractions is one of whole tasks.

    :param costs: cost of one task of each kind at each place, zero or larger, infinite where not allowed, shape (m, n).
    :param supply: how many tasks of each kind there are, shape ``(m,)``.
    :param room: how many tasks each place takes, shape ``(n,)``.
    """
    kinds = supply.size
    used = np.flatnonzero((room > 0) & (costs < np.inf).any(axis=0))
    allowed = costs[:, used]
    finite = allowed < np.inf
    dearest = float(allowed.max(initial=0.0, where=finite)) or 1.0
    whole = np.full((kinds + 1, used.size + 1), _NEVER)
    np.copyto(
        whole[:kinds, :-1], np.rint(np.where(finite, allowed, 0.0) * (_SCALE / dearest)).astype(np.int64), where=finite
    )
    whole[:kinds, -1] = _NOWHERE
    whole[kinds] = 0
    rooms = np.append(room[used], supply.sum())
    wanted = np.append(supply, rooms.sum() - supply.sum())
    prices = np.append(np.rint(_guess(allowed / dearest, supply, room[used]) * _SCALE).astype(np.int64), 0)
    trade = _Trade(whole, rooms, prices, wanted)
    while trade.lack.any():
        trade.step()
    placed = np.zeros(costs.shape, dtype=np.int64)
    placed[:, used] = trade.held[:kinds, :-1]
    return Flow(placed, trade.held[:kinds, -1].copy())


class _Trade:
    """Hold who has which room, and for each pair of kinds the cheapest place that one can take over from the other.

    :param gain: what it costs that row's kind takes a unit of room from column's kind, shape ``(m + 1, m + 1)``.
    :param at: the place where that is, same shape.
    """

    def __init__(
        self,
        costs: NDArray[np.int64],
        rooms: NDArray[np.int64],
        prices: NDArray[np.int64],
        wanted: NDArray[np.int64],
    ) -> None:
        self.costs = costs
        owners = (costs - prices[:, None]).argmin(axis=0)
        self.held = np.zeros_like(costs)
        self.held[owners, np.arange(rooms.size)] = rooms
        self.lack = wanted - self.held.sum(axis=1)
        self.nodes = wanted.size
        self.gain = np.full((self.nodes, self.nodes), 4 * _NEVER)
        self.at = np.zeros((self.nodes, self.nodes), dtype=np.intp)
        for owner in range(self.nodes):
            self._offer(owner, np.arange(self.nodes))

    def step(self) -> None:
        """Find the shortest paths between who has too much room and who lacks it, and move room along all of them.

        They all start from the side of fewer kinds, so that one search serves each kind of the other.
        """
        rich, poor = self.lack < 0, self.lack > 0
        from_poor = np.count_nonzero(poor) < np.count_nonzero(rich)
        distance, before = _paths(self.gain if from_poor else self.gain.T, poor if from_poor else rich)
        for end in sorted(np.flatnonzero(rich if from_poor else poor).tolist(), key=distance.item):
            path = [end]
            while before[path[-1]] >= 0:
                path.append(int(before[path[-1]]))
            if from_poor:
                path.reverse()
            amount = min(self.lack.item(path[0]), -self.lack.item(path[-1]))
            # A path found before another one was served may lead over a place that has changed hands since.
            length = sum(self.gain.item(taker, giver) for taker, giver in pairwise(path))
            if amount > 0 and length == distance[end]:
                self._move([(taker, giver, int(self.at[taker, giver])) for taker, giver in pairwise(path)], amount)

    def _move(self, hops: list[tuple[int, int, int]], amount: int) -> None:
        amount = min([amount, *(self.held.item(giver, place) for _, giver, place in hops)])
        for taker, giver, place in hops:
            self.held[giver, place] -= amount
            self.held[taker, place] += amount
            gains = self.costs[:, place] - self.costs[taker, place]
            better = gains < self.gain[:, taker]
            self.gain[better, taker], self.at[better, taker] = gains[better], place
        for _, giver, place in hops:
            if not self.held[giver, place]:
                self._offer(giver, np.flatnonzero(self.at[:, giver] == place))
        self.lack[hops[0][0]] -= amount
        self.lack[hops[-1][1]] += amount

    def _offer(self, owner: int, takers: NDArray[np.intp]) -> None:
        """Look up the cheapest place that the takers can have from an owner."""
        places = np.flatnonzero(self.held[owner])
        if not places.size:
            self.gain[takers, owner] = 4 * _NEVER
            return
        gains = self.costs[takers[:, None], places] - self.costs[owner, places]
        best = gains.argmin(axis=1)
        self.gain[takers, owner], self.at[takers, owner] = gains[np.arange(takers.size), best], places[best]


def _paths(gain: NDArray[np.int64], sources: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Give each kind's distance from the nearest source, and its neighbour on the way (Bellman and Ford)."""
    distance = np.where(sources, 0, 1 << 61)
    before = np.full(sources.size, -1)
    columns = np.arange(sources.size)
    while True:
        reached = distance[:, None] + gain
        nearest = reached.argmin(axis=0)
        shorter = reached[nearest, columns]
        better = shorter < distance
        if not better.any():
            return distance, before
        distance[better], before[better] = shorter[better], nearest[better]


def _guess(costs: NDArray[np.float64], supply: NDArray[np.int64], room: NDArray[np.int64]) -> NDArray[np.float64]:
    """Guess what one more unit of room is worth to each kind: maximise the smoothed dual by Newton's method."""
    # Half the digits are enough for a guess, and take a third of the time.
    near, rooms, wanted = costs.astype(np.float32), room.astype(np.float32), supply.astype(np.float64)
    prices = np.full(supply.size, 0.5)
    shares = np.empty_like(near)
    softness = 0.25
    for _ in range(_COOLINGS):
        for _ in range(_STEPS):
            np.subtract(prices[:, None].astype(np.float32), near, out=shares)
            shares *= np.float32(1.0 / softness)
            np.minimum(shares, np.float32(80.0), out=shares)
            np.exp(shares, out=shares)
            shares /= np.float32(1.0) + shares.sum(axis=0)
            taken = shares * rooms
            totals = taken.sum(axis=1, dtype=np.float64)
            curvature = np.diag(totals) - taken @ shares.T
            curvature.flat[:: supply.size + 1] += 1e-3 * wanted + 1e-9
            step = np.linalg.solve(curvature, wanted - totals) * softness
            prices += np.clip(step, -3.0 * softness, 3.0 * softness)
        softness /= 4.0
    guess: NDArray[np.float64] = np.clip(prices, 0.0, 4.0)
    return guess
