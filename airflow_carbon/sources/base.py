"""What every source of intensities can be asked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location


@runtime_checkable
class CarbonSource(Protocol):
    """Answer intensities of a location; asynchronous, so that one triggerer can ask for thousands.

    Every method may raise a :class:`~airflow_carbon.exceptions.CarbonError` and nothing else: ``UnknownZoneError``,
    ``SourceUnavailableError``, ``SourceAuthError`` or ``SourceResponseError`` for what the outside world does,
    ``InvalidForecastError`` for a user's own series that is malformed, ``InvalidRequestError`` for a question that
    cannot be meant.
    """

    #: Name for records and logs, for example ``"typical"``.
    name: str
    #: How often a new answer can be expected; nobody asks twice within it.
    refresh: timedelta

    async def zone(self, location: Location) -> str:
        """Name the grid zone, in this source's own words, that the location lies in. Cheap; no answer is fetched."""
        ...

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        """Give intensities from ``now`` (the step that holds it comes first) as far towards ``until`` as known.

        The answer may end before ``until``; it always covers ``now``.
        """
        ...

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        """Give what was measured over ``[start, end)``, or the source's best account of it, marked by its kind."""
        ...
