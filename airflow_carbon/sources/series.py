"""The stamped values of a service's answer, put in order and checked, whatever the service sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, timedelta
from itertools import pairwise
from operator import sub
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import CarbonError, SourceResponseError, SourceUnavailableError

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast

#: No grid emits more [g/kWh]: a number beyond is in another unit. Burning peat alone comes to some 1,100.
MOST_G_PER_KWH = 5_000.0
#: A number beyond is shown as this one: not every one can be written out.
_HUGE = 1e99
_NUMBERS = (int, float)
_NO_MOMENT = "{} is no moment with a timezone"


@dataclass(frozen=True, slots=True)
class Meaning:
    """Say what the numbers of one answer mean.

    :param source: name of the source, for the record.
    :param kind: a forecast, or measured values.
    :param issued_at: when the service made the answer; None where it does not say.
    """

    source: str
    signal: Signal = Signal.AVERAGE
    accounting: Accounting = Accounting()  # noqa: RUF009 - frozen
    kind: Kind = Kind.FORECAST
    issued_at: datetime | None = None


class Series:
    """Order rows by time, drop what is empty or doubled, and split them where a step is missing.

    :param zone: as the service names it.
    :param rows: begin of each step, ISO 8601 with a timezone (or an aware datetime), and its mean intensity
        [gCO2eq/kWh]; a row whose intensity is None is a step without a value.
    :param meaning: what the numbers mean.
    :param step: length of a step where the service states it; else the least distance of two rows.
    :raises SourceResponseError: naming the row that is wrong.
    :raises SourceUnavailableError: if no row has a value.
    """

    def __init__(
        self, zone: str, rows: Iterable[tuple[Any, Any]], meaning: Meaning, *, step: timedelta | None = None
    ) -> None:
        self.zone = zone
        self._meaning = meaning
        stamps: list[datetime] = []
        values: list[float] = []
        empty: list[datetime] = []
        for row, (stamp, value) in enumerate(rows):
            begin = _read(stamp)
            if begin is None:
                raise SourceResponseError(f"{meaning.source}: row {row}: {_NO_MOMENT.format(_shown(stamp))}")
            if value is None:
                empty.append(begin)
            # A boolean is an int to Python, and a text is no number: neither is what a service documents.
            elif type(value) in _NUMBERS and 0.0 <= value <= MOST_G_PER_KWH:
                stamps.append(begin)
                values.append(float(value))
            else:
                raise self._no_intensity(row, value)
        if not stamps:
            raise SourceUnavailableError(f"{meaning.source}: no data for {zone}")
        apart = _distances(stamps)
        if apart and min(apart) <= timedelta(0):
            # Read backwards, so that of two rows for one step the first one counts.
            known = dict(zip(reversed(stamps), reversed(values), strict=True))
            stamps = sorted(known)
            values = [known[stamp] for stamp in stamps]
            apart = _distances(stamps)
        if max(stamps).year == MAXYEAR:
            # Its end would lie beyond the calendar.
            raise SourceResponseError(
                f"{meaning.source}: a row begins at {max(stamps).isoformat()}, no moment to plan for"
            )
        if step is None:
            # Empty rows mark the grid too: every other value missing does not make the steps twice as long.
            step = min(_distances(sorted({*stamps, *empty})) if empty else apart, default=None)
        if step is None:
            raise SourceResponseError(f"{meaning.source}: one row alone for {zone} does not tell its step")
        if step < timedelta(seconds=1):
            raise SourceResponseError(f"{meaning.source}: {zone} comes in steps of {step}")
        #: First row of each unbroken stretch, and one past the last of all.
        begins = [0]
        for row, gap in enumerate(apart, 1):
            if gap == step:
                continue
            if gap < step or gap % step:
                raise SourceResponseError(
                    f"{meaning.source}: {zone}: {stamps[row].isoformat()} comes {gap} after the row before it, "
                    f"in a series of steps of {step}"
                )
            begins.append(row)
        begins.append(len(stamps))
        self.step = step
        self._stamps = stamps
        self._values = values
        self._stretches: Sequence[tuple[int, int]] = list(pairwise(begins))

    def holding(self, now: datetime, *, late: timedelta = timedelta(0)) -> Forecast:
        """Give the unbroken stretch that holds a moment, from that moment's step on.

        :param late: an answer may begin so much after the moment, a step at most, because the service's next step had
            begun or the clocks differ: its first step then stands for the one before it as well.
        :raises SourceUnavailableError: if none does.
        """
        for first, last in self._stretches:
            if self._stamps[first] <= now < self._stamps[last - 1] + self.step:
                return self._forecast(first + (now - self._stamps[first]) // self.step, last)
        if now < self._stamps[0] <= now + min(late, self.step):
            first, last = self._stretches[0]
            return self._made(self._stamps[0] - self.step, [self._values[0], *self._values[first:last]])
        raise self._outside(f"does not hold {now.isoformat()}")

    def overlapping(self, start: datetime, end: datetime) -> Forecast:
        """Give the steps that touch ``[start, end)`` of the unbroken stretch that covers most of it.

        :raises SourceUnavailableError: if none touches it.
        """

        def covered(stretch: tuple[int, int]) -> timedelta:
            begins, ends = self._stamps[stretch[0]], self._stamps[stretch[1] - 1] + self.step
            return min(end, ends) - max(start, begins)

        best = max(self._stretches, key=covered)
        if covered(best) <= timedelta(0):
            raise self._outside(f"has nothing between {start.isoformat()} and {end.isoformat()}")
        begins = self._stamps[best[0]]
        first = best[0] + max(0, (start - begins) // self.step)
        last = min(best[1], best[0] - (begins - end) // self.step)
        return self._forecast(first, last)

    def _forecast(self, first: int, last: int) -> Forecast:
        return self._made(self._stamps[first], self._values[first:last])

    def _made(self, start: datetime, values: Sequence[float]) -> Forecast:
        from airflow_carbon.core.forecast import Forecast

        meaning = self._meaning
        try:
            return Forecast(
                self.zone,
                start,
                self.step,
                values,
                meaning.signal,
                accounting=meaning.accounting,
                kind=meaning.kind,
                source=meaning.source,
                issued_at=meaning.issued_at,
            )
        except CarbonError as error:
            raise SourceResponseError(f"{meaning.source}: {error}") from error

    def _no_intensity(self, row: int, value: Any) -> SourceResponseError:
        where = f"{self._meaning.source}: row {row}"
        if type(value) in _NUMBERS and value > MOST_G_PER_KWH:
            return SourceResponseError(
                f"{where}: {min(value, _HUGE):g} g/kWh is more than any grid emits; is its unit another one?"
            )
        return SourceResponseError(f"{where}: {_shown(value)} is no carbon intensity")

    def _outside(self, fault: str) -> SourceUnavailableError:
        begins, ends = self._stamps[0].isoformat(), (self._stamps[-1] + self.step).isoformat()
        gaps = f" with {len(self._stretches) - 1} gaps" if len(self._stretches) > 1 else ""
        return SourceUnavailableError(
            f"{self._meaning.source}: the answer for {self.zone}, {begins} to {ends}{gaps}, {fault}"
        )


def moment(stamp: Any, where: str) -> datetime:
    """Read a moment of an answer.

    :param where: what to name in the message.
    :raises SourceResponseError: if it is no ISO 8601 moment with a timezone.
    """
    read = _read(stamp)
    if read is None:
        raise SourceResponseError(f"{where}: {_NO_MOMENT.format(_shown(stamp))}")
    return read


def _read(stamp: Any) -> datetime | None:
    try:
        read = stamp if isinstance(stamp, datetime) else datetime.fromisoformat(stamp)
        if read.tzinfo is UTC:
            return read
        return None if read.utcoffset() is None else read.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _distances(stamps: Sequence[datetime]) -> list[timedelta]:
    return list(map(sub, stamps[1:], stamps))


def _shown(value: Any) -> str:
    try:
        return repr(str(value)[:40])
    except ValueError:
        # Python does not write out a number of thousands of digits.
        return f"a {type(value).__name__} of endless digits"
