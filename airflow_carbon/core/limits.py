"""What a placement must keep, whatever it would save."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.core.candidate import Candidate


@dataclass(frozen=True, slots=True)
class Limits:
    """State hard constraints; None, or an empty collection of exclusions, asks for nothing.

    What is not known of a region keeps no limit that asks for it, and the reason says so.

    :param allowed_countries: where the data may go, ISO 3166 codes of two letters.
    :param excluded_regions: regions that must not be chosen, as they are written among the candidates.
    :param required_sku: a machine that must be to be had, in its cloud's exact spelling.
    :param max_latency_ms: to where the work is wanted [ms].
    :param max_extra_cost_percent: over the cheapest placement that keeps all other limits [%].
    :raises InvalidRequestError: if a field is out of range.
    """

    allowed_countries: Collection[str] | None = None
    excluded_regions: Collection[str] = ()
    required_sku: str = ""
    max_latency_ms: float | None = None
    max_extra_cost_percent: float | None = None

    def __post_init__(self) -> None:
        for name, example in (("allowed_countries", ["DE", "SE"]), ("excluded_regions", ["azure:westeurope"])):
            if isinstance(getattr(self, name), str):
                raise InvalidRequestError(f"{name}: {getattr(self, name)!r} must be a list, for example {example}")
        if self.allowed_countries is not None:
            if strange := [one for one in self.allowed_countries if not _is_country(one)]:
                raise InvalidRequestError(
                    f"allowed_countries: {strange[0]!r} is no ISO 3166 code of two letters, for example 'SE'"
                )
            object.__setattr__(
                self, "allowed_countries", frozenset(country.strip().upper() for country in self.allowed_countries)
            )
        for name in ("max_latency_ms", "max_extra_cost_percent"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value < math.inf:
                raise InvalidRequestError(f"{name}: {value} must be a number, zero or larger")

    def fault(self, candidate: Candidate) -> str:
        """Say which limit a candidate does not keep; empty where it keeps all that can be told without a ranking."""
        if candidate.name in self.excluded_regions:
            return "it is excluded"
        countries = self.allowed_countries
        if countries is not None and not candidate.country:
            return "its country is not known, and only stated countries are allowed"
        if countries is not None and candidate.country.upper() not in countries:
            return f"country {candidate.country} is not allowed (allowed: {', '.join(sorted(countries)) or 'none'})"
        if self.required_sku and candidate.skus is None:
            return f"its machines are not known, and {self.required_sku} is required"
        if self.required_sku and self.required_sku not in (candidate.skus or ()):
            return f"it has no {self.required_sku}"
        if self.max_latency_ms is not None and candidate.latency_ms is None:
            return f"its latency is not known, and at most {self.max_latency_ms:g} ms are allowed"
        if self.max_latency_ms is not None and (candidate.latency_ms or 0.0) > self.max_latency_ms:
            return f"its latency of {candidate.latency_ms:g} ms is more than the {self.max_latency_ms:g} ms allowed"
        return ""


def _is_country(code: object) -> bool:
    return isinstance(code, str) and len(code.strip()) == 2 and code.strip().isalpha()
