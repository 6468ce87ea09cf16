"""Software Carbon Intensity: emissions per functional unit (ISO/IEC 21031:2024; GSF SCI specification 1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow_carbon.core.amount import amount
from airflow_carbon.core.moment import parse_duration
from airflow_carbon.exceptions import InvalidRequestError


def sci(*, energy_kwh: float, intensity_g_per_kwh: float, embodied_g: float, functional_units: float) -> float:
    """Compute ``(E x I + M) per R`` (ISO/IEC 21031:2024, clause "Methodology") [gCO2eq per functional unit].

    :param energy_kwh: E, energy of all hardware reserved for the work, data-center overhead included [kWh].
    :param intensity_g_per_kwh: I, location-based carbon intensity of that energy [gCO2eq/kWh].
    :param embodied_g: M, the work's share of the embodied emissions of its hardware [gCO2eq].
    :param functional_units: R, how many units of work were done [1]; larger than zero.
    :raises InvalidRequestError: naming the field that is no number, not finite, negative, or a zero R.
    """
    energy = amount(energy_kwh, "energy_kwh", "kWh")
    intensity = amount(intensity_g_per_kwh, "intensity_g_per_kwh", "gCO2eq/kWh")
    embodied = amount(embodied_g, "embodied_g", "gCO2eq")
    units = amount(functional_units, "functional_units", "1")
    if units == 0.0:
        raise InvalidRequestError("functional_units: R is 0; emissions per unit need more than zero units of work done")
    return (energy * intensity + embodied) / units


def embodied_share_g(
    total_embodied_g: float, *, reserved: timedelta, expected_life: timedelta, resource_share: float = 1.0
) -> float:
    """Compute ``M = TE x TS x RS`` with ``TS = TiR / EL`` (ISO/IEC 21031:2024, "Embodied carbon") [gCO2eq].

    :param total_embodied_g: TE, embodied emissions of the hardware over its whole life [gCO2eq].
    :param reserved: TiR, how long the hardware was reserved for the work.
    :param expected_life: EL, how long the hardware is expected to serve.
    :param resource_share: RS, the share of its resources that was reserved [1], in 0..1.
    :raises InvalidRequestError: naming the field that is no number, negative, or outside its range.
    """
    embodied = amount(total_embodied_g, "total_embodied_g", "gCO2eq")
    share = amount(resource_share, "resource_share", "1")
    if share > 1.0:
        raise InvalidRequestError(f"resource_share: {resource_share} is more than the whole; it must lie in 0..1")
    life = parse_duration(expected_life, "expected_life")
    time_share = parse_duration(reserved, "reserved", zero_allowed=True) / life
    if time_share > 1.0:
        raise InvalidRequestError(f"reserved: {reserved} is longer than the expected life, {expected_life}")
    return embodied * time_share * share


@dataclass(frozen=True, slots=True)
class SciReport:
    """Hold an SCI with its four terms apart, and where E and I come from.

    Without an energy there are intensities and a percentage, and never grams.

    :param energy_kwh: E [kWh]; None where nobody knows it.
    :param intensity_g_per_kwh: I [gCO2eq/kWh].
    :param embodied_g: M [gCO2eq].
    :param functional_units: R [1].
    :param functional_unit: what one unit of R is, for example ``order``.
    :param intensity_source: who gave I.
    :param zone: the grid zone of I.
    :param kind: how I came about: measured, typical, ...
    :param signal: whether I is average or marginal.
    :param accounting: what else I means.
    :param energy_how: whether E was measured, declared or estimated.
    :param energy_note: by what.
    :param embodied_note: what M stands on.
    :param final: True where I is measured, or was given; False where measured values may still replace it.
    :param ready_intensity_g_per_kwh: what I would have been, had the work begun when it was first ready [gCO2eq/kWh].
    :raises InvalidRequestError: as :func:`sci`, or if the functional unit has no name.
    """

    energy_kwh: float | None
    intensity_g_per_kwh: float
    embodied_g: float
    functional_units: float
    functional_unit: str
    intensity_source: str = ""
    zone: str = ""
    kind: str = ""
    signal: str = ""
    accounting: str = ""
    energy_how: str = ""
    energy_note: str = ""
    embodied_note: str = ""
    final: bool = True
    ready_intensity_g_per_kwh: float | None = None

    def __post_init__(self) -> None:
        unit_name(self.functional_unit)
        sci(
            energy_kwh=0.0 if self.energy_kwh is None else self.energy_kwh,
            intensity_g_per_kwh=self.intensity_g_per_kwh,
            embodied_g=self.embodied_g,
            functional_units=self.functional_units,
        )

    @property
    def operational_g(self) -> float | None:
        """O = E x I [gCO2eq]; None without an energy."""
        return None if self.energy_kwh is None else self.energy_kwh * self.intensity_g_per_kwh

    @property
    def total_g(self) -> float | None:
        """O + M [gCO2eq]; None without an energy."""
        operational = self.operational_g
        return None if operational is None else operational + self.embodied_g

    @property
    def score(self) -> float | None:
        """The SCI [gCO2eq per functional unit]; None without an energy."""
        total = self.total_g
        return None if total is None else total / self.functional_units

    @property
    def cleaner_percent(self) -> float | None:
        """How much cleaner the electricity was than when the work was first ready [%]; negative where it was not."""
        before = self.ready_intensity_g_per_kwh
        return 100.0 * (1.0 - self.intensity_g_per_kwh / before) if before else None

    def record(self) -> dict[str, Any]:
        """Give all as plain JSON values."""
        return {
            "sci_g_per_unit": self.score,
            "functional_unit": self.functional_unit,
            "functional_units": self.functional_units,
            "energy_kwh": self.energy_kwh,
            "energy_how": self.energy_how,
            "energy_note": self.energy_note,
            "intensity_g_per_kwh": self.intensity_g_per_kwh,
            "operational_g": self.operational_g,
            "embodied_g": None if self.energy_kwh is None else self.embodied_g,
            "embodied_note": self.embodied_note,
            "total_g": self.total_g,
            "intensity_source": self.intensity_source,
            "zone": self.zone,
            "kind": self.kind,
            "signal": self.signal,
            "accounting": self.accounting,
            "cleaner_percent": self.cleaner_percent,
            "final": self.final,
        }


def unit_name(name: Any) -> str:
    """Check the name of a functional unit.

    :raises InvalidRequestError: if it is no text, or empty.
    """
    if not isinstance(name, str) or not name.strip():
        raise InvalidRequestError(
            f"functional_unit: {name!r} names nothing; write what is counted, for example 'order'"
        )
    return name.strip()
