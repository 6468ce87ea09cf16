"""A service that refuses for an hour, on a clock on which that hour takes a moment."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes.grid_server import GridServer

from airflow_carbon.core.location import Location
from airflow_carbon.exceptions import SourceUnavailableError
from airflow_carbon.sources.cached import Cached
from airflow_carbon.sources.electricity_maps import ElectricityMaps
from airflow_carbon.sources.host_cache import HostCache
from airflow_carbon.sources.places import Places
from airflow_carbon.web.http import Http
from airflow_carbon.web.quota import Quota
from airflow_carbon.web.shelf import Shelf

BEGIN = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR, LOOK = timedelta(hours=1), timedelta(minutes=1)


class Clock:
    """Tell a time that goes on as fast as the test does."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now


def asking(grid: GridServer, clock: Clock, folder: Path) -> Cached:
    """Make one process of a host that asks the service."""
    shelf = Shelf(folder)
    quota = Quota(1000, shelf, lambda: clock.now.timestamp())
    http = Http("electricity_maps", grid.base("em"), headers={"auth-token": grid.em_token}, quota=quota)
    return Cached(ElectricityMaps(http, Places(None), clock=clock), host=HostCache(shelf), clock=clock)


def test_an_hour_of_429_costs_one_request_for_all_who_wait_and_ends_with_the_hour(tmp_path: Path) -> None:
    clock = Clock()
    refused: list[datetime] = []
    with GridServer() as grid:
        grid.clock = clock
        grid.fail("em", "429", times=1, retry_after=int(HOUR.total_seconds()))

        async def wait() -> datetime:
            # Two triggerers of one host look every minute.
            hosts = [asking(grid, clock, tmp_path) for _ in range(2)]
            while clock.now < BEGIN + 2 * HOUR:
                for one in hosts:
                    try:
                        found = await one.forecast(Location.parse("zone:DE"), now=clock.now, until=clock.now + HOUR)
                    except SourceUnavailableError:
                        refused.append(clock.now)
                    else:
                        assert found.start <= clock.now < found.end
                        return clock.now
                # Nothing was asked since the first one; what is counted is what went over the wire.
                assert grid.count("em") == 1
                clock.now += LOOK
            pytest.fail("the service was never asked again")

        answered = asyncio.run(wait())
    assert BEGIN + HOUR <= answered <= BEGIN + HOUR + LOOK
    assert len(refused) == 2 * round((answered - BEGIN) / LOOK)
    assert grid.count("em") == 2
