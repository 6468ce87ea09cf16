"""What was measured, as a backtest reads it: from a file, or from a source's history."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_carbon.cli.source import asked, origin
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.location import Location
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import InvalidForecastError, InvalidRequestError, SourceUnavailableError
from airflow_carbon.sources.intensity_csv import parse

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from airflow_carbon.sources.base import CarbonSource


@dataclass(frozen=True, slots=True)
class Past:
    """Hold what was measured, and, where a file has it, the stitched forecast beside it.

    :param stretches: unbroken parts in the order of time, each by zone; the first zone is home.
    :param stitched: the forecasts of each part, by zone; empty where there is none.
    :param origin: what the numbers are and whose, in words.
    """

    stretches: tuple[dict[str, Forecast], ...]
    stitched: tuple[dict[str, Forecast], ...]
    origin: str

    @property
    def home(self) -> str:
        """The zone in which the baseline runs."""
        return next(iter(self.stretches[0]))

    @property
    def start(self) -> datetime:
        """When the first part begins."""
        return self.stretches[0][self.home].start

    @property
    def end(self) -> datetime:
        """When the last part ends."""
        return self.stretches[-1][self.home].end


def of_file(args: Namespace) -> Past:
    """Read ``--csv``; with ``--regions``, the locations name its columns.

    :raises InvalidRequestError: if the arguments contradict each other.
    :raises SourceUnavailableError: if the file cannot be read.
    :raises InvalidForecastError: naming the line or the column that is wrong.
    """
    path = Path(args.csv).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidForecastError(f"{path.name}: not UTF-8 text; save the file as CSV in UTF-8") from None
    except OSError as error:
        raise SourceUnavailableError(f"{path.name} cannot be read: {error.strerror or type(error).__name__}") from error
    if args.regions and args.forecast_column:
        raise InvalidRequestError("--forecast-column, --regions: a file holds forecasts of one zone; give one of them")
    if args.regions and args.location is None:
        raise InvalidRequestError("--regions: needs LOCATION too, the home of the work; both name columns of the file")
    places = [Location.parse(name, "LOCATION").name for name in _named(args)]
    columns = dict(zip(places, places, strict=True)) if args.regions else {(places or [path.stem])[0]: ""}
    parts = {zone: _series(text, path.name, zone, column) for zone, column in columns.items()}
    stretches = tuple(dict(zip(parts, every, strict=True)) for every in zip(*parts.values(), strict=True))
    stitched: tuple[dict[str, Forecast], ...] = ()
    if args.forecast_column:
        (zone,) = columns
        stitched = tuple({zone: one} for one in _series(text, path.name, zone, args.forecast_column))
    return Past(stretches, stitched, f"your series (source: {path.name}; taken as what was measured)")


def of_source(args: Namespace, now: datetime, start: datetime, end: datetime) -> Past:
    """Ask a source for the past of each location.

    :raises InvalidRequestError: if no location is named, or the source knows only what is typical there.
    :raises CarbonError: what the source says.
    """
    if args.location is None:
        raise InvalidRequestError("LOCATION: name where the work runs, for example zone:DE; or give a file by --csv")
    if args.forecast_column:
        raise InvalidRequestError("--forecast-column: needs --csv FILE, the file that has the column")
    locations = [Location.parse(name, "LOCATION") for name in _named(args)]

    async def question(source: CarbonSource) -> list[Forecast]:
        return await asyncio.gather(*(source.history(one, start=start, end=end) for one in locations))

    series = asked(args, now, question, ranking=len(locations) > 1)
    for location, one in zip(locations, series, strict=True):
        if one.kind is not Kind.MEASURED:
            raise InvalidRequestError(
                f"LOCATION: of {location} nothing measured is known, only the {one.kind}; a backtest needs a source "
                f"with a history (--conn-id) or a file (--csv)"
            )
    zones = [one.zone if len(series) == 1 else str(location) for location, one in zip(locations, series, strict=True)]
    return Past((dict(zip(zones, series, strict=True)),), (), origin(series[0]).replace(", not a forecast", ""))


def _named(args: Namespace) -> Sequence[str]:
    every = [*([] if args.location is None else [args.location]), *(args.regions or ())]
    twice = next((name for row, name in enumerate(every) if name in every[:row]), None)
    if twice is not None:
        raise InvalidRequestError(f"--regions: {twice} is named twice")
    return every


def _series(text: str, file: str, zone: str, column: str) -> list[Forecast]:
    return [
        Forecast(zone, one.start, one.step, one.intensity, kind=Kind.MEASURED, source=file)
        for one in parse(text, file=file, column=column, split=True)
    ]
