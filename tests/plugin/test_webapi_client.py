"""This package's own SDK client asks its own SDK server over a socket: the same forecast, the same optimum."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.webapi_server import FixedGrid, series, webapi

from airflow_carbon.core.location import Location
from airflow_carbon.core.units import Signal
from airflow_carbon.core.window import best_window
from airflow_carbon.exceptions import SourceResponseError, SourceUnavailableError, UnknownZoneError
from airflow_carbon.hooks.asking import asked_in_time
from airflow_carbon.sources.carbon_aware_sdk import CarbonAwareSdk
from airflow_carbon.web.http import Http

pytestmark = pytest.mark.airflow

NOW = datetime(2026, 3, 2, 13, 7, tzinfo=UTC)
BEGINS = datetime(2026, 3, 1, tzinfo=UTC)
FIVE, HOUR = timedelta(minutes=5), timedelta(hours=1)
SWEDEN = Location.parse("azure:swedencentral")


@pytest.fixture
def grid(tmp_path: Path) -> FixedGrid:
    dice = random.Random(7)
    values = [round(dice.uniform(20, 400), 3) for _ in range(4 * 288)]
    source = series(tmp_path / "sweden.csv", BEGINS, FIVE, values)
    return FixedGrid(NOW, source, source)


@pytest.fixture
def client(grid: FixedGrid) -> Iterator[CarbonAwareSdk]:
    with webapi(grid) as url:
        yield CarbonAwareSdk(Http("carbon_aware_sdk", url, ceiling=8), signal=Signal.AVERAGE)


def ahead(source: Any, location: Location = SWEDEN) -> Any:
    return asked_in_time(source.forecast(location, now=NOW, until=NOW + 72 * HOUR))


def test_the_forecast_arrives_point_by_point(grid: FixedGrid, client: CarbonAwareSdk) -> None:
    given, own = ahead(client), ahead(grid.chain)
    assert (given.start, given.step) == (own.start, own.step)
    assert given.start <= NOW < given.start + FIVE
    assert len(given) > 400
    assert given.intensity.tolist() == own.intensity[: len(given)].tolist()


@pytest.mark.parametrize("length", [10, 47, 360])
def test_its_optimum_is_that_of_the_source_itself(grid: FixedGrid, client: CarbonAwareSdk, length: int) -> None:
    duration, by = timedelta(minutes=length), NOW + 20 * HOUR
    given, own = (
        best_window(one, duration=duration, earliest_start=NOW, deadline=by)
        for one in (ahead(client), ahead(grid.chain))
    )
    assert given == own


def test_the_past_arrives_point_by_point(grid: FixedGrid, client: CarbonAwareSdk) -> None:
    start, end = NOW - 9 * HOUR, NOW - 2 * HOUR
    given = asked_in_time(client.history(SWEDEN, start=start, end=end))
    own = asked_in_time(grid.chain.history(SWEDEN, start=start, end=end))
    assert (given.start, given.end) == (own.start, own.end)
    assert given.intensity.tolist() == own.intensity.tolist()


def test_zones_and_other_clouds_may_be_asked_for_by_their_bare_names(client: CarbonAwareSdk) -> None:
    for name in ("zone:DE", "aws:eu-north-1", "gcp:europe-west3"):
        assert len(ahead(client, Location.parse(name))) > 400


def test_the_connection_test_of_the_client_succeeds(client: CarbonAwareSdk, grid: FixedGrid, tmp_path: Path) -> None:
    # It asks about the clock's now.
    grid.moment = datetime.now(UTC)
    grid.chain = series(
        tmp_path / "now.csv", grid.moment.replace(minute=0, second=0, microsecond=0), HOUR, [100.0] * 80
    )
    assert "forecast works" in asked_in_time(client.access())


def test_a_location_that_nobody_knows_is_told_as_that(client: CarbonAwareSdk) -> None:
    with pytest.raises(UnknownZoneError):
        ahead(client, Location.parse("zone:Nowhere"))


def test_a_source_that_is_down_is_told_as_that(grid: FixedGrid, tmp_path: Path) -> None:
    from airflow_carbon.sources.history import History

    grid.chain = History(tmp_path / "gone.csv")
    with webapi(grid) as url, pytest.raises(SourceUnavailableError, match="carbon_aware_sdk: 503"):
        ahead(CarbonAwareSdk(Http("carbon_aware_sdk", url, ceiling=3), signal=Signal.AVERAGE))


def test_a_file_that_is_no_series_is_told_as_an_answer_that_cannot_be_used(grid: FixedGrid, tmp_path: Path) -> None:
    from airflow_carbon.sources.history import History

    (tmp_path / "bad.csv").write_text("timestamp,intensity\nnever,1\nneither,2\n")
    grid.chain = History(tmp_path / "bad.csv")
    with webapi(grid) as url, pytest.raises((SourceUnavailableError, SourceResponseError), match="502"):
        ahead(CarbonAwareSdk(Http("carbon_aware_sdk", url, ceiling=3), signal=Signal.AVERAGE))
