"""The cheapest assignment of many alike tasks to many places of limited room: a transportation problem, solved exactly.

Few kinds of task stand against many places, so the optimum is known from few numbers: what one more unit of room is
worth to each kind. At those prices nearly every place goes to one kind altogether, or stays idle. They are guessed
first, and ``fleet_network`` makes of the guess the exact optimum, in whole numbers, so that nothing is lost to rounding
on the way. A bad guess costs time, never the optimum.

The guess is that of a smoothed problem, in which each place goes to all kinds by a soft minimum (Cuturi and Peyre,
Semidual regularized optimal transport, 2018): Newton's method finds its prices in a few steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from airflow_carbon.core.fleet_network import NEVER, Trade

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The dearest cost becomes this whole number: a plan's cost is then exact to one part in 10**12 of its dearest task.
_SCALE = 2.0**40
#: Cost of leaving a task out: dearer than any path of reassignments, so that as many as possible are placed.
_NOWHERE = 1 << 48
#: The guess goes from soft to sharp by this factor, to a share of the mean distance of two places' costs.
_SOFTEST, _COOLING, _SHARPEST = 0.06, 4.0, 0.05
#: Steps of Newton's method at each softness at most, how far a price goes in one, and when to go on, in softnesses.
_STEPS, _STRIDE, _SETTLED = 8, 4.0, 3.0
#: A sample holds this many places, divided by the softness.
_SAMPLE = 10
#: Multiples of it, taken modulo one, spread evenly over any stretch (Weyl, 1916).
_GOLDEN = (5.0**0.5 - 1.0) / 2.0
#: Smallest exponent, and the share from which on a place is not contested.
_NOTHING, _ALONE = np.float32(-30.0), np.float32(0.998)


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
    whole = np.full((kinds + 1, used.size + 1), NEVER)
    np.copyto(
        whole[:kinds, :-1], np.rint(np.where(finite, allowed, 0.0) * (_SCALE / dearest)).astype(np.int64), where=finite
    )
    whole[:kinds, -1] = _NOWHERE
    whole[kinds] = 0
    rooms = np.append(room[used], supply.sum())
    wanted = np.append(supply, rooms.sum() - supply.sum())
    prices = np.rint(_guess(allowed / dearest, supply, room[used]) * _SCALE).astype(np.int64)
    held = Trade(whole, rooms, prices, wanted).settle()
    placed = np.zeros(costs.shape, dtype=np.int64)
    placed[:, used] = held[:kinds, :-1]
    return Flow(placed, held[:kinds, -1].copy())


def _guess(costs: NDArray[np.float64], supply: NDArray[np.int64], room: NDArray[np.int64]) -> NDArray[np.float64]:
    """Guess what one more unit of room is worth to each kind, from soft to sharp.

    A soft problem hardly differs from that of a sample of its places; in a sharp one most places go to one kind
    whatever the next prices are. Each is solved on the places that matter, so that the work stays linear in them.
    """
    kinds, places = costs.shape
    prices = np.full(kinds + 1, 0.5)
    prices[-1] = 0.0
    # In this order the first places are a fair sample of every stretch of time and of every region. A sample left to
    # chance may hold too little of a tight window, and its prices then run away.
    order = (np.arange(places) * _GOLDEN % 1.0).argsort()
    near = np.zeros((kinds + 1, places), dtype=np.float32)
    near[:kinds] = costs[:, order]
    rooms, wanted = room[order].astype(np.float32), supply.astype(np.float64)
    softness, sharpest = _SOFTEST, _SHARPEST / max(places, 1)
    before = prices
    while softness > sharpest:
        # Prices follow the softness about in a straight line; half of the way is safe.
        prices, before = prices + (prices - before) / (2.0 * _COOLING), prices
        sample = int(_SAMPLE / softness)
        if sample < places:
            share = float(rooms[:sample].sum()) / max(float(rooms.sum()), 1.0)
            prices = _solve(near[:, :sample], rooms[:sample], wanted * share, prices, softness)
        else:
            shares = _shares(near, prices, softness * _COOLING)
            contested = shares.max(axis=0) < _ALONE
            wanted -= shares[:-1, ~contested] @ rooms[~contested]
            near, rooms, places = near[:, contested], rooms[contested], 0
            prices = _solve(near, rooms, wanted, prices, softness)
        softness /= _COOLING
    guess: NDArray[np.float64] = np.clip(prices, 0.0, 4.0)
    return guess


def _shares(near: NDArray[np.float32], prices: NDArray[np.float64], softness: float) -> NDArray[np.float32]:
    """Give how much of each place goes to each kind, and to none in the last row, by a soft maximum."""
    shares: NDArray[np.float32] = prices[:, None].astype(np.float32) - near
    shares -= shares.max(axis=0)
    shares *= np.float32(1.0 / softness)
    # Below that nothing counts any more, and what follows would be slow in numbers too small to be normal.
    np.maximum(shares, _NOTHING, out=shares)
    np.exp(shares, out=shares)
    shares /= shares.sum(axis=0)
    return shares


def _solve(
    near: NDArray[np.float32],
    rooms: NDArray[np.float32],
    wanted: NDArray[np.float64],
    prices: NDArray[np.float64],
    softness: float,
) -> NDArray[np.float64]:
    """Improve the prices of the smoothed problem by Newton's method."""
    kinds, prices = wanted.size, prices.copy()
    for _ in range(_STEPS):
        shares = _shares(near, prices, softness)
        taken = shares[:-1] * rooms
        totals = taken.sum(axis=1)
        curvature = (taken @ -shares[:-1].T).astype(np.float64)
        curvature.flat[:: kinds + 1] += totals + 1e-3 * wanted + 1e-9
        step = np.linalg.solve(curvature, wanted - totals)
        prices[:-1] += softness * np.minimum(np.maximum(step, -_STRIDE), _STRIDE)
        if abs(step).max() < _SETTLED:
            break
    return prices
