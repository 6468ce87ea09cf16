"""The newest forecast that this host has kept of a chain's sources, for the time in which none of them answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_carbon.core.moment import in_words
from airflow_carbon.exceptions import CarbonError, SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.sources.cached import Cached

_MARK = ", last good forecast, "


class LastGood:
    """Answer with what a source of the chain said last, as long as that still speaks of now.

    :param sources: the chain, the preferred source first.
    """

    name = "last good forecast"

    def __init__(self, sources: Sequence[Cached]) -> None:
        self._sources = sources

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        """Give the kept forecast of the first source that has one which holds ``now``; its age stands in its source.

        :raises SourceUnavailableError: if none has.
        """
        for source in self._sources:
            try:
                kept = await source.last_good(location)
            except CarbonError:
                # It does not know the location; that was told when it was asked.
                continue
            if kept is not None and kept.holds(now):
                age = in_words(max(now - kept.asked_at, now - now))
                return kept.beginning_at(now).replaced(source=f"{kept.whole.source}{_MARK}{age} old")
        raise SourceUnavailableError(f"nothing that was said of {location} earlier still holds")


def is_last_good(forecast: Forecast) -> bool:
    """Tell whether an answer is one that was kept from earlier."""
    return _MARK in forecast.source.partition(" (after ")[0]
