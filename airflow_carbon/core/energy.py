"""E of an SCI: how much energy a piece of work took, how that is known, and the models that estimate it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise

from airflow_carbon.core.amount import amount
from airflow_carbon.core.coefficients import coefficient
from airflow_carbon.core.moment import parse_duration
from airflow_carbon.core.units import JOULES_PER_KWH, WATT_HOURS_PER_KWH
from airflow_carbon.exceptions import InvalidRequestError

_HOUR = timedelta(hours=1)
_TEADS_PERCENTS = (0, 10, 50, 100)


class How(StrEnum):
    """How an energy is known."""

    MEASURED = "measured"
    DECLARED = "declared"
    ESTIMATED = "estimated"


@dataclass(frozen=True, slots=True)
class Energy:
    """Hold the energy of one piece of work, all of its reserved hardware and the data-center overhead included.

    :param kwh: all of it, with what was drawn while hardware waited for the work [kWh].
    :param how: whether it was measured, declared or estimated.
    :param note: by what: the meter, the statement, the model and its coefficients.
    :param idle_kwh: what the hardware would have drawn in the working time without the work [kWh]; None where that is
        not known.
    :param waiting_kwh: what it drew while it was reserved and waited [kWh].
    :raises InvalidRequestError: if an energy is no number, negative, or a part is larger than the whole.
    """

    kwh: float
    how: How
    note: str
    idle_kwh: float | None = None
    waiting_kwh: float = 0.0

    def __post_init__(self) -> None:
        amount(self.kwh, "energy_kwh", "kWh")
        amount(self.waiting_kwh, "waiting_kwh", "kWh")
        if self.idle_kwh is not None:
            amount(self.idle_kwh, "idle_kwh", "kWh")
        # One part in 1e12 is what adding up in another order can change.
        if self.waiting_kwh + (self.idle_kwh or 0.0) > self.kwh * (1.0 + 1e-12):
            raise InvalidRequestError(
                f"idle_kwh: idling takes {self.waiting_kwh + (self.idle_kwh or 0.0):g} kWh; it must be no more than "
                f"the whole energy, {self.kwh:g} kWh"
            )

    @property
    def working_kwh(self) -> float:
        """What was drawn in the working time [kWh]."""
        return self.kwh - self.waiting_kwh

    def reducible_kwh(self, *, always_on: bool) -> float | None:
        """Tell how much of the energy moves when the work does [kWh].

        On always-on hardware only the dynamic part: the idle part is drawn whenever the work runs. None where the two
        cannot be told apart, so that nothing is claimed.

        :param always_on: whether the hardware runs whether or not there is work.
        """
        if not always_on:
            return self.working_kwh
        return None if self.idle_kwh is None else max(0.0, self.working_kwh - self.idle_kwh)


def billed(
    working_kwh: float,
    how: How,
    note: str,
    *,
    idle_watts: float | None,
    pue: float,
    worked: timedelta,
    waited: timedelta = timedelta(0),
) -> Energy:
    """Add overhead and idle energy to the energy that the hardware itself took while it worked.

    :param working_kwh: of the hardware in the working time, without overhead [kWh].
    :param idle_watts: what the hardware draws without work [W]; None where not known.
    :param pue: power usage effectiveness, total over IT energy [1], at least 1.
    :param worked: time on the worker.
    :param waited: how long the hardware was reserved for the work before, without working.
    :raises InvalidRequestError: if hardware waited whose idle power is not known, or a value is out of its range.
    """
    if amount(pue, "pue", "1") < 1.0:
        raise InvalidRequestError(f"pue: {pue} must be 1 or larger: the whole energy over that of the computers alone")
    worked, waited = _time(worked, "worked"), _time(waited, "reserved_while_waiting")
    if waited and idle_watts is None:
        raise InvalidRequestError(
            "idle_watts: hardware stayed reserved during the wait; say what it draws without work [W], for example "
            "energy={'watts': 95, 'idle_watts': 40}"
        )
    # An energy that was read or stated can be less than what idling takes: then none of it is dynamic.
    idle = None if idle_watts is None else min(kwh(idle_watts, worked), working_kwh) * pue
    waiting = 0.0 if idle_watts is None else kwh(idle_watts, waited) * pue
    overhead = "" if pue == 1.0 else f"; PUE {pue:g}"
    return Energy(working_kwh * pue + waiting, how, note + overhead, idle, waiting)


def kwh(watts: float, duration: timedelta) -> float:
    """Compute the energy of a power that is drawn for some time [kWh].

    :param watts: [W].
    :raises InvalidRequestError: if the power is no number or negative, or the duration negative.
    """
    return amount(watts, "watts", "W") * (_time(duration, "duration") / _HOUR) / WATT_HOURS_PER_KWH


def teads_factor(utilisation: float) -> float:
    """Read the Teads curve: power over thermal design power [1], linear between its four points.

    :param utilisation: of the processor [1], in 0..1.
    :raises InvalidRequestError: if the utilisation lies outside.
    """
    percent = 100.0 * _utilisation(utilisation, "utilisation")
    for below, above in pairwise(_TEADS_PERCENTS):
        if percent <= above:
            low, high = (coefficient(f"cpu.teads.{one}").value for one in (below, above))
            return low + (percent - below) / (above - below) * (high - low)
    raise AssertionError("the curve ends at 100 %")


def teads_kwh(
    *, tdp_watts: float, utilisation: float, duration: timedelta, vcpus: float = 1.0, vcpus_of_chip: float = 1.0
) -> float:
    """Estimate the energy of a processor's share by the Teads curve [kWh].

    ``factor x TDP x seconds / 3.6e6 x vCPUs used / vCPUs of the chip``, as Impact Framework's manifests have it.

    :param tdp_watts: thermal design power of the chip [W].
    :param utilisation: of the vCPUs that were used [1], in 0..1.
    :param vcpus: how many were used.
    :param vcpus_of_chip: how many the chip has.
    :raises InvalidRequestError: naming the field that is out of its range.
    """
    used, there = amount(vcpus, "vcpus", "1"), amount(vcpus_of_chip, "vcpus_of_chip", "1")
    if used > there or not there:
        raise InvalidRequestError(f"vcpus: {vcpus} of {vcpus_of_chip} that the chip has; it cannot be more than all")
    joules = (
        teads_factor(utilisation) * amount(tdp_watts, "tdp_watts", "W") * _time(duration, "duration").total_seconds()
    )
    return joules / JOULES_PER_KWH * (used / there)


def linear_watts(least: float, most: float, utilisation: float) -> float:
    """Give the power at a utilisation, linear from idle to full load [W] (Cloud Carbon Footprint, "Compute").

    :param least: at no utilisation [W].
    :param most: at full utilisation [W].
    :raises InvalidRequestError: if the utilisation lies outside 0..1.
    """
    return least + _utilisation(utilisation, "utilisation") * (most - least)


def _utilisation(value: float, field: str) -> float:
    if isinstance(value, int | float) and 1.0 < value <= 100.0:
        raise InvalidRequestError(f"{field}: {value} must lie in 0..1; for {value:g} % write {value / 100:g}")
    return amount(value, field, "1", most=1.0)


def _time(value: timedelta, field: str) -> timedelta:
    return parse_duration(value, field, zero_allowed=True)
