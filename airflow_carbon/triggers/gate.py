"""A gate before all decisions of one event loop."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import datetime

#: So many looks at a forecast share one pass of the loop [1]: some milliseconds, which no other trigger feels.
AT_ONCE = 8


class Gate:
    """Let a few through in each pass of the event loop, the most urgent first.

    Ten thousand waits that fall due together must not block the loop for seconds; and one whose start has come must
    not queue behind thousands that only look again.
    """

    def __init__(self) -> None:
        self._queue: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._count = itertools.count()
        self._opening = False

    async def turn(self, due: datetime, after: asyncio.Future[None] | None = None) -> None:
        """Wait for a turn.

        :param due: when the one who waits has to act; the earliest goes first.
        :param after: queue only when this is done; those who wait for one answer do not all wake in one pass.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if after is None:
            self._enter(due, waiter)
        else:
            after.add_done_callback(lambda _: self._enter(due, waiter))
        await waiter

    def _enter(self, due: datetime, waiter: asyncio.Future[None]) -> None:
        heapq.heappush(self._queue, (due, next(self._count), waiter))
        if not self._opening:
            self._opening = True
            waiter.get_loop().call_soon(self._open)

    def _open(self) -> None:
        let = 0
        while self._queue and let < AT_ONCE:
            _, _, waiter = heapq.heappop(self._queue)
            if not waiter.done():
                waiter.set_result(None)
                let += 1
        self._opening = bool(self._queue)
        if self._opening:
            # After those who were let through just now: they run in the next pass, and before this.
            waiter.get_loop().call_soon(self._open)
