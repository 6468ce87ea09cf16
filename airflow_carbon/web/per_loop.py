"""One of a kind for each event loop: opened by the first who needs it, closed when the loop ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Generic, Protocol, TypeVar


class _Closable(Protocol):
    async def aclose(self) -> None: ...


_Kind = TypeVar("_Kind", bound=_Closable)


class PerLoop(Generic[_Kind]):
    """Open what belongs to one event loop, such as its connections, once for all who ask in it.

    :param open: opens one; it runs beside the loop, since it may take long.
    """

    def __init__(self, open: Callable[[], _Kind]) -> None:  # noqa: A002 - that is what it does
        self._open = open
        self._loops: dict[asyncio.AbstractEventLoop, _Lease[_Kind]] = {}

    async def get(self) -> _Kind:
        """Give the running loop's own."""
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            for other in list(self._loops):
                if other.is_closed():
                    self._loops.pop(other, None)
            self._loops[loop] = _Lease(self._open)
        return await self._loops[loop].get()

    async def close(self) -> None:
        """Close the running loop's own; the next who asks opens another."""
        lease = self._loops.pop(asyncio.get_running_loop(), None)
        if lease is not None:
            await lease.close()


class _Lease(Generic[_Kind]):
    def __init__(self, open: Callable[[], _Kind]) -> None:  # noqa: A002
        self._open = open
        self._alone = asyncio.Lock()
        self._lifetime: AsyncGenerator[_Kind, None] | None = None
        self._held: _Kind | None = None

    async def get(self) -> _Kind:
        async with self._alone:
            if self._held is None:
                self._lifetime = _lifetime(self._open)
                self._held = await anext(self._lifetime)
            return self._held

    async def close(self) -> None:
        async with self._alone:
            if self._lifetime is not None:
                await self._lifetime.aclose()


async def _lifetime(open: Callable[[], _Kind]) -> AsyncGenerator[_Kind, None]:  # noqa: A002
    # A generator, because a loop that ends in order closes those that are still open in it.
    held = await asyncio.to_thread(open)
    try:
        yield held
    finally:
        await held.aclose()
