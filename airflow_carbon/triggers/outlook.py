"""What one triggerer process knows of the grid: its sources, their learned errors, and one gate for all decisions."""

from __future__ import annotations

import asyncio
import math
import time
import weakref
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_carbon.hooks import chain
from airflow_carbon.hooks.carbon import CarbonHook
from airflow_carbon.hooks.settings import state_dir

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.forecast_error import ForecastError
    from airflow_carbon.core.location import Location
    from airflow_carbon.core.policy import Decision
    from airflow_carbon.core.wait import Wait
    from airflow_carbon.sources.base import CarbonSource
    from airflow_carbon.sources.learned import LearnedErrors

#: Connections are read again after this long [s], so that an edited one takes effect in a wait that is under way.
REREAD_SECONDS = 300.0

Opener = Callable[[Sequence[str]], Awaitable[Sequence[CarbonHook]]]


@dataclass(frozen=True, slots=True)
class _Opened:
    """Keep a chain of connections as it was when it was read."""

    read_at: float
    settings: list[tuple[type[CarbonHook], dict[str, Any]]]
    hooks: Sequence[CarbonHook]
    source: CarbonSource


class Outlook:
    """Share sources, answers and learned errors between all triggers of one event loop.

    :param opener: reads the connections of a chain; replaced only where there is no Airflow.
    """

    _of_loop: ClassVar[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Outlook]] = weakref.WeakKeyDictionary()

    def __init__(self, opener: Opener = chain.ahooks_of) -> None:
        self._opener = opener
        self._opened: dict[tuple[str, ...], _Opened] = {}
        self._opening: dict[tuple[str, ...], asyncio.Lock] = {}
        self._errors: dict[tuple[str, str], tuple[float, ForecastError | None]] = {}
        self._kept: LearnedErrors | None = None
        # One decision an iteration of the loop: ten thousand that fall due together must not block it for seconds.
        self._gate = asyncio.Semaphore(1)

    @classmethod
    def current(cls) -> Outlook:
        """Give the outlook of the running event loop."""
        loop = asyncio.get_running_loop()
        if loop not in cls._of_loop:
            cls._of_loop[loop] = cls()
        return cls._of_loop[loop]

    @staticmethod
    async def warm_up() -> None:
        """Import numpy and the core beside the loop: half a second that would stall every other trigger."""
        await asyncio.to_thread(import_module, "airflow_carbon.core.wait")

    async def source(self, ids: Sequence[str]) -> CarbonSource:
        """Give the source of a chain of connections; an unchanged one keeps its cache.

        :raises InvalidRequestError: if a connection is missing or wrong.
        """
        key = tuple(ids)
        if (known := self._fresh(key)) is not None:
            return known.source
        async with self._opening.setdefault(key, asyncio.Lock()):
            if (known := self._fresh(key)) is not None:
                return known.source
            hooks = await self._opener(ids)
            settings = [(type(hook), hook.settings()) for hook in hooks]
            old = self._opened.get(key)
            unchanged = old is not None and old.settings == settings
            source = old.source if old is not None and unchanged else await asyncio.to_thread(chain.source_of, hooks)
            self._opened[key] = _Opened(time.monotonic(), settings, hooks, source)
            return source

    def _fresh(self, key: tuple[str, ...]) -> _Opened | None:
        known = self._opened.get(key)
        return known if known is not None and time.monotonic() - known.read_at < REREAD_SECONDS else None

    def source_url(self, ids: Sequence[str], location: Location, source: str) -> str:
        """Give the page of the data that a decision stood on; empty where there is none."""
        known = self._opened.get(tuple(ids))
        return chain.source_url(known.hooks, location, source) if known is not None else ""

    async def forecast(self, source: CarbonSource, location: Location, now: datetime, until: datetime) -> Forecast:
        """Ask the source, once for all who wait on this zone, and learn its error from each new issue.

        :raises SourceError: if the source does not answer.
        """
        answer = await source.forecast(location, now=now, until=until)
        await self._learn(answer, source.refresh.total_seconds())
        return answer

    async def decide(self, wait: Wait, forecast: Forecast, clock: Callable[[], datetime]) -> Decision:
        """Decide behind the gate; the time is read when it is this task's turn."""
        async with self._gate:
            learned = self._errors.get((forecast.source, forecast.zone))
            return wait.decide(forecast, clock(), learned and learned[1])

    async def _learn(self, answer: Forecast, refresh_seconds: float) -> None:
        key = answer.source, answer.zone
        learned_at, error = self._errors.get(key, (-math.inf, None))
        # Between two refreshes the cache gives the same issue, cut a little shorter: no news, and no proof of accuracy.
        if time.monotonic() - learned_at >= 0.9 * refresh_seconds:
            # First the time, then the work: of all that come meanwhile, one learns.
            self._errors[key] = (time.monotonic(), error)
            error = await asyncio.to_thread(self._learned().observe, answer)
            self._errors[key] = (time.monotonic(), error)

    def _learned(self) -> LearnedErrors:
        from airflow_carbon.sources.learned import LearnedErrors

        if self._kept is None:
            self._kept = LearnedErrors(state_dir())
        return self._kept
