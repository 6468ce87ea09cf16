"""A user's series replayed as if it began at another moment; nothing is read before the first question."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_carbon.exceptions import SourceUnavailableError
from airflow_carbon.sources.played import Played

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.sources.history import History


class Replayed:
    """Play a series from its first row on; a file that is missing is an outage of this source, not of its chain.

    :param history: the series.
    :param anchor: gives, from the moment first asked about, the one at which the first row is taken to lie; both on the
        wall clock and timezone-aware.
    :param speed: played time over wall time [1].
    """

    def __init__(self, history: History, anchor: Callable[[datetime], datetime], speed: float = 1.0) -> None:
        self._history = history
        self._anchor = anchor
        self._speed = speed
        self._played: Played | None = None
        self.name = history.name
        # Checked now, by a play that is never asked: a speed out of its bounds is no outage.
        self.refresh = Played(history, anchor=_ANY, plays_from=_ANY, speed=speed).refresh

    async def zone(self, location: Location) -> str:
        """Name the zone as the series does."""
        return await self._history.zone(location)

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        """Give the series on the wall's clock, as :meth:`Played.forecast` does.

        :raises SourceUnavailableError: if the file cannot be read.
        """
        return await (await self._play(now)).forecast(location, now=now, until=until)

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        """Give the series' past on the wall's clock, as :meth:`Played.history` does.

        :raises SourceUnavailableError: if the file cannot be read.
        """
        return await (await self._play(start)).history(location, start=start, end=end)

    async def _play(self, asked: datetime) -> Played:
        if self._played is None:
            first, _ = await self._history.covered()
            try:
                anchor = self._anchor(asked)
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise SourceUnavailableError(f"when the replay began cannot be kept: {reason}") from error
            self._played = Played(self._history, anchor=anchor, plays_from=first, speed=self._speed)
        return self._played


_ANY = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
