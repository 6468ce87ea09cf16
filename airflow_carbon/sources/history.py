"""A user's own series: a CSV of timestamp and intensity."""

from __future__ import annotations

import asyncio
import stat
import threading
from concurrent.futures import Future
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Protocol

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.moment import MICROSECOND, aware
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import (
    CarbonError,
    InvalidForecastError,
    InvalidRequestError,
    SourceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.sources.intensity_csv import Stretch, parse
from airflow_carbon.sources.regions import country_of, lookup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_carbon.core.location import Location


class TextFile(Protocol):
    """What is asked of a path: ``pathlib.Path`` and Airflow's ``ObjectStoragePath`` have it."""

    @property
    def name(self) -> str: ...

    def read_text(self, encoding: str) -> str: ...

    def stat(self) -> Any: ...


#: A century of hours takes half of it [bytes].
LARGEST = 64 * 1024**2


class History:
    """Answer from a CSV file with a header, one row for each step: when the step begins, and its mean intensity.

    The file is read again when its size or its time of change differs.

    :param file: path object of the CSV, UTF-8.
    :param zone: the grid zone or the country that the series is of; other locations are then refused. Without it, the
        series answers every location.
    :param column: header of the intensities [gCO2eq/kWh]; by default ``intensity``, ``gCO2_per_kwh``,
        ``carbon_intensity``, or else the first column that is not the time.
    :param timezone: IANA name for stamps without an offset; by default such a stamp is an error.
    :param gaps: ``"error"`` refuses a series with a gap, ``"split"`` answers from the unbroken stretch asked for.
    :param signal: whether the numbers are average or marginal.
    :param accounting: what else the numbers mean.
    :raises InvalidRequestError: naming the setting that is wrong.
    """

    name = "history"

    def __init__(
        self,
        file: TextFile,
        *,
        zone: str = "",
        column: str = "",
        timezone: str = "",
        gaps: str = "error",
        signal: Signal = Signal.AVERAGE,
        accounting: Accounting = Accounting(),  # noqa: B008 - frozen
        refresh: timedelta = timedelta(hours=1),
    ) -> None:
        if gaps not in ("error", "split"):
            raise InvalidRequestError(f"gaps: {gaps!r} must be 'error' or 'split'")
        self.file = file
        self.refresh = refresh
        self._only_zone = zone.upper()
        #: Without a name of its own, the series is called after its file.
        self._zone = zone or file.name.rpartition(".")[0] or file.name
        self._column = column
        self._timezone = _timezone(timezone)
        self._split = gaps == "split"
        self._signal = signal
        self._accounting = accounting
        self._read_once = threading.Lock()
        self._reading: Future[tuple[Forecast, ...]] | None = None
        self._read: tuple[tuple[object, object], tuple[Forecast, ...]] | None = None

    async def zone(self, location: Location) -> str:
        """Name the series' zone.

        :raises UnknownZoneError: if the series is of one zone and the location lies in another.
        """
        self._check_zone(location)
        return self._zone

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        """Give the rows from the one that holds ``now``, as if they had been known.

        :raises UnknownZoneError: if the series is of one zone and the location lies in another.
        :raises SourceUnavailableError: if the file cannot be read, or ``now`` lies outside the series.
        :raises InvalidForecastError: naming the line of the file that is wrong.
        :raises InvalidRequestError: if a moment has no timezone.
        """
        now, until = aware(now, "now"), aware(until, "until")
        self._check_zone(location)
        stretches = await self._stretches()
        for stretch in stretches:
            if stretch.start <= now < stretch.end:
                return stretch.between(now, max(until, now + MICROSECOND)).replaced(kind=Kind.FORECAST)
        raise self._outside(stretches, now.isoformat())

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        """Give the rows that touch ``[start, end)``: of the stretch that holds most of it, where the series has gaps.

        :raises UnknownZoneError: if the series is of one zone and the location lies in another.
        :raises SourceUnavailableError: if the file cannot be read, or holds nothing of the time.
        :raises InvalidForecastError: naming the line of the file that is wrong.
        :raises InvalidRequestError: if a moment has no timezone.
        """
        start, end = aware(start, "start"), aware(end, "end")
        self._check_zone(location)
        stretches = await self._stretches()
        best = max(stretches, key=lambda one: min(end, one.end) - max(start, one.start))
        if min(end, best.end) <= max(start, best.start):
            raise self._outside(stretches, f"{start.isoformat()} to {end.isoformat()}")
        return best.between(start, end)

    async def covered(self) -> tuple[datetime, datetime]:
        """Tell where the series begins and ends.

        :raises SourceUnavailableError: if the file cannot be read.
        :raises InvalidForecastError: naming the line of the file that is wrong.
        """
        stretches = await self._stretches()
        return stretches[0].start, stretches[-1].end

    def _check_zone(self, location: Location) -> None:
        if not self._only_zone:
            return
        own = location.name.upper() if location.is_zone else lookup(location).zone
        if self._only_zone != own and self._only_zone != country_of(location):
            raise UnknownZoneError(f"{location}: the series {self.file.name} is of zone {self._zone} alone")

    def _outside(self, stretches: Sequence[Forecast], asked: str) -> SourceUnavailableError:
        covered = f"{stretches[0].start.isoformat()} to {stretches[-1].end.isoformat()}"
        gaps = f" with {len(stretches) - 1} gaps" if len(stretches) > 1 else ""
        return SourceUnavailableError(
            f"{self.file.name} covers {covered}{gaps}, not {asked}; "
            "append newer rows, or replay the series as if it began now"
        )

    async def _stretches(self) -> tuple[Forecast, ...]:
        with self._read_once:
            # A file that hangs, on a network drive that is gone, holds one thread and not one for each who asks; a
            # daemon thread of its own, so that neither a pool nor the end of the process waits for it.
            if self._reading is None or self._reading.done():
                self._reading = Future()
                self._reading.set_running_or_notify_cancel()
                threading.Thread(target=self._read_into, args=(self._reading,), daemon=True).start()
            reading = self._reading
        return await asyncio.wrap_future(reading)

    def _read_into(self, reading: Future[tuple[Forecast, ...]]) -> None:
        try:
            reading.set_result(self._read_file())
        except BaseException as error:
            reading.set_exception(error)

    def _read_file(self) -> tuple[Forecast, ...]:
        try:
            status = self.file.stat()
            version = (status.st_mtime, status.st_size)
            # Some object stores tell no time of change and give 0: then only reading shows what is new.
            if self._read is not None and self._read[0] == version and version[0]:
                return self._read[1]
            # A device tells no size, and ends never.
            if status.st_size > LARGEST or stat.S_ISCHR(getattr(status, "st_mode", 0)):
                raise InvalidForecastError(f"{self.file.name}: larger than {LARGEST // 1024**2} MiB, no series")
            text = self.file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise InvalidForecastError(f"{self.file.name}: not UTF-8 text; save the file as CSV in UTF-8") from None
        except CarbonError:
            raise
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise SourceUnavailableError(f"{self.file.name} cannot be read: {reason}") from error
        except Exception as error:
            # An object store's own errors have no common base, and their words may name credentials.
            raise SourceUnavailableError(f"{self.file.name} cannot be read: {type(error).__name__}") from error
        self._read = version, tuple(self._forecast(stretch) for stretch in self._parsed(text))
        return self._read[1]

    def _parsed(self, text: str) -> list[Stretch]:
        return parse(text, file=self.file.name, column=self._column, timezone=self._timezone, split=self._split)

    def _forecast(self, stretch: Stretch) -> Forecast:
        return Forecast(
            self._zone,
            stretch.start,
            stretch.step,
            stretch.intensity,
            self._signal,
            accounting=self._accounting,
            kind=Kind.MEASURED,
            source=self.name,
        )


def _timezone(name: str) -> tzinfo | None:
    from zoneinfo import ZoneInfo

    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidRequestError(f"timezone: {name!r} is no IANA name; write for example 'Europe/Berlin'") from None
