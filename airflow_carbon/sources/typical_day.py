"""The typical profile as the last resort of a chain: better than nothing, and never called a forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_carbon.exceptions import SourceUnavailableError
from airflow_carbon.sources.typical import Typical

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location


class TypicalDay:
    """Answer where a profile was calibrated for the zone; an annual average holds no hour to wait for."""

    name = "typical"

    def __init__(self) -> None:
        self._typical = Typical()

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        """Give the typical hours.

        :raises SourceUnavailableError: if no profile is known for the zone.
        :raises UnknownZoneError: if the location is in no table.
        """
        if lacking := self._typical.note(location):
            raise SourceUnavailableError(lacking)
        return await self._typical.forecast(location, now=now, until=until)
