"""What one triggerer process knows of the grid: its sources, their learned errors, and one gate for all decisions."""

from __future__ import annotations

import asyncio
import math
import time
import weakref
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from airflow_carbon.hooks import chain
from airflow_carbon.hooks.carbon import CarbonHook
from airflow_carbon.hooks.settings import state_dir

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.forecast_error import ForecastError
    from airflow_carbon.core.location import Location
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


class Answer(NamedTuple):
    """Hold what is known of a zone for one decision.

    :param error: what the source's past issues taught; None before the first was learned.
    :param refresh: how long the answer may stand unquestioned.
    :param source_url: page about the data behind it.
    """

    forecast: Forecast
    error: ForecastError | None
    refresh: timedelta
    source_url: str


class Outlook:
    """Share sources, answers and learned errors between all triggers of one event loop.

    :param opener: reads the connections of a chain; replaced only where there is no Airflow.
    """

    _of_loop: ClassVar[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Outlook]] = weakref.WeakKeyDictionary()

    def __init__(self, opener: Opener = chain.ahooks_of) -> None:
        self._opener = opener
        self._opened: dict[tuple[str, ...], _Opened] = {}
        self._opening: dict[tuple[str, ...], asyncio.Lock] = {}
        self._errors: dict[tuple[tuple[str, ...], str, str], tuple[float, ForecastError | None]] = {}
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

    async def ask(self, ids: Sequence[str], location: Location, now: datetime, until: datetime) -> Answer:
        """Ask a chain of connections, once for all who wait on this zone, and learn from each new issue.

        :raises InvalidRequestError: if a connection is missing or wrong.
        :raises SourceError: if no source answers.
        """
        opened = await self._open(tuple(ids))
        forecast = await opened.source.forecast(location, now=now, until=until)
        return Answer(
            forecast,
            await self._learn(tuple(ids), forecast, opened.source.refresh.total_seconds()),
            opened.source.refresh,
            chain.source_url(opened.hooks, location, forecast.source),
        )

    async def decide(self, wait: Wait, answer: Answer, clock: Callable[[], datetime]) -> None:
        """Decide behind the gate; the time is read when it is this task's turn."""
        async with self._gate:
            wait.decide(answer.forecast, clock(), answer.error)
        wait.origin["source_url"] = answer.source_url

    async def _open(self, key: tuple[str, ...]) -> _Opened:
        """Give a chain of connections as last read; an unchanged one keeps its cache."""
        if (known := self._fresh(key)) is not None:
            return known
        async with self._opening.setdefault(key, asyncio.Lock()):
            if (known := self._fresh(key)) is not None:
                return known
            hooks = await self._opener(key)
            settings = [(type(hook), hook.settings()) for hook in hooks]
            old = self._opened.get(key)
            unchanged = old is not None and old.settings == settings
            source = old.source if old is not None and unchanged else await asyncio.to_thread(chain.source_of, hooks)
            self._opened[key] = _Opened(time.monotonic(), settings, hooks, source)
            return self._opened[key]

    def _fresh(self, key: tuple[str, ...]) -> _Opened | None:
        known = self._opened.get(key)
        return known if known is not None and time.monotonic() - known.read_at < REREAD_SECONDS else None

    async def _learn(self, ids: tuple[str, ...], issue: Forecast, refresh_seconds: float) -> ForecastError | None:
        key = ids, issue.source, issue.zone
        learned_at, error = self._errors.get(key, (-math.inf, None))
        # Between two refreshes the cache gives the same issue, cut a little shorter: no news, and no proof of accuracy.
        if time.monotonic() - learned_at >= 0.9 * refresh_seconds:
            # First the time, then the work: of all that come meanwhile, one learns.
            self._errors[key] = (time.monotonic(), error)
            error = await asyncio.to_thread(self._learned().observe, issue, asked=ids)
            self._errors[key] = (time.monotonic(), error)
        return error

    def _learned(self) -> LearnedErrors:
        from airflow_carbon.sources.learned import LearnedErrors

        if self._kept is None:
            self._kept = LearnedErrors(state_dir())
        return self._kept
