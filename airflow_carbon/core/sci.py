"""Software Carbon Intensity: emissions per functional unit (ISO/IEC 21031:2024; GSF SCI specification 1.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

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
    energy = _amount(energy_kwh, "energy_kwh", "kWh")
    intensity = _amount(intensity_g_per_kwh, "intensity_g_per_kwh", "gCO2eq/kWh")
    embodied = _amount(embodied_g, "embodied_g", "gCO2eq")
    units = _amount(functional_units, "functional_units", "1")
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
    embodied = _amount(total_embodied_g, "total_embodied_g", "gCO2eq")
    share = _amount(resource_share, "resource_share", "1")
    if share > 1.0:
        raise InvalidRequestError(f"resource_share: {resource_share} is more than the whole; it must lie in 0..1")
    life = parse_duration(expected_life, "expected_life")
    time_share = parse_duration(reserved, "reserved", zero_allowed=True) / life
    if time_share > 1.0:
        raise InvalidRequestError(f"reserved: {reserved} is longer than the expected life, {expected_life}")
    return embodied * time_share * share


@dataclass(frozen=True, slots=True)
class SciReport:
    """Hold an SCI with its four terms apart, and where I comes from.

    :param energy_kwh: E [kWh].
    :param intensity_g_per_kwh: I [gCO2eq/kWh].
    :param embodied_g: M [gCO2eq].
    :param functional_units: R [1].
    :param functional_unit: what one unit of R is, for example ``order``.
    :param intensity_source: who gave I.
    :param zone: the grid zone of I.
    :param kind: how I came about: measured, typical, ...
    :param signal: whether I is average or marginal.
    :param accounting: what else I means.
    :raises InvalidRequestError: as :func:`sci`, or if the functional unit has no name.
    """

    energy_kwh: float
    intensity_g_per_kwh: float
    embodied_g: float
    functional_units: float
    functional_unit: str
    intensity_source: str = ""
    zone: str = ""
    kind: str = ""
    signal: str = ""
    accounting: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.functional_unit, str) or not self.functional_unit.strip():
            raise InvalidRequestError(
                f"functional_unit: {self.functional_unit!r} names nothing; write what is counted, for example 'order'"
            )
        sci(
            energy_kwh=self.energy_kwh,
            intensity_g_per_kwh=self.intensity_g_per_kwh,
            embodied_g=self.embodied_g,
            functional_units=self.functional_units,
        )

    @property
    def operational_g(self) -> float:
        """O = E x I [gCO2eq]."""
        return self.energy_kwh * self.intensity_g_per_kwh

    @property
    def total_g(self) -> float:
        """O + M [gCO2eq]."""
        return self.operational_g + self.embodied_g

    @property
    def score(self) -> float:
        """The SCI [gCO2eq per functional unit]."""
        return self.total_g / self.functional_units

    def record(self) -> dict[str, Any]:
        """Give all as plain JSON values."""
        return {
            "sci_g_per_unit": self.score,
            "functional_unit": self.functional_unit,
            "functional_units": self.functional_units,
            "energy_kwh": self.energy_kwh,
            "intensity_g_per_kwh": self.intensity_g_per_kwh,
            "operational_g": self.operational_g,
            "embodied_g": self.embodied_g,
            "total_g": self.total_g,
            "intensity_source": self.intensity_source,
            "zone": self.zone,
            "kind": self.kind,
            "signal": self.signal,
            "accounting": self.accounting,
        }


def _amount(value: float, field: str, unit: str) -> float:
    # bool is an int to Python, and a count of True orders is a mistake.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < math.inf:
        raise InvalidRequestError(f"{field}: {value!r} must be a finite number, zero or larger [{unit}]")
    return float(value)
