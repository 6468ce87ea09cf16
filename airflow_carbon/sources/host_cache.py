"""Answers shared by all processes of a host: the first one asks, the others read what it was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_carbon.sources.kept_answer import KeptAnswer
from airflow_carbon.web.kept_failure import KeptFailure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from airflow_carbon.web.shelf import Shelf


class HostCache:
    """Keep answers on disk, and let one process at a time ask for each.

    A task's process is too short-lived for a memory of its own.

    :param shelf: where the answers lie.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def shared(
        self,
        name: str,
        serves: Callable[[KeptAnswer], bool],
        ask: Callable[[], Awaitable[KeptAnswer | KeptFailure]],
        clock: Callable[[], datetime],
    ) -> KeptAnswer | KeptFailure:
        """Give what is kept under a name while it is fresh; else ask, once for all processes that wait.

        :param serves: tells whether a fresh answer is enough for this question.
        :param ask: asks the source.
        """
        kept = self._kept(name, serves, clock())
        if kept is not None:
            return kept
        async with self._shelf.alone(name):
            kept = self._kept(name, serves, clock())
            if kept is not None:
                return kept
            landed = await ask()
            self.keep(name, landed)
            return landed

    def keep(self, name: str, landed: KeptAnswer | KeptFailure) -> None:
        """Keep an answer; a failure beside the last good answer, not in its place."""
        if isinstance(landed, KeptFailure):
            self._shelf.write(_failed(name), landed.to_document())
        else:
            self._shelf.write(name, landed.to_document())
            self._shelf.remove(_failed(name))

    def keep_too(self, name: str, answer: KeptAnswer, now: datetime) -> None:
        """Keep an answer under another name as well, unless a fresh one that reaches as far lies there."""
        there = self.newest(name)
        if there is None or not there.is_fresh(now) or there.until < answer.until:
            self.keep(name, answer)

    def newest(self, name: str) -> KeptAnswer | None:
        """Give the last good answer under a name, however old."""
        return KeptAnswer.from_document(self._shelf.read(name))

    def _kept(self, name: str, serves: Callable[[KeptAnswer], bool], now: datetime) -> KeptAnswer | KeptFailure | None:
        answer = self.newest(name)
        if answer is not None and answer.is_fresh(now) and serves(answer):
            return answer
        failure = KeptFailure.from_document(self._shelf.read(_failed(name)))
        return failure if failure is not None and failure.is_fresh(now) else None


def _failed(name: str) -> str:
    return f"{name} failed"
