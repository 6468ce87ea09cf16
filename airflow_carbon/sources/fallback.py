"""A chain of sources: the next one answers where one cannot, and a last resort where none can."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

from airflow_carbon.core.moment import aware
from airflow_carbon.exceptions import (
    CarbonError,
    InvalidForecastError,
    InvalidRequestError,
    SourceResponseError,
    SourceUnavailableError,
    UnknownZoneError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.sources.base import CarbonSource

    _Answer = TypeVar("_Answer")

#: What tells of a mistake in what was asked, and not of a service that fails.
_MISTAKES = (InvalidRequestError, InvalidForecastError, UnknownZoneError)
#: An error's words are cut here, since they travel with each answer.
_LONGEST_REASON = 200


class LastResort(Protocol):
    """What is asked for a forecast where every source of the chain has failed; on this host, and at once."""

    name: str

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast: ...


class Fallback:
    """Ask sources in order and give the first answer.

    Which ones failed, and why, travels with the answer in its ``source`` text, for example
    ``typical (after history: ...)``: it needs no memory and survives every cache on the way.

    :param sources: the chain, the preferred source first.
    :param patience: for the whole chain; each source has an equal share of it, so that one that hangs does not take
        the others with it.
    :param last_resorts: asked in order for a forecast where no source answered, and at least one failed for another
        reason than a mistake in the question. They know no past.
    :raises InvalidRequestError: if the chain is empty.
    """

    def __init__(
        self,
        sources: Sequence[CarbonSource],
        *,
        patience: timedelta = timedelta(seconds=50),
        last_resorts: Sequence[LastResort] = (),
    ) -> None:
        if not sources:
            raise InvalidRequestError("sources: the chain is empty; give at least one source")
        self.sources = tuple(sources)
        self.last_resorts = tuple(last_resorts)
        self._share = patience.total_seconds() / len(self.sources)
        self.name = " > ".join(source.name for source in self.sources)
        self.refresh = min(source.refresh for source in self.sources)

    async def zone(self, location: Location) -> str:
        """Name the zone as the first source does that knows the location.

        :raises UnknownZoneError: if none knows it.
        :raises SourceUnavailableError: naming each source and its reason, if all fail otherwise.
        """
        answer, _ = await self._first(location, lambda source: source.zone(location))
        return answer

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        """Give the first forecast of the chain that covers ``now``.

        :raises UnknownZoneError: if no source knows the location.
        :raises SourceUnavailableError: naming each source and its reason, if all fail otherwise.
        :raises InvalidRequestError: if a moment has no timezone.
        """
        now, until = aware(now, "now"), aware(until, "until")

        async def ask(source: CarbonSource) -> Forecast:
            answer = await source.forecast(location, now=now, until=until)
            if not answer.start <= now < answer.end:
                raise SourceResponseError(
                    f"its forecast covers {answer.start.isoformat()} to {answer.end.isoformat()}, not {now.isoformat()}"
                )
            return answer

        return _labelled(*await self._first(location, ask, lambda last: last.forecast(location, now=now, until=until)))

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        """Give the first account of ``[start, end)`` in the chain.

        :raises UnknownZoneError: if no source knows the location.
        :raises SourceUnavailableError: naming each source and its reason, if all fail otherwise.
        :raises InvalidRequestError: if a moment has no timezone.
        """
        start, end = aware(start, "start"), aware(end, "end")
        return _labelled(*await self._first(location, lambda source: source.history(location, start=start, end=end)))

    async def _first(
        self,
        location: Location,
        ask: Callable[[CarbonSource], Awaitable[_Answer]],
        ask_last: Callable[[LastResort], Awaitable[_Answer]] | None = None,
    ) -> tuple[_Answer, Sequence[str]]:
        failures: list[str] = []
        errors: list[CarbonError] = []
        for source in self.sources:
            try:
                async with asyncio.timeout(self._share):
                    return await ask(source), failures
            except TimeoutError:
                errors.append(SourceUnavailableError(f"no answer within {self._share:.0f} s"))
            except CarbonError as error:
                errors.append(error)
            failures.append(_told(source.name, errors[-1]))
        if all(isinstance(error, UnknownZoneError) for error in errors) and len(errors) > 1:
            raise UnknownZoneError(f"{location}: no source knows it: {'; '.join(failures)}")
        if all(isinstance(error, _MISTAKES) for error in errors):
            if len(errors) == 1:
                raise errors[0]
        elif ask_last is not None:
            for last in self.last_resorts:
                try:
                    return await ask_last(last), failures
                except CarbonError as error:
                    failures.append(_told(last.name, error))
        if len(errors) == 1 and len(failures) == 1:
            raise errors[0]
        raise SourceUnavailableError(f"{location}: every source failed: {'; '.join(failures)}")


def _told(name: str, error: CarbonError) -> str:
    said = _shortened(str(error) or type(error).__name__)
    # A service's own message begins with its name already.
    return said if said.startswith(f"{name}:") else f"{name}: {said}"


def _labelled(answer: Forecast, failures: Sequence[str]) -> Forecast:
    if not failures:
        return answer
    return answer.replaced(source=f"{answer.source} (after {'; '.join(failures)})")


def _shortened(reason: str) -> str:
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[: _LONGEST_REASON - 3]}..."
