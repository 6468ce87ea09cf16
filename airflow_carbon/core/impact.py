"""What a run emitted, against the same job at home when it was first ready."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.amount import amount
from airflow_carbon.core.load import Arrangement, Load, Piece
from airflow_carbon.core.moment import parse_moment
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast


@dataclass(frozen=True, slots=True)
class Impact:
    """Hold one run and its baseline: the same duration and energy, in the home region, started when first ready.

    Without an energy there are intensities and a percentage, and no grams. A negative reduction stays negative.

    :param zone: the grid zone where it ran.
    :param home_zone: the grid zone of its baseline.
    :param intensity_g_per_kwh: mean intensity while it ran [gCO2eq/kWh].
    :param baseline_intensity_g_per_kwh: mean intensity of the baseline [gCO2eq/kWh].
    :param energy_kwh: energy of the run that moves with it [kWh]; None where not known.
    :param kind: how the intensities of the run came about.
    :param baseline_kind: the same of the baseline.
    :param waiting_g: what hardware emitted that was reserved while the run waited [gCO2eq]; the baseline, which does
        not wait, has none of it.
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
    waiting_g: float = 0.0

    @property
    def emitted_g(self) -> float | None:
        """What the run emitted, with what was drawn while it waited [gCO2eq]."""
        return None if self.energy_kwh is None else self.energy_kwh * self.intensity_g_per_kwh + self.waiting_g

    @property
    def baseline_g(self) -> float | None:
        """What the baseline would have emitted [gCO2eq]."""
        return None if self.energy_kwh is None else self.energy_kwh * self.baseline_intensity_g_per_kwh

    @property
    def reduction_g(self) -> float | None:
        """Baseline less emitted [gCO2eq]; negative where the run did worse."""
        return None if self.energy_kwh is None else self.energy_kwh * self.reduction_g_per_kwh - self.waiting_g

    @property
    def reduction_g_per_kwh(self) -> float:
        """Reduction of the intensity alone [gCO2eq/kWh]."""
        return self.baseline_intensity_g_per_kwh - self.intensity_g_per_kwh

    @property
    def reduction_percent(self) -> float | None:
        """The reduction as a share of the baseline [%]; None where the baseline is zero."""
        reduction, baseline = self.reduction_g, self.baseline_g
        if not self.energy_kwh or reduction is None or baseline is None:
            reduction, baseline = self.reduction_g_per_kwh, self.baseline_intensity_g_per_kwh
        return 100.0 * reduction / baseline if baseline else None

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
            "waiting_g": None if self.energy_kwh is None else self.waiting_g,
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
    return impact_of(Load((Piece(start, end, energy_kwh),)), series, ready_at=ready_at, home=home)


def impact_of(
    load: Load,
    where: Forecast | Mapping[str, Forecast],
    *,
    ready_at: datetime,
    home: Forecast | None = None,
    arrangement: Arrangement = Arrangement.AS_IT_RAN,
    waiting_g: float = 0.0,
) -> Impact:
    """Compare a load with the same one at home, started when it was first ready.

    :param load: the energy of the run that moves with it: on always-on hardware the dynamic part alone.
    :param where: intensities where it ran: one series, or one for each location.
    :param home: intensities of the home region; where there is one series alone, it serves by default.
    :param arrangement: how the baseline's pieces lie to each other.
    :param waiting_g: what hardware emitted that was reserved while the run waited [gCO2eq].
    :raises InvalidRequestError: if there are several series and no home, or signal or accounting differ.
    :raises InvalidForecastError: if a series does not cover its run.
    """
    amount(waiting_g, "waiting_g", "gCO2eq")
    ready, mean = parse_moment(ready_at, "ready_at"), load.mean_g_per_kwh(where)
    used = {one.location for one in load.pieces}
    there = [where[name] for name in sorted(used)] if isinstance(where, Mapping) else [where]
    if home is None and len(there) > 1:
        raise InvalidRequestError(f"home: the run has {len(there)} locations; say which one its baseline runs in")
    home = there[0] if home is None else home
    for series in there:
        if not series.comparable_with(home):
            raise InvalidRequestError(
                f"home: the run's intensities are {series.signal} ({series.accounting}), its baseline's are "
                f"{home.signal} ({home.accounting}); a reduction needs both of one sort"
            )
    baseline = load.started(ready, arrangement)
    return Impact(
        zone=_listed(series.zone for series in there),
        home_zone=home.zone,
        start=load.start,
        end=load.end,
        ready_at=ready,
        intensity_g_per_kwh=mean,
        baseline_intensity_g_per_kwh=baseline.mean_g_per_kwh(home),
        energy_kwh=load.energy_kwh,
        signal=home.signal,
        accounting=home.accounting,
        # What stands on one estimate is an estimate.
        kind=next((series.kind for series in there if series.kind is not Kind.MEASURED), there[0].kind),
        baseline_kind=home.kind,
        source=_listed(series.source for series in there),
        baseline_source=home.source,
        waiting_g=waiting_g,
    )


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


def _listed(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(word for word in words if word))
