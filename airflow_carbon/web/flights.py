"""Requests under way, shared by all who ask the same at once."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Generic, TypeVar

from airflow_carbon.exceptions import CarbonError

_Answer = TypeVar("_Answer")


class Flights(Generic[_Answer]):
    """Let all who ask the same at once, in one event loop, share one request.

    The request goes on when the first who asked is cancelled; an error reaches all who wait.
    """

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[_Answer | CarbonError]] = {}

    async def shared(self, key: Hashable, ask: Callable[[], Coroutine[Any, Any, _Answer]]) -> _Answer:
        """Await the answer that is under way for a key, or ask.

        :raises CarbonError: what the request raised.
        """
        loop = asyncio.get_running_loop()
        task = self._tasks.get(key)
        if task is None or task.done() or task.get_loop() is not loop:
            task = self._tasks[key] = loop.create_task(_landed(ask))
            task.add_done_callback(partial(self._forget, key))
        landed = await asyncio.shield(task)
        if isinstance(landed, CarbonError):
            # A copy for each: a raised error gathers the traceback of whoever raises it.
            raise copy.copy(landed) from landed
        return landed

    def _forget(self, key: Hashable, task: asyncio.Task[_Answer | CarbonError]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]


async def _landed(ask: Callable[[], Coroutine[Any, Any, _Answer]]) -> _Answer | CarbonError:
    # As a value: a task that failed, and that nobody awaits any more, would be complained about.
    try:
        return await ask()
    except CarbonError as error:
        return error
