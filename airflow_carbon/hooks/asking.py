"""How long and how often to ask a source, and the question itself where no event loop runs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from airflow_carbon.exceptions import (
    InvalidForecastError,
    InvalidRequestError,
    SourceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.hooks import metrics

_Answer = TypeVar("_Answer")

#: A source that has not answered by then [s] counts as unavailable.
ANSWER_TIMEOUT = 60.0
#: How soon to ask again a source that did not answer [s].
RETRY_SECONDS = 60.0
#: What tells, at the first look, of a mistake in what was asked and not of a source that fails.
REFUSED_AT_FIRST = (InvalidRequestError, InvalidForecastError, UnknownZoneError)


def asked_in_time(
    question: Coroutine[Any, Any, _Answer], timeout: float = ANSWER_TIMEOUT, *, failure: str = metrics.SOURCE_FAILURE
) -> _Answer:
    """Await an answer, and give up on it after a bounded time: a source that hangs must not hold a worker.

    :param timeout: [s].
    :param failure: name of the metric that counts a failure.
    :raises SourceUnavailableError: if no answer came in time.
    """

    async def bounded() -> _Answer:
        async with asyncio.timeout(timeout):
            return await question

    with metrics.failures(failure):
        try:
            return asyncio.run(bounded())
        except TimeoutError:
            raise SourceUnavailableError(f"no answer within {timeout:.0f} s") from None
