"""What an amount of CO2 is comparable to, each factor with its source and year.

A comparison helps to picture an amount and proves nothing: the gases differ (a grid's CO2e, a tailpipe's CO2), and so
does what is counted (a life cycle, or the exhaust alone).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from airflow_carbon.exceptions import InvalidRequestError

#: Kilometres in one international mile, litres in one US gallon (exact by definition, NIST SP 811).
KM_PER_MILE = 1.609344
LITRES_PER_GALLON = 3.785411784

_EPA = "US EPA, Tailpipe Greenhouse Gas Emissions from a Typical Passenger Vehicle, EPA-420-F-23-014"


@dataclass(frozen=True, slots=True)
class Factor:
    """State one comparison.

    :param name: of what is compared, in the plural or without number.
    :param unit: of its amount.
    :param grams_per_unit: what one unit emits [g].
    :param meaning: what those grams are, and what they leave out.
    :param source: who says so.
    :param year: of the statement; of the data, where these come every year.
    """

    name: str
    unit: str
    grams_per_unit: float
    meaning: str
    source: str
    year: int

    def __str__(self) -> str:
        return f"{self.grams_per_unit:.4g} g per {self.unit}, {self.meaning}; {self.source} ({self.year})"


#: Every comparison that is made; the first is the one to show where there is room for one.
FACTORS = (
    Factor(
        "driven by an average car in the US",
        "km",
        400.0 / KM_PER_MILE,
        "CO2 of the tailpipe alone, 400 g per mile over the cars in use",
        _EPA,
        2023,
    ),
    Factor(
        "driven by an average new car in Europe",
        "km",
        108.1,
        "CO2 of the tailpipe alone in the WLTP test, over the cars registered that year, 13.5 % of them electric",
        "European Environment Agency, CO2 performance of new passenger cars in Europe",
        2022,
    ),
    Factor(
        "of petrol burnt",
        "l",
        8887.0 / LITRES_PER_GALLON,
        "CO2 of the fuel's carbon alone, 8,887 g per US gallon",
        _EPA,
        2023,
    ),
)


@dataclass(frozen=True, slots=True)
class Equivalent:
    """Hold one comparison.

    :param amount: in the factor's unit; negative where more was emitted, not less.
    """

    factor: Factor
    amount: float

    def __str__(self) -> str:
        return f"{_short(self.amount)} {self.factor.unit} {self.factor.name}"

    def record(self) -> dict[str, Any]:
        """Give all as plain JSON values."""
        return {
            "amount": self.amount,
            "unit": self.factor.unit,
            "name": self.factor.name,
            "grams_per_unit": self.factor.grams_per_unit,
            "meaning": self.factor.meaning,
            "source": self.factor.source,
            "year": self.factor.year,
        }


def equivalents(grams: float) -> list[Equivalent]:
    """Compare an amount to each of :data:`FACTORS`.

    :param grams: [gCO2eq]; a negative amount stays negative.
    :raises InvalidRequestError: if it is no finite number.
    """
    if not math.isfinite(grams):
        raise InvalidRequestError(f"grams: {grams} must be a finite number [gCO2eq]")
    return [Equivalent(factor, grams / factor.grams_per_unit) for factor in FACTORS]


def _short(amount: float) -> str:
    # Three digits say as much as such a comparison can; none is written with an exponent.
    return f"{amount:,.0f}" if abs(amount) >= 100.0 else f"{amount:.3g}" if abs(amount) >= 0.001 else f"{amount:.4f}"
