"""What was measured, as a backtest reads it: from a file, or from a source's history."""

from __future__ import annotations

import asyncio
import csv
import io
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_carbon.cli.clock import dated
from airflow_carbon.cli.source import asked, origin
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.location import Location
from airflow_carbon.core.moment import in_words
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import InvalidForecastError, InvalidRequestError, SourceUnavailableError
from airflow_carbon.sources.intensity_csv import INTENSITY_COLUMNS, TIME_COLUMNS, parse

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

    @property
    def gaps(self) -> list[tuple[datetime, datetime]]:
        """Where nothing was measured between two parts."""
        return [(one[self.home].end, after[self.home].start) for one, after in pairwise(self.stretches)]

    @property
    def gaps_in_words(self) -> str:
        """Say how many gaps there are and which is the longest; empty where there is none."""
        if not self.gaps:
            return ""
        start, end = max(self.gaps, key=lambda gap: gap[1] - gap[0])
        count = "1 gap" if len(self.gaps) == 1 else f"{len(self.gaps)} gaps, the longest"
        return f"{count} of {in_words(end - start)} from {dated(start)}"


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
    if args.regions:
        columns = dict(zip(places, places, strict=True))
    else:
        columns = {(places or [path.stem])[0]: _column(text, path.name, (places or [""])[0], args.forecast_column)}
    parts = {zone: _series(text, path.name, zone, column) for zone, column in columns.items()}
    stretches = tuple(dict(zip(parts, every, strict=True)) for every in zip(*parts.values(), strict=True))
    stitched: tuple[dict[str, Forecast], ...] = ()
    if args.forecast_column:
        (zone,) = columns
        stitched = tuple({zone: one} for one in _series(text, path.name, zone, args.forecast_column))
    named = ", ".join(column for column in columns.values() if column)
    which = f"column{'s' if len(columns) > 1 else ''} {named}"
    if args.forecast_column:
        which += f", forecasts in column {args.forecast_column}"
    return Past(stretches, stitched, f"your series (source: {path.name}, {which}; taken as what was measured)")


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


def _column(text: str, file: str, location: str, forecast_column: str | None) -> str:
    """Choose the column of what was measured: the one named like the location, else the one known by its name.

    :raises InvalidRequestError: if several could be meant.
    """
    header = next((row for row in csv.reader(io.StringIO(text)) if any(map(str.strip, row))), [])
    names = [name.strip() for name in header]
    time = next((name for known in TIME_COLUMNS for name in names if name.lower() == known), next(iter(names), ""))
    candidates = [name for name in names if name not in (time, forecast_column)]
    if location in candidates:
        return location
    known = next((name for one in INTENSITY_COLUMNS for name in candidates if name.lower() == one), None)
    if known is not None:
        return known
    if len(candidates) > 1:
        some = ", ".join(candidates[:8]) + (", ..." if len(candidates) > 8 else "")
        raise InvalidRequestError(
            f"--csv: which column of {file} was measured is not clear: {some}; name it intensity, or give a LOCATION "
            f"that is named like it, zone:{candidates[0]} for example"
        )
    # A header that holds none is no header: what reads the file says so, and in which line.
    return candidates[0] if candidates and len(names) > 1 else ""


def _series(text: str, file: str, zone: str, column: str) -> list[Forecast]:
    try:
        found = parse(text, file=file, column=column, split=True)
    except InvalidForecastError as error:
        fault = str(error).removesuffix(", or set the timezone of the series")
        if "is no carbon intensity" in fault:
            fault = f"{fault}; the column is {column!r}"
        raise InvalidForecastError(fault) from None
    return [Forecast(zone, one.start, one.step, one.intensity, kind=Kind.MEASURED, source=file) for one in found]
