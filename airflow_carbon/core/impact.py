"""What a run emitted, against the same job at home when it was first ready."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.moment import parse_moment
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast

SHIFTS = tuple(timedelta(hours=hours) for hours in (3, 6, 9, 12, 15))


@dataclass(frozen=True, slots=True)
class Impact:
    """Hold one run and its baseline: the same duration and energy, in the home region, started when first ready.

    Without an energy there are intensities and a percentage, and no grams. A negative reduction stays negative.

    :param zone: the grid zone where it ran.
    :param home_zone: the grid zone of its baseline.
    :param intensity_g_per_kwh: mean intensity while it ran [gCO2eq/kWh].
    :param baseline_intensity_g_per_kwh: mean intensity of the baseline [gCO2eq/kWh].
    :param energy_kwh: energy of the run [kWh]; None where not known.
    :param kind: how the intensities of the run came about.
    :param baseline_kind: the same of the baseline.
    """

    zone: str
    home_zone: str
    start: datetime
    end: datetime
    ready_at: datetime
    intensity_g_per_kwh: float
    baseline_intensity_g_per_kwh: float
    energy_kwh: float | None
    signal: Signal
    accounting: Accounting
    kind: Kind
    baseline_kind: Kind
    source: str = ""
    baseline_source: str = ""

    @property
    def emitted_g(self) -> float | None:
        """What the run emitted [gCO2eq]."""
        return None if self.energy_kwh is None else self.energy_kwh * self.intensity_g_per_kwh

    @property
    def baseline_g(self) -> float | None:
        """What the baseline would have emitted [gCO2eq]."""
        return None if self.energy_kwh is None else self.energy_kwh * self.baseline_intensity_g_per_kwh

    @property
    def reduction_g(self) -> float | None:
        """Baseline less emitted [gCO2eq]; negative where the run did worse."""
        return None if self.energy_kwh is None else self.energy_kwh * self.reduction_g_per_kwh

    @property
    def reduction_g_per_kwh(self) -> float:
        """The same for each kWh [gCO2eq/kWh]."""
        return self.baseline_intensity_g_per_kwh - self.intensity_g_per_kwh

    @property
    def reduction_percent(self) -> float | None:
        """The same as a share of the baseline [%]; None where the baseline is zero."""
        if not self.baseline_intensity_g_per_kwh:
            return None
        return 100.0 * self.reduction_g_per_kwh / self.baseline_intensity_g_per_kwh

    @property
    def reduction_label(self) -> str:
        """What the reduction may be called."""
        return reduction_label(self.signal)

    @property
    def measured(self) -> bool:
        """Tell whether both sides stand on measured intensities."""
        return self.kind is Kind.MEASURED and self.baseline_kind is Kind.MEASURED

    def record(self) -> dict[str, Any]:
        """Give all as plain JSON values."""
        return {
            "zone": self.zone,
            "home_zone": self.home_zone,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "ready_at": self.ready_at.isoformat(),
            "intensity_g_per_kwh": self.intensity_g_per_kwh,
            "baseline_intensity_g_per_kwh": self.baseline_intensity_g_per_kwh,
            "energy_kwh": self.energy_kwh,
            "emitted_g": self.emitted_g,
            "baseline_g": self.baseline_g,
            "reduction_g": self.reduction_g,
            "reduction_g_per_kwh": self.reduction_g_per_kwh,
            "reduction_percent": self.reduction_percent,
            "reduction_label": self.reduction_label,
            "signal": str(self.signal),
            "accounting": str(self.accounting),
            "kind": str(self.kind),
            "baseline_kind": str(self.baseline_kind),
            "source": self.source,
            "baseline_source": self.baseline_source,
            "measured": self.measured,
        }


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """Hold what the same run would have emitted, had it started later (or earlier) by ``shift``.

    :param intensity_g_per_kwh: mean intensity then [gCO2eq/kWh]; None where the series does not reach it.
    :param emitted_g: emissions then [gCO2eq]; None where the intensity or the energy is not known.
    """

    shift: timedelta
    start: datetime
    end: datetime
    intensity_g_per_kwh: float | None
    emitted_g: float | None


@dataclass(frozen=True, slots=True)
class Total:
    """Hold the sum of many impacts of one signal and accounting [gCO2eq].

    :param runs: how many runs are in the sum.
    :param without_energy: how many more have no energy, and so no grams.
    :param measured: True where each run in the sum stands on measured intensities.
    """

    emitted_g: float
    baseline_g: float
    reduction_g: float
    runs: int
    without_energy: int
    signal: Signal
    accounting: Accounting
    measured: bool

    @property
    def reduction_label(self) -> str:
        """What the reduction may be called."""
        return reduction_label(self.signal)


def reduction_label(signal: Signal) -> str:
    """Name a reduction by what its signal can tell: only a marginal one speaks of emissions that did not happen."""
    return "avoided (estimate)" if signal is Signal.MARGINAL else "attributed reduction"


def impact(
    series: Forecast,
    *,
    start: datetime,
    end: datetime,
    ready_at: datetime,
    energy_kwh: float | None = None,
    home: Forecast | None = None,
) -> Impact:
    """Compare a run with the same job in its home region, started when it was first ready.

    :param series: intensities where it ran, over ``[start, end)``; measured ones for a reduction that is claimed.
    :param ready_at: when the task was first ready; the baseline takes as long as the run did, from here.
    :param energy_kwh: energy of the run [kWh]; None where not known.
    :param home: intensities of the home region; ``series`` where it ran at home.
    :raises InvalidRequestError: if a moment is naive, the end does not follow the start, the energy is negative or no
        number, or signal or accounting of the two series differ.
    :raises InvalidForecastError: if a series does not cover its run.
    """
    began, ended, ready = parse_moment(start, "start"), parse_moment(end, "end"), parse_moment(ready_at, "ready_at")
    _check(began, ended, energy_kwh)
    home = series if home is None else home
    if not series.comparable_with(home):
        raise InvalidRequestError(
            f"home: the run's intensities are {series.signal} ({series.accounting}), its baseline's are {home.signal} "
            f"({home.accounting}); a reduction needs both of one sort"
        )
    return Impact(
        zone=series.zone,
        home_zone=home.zone,
        start=began,
        end=ended,
        ready_at=ready,
        intensity_g_per_kwh=series.mean(began, ended),
        baseline_intensity_g_per_kwh=home.mean(ready, ready + (ended - began)),
        energy_kwh=energy_kwh,
        signal=series.signal,
        accounting=series.accounting,
        kind=series.kind,
        baseline_kind=home.kind,
        source=series.source,
        baseline_source=home.source,
    )


def counterfactuals(
    series: Forecast,
    *,
    start: datetime,
    end: datetime,
    energy_kwh: float | None = None,
    shifts: Sequence[timedelta] = SHIFTS,
) -> list[Counterfactual]:
    """Tell what the same run would have emitted at other times; where, is a matter of whose series is given.

    :param energy_kwh: energy of the run [kWh]; None where not known.
    :raises InvalidRequestError: if a moment is naive, the end does not follow the start, or the energy is wrong.
    """
    began, ended = parse_moment(start, "start"), parse_moment(end, "end")
    _check(began, ended, energy_kwh)
    rows = []
    for shift in shifts:
        at, until = began + shift, ended + shift
        mean = series.mean(at, until) if series.covers(at, until) else None
        emitted = None if mean is None or energy_kwh is None else mean * energy_kwh
        rows.append(Counterfactual(shift, at, until, mean, emitted))
    return rows


def total(impacts: Iterable[Impact]) -> Total:
    """Add up impacts; those without an energy are counted, not added.

    :raises InvalidRequestError: if there is none, or they differ in signal or accounting: such sums mean nothing.
    """
    every = list(impacts)
    if not every:
        raise InvalidRequestError("impacts: there is none to add up")
    one = every[0]
    for other in every:
        if (other.signal, other.accounting) != (one.signal, one.accounting):
            raise InvalidRequestError(
                f"impacts: {one.signal} ({one.accounting}) and {other.signal} ({other.accounting}) do not add up; "
                f"make one total for each"
            )
    known = [each for each in every if each.energy_kwh is not None]
    emitted = math.fsum(each.emitted_g or 0.0 for each in known)
    baseline = math.fsum(each.baseline_g or 0.0 for each in known)
    reduction = math.fsum(each.reduction_g or 0.0 for each in known)
    measured = all(each.measured for each in known)
    return Total(
        emitted, baseline, reduction, len(known), len(every) - len(known), one.signal, one.accounting, measured
    )


def _check(start: datetime, end: datetime, energy_kwh: float | None) -> None:
    if end <= start:
        raise InvalidRequestError(f"end: {end.isoformat()} must be later than the start, {start.isoformat()}")
    if energy_kwh is not None and not (
        isinstance(energy_kwh, int | float) and not isinstance(energy_kwh, bool) and 0.0 <= energy_kwh < math.inf
    ):
        raise InvalidRequestError(f"energy_kwh: {energy_kwh!r} must be a number, zero or larger [kWh], or None")
