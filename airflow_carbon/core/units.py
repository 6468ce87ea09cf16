"""What a number of grams per kilowatt-hour means, and the conversions into it."""

from __future__ import annotations

from enum import StrEnum

from airflow_carbon.core.value import value

#: Grams in one avoirdupois pound (exact by definition, NIST SP 811).
GRAMS_PER_POUND = 453.59237
JOULES_PER_KWH = 3_600_000.0
WATT_HOURS_PER_KWH = 1000.0


class Signal(StrEnum):
    """Which power plants a number speaks of: all that run, or the one that answers one more kWh."""

    AVERAGE = "average"
    MARGINAL = "marginal"


class Kind(StrEnum):
    """How a series of intensities came about; only the first was issued, and is called a forecast without more."""

    FORECAST = "forecast"
    OWN = "own forecast"
    MEASURED = "measured"
    TYPICAL = "typical"
    ANNUAL_AVERAGE = "annual average"


@value
class Accounting:
    """State the rest of what an intensity means; an empty field says that the source does not tell.

    :param scope: ``"direct"`` (the stack alone) or ``"life-cycle"`` (fuel chain and construction too).
    :param flow: ``"consumption"`` (imports and exports followed) or ``"production"``.
    :param gas: ``"CO2"`` or ``"CO2e"``.
    """

    scope: str = ""
    flow: str = ""
    gas: str = ""

    def __str__(self) -> str:
        return ", ".join(word for word in (self.scope, self.flow, self.gas) if word) or "not stated"


def g_per_kwh_from_lb_per_mwh(pounds_per_mwh: float) -> float:
    """Convert pounds per megawatt-hour [lb/MWh] to [g/kWh]."""
    return pounds_per_mwh * GRAMS_PER_POUND / 1000.0


def kwh_from_joules(joules: float) -> float:
    """Convert energy [J] to [kWh]."""
    return joules / JOULES_PER_KWH
