"""What an hour of a machine costs somewhere, and how it is bought."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from airflow_carbon.exceptions import InvalidRequestError

#: No machine costs more an hour, whatever the currency; more is a slip, and would leave the floats.
LARGEST = 1e9


class Purchase(StrEnum):
    """How a machine is bought: kept for the whole run, or cheaper and taken away when its cloud wants it back."""

    DEDICATED = "dedicated"
    SPOT = "spot"

    @classmethod
    def parse(cls, value: str, field: str = "purchase") -> Purchase:
        """Read a purchase type.

        :raises InvalidRequestError: if it is none.
        """
        try:
            return cls(value.strip().lower())
        except (ValueError, AttributeError):
            raise InvalidRequestError(f"{field}: {value!r} is none; there are {', '.join(cls)}") from None


@dataclass(frozen=True, slots=True)
class Price:
    """Hold one list price; what is not known is empty or None.

    :param region: the region as the user wrote it, for example ``azure:swedencentral``.
    :param sku: the machine in its cloud's exact spelling, for example ``Standard_D2s_v3``.
    :param per_hour: of the whole machine [currency/h].
    :param currency: ISO 4217 code.
    :param eviction_rate_per_hour: how often a spot machine is taken away, on average [1/h].
    :param egress_per_gb: of moving data into this region from where it lies [currency/GB].
    :param source: who told the price, for the record.
    :raises InvalidRequestError: if a number is negative or not finite.
    """

    region: str
    sku: str
    purchase: Purchase
    per_hour: float
    currency: str = "USD"
    eviction_rate_per_hour: float | None = None
    egress_per_gb: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        for name in ("per_hour", "eviction_rate_per_hour", "egress_per_gb"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= LARGEST:
                raise InvalidRequestError(f"{name}: {value} of {self.region} must be a number from zero to {LARGEST:g}")
