"""A user's own function, asked for intensities."""

from __future__ import annotations

import asyncio
import inspect
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING, cast

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.moment import MICROSECOND, aware, interval
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import (
    InvalidForecastError,
    SourceError,
    SourceResponseError,
    SourceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.sources.given_rows import Columns, NoRowError, NoSeriesError, columns_of
from airflow_carbon.sources.regions import country_of, lookup

if TYPE_CHECKING:
    from airflow_carbon.core.location import Location

Rows = Iterable[tuple[datetime, float]]
#: Takes the location's text, and the moments (UTC) between which intensities are wanted.
Function = Callable[[str, datetime, datetime], Rows | Awaitable[Rows]]

HOUR = timedelta(hours=1)
#: The length of a step shows only where two of them are known.
LEAST_ASKED = 2 * HOUR


class Computed:
    """Ask a Python function ``f(location, start, end)`` for ``(begin of a step, mean intensity [gCO2eq/kWh])`` rows.

    The rows are those whose step touches ``[start, end)``, in order of time and without a gap; there may be more. Both
    moments are UTC, ``start`` is the start of an hour, and two hours at least lie between them. A plain function runs
    in a thread of its own, one at a time for each location; an ``async`` one runs in the event loop. A function that
    does not know the location raises ``UnknownZoneError``.

    :param function: is asked.
    :param zone: the grid zone or the country that it answers for; other locations are then refused. Without it, it is
        asked for every location, and each location counts as a zone.
    :param signal: whether the numbers are average or marginal.
    :param accounting: what else the numbers mean.
    :param refresh: how often a new answer can be expected.
    """

    name = "callable"

    def __init__(
        self,
        function: Function,
        *,
        zone: str = "",
        signal: Signal = Signal.AVERAGE,
        accounting: Accounting = Accounting(),  # noqa: B008 - frozen
        refresh: timedelta = HOUR,
    ) -> None:
        self.refresh = refresh
        self._function = function
        self._label = _label(function)
        self._zone = zone
        self._signal = signal
        self._accounting = accounting
        self._starting = threading.Lock()
        self._under_way: dict[str, Future[object]] = {}

    async def zone(self, location: Location) -> str:
        """Name the zone that the function answers for, else the location itself.

        :raises UnknownZoneError: if the function answers for one zone and the location lies in another.
        """
        if not self._zone:
            return location.name if location.is_zone else str(location)
        own = location.name.upper() if location.is_zone else lookup(location).zone
        if self._zone.upper() not in (own, country_of(location)):
            raise UnknownZoneError(f"{location}: {self._label} answers for zone {self._zone} alone")
        return self._zone

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        """Give what the function answers, from the step that holds ``now``.

        :raises UnknownZoneError: if the function does not know the location.
        :raises SourceUnavailableError: if the function fails, or knows nothing.
        :raises SourceResponseError: if its rows are no series of intensities, or do not cover ``now``.
        :raises InvalidRequestError: if a moment has no timezone.
        """
        now, until = aware(now, "now"), aware(until, "until")
        begin = _hour_of(now)
        answer = await self._series(location, begin, max(until, begin + LEAST_ASKED), Kind.FORECAST)
        if not answer.start <= now < answer.end:
            raise SourceResponseError(f"{self._covering(answer)}, not {now.isoformat()}, which it was asked for")
        return answer.between(now, max(until, now + MICROSECOND))

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        """Give what the function answers for the steps that touch ``[start, end)``.

        :raises UnknownZoneError: if the function does not know the location.
        :raises SourceUnavailableError: if the function fails, or knows nothing of the time.
        :raises SourceResponseError: if its rows are no series of intensities.
        :raises InvalidRequestError: if a moment has no timezone or the end is not later than the start.
        """
        start, end = interval(start, end)
        # More is asked for at the early side: at the late one, it may lie in the future.
        begin = min(_hour_of(start), _hour_of(end - LEAST_ASKED))
        answer = await self._series(location, begin, end, Kind.MEASURED)
        if answer.end <= start or end <= answer.start:
            raise SourceUnavailableError(f"{self._covering(answer)}, not {start.isoformat()} to {end.isoformat()}")
        return answer.between(start, end)

    def _covering(self, answer: Forecast) -> str:
        return f"{self._label}: its answer covers {answer.start.isoformat()} to {answer.end.isoformat()}"

    async def _series(self, location: Location, start: datetime, end: datetime, kind: Kind) -> Forecast:
        zone = await self.zone(location)
        stamps, intensity = await self._rows(str(location), start, end)
        try:
            return Forecast.from_points(
                zone,
                stamps,
                intensity,
                signal=self._signal,
                accounting=self._accounting,
                kind=kind,
                source=self.name,
            )
        except InvalidForecastError as error:
            raise SourceResponseError(f"{self._label}: {error}") from error

    async def _rows(self, where: str, start: datetime, end: datetime) -> Columns:
        given: object = None
        fault: SourceError | None = None
        try:
            if inspect.iscoroutinefunction(self._function):
                given = columns_of(await self._function(where, start, end))
            else:
                given = await self._in_thread(where, start, end)
                if inspect.isawaitable(given):
                    given = columns_of(await given)
        except Exception as error:
            fault = self._fault(where, error)
        if isinstance(given, SourceError):
            fault = given
        if fault is not None:
            # Outside of the handler, so that the error does not carry the function's own, whose words may be secret.
            raise fault
        return cast("Columns", given)

    async def _in_thread(self, where: str, start: datetime, end: datetime) -> object:
        while True:
            with self._starting:
                # A function that hangs for a location holds one thread and not one for each who asks; a daemon thread
                # of its own, so that neither a pool nor the end of the process waits for it.
                before = self._under_way.get(where)
                if before is None or before.done():
                    answer: Future[object] = Future()
                    answer.set_running_or_notify_cancel()
                    threading.Thread(target=self._call_into, args=(answer, where, start, end), daemon=True).start()
                    self._under_way[where] = answer
                    break
            await asyncio.wrap_future(before)
        return await asyncio.wrap_future(answer)

    def _call_into(self, answer: Future[object], where: str, start: datetime, end: datetime) -> None:
        """Answer with the columns, with an error as a value, or with what is to be awaited in the event loop."""
        try:
            given = self._function(where, start, end)
            answer.set_result(given if inspect.isawaitable(given) else columns_of(given))
        except BaseException as error:
            # A function may even call sys.exit(): whoever awaits must hear of it.
            answer.set_result(self._fault(where, error))

    def _fault(self, where: str, error: BaseException) -> SourceError:
        """Say in our own words what happened: the function's may hold what is secret."""
        if isinstance(error, NoSeriesError):
            return SourceResponseError(f"{self._label}: asked for {where}: {error}")
        if isinstance(error, NoRowError):
            return SourceUnavailableError(f"{self._label}: nothing known for {where}")
        if isinstance(error, UnknownZoneError):
            return UnknownZoneError(f"{where}: {self._label} does not know it")
        frames = traceback.extract_tb(error.__traceback__)
        place = f" ({PurePath(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
        return SourceUnavailableError(f"{self._label}: asked for {where}: {type(error).__name__}{place}")


def _hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _label(function: Function) -> str:
    name = getattr(function, "__qualname__", "") or type(function).__qualname__
    return f"{getattr(function, '__module__', '') or type(function).__module__}.{name}"
