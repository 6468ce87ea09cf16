"""Data that must move before a run can begin elsewhere: its time, its energy at both ends, and its price."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from airflow_carbon.exceptions import InvalidRequestError

#: Electricity that moving data takes [kWh/GB]: Cloud Carbon Footprint's coefficient, at the low end of what the
#: literature gives (0.001 to 0.14).
KWH_PER_GB = 0.001
#: A gigabit per second [GB/h].
GB_PER_HOUR = 450.0
#: Ten years [h].
LONGEST_HOURS = 87_660.0


@dataclass(frozen=True, slots=True)
class Transfer:
    """Say what data a run needs, and where it lies.

    :param gigabytes: to be moved wherever the run is elsewhere [GB].
    :param home: the region in which they lie, as the user wrote it.
    :param kwh_per_gb: electricity of moving them, half of it at either end [kWh/GB].
    :param gb_per_hour: how fast they move [GB/h].
    :param egress_per_gb: price of moving them out of their region, where a price list does not tell [currency/GB].
    :raises InvalidRequestError: if a number is out of range, or there are data without a place.
    """

    gigabytes: float = 0.0
    home: str = ""
    kwh_per_gb: float = KWH_PER_GB
    gb_per_hour: float = GB_PER_HOUR
    egress_per_gb: float = 0.0

    def __post_init__(self) -> None:
        for name in ("gigabytes", "kwh_per_gb", "egress_per_gb"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                raise InvalidRequestError(f"{name}: {value} must be a number, zero or larger")
        if not 0.0 < self.gb_per_hour < math.inf:
            raise InvalidRequestError(f"gb_per_hour: {self.gb_per_hour} must be a number larger than zero")
        if self.gigabytes / self.gb_per_hour > LONGEST_HOURS:
            raise InvalidRequestError(
                f"gigabytes: {self.gigabytes:g} GB at {self.gb_per_hour:g} GB/h take more than ten years to move"
            )
        if self.gigabytes and not self.home:
            raise InvalidRequestError("data_region: say where the data lie that are to be moved")

    def is_needed(self, region: str) -> bool:
        """Tell whether a run in this region has to wait for data."""
        return self.gigabytes > 0.0 and region != self.home

    @property
    def duration(self) -> timedelta:
        """How long all data take to move."""
        return timedelta(hours=self.gigabytes / self.gb_per_hour)

    def carbon_g(self, home_intensity_g_per_kwh: float, intensity_g_per_kwh: float) -> float:
        """Emissions of moving all data [gCO2eq].

        :param home_intensity_g_per_kwh: of the grid that they leave, while they move.
        :param intensity_g_per_kwh: of the grid that they reach, while they move.
        """
        return self.gigabytes * self.kwh_per_gb * (home_intensity_g_per_kwh + intensity_g_per_kwh) / 2.0
