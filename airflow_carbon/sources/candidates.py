"""Regions as candidates of a ranking: each one's intensities, country and PUE, or the reason why it has none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_carbon.core.location import Location
from airflow_carbon.core.placement import NO_DATA, Candidate
from airflow_carbon.exceptions import CarbonError
from airflow_carbon.sources.regions import country_and_pue, lookup

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow_carbon.sources.base import CarbonSource

#: A region whose intensities have not come by then [s] has none: one that hangs must not keep the others waiting.
PATIENCE_SECONDS = 55.0


async def candidates(source: CarbonSource, names: Sequence[str], *, now: datetime, until: datetime) -> list[Candidate]:
    """Ask for all regions at once; one that the source does not answer stays in the list with its reason.

    :param names: locations as the user wrote them; given back in this order.
    :param now: begin of the time that is asked for.
    :param until: its end; an answer may end before it.
    :raises InvalidRequestError: if a name is no location; before anything is asked.
    :raises UnknownZoneError: naming the nearest ones, if a cloud region is in no table; before anything is asked.
    """
    locations = [Location.parse(name, "regions") for name in names]
    for location in locations:
        if location.is_region:
            lookup(location)
    return await asyncio.gather(
        *(_candidate(source, name, location, now, until) for name, location in zip(names, locations, strict=True))
    )


async def _candidate(source: CarbonSource, name: str, location: Location, now: datetime, until: datetime) -> Candidate:
    country, pue = country_and_pue(location)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            forecast = await source.forecast(location, now=now, until=until)
    except TimeoutError:
        return Candidate(name, country=country, pue=pue, rejected=f"{NO_DATA}no answer within {PATIENCE_SECONDS:.0f} s")
    except CarbonError as error:
        return Candidate(name, country=country, pue=pue, rejected=f"{NO_DATA}{error}")
    return Candidate(name, forecast.zone, country, pue, forecast)
