"""A zone's intensity over time: immutable, on a regular grid, with its integral built once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from airflow_carbon.core.moment import MICROSECOND, microseconds, moment_at
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import InvalidForecastError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class Forecast:
    """Hold mean intensities of consecutive steps of equal length.

    ``intensity[i]`` is the mean over ``[start + i*step, start + (i+1)*step)``: a step function, so that the emission of
    a run is its exact integral. Times are kept as whole microseconds; nothing is rounded.

    :param zone: the grid area, in its source's own name.
    :param start: begin of the first step, timezone-aware.
    :param step: length of every step.
    :param intensity: mean carbon intensity of each step [gCO2eq/kWh], shape ``(n,)``, n >= 1, finite, not negative.
    :param signal: whether the numbers are average or marginal.
    :param accounting: what else the numbers mean.
    :param kind: an issued forecast, an own one, measured values, a typical profile or an annual average.
    :param source: name of the source that gave it, for the record.
    :param issued_at: when the source made it; None where it does not say.
    :param errors: how far its hours have usually strayed from what came, as a share of the mean, one for each class of
        lead times that :mod:`~airflow_carbon.core.forecast_error` knows; empty where its maker does not tell.
    :raises InvalidForecastError: naming the row (counted from 0) that is wrong.
    """

    __slots__ = (
        "accounting", "cumulative", "end_us", "errors", "intensity", "issued_at", "kind", "signal", "source", "start",
        "start_us", "step", "step_us", "zone",
    )  # fmt: skip

    def __init__(
        self,
        zone: str,
        start: datetime,
        step: timedelta,
        intensity: ArrayLike,
        signal: Signal = Signal.AVERAGE,
        *,
        accounting: Accounting = Accounting(),  # noqa: B008 - frozen
        kind: Kind = Kind.FORECAST,
        source: str = "",
        issued_at: datetime | None = None,
        errors: tuple[float, ...] = (),
    ) -> None:
        if start.tzinfo is None:
            raise InvalidForecastError(f"start: {start.isoformat()} has no timezone")
        if step <= timedelta(0):
            raise InvalidForecastError(f"step: {step} must be longer than zero")
        self.zone = zone
        self.start_us: int = microseconds(start)
        self.start = moment_at(self.start_us)
        self.step = timedelta.__pos__(step)
        self.step_us: int = self.step // MICROSECOND
        self.intensity: NDArray[np.float64] = _checked(intensity, zone)
        #: End of the last step [us since the epoch].
        self.end_us: int = self.start_us + len(self) * self.step_us
        self.signal = signal
        self.accounting = accounting
        self.kind = kind
        self.source = source
        self.issued_at = issued_at
        self.errors = errors
        #: Integral up to each edge [gCO2eq/kWh x steps], shape ``(n + 1,)``, ``cumulative[0] == 0``.
        self.cumulative: NDArray[np.float64] = np.empty(self.intensity.size + 1)
        self.cumulative[0] = 0.0
        self.intensity.cumsum(out=self.cumulative[1:])
        self.cumulative.flags.writeable = False

    @classmethod
    def from_points(
        cls,
        zone: str,
        stamps: Sequence[datetime],
        intensity: Sequence[float],
        *,
        step: timedelta | None = None,
        signal: Signal = Signal.AVERAGE,
        accounting: Accounting = Accounting(),  # noqa: B008 - frozen
        kind: Kind = Kind.FORECAST,
        source: str = "",
        issued_at: datetime | None = None,
    ) -> Forecast:
        """Build a forecast from stamped values: sorted, evenly spaced, without a gap.

        :param stamps: begin of each step, timezone-aware.
        :param intensity: mean intensity of each step [gCO2eq/kWh], as many as stamps.
        :param step: length of a step; taken from the first two stamps where not given.
        :raises InvalidForecastError: naming the first row (counted from 0) out of order, doubled or after a gap.
        """
        if len(stamps) != len(intensity):
            raise InvalidForecastError(f"{zone}: {len(stamps)} stamps but {len(intensity)} intensities")
        if not stamps:
            raise InvalidForecastError(f"{zone}: the series is empty; at least one row is needed")
        for row, stamp in enumerate(stamps):
            if stamp.tzinfo is None:
                raise InvalidForecastError(f"{zone}: row {row}: {stamp.isoformat()} has no timezone")
        if step is None:
            if len(stamps) < 2:
                raise InvalidForecastError(f"{zone}: one row alone does not tell the step; give `step` or more rows")
            step = stamps[1] - stamps[0]
        for row in range(1, len(stamps)):
            apart = stamps[row] - stamps[row - 1]
            if apart == step and apart > timedelta(0):
                continue
            fault = (
                "repeats the row before it"
                if apart == timedelta(0)
                else "is earlier than the row before it; sort the rows by time"
                if apart < timedelta(0)
                else f"comes {apart} after the row before it, not {step}; fill the gap or cut the series there"
            )
            raise InvalidForecastError(f"{zone}: row {row}: {stamps[row].isoformat()} {fault}")
        return cls(
            zone,
            stamps[0],
            step,
            intensity,
            signal,
            accounting=accounting,
            kind=kind,
            source=source,
            issued_at=issued_at,
        )

    def __len__(self) -> int:
        return int(self.intensity.size)

    def __repr__(self) -> str:
        return f"<Forecast {self.zone} {self.kind} {self.start.isoformat()} +{len(self)} x {self.step} {self.signal}>"

    @property
    def end(self) -> datetime:
        """End of the last step: the horizon."""
        return moment_at(self.end_us)

    def integral_to(self, moment_us: int) -> float:
        """Integrate from the start to a moment [us since the epoch]; [gCO2eq/kWh x steps].

        :raises InvalidForecastError: if the moment lies outside the forecast.
        """
        steps, rest = divmod(moment_us - self.start_us, self.step_us)
        if not self.start_us <= moment_us <= self.end_us:
            raise InvalidForecastError(
                f"{self.zone}: {moment_at(moment_us).isoformat()} lies outside the series, which covers "
                f"{self.start.isoformat()} to {self.end.isoformat()}"
            )
        whole: float = self.cumulative.item(steps)
        return whole + self.intensity.item(steps) * (rest / self.step_us) if rest else whole

    def mean(self, start: datetime, end: datetime) -> float:
        """Mean intensity between two moments [gCO2eq/kWh]: what one kWh spread evenly over them emits.

        :raises InvalidForecastError: if they are out of order or lie outside the forecast.
        """
        start_us, end_us = microseconds(start), microseconds(end)
        if end_us <= start_us:
            raise InvalidForecastError(
                f"{self.zone}: no mean from {start.isoformat()} to {end.isoformat()}: the end must be later"
            )
        steps = (end_us - start_us) / self.step_us
        return (self.integral_to(end_us) - self.integral_to(start_us)) / steps

    def covers(self, start: datetime, end: datetime) -> bool:
        """Tell whether the whole of ``[start, end)`` lies inside."""
        return self.start_us <= microseconds(start) and microseconds(end) <= self.end_us

    def between(self, start: datetime, end: datetime) -> Forecast:
        """Cut out the steps that touch ``[start, end)``.

        :raises InvalidForecastError: if none does.
        """
        first = max(0, (microseconds(start) - self.start_us) // self.step_us)
        last = min(len(self), -((self.start_us - microseconds(end)) // self.step_us))
        if first >= last:
            raise InvalidForecastError(
                f"{self.zone}: nothing between {start.isoformat()} and {end.isoformat()}; the series covers "
                f"{self.start.isoformat()} to {self.end.isoformat()}"
            )
        return Forecast(
            self.zone,
            moment_at(self.start_us + first * self.step_us),
            self.step,
            self.intensity[first:last],
            self.signal,
            accounting=self.accounting,
            kind=self.kind,
            source=self.source,
            issued_at=self.issued_at,
            errors=self.errors,
        )

    def replaced(
        self,
        *,
        start: datetime | None = None,
        step: timedelta | None = None,
        kind: Kind | None = None,
        source: str | None = None,
        issued_at: datetime | None = None,
    ) -> Forecast:
        """Give the same intensities under another start, step, kind, source or issue; what is None stays."""
        return Forecast(
            self.zone,
            self.start if start is None else start,
            self.step if step is None else step,
            self.intensity,
            self.signal,
            accounting=self.accounting,
            kind=self.kind if kind is None else kind,
            source=self.source if source is None else source,
            issued_at=self.issued_at if issued_at is None else issued_at,
            errors=self.errors,
        )

    def comparable_with(self, other: Forecast) -> bool:
        """Tell whether the numbers of both mean the same: equal signal and equal accounting."""
        return self.signal == other.signal and self.accounting == other.accounting


def issuer(source: str) -> str:
    """Name who issued an answer, from its ``source``: without its details, and what failed before it in a chain."""
    return source.partition(" (after ")[0].partition(",")[0]


def _checked(intensity: ArrayLike, zone: str) -> NDArray[np.float64]:
    try:
        values = np.array(intensity, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidForecastError(f"{zone}: the intensities are not all numbers") from None
    if values.ndim != 1 or values.size == 0:
        raise InvalidForecastError(
            f"{zone}: the series has shape {values.shape}; one row of at least one number is needed"
        )
    # Both stop at a NaN, and a comparison with NaN is false: two reductions find every bad value.
    if not (values[values.argmin()] >= 0.0 and values[values.argmax()] < np.inf):
        row = int(np.flatnonzero(~(np.isfinite(values) & (values >= 0.0)))[0])
        raise InvalidForecastError(
            f"{zone}: row {row}: {values[row]} is no carbon intensity; it must be a number, zero or larger [gCO2eq/kWh]"
        )
    values.flags.writeable = False
    return values
