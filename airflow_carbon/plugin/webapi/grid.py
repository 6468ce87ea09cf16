"""The sources of this deployment, as its Airflow connections name them, for the api-server to ask."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from airflow_carbon.exceptions import CarbonError, SourceUnavailableError
from airflow_carbon.hooks import chain, settings
from airflow_carbon.hooks.live import LiveHook

if TYPE_CHECKING:
    from airflow_carbon.hooks.carbon import CarbonHook
    from airflow_carbon.sources.base import CarbonSource

#: How soon a changed connection is seen [s], and how soon one that could not be read is read again.
LOOK_AGAIN, TRY_AGAIN = 60.0, 5.0


@dataclass(frozen=True, slots=True)
class Sources:
    """Hold the chain of a deployment's sources.

    :param chain: answers one location.
    :param ranking: answers locations that are ranked against each other.
    :param earlier: knows what was foreseen at an earlier moment; None where the preferred source is a live service,
        which tells of the present alone.
    """

    chain: CarbonSource
    ranking: CarbonSource
    earlier: CarbonSource | None


class Grid(Protocol):
    """What the API asks: the sources, and the present moment."""

    async def sources(self) -> Sources: ...

    def now(self) -> datetime: ...


class Deployment:
    """Look the connections of ``[carbon] api_conn_id`` up, and keep their sources with all that they have cached.

    The api-server's process reads connections through Airflow's own hooks: it declares itself a server before the first
    import, which adds the metadata database to where the task SDK looks. That blocks, and so it is done in a thread.

    :param clock: gives seconds that never run backwards [s].
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._alone = threading.Lock()
        self._sources: Sources | None = None
        self._seen = ""
        self._look_at = 0.0

    def now(self) -> datetime:
        """Read the clock."""
        return datetime.now(UTC)

    async def sources(self) -> Sources:
        """Give the sources, read anew once a minute; in between a change of a connection is not seen.

        :raises InvalidRequestError: if a connection is not defined, is no carbon source or has a wrong field.
        :raises SourceUnavailableError: if the connections cannot be read now, and never could.
        """
        known = self._sources
        if known is not None and self._clock() < self._look_at:
            return known
        if known is not None:
            # Whoever comes while they are read takes what was known.
            self._look_at = self._clock() + LOOK_AGAIN
        return await asyncio.to_thread(self._read, known)

    def _read(self, known: Sources | None) -> Sources:
        with self._alone:
            if self._sources is not None and self._sources is not known:
                return self._sources
            try:
                hooks = chain.hooks_of(settings.api_conn_ids())
                seen = _fingerprint(hooks)
                if self._sources is None or seen != self._seen:
                    self._sources, self._seen = _sources_of(hooks), seen
            except SourceUnavailableError:
                if self._sources is None:
                    raise
                self._look_at = self._clock() + TRY_AGAIN
                return self._sources
            except CarbonError:
                self._sources = None
                raise
            self._look_at = self._clock() + LOOK_AGAIN
            return self._sources


def _sources_of(hooks: Sequence[CarbonHook]) -> Sources:
    live = isinstance(hooks[0], LiveHook)
    return Sources(chain.source_of(hooks), chain.source_of(hooks, ranking=True), None if live else hooks[0].source())


def _fingerprint(hooks: Sequence[CarbonHook]) -> str:
    """Tell one state of the connections from another, without keeping what is in them."""
    digest = hashlib.sha256()
    for hook in hooks:
        connection = hook.connection
        digest.update(repr((type(hook), hook.carbon_conn_id, connection and connection.get_uri())).encode())
    return digest.hexdigest()
