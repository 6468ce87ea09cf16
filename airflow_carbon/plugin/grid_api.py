"""``api/regions`` and ``api/forecast``: the grid as this deployment's own sources tell it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from airflow.configuration import conf
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from starlette.concurrency import run_in_threadpool

from airflow_carbon.core.candidate import Candidate, of_one_sort
from airflow_carbon.core.job import Job
from airflow_carbon.core.location import Location
from airflow_carbon.core.placement import Placement, rank_placements
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import CarbonError, InvalidRequestError, LedgerError, UnknownZoneError, printable
from airflow_carbon.hooks.settings import SECTION
from airflow_carbon.plugin import hints, models, told
from airflow_carbon.plugin.books import Books, BooksDep
from airflow_carbon.plugin.security import Viewer, ViewerDep, only_readable
from airflow_carbon.plugin.webapi.grid import Deployment
from airflow_carbon.sources.candidates import candidates

log = logging.getLogger(__name__)

#: Locations of one question, and characters of one of them.
MOST_LOCATIONS, LONGEST_LOCATION = 50, 100
#: A ranking of now is one of the next hour: shorter than any refresh.
NOW = timedelta(hours=1)
#: Nobody who looks at a page waits longer for a source [s].
PATIENCE_SECONDS = 15.0
#: Windows drawn on one forecast.
MOST_WINDOWS = 200

router = APIRouter()

Name = Annotated[str, Query(min_length=1, max_length=LONGEST_LOCATION)]


def _deployment(request: Request) -> Deployment:
    grid: Deployment = request.app.state.grid
    return grid


DeploymentDep = Annotated[Deployment, Depends(_deployment)]


@router.get("/api/regions")
async def regions(
    viewer: ViewerDep,
    books: BooksDep,
    grid: DeploymentDep,
    location: Annotated[list[str] | None, Query(max_length=MOST_LOCATIONS)] = None,
) -> models.Regions:
    """Rank regions by the intensity of the next hour, weighted by their data centers' overhead."""
    now = datetime.now(UTC)
    names = list(dict.fromkeys(location)) if location else await run_in_threadpool(_default, viewer, books)
    if any(not 0 < len(name) <= LONGEST_LOCATION for name in names):
        raise HTTPException(422, f"location: each must have 1 to {LONGEST_LOCATION} characters")
    answer = models.Regions(now=now, regions=[], given=bool(location), hints=[])
    if not names:
        answer.hints.append(hints.NO_LOCATION)
        return answer
    try:
        sources = await grid.sources()
        async with asyncio.timeout(PATIENCE_SECONDS):
            found = await candidates(sources.ranking, names, now=now, until=now + timedelta(days=1))
    except (InvalidRequestError, UnknownZoneError) as error:
        if location:
            raise HTTPException(422, str(error)) from None
        log.warning("[carbon] ui_regions: %s", error)
        answer.hints.append(hints.UNKNOWN)
        return answer
    except (CarbonError, TimeoutError) as error:
        log.warning("no regions for the Carbon page: %s", error or "no answer in time")
        answer.hints.append(hints.NO_ANSWER)
        return answer
    answer.regions = await asyncio.to_thread(_ranked, found, now)
    if all(one.kind in (None, str(Kind.TYPICAL), str(Kind.ANNUAL_AVERAGE)) for one in answer.regions):
        answer.hints.append(hints.NO_SOURCE)
    return answer


def _ranked(found: Sequence[Candidate], now: datetime) -> list[models.Region]:
    job = Job(NOW, earliest_start=now)
    return [_region(one) for one in rank_placements(of_one_sort(found), job).placements]


def _region(one: Placement) -> models.Region:
    record = one.record()
    return models.Region(**{name: record[name] for name in models.Region.model_fields})


@router.get("/api/forecast")
async def forecast(
    viewer: ViewerDep,
    books: BooksDep,
    grid: DeploymentDep,
    location: Name,
    hours: Annotated[int, Query(ge=1, le=168)] = 48,
) -> models.LocationForecast:
    """Give a location's forecast, with the windows that waiting tasks have chosen there."""
    now = datetime.now(UTC)
    answer = models.LocationForecast(now=now, location=location, series=None, windows=[], hints=[])
    try:
        place = Location.parse(location, "location")
        sources = await grid.sources()
        until = now + timedelta(hours=hours)
        async with asyncio.timeout(PATIENCE_SECONDS):
            found = await sources.chain.forecast(place, now=now, until=until)
        found = found.between(now, until)
        answer.series = told.series_of(found)
        if found.kind in (Kind.TYPICAL, Kind.ANNUAL_AVERAGE):
            answer.hints.append(hints.NO_SOURCE)
    except UnknownZoneError:
        answer.hints.append(hints.UNKNOWN)
    except InvalidRequestError as error:
        raise HTTPException(422, str(error)) from None
    except (CarbonError, TimeoutError) as error:
        shown = printable(location[:LONGEST_LOCATION])
        log.warning("no forecast of %s for the Carbon page: %s", shown, error or "no answer")
        answer.hints.append(hints.NO_ANSWER)
    zone = answer.series.zone if answer.series else None
    answer.windows = await run_in_threadpool(_windows, viewer, books, location, zone)
    return answer


def _windows(viewer: Viewer, books: Books, location: str, zone: str | None) -> list[models.ChosenWindow]:
    try:
        waits = books.waits().records
    except LedgerError:
        return []
    here = [one for one in waits if one.location == location or (zone and one.zone == zone)]
    drawn = ((one, told.band(one.start, one.end, one.intensity_g_per_kwh)) for one in only_readable(viewer, here))
    return [
        models.ChosenWindow(task=told.link(one), window=window, latest_start=one.latest_start)
        for one, window in drawn
        if window is not None
    ][:MOST_WINDOWS]


def _default(viewer: Viewer, books: Books) -> list[str]:
    """Give what ``[carbon] ui_regions`` names, or else where the viewer's DAGs ran."""
    listed = [one.strip() for one in (conf.get(SECTION, "ui_regions", fallback="") or "").split(",")]
    if any(listed):
        return [one for one in listed if one][:MOST_LOCATIONS]
    try:
        sums = books.snapshot()
        seen = sums.locations(viewer.readable(sums.dag_ids), MOST_LOCATIONS)
        waits = [one.location for one in only_readable(viewer, books.waits().records) if one.location]
    except LedgerError:
        return []
    return [one for one in dict.fromkeys([*seen, *waits]) if _is_location(one)][:MOST_LOCATIONS]


def _is_location(name: str) -> bool:
    from airflow_carbon.sources.regions import lookup

    try:
        place = Location.parse(name, "location")
        if place.is_region:
            lookup(place)
    except CarbonError:
        # A region of the user's own, which no table knows.
        return False
    return len(name) <= LONGEST_LOCATION
