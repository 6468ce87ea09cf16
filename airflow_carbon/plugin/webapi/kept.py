"""Answers that are written already, for as long as they would be written the same."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from airflow_carbon.plugin.webapi.written import Written

#: A forecast is looked at again after so long [s]: the sources' own caches know whether there is a newer one.
LONGEST = 30.0
#: Of all together, and of one question [bytes].
MOST_BYTES, LONGEST_KEY = 32 * 1024**2, 2048


@dataclass(frozen=True, slots=True)
class Kept:
    """Hold one answer, and until when it is given."""

    answer: Written
    expires: float
    size: int


class KeptAnswers:
    """Keep answers by their question, the least used go first.

    For one event loop: nothing here is awaited, and so nothing is locked.

    :param most_bytes: of all answers together [bytes].
    :param clock: gives seconds that never run backwards [s].
    """

    def __init__(self, most_bytes: int = MOST_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most_bytes
        self._clock = clock
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        #: Of all that are kept [bytes].
        self.size = 0

    def get(self, question: bytes) -> Written | None:
        """Give an answer that still holds."""
        kept = self._kept.get(question)
        if kept is None:
            return None
        if self._clock() >= kept.expires:
            self._forget(question)
            return None
        self._kept.move_to_end(question)
        return kept.answer

    def keep(self, question: bytes, answer: Written, seconds: float) -> None:
        """Keep an answer for a time [s], half a minute at most."""
        self._forget(question)
        size = len(question) + answer.size
        if seconds <= 0.0 or len(question) > LONGEST_KEY or size > self._most:
            return
        self._kept[question] = Kept(answer, self._clock() + min(seconds, LONGEST), size)
        self.size += size
        while self.size > self._most:
            self._forget(next(iter(self._kept)))

    def _forget(self, question: bytes) -> None:
        gone = self._kept.pop(question, None)
        if gone is not None:
            self.size -= gone.size
