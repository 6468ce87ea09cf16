"""What the same run would have emitted at another time or place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.load import Load, Piece
from airflow_carbon.core.moment import in_words

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast

SHIFTS = tuple(timedelta(hours=hours) for hours in (3, 6, 9, 12, 15))


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """Hold what the same run would have emitted, had it started later (or earlier) by ``shift``, or elsewhere.

    :param intensity_g_per_kwh: mean intensity then [gCO2eq/kWh]; None where it is not known.
    :param emitted_g: emissions then [gCO2eq]; None where the intensity or the energy is not known.
    :param location: where, as the user named it; empty for where it ran.
    :param fault: why it is not known.
    """

    shift: timedelta
    start: datetime
    end: datetime
    intensity_g_per_kwh: float | None
    emitted_g: float | None
    location: str = ""
    fault: str = ""

    @property
    def words(self) -> str:
        """Name it in a few words."""
        if self.location:
            return f"in {self.location}"
        return f"{'-' if self.shift < timedelta(0) else '+'}{in_words(abs(self.shift))}"

    def record(self) -> dict[str, Any]:
        """Give all as plain JSON values."""
        return {
            "counterfactual": self.words,
            "shift_seconds": self.shift.total_seconds(),
            "location": self.location,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "intensity_g_per_kwh": self.intensity_g_per_kwh,
            "emitted_g": self.emitted_g,
            "fault": self.fault,
        }


def counterfactuals(
    series: Forecast,
    *,
    start: datetime,
    end: datetime,
    energy_kwh: float | None = None,
    shifts: Sequence[timedelta] = SHIFTS,
) -> list[Counterfactual]:
    """Tell what a run of even power would have emitted at other times.

    :param series: intensities of one place.
    :param energy_kwh: energy of the run [kWh]; None where not known.
    :raises InvalidRequestError: if a moment is naive, the end does not follow the start, or the energy is wrong.
    """
    return at_other_times(Load((Piece(start, end, energy_kwh),)), series, shifts)


def at_other_times(
    load: Load, where: Forecast | Mapping[str, Forecast], shifts: Sequence[timedelta] = SHIFTS
) -> list[Counterfactual]:
    """Tell what a load would have emitted where it ran, had it started later or earlier.

    :param where: one series for the whole load, or one for each of its locations.
    """
    return [_had(load.started(load.start + shift), where, shift) for shift in shifts]


def in_other_places(
    load: Load, places: Mapping[str, Forecast], *, like: Forecast | None = None
) -> list[Counterfactual]:
    """Tell what a load would have emitted at the same time in other places, all of it in each.

    :param places: intensities by location.
    :param like: intensities of where it ran; one of another signal or accounting is not compared with them.
    """
    rows = []
    for location, series in places.items():
        if like is not None and not like.comparable_with(series):
            fault = f"{series.signal} ({series.accounting}) does not compare with {like.signal} ({like.accounting})"
            rows.append(Counterfactual(timedelta(0), load.start, load.end, None, None, location, fault))
        else:
            rows.append(_had(load, series, timedelta(0), location))
    return rows


def _had(load: Load, where: Forecast | Mapping[str, Forecast], shift: timedelta, location: str = "") -> Counterfactual:
    if not load.covered_by(where):
        fault = "the series does not reach those hours"
        return Counterfactual(shift, load.start, load.end, None, None, location, fault)
    mean, energy = load.mean_g_per_kwh(where), load.energy_kwh
    emitted = None if energy is None else energy * mean
    return Counterfactual(shift, load.start, load.end, mean, emitted, location)
