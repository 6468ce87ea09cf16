"""What one triggerer process knows of the grid: its sources, their learned errors, and one gate for all decisions."""

from __future__ import annotations

import asyncio
import math
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from airflow_carbon.exceptions import CarbonError, SourceUnavailableError
from airflow_carbon.hooks import chain, metrics
from airflow_carbon.hooks.carbon import CarbonHook
from airflow_carbon.hooks.settings import state_dir
from airflow_carbon.triggers.gate import Gate
from airflow_carbon.triggers.kept_wait import KeptWait

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.forecast_error import ForecastError
    from airflow_carbon.core.location import Location
    from airflow_carbon.core.wait import Wait
    from airflow_carbon.sources.base import CarbonSource
    from airflow_carbon.sources.learned import LearnedErrors
    from airflow_carbon.triggers.crowd import Asking, Crowd, Place

#: Connections are read again after this long [s], so that an edited one takes effect in a wait that is under way.
REREAD_SECONDS = 300.0

#: What only bridges an outage may stand this long unquestioned.
STOPGAP = timedelta(minutes=5)

#: Imported beside the loop before the first look.
WARMED = (
    "core.wait", "core.crowd", "sources.cached", "sources.fallback", "sources.learned", "triggers.story",
)  # fmt: skip

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
    :param stands_in: whether it is a typical profile in place of what was asked for.
    :param promises_kept: share of the source's earlier promises that came true, from 0 to 1.
    """

    forecast: Forecast
    error: ForecastError | None
    refresh: timedelta
    source_url: str
    stands_in: bool = False
    promises_kept: float = 1.0


class Outlook:
    """Share sources, answers and learned errors between all triggers of one event loop.

    :param opener: reads the connections of a chain; replaced only where there is no Airflow.
    """

    _of_loop: ClassVar[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Outlook]] = weakref.WeakKeyDictionary()

    def __init__(self, opener: Opener = chain.ahooks_of) -> None:
        self._opener = opener
        self._opened: dict[tuple[str, ...], _Opened] = {}
        self._opening: dict[tuple[str, ...], asyncio.Lock] = {}
        self._errors: dict[tuple[tuple[str, ...], str, str], tuple[float, ForecastError | None, float]] = {}
        self._kept: LearnedErrors | None = None
        self._asking: dict[tuple[tuple[str, ...], Location], asyncio.Future[None]] = {}
        self._crowds: dict[str, Crowd] = {}
        self._gate = Gate()
        self._warming = asyncio.Lock()
        self._warm = False

    @classmethod
    def current(cls) -> Outlook:
        """Give the outlook of the running event loop."""
        loop = asyncio.get_running_loop()
        if loop not in cls._of_loop:
            cls._of_loop[loop] = cls()
        return cls._of_loop[loop]

    @classmethod
    def use(cls, outlook: Outlook) -> None:
        """Make an outlook of one's own that of the running event loop, before a trigger starts in it."""
        cls._of_loop[asyncio.get_running_loop()] = outlook

    async def warm_up(self) -> None:
        """Import numpy and the core beside the loop: half a second that would stall every other trigger."""
        if not self._warm:
            async with self._warming:
                if not self._warm:
                    for module in WARMED:
                        await asyncio.to_thread(import_module, f"airflow_carbon.{module}")
                    await asyncio.to_thread(KeptWait.sweep, state_dir())
                    self._warm = True

    async def turn(self, wait: Wait) -> None:
        """Wait until this wait may look at its source, without holding up the loop or one that is due sooner."""
        await self._gate.turn(_due(wait))

    async def ask(
        self, ids: Sequence[str], location: Location, now: datetime, until: datetime, *, due: datetime | None = None
    ) -> Answer:
        """Ask a chain of connections, once for all who wait on this zone, and learn from each new issue.

        :param due: when the one who asks has to act; of all who wait for one answer, the earliest gets it first.
        :raises InvalidRequestError: if a connection is missing or wrong.
        :raises SourceError: if no source answers.
        """
        key = tuple(ids), location
        # Another may have taken the place of the one who asked, if that one gave up.
        while (asking := self._asking.get(key)) is not None:
            await self._gate.turn(until if due is None else due, asking)
        asking = self._asking[key] = asyncio.get_running_loop().create_future()
        try:
            return await self._ask(ids, location, now, until)
        finally:
            del self._asking[key]
            asking.set_result(None)

    async def _ask(self, ids: Sequence[str], location: Location, now: datetime, until: datetime) -> Answer:
        from airflow_carbon.sources.last_good import is_last_good

        opened = await self._open(tuple(ids))
        with metrics.failures():
            forecast = await opened.source.forecast(location, now=now, until=until)
        stands_in = chain.stands_in(opened.hooks, forecast)
        bridged = stands_in or is_last_good(forecast)
        if bridged:
            metrics.stood_in()
        error, promises_kept = await self._learn(tuple(ids), forecast, opened.source.refresh.total_seconds())
        return Answer(
            forecast,
            error,
            min(opened.source.refresh, STOPGAP) if bridged else opened.source.refresh,
            chain.source_url(opened.hooks, location, forecast.source),
            stands_in,
            promises_kept,
        )

    async def decide(
        self, wait: Wait, answer: Answer, clock: Callable[[], datetime], place: Place | None = None
    ) -> None:
        """Decide behind the gate; the time is read when it is this task's turn.

        :param place: the task's place among those who wait for slots of one pool; None where it is alone.
        """
        await self._gate.turn(_due(wait))
        now = clock()
        room = None if place is None else place.room(answer.forecast, now)
        wait.decide(answer.forecast, now, answer.error, room, answer.promises_kept)
        wait.origin["source_url"] = answer.source_url
        if place is not None:
            place.tell()

    @contextmanager
    def place_in_crowd(self, wait: Wait, asking: Asking | None) -> Iterator[Place | None]:
        """Give a wait its place among those of its pool, as long as it lasts; None where it asks for none."""
        if asking is None:
            yield None
            return
        from airflow_carbon.triggers.crowd import Crowd, Place

        crowd = self._crowds.setdefault(asking.pool, Crowd(asking.pool))
        with Place(crowd, wait, asking) as place:
            yield place

    async def _open(self, key: tuple[str, ...]) -> _Opened:
        """Give a chain of connections as last read; an unchanged one keeps its cache."""
        if (known := self._fresh(key)) is not None:
            return known
        async with self._opening.setdefault(key, asyncio.Lock()):
            if (known := self._fresh(key)) is not None:
                return known
            old = self._opened.get(key)
            try:
                opened = await self._read(key, old)
            except CarbonError as error:
                if old is None:
                    # The worker had found it in order: whatever changed since is an outage, and no mistake in the task.
                    raise SourceUnavailableError(str(error)) from error
                # A secrets backend that is down, or an edit gone wrong, must not take the source from those who wait.
                opened = replace(old, read_at=time.monotonic())
            self._opened[key] = opened
            return opened

    async def _read(self, key: tuple[str, ...], old: _Opened | None) -> _Opened:
        hooks = await self._opener(key)
        settings = [(type(hook), hook.settings()) for hook in hooks]
        # Airflow calls a connection undefined, too, that it merely cannot read now.
        lost = all(hook.carbon_conn_id is None for hook in hooks)
        if old is not None and (lost or old.settings == settings):
            return replace(old, read_at=time.monotonic())
        source = await asyncio.to_thread(chain.source_of, hooks)
        return _Opened(time.monotonic(), settings, hooks, source)

    def _fresh(self, key: tuple[str, ...]) -> _Opened | None:
        known = self._opened.get(key)
        return known if known is not None and time.monotonic() - known.read_at < REREAD_SECONDS else None

    async def _learn(
        self, ids: tuple[str, ...], issue: Forecast, refresh_seconds: float
    ) -> tuple[ForecastError | None, float]:
        from airflow_carbon.core.forecast import issuer
        from airflow_carbon.sources.kept_promises import KeptPromises

        key = ids, issuer(issue.source), issue.zone
        learned_at, error, kept = self._errors.get(key, (-math.inf, None, 1.0))
        # Between two refreshes the cache gives the same issue, cut a little shorter: no news, and no proof of accuracy.
        if time.monotonic() - learned_at >= 0.9 * refresh_seconds:
            # First the time, then the work: of all that come meanwhile, one learns.
            self._errors[key] = (time.monotonic(), error, kept)
            error = await asyncio.to_thread(self._learned().observe, issue, asked=ids)
            kept = (await asyncio.to_thread(KeptPromises(state_dir()).record, issue.zone, issue.source)).factor
            self._errors[key] = (time.monotonic(), error, kept)
        return error, kept

    def _learned(self) -> LearnedErrors:
        from airflow_carbon.sources.learned import LearnedErrors

        if self._kept is None:
            self._kept = LearnedErrors(state_dir())
        return self._kept


def _due(wait: Wait) -> datetime:
    """Say when a wait has to act next."""
    latest = wait.request.latest_start
    return latest if wait.standing is None else min(wait.standing.start, latest)
