"""What a service failed with, and how long that counts as its answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon import exceptions
from airflow_carbon.core.moment import microseconds, moment_at
from airflow_carbon.exceptions import CarbonError, SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class KeptFailure:
    """Keep what a source failed with, so that many askers do not repeat a request that fails."""

    error: CarbonError
    asked_at: datetime
    expires: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Tell whether it still counts."""
        return self.asked_at - timedelta(minutes=1) <= now < self.expires

    def to_document(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        return {
            "error": type(self.error).__name__,
            "said": str(self.error),
            "asked_us": microseconds(self.asked_at),
            "expires_us": microseconds(self.expires),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | None) -> KeptFailure | None:
        """Take up what :meth:`to_document` gave; None for what is damaged or absent."""
        if document is None:
            return None
        try:
            kind = getattr(exceptions, str(document["error"]), None)
            if not (isinstance(kind, type) and issubclass(kind, CarbonError)):
                kind = SourceUnavailableError
            error = kind(str(document["said"]))
            return cls(error, moment_at(document["asked_us"]), moment_at(document["expires_us"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
