"""One answer of a source, and how long it counts as fresh."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.moment import MICROSECOND, microseconds, moment_at
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import CarbonError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)
class KeptAnswer:
    """Keep an answer with its question's horizon and its age.

    :param whole: the answer.
    :param until: how far the question looked.
    :param asked_at: when it was asked.
    :param expires: until when nobody asks again, counted from then.
    """

    whole: Forecast
    until: datetime
    asked_at: datetime
    expires: datetime
    _cut: Forecast = field(init=False)

    def __post_init__(self) -> None:
        self._cut = self.whole

    def is_fresh(self, now: datetime) -> bool:
        """Tell whether it still counts; an answer from the future is one of a clock that was set back since."""
        return self.asked_at - timedelta(minutes=1) <= now < self.expires

    def holds(self, now: datetime) -> bool:
        """Tell whether the answer holds a moment."""
        return self.whole.start <= now < self.whole.end

    def reaches(self, until: datetime) -> bool:
        """Tell whether a question up to ``until`` would bring nothing more."""
        # An answer shorter than its question is all that the source knows: asking again gains nothing.
        return until <= self.until or self.whole.end < self.until

    def beginning_at(self, now: datetime) -> Forecast:
        """Cut off the steps that are over; the cut is made once for all who ask within one step."""
        if not self._cut.start <= now < self._cut.start + self._cut.step:
            self._cut = self.whole.between(now, self.whole.end)
        return self._cut

    def to_document(self) -> dict[str, Any]:
        """Give it as plain JSON, exactly."""
        whole = self.whole
        return {
            "zone": whole.zone,
            "start_us": whole.start_us,
            "step_us": whole.step_us,
            "intensity_g_per_kwh": whole.intensity.tolist(),
            "signal": str(whole.signal),
            "accounting": [whole.accounting.scope, whole.accounting.flow, whole.accounting.gas],
            "kind": str(whole.kind),
            "source": whole.source,
            "issued_us": None if whole.issued_at is None else microseconds(whole.issued_at),
            "until_us": microseconds(self.until),
            "asked_us": microseconds(self.asked_at),
            "expires_us": microseconds(self.expires),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | None) -> KeptAnswer | None:
        """Take up what :meth:`to_document` gave; None for what is damaged or absent."""
        if document is None:
            return None
        try:
            issued = document["issued_us"]
            whole = Forecast(
                str(document["zone"]),
                moment_at(document["start_us"]),
                document["step_us"] * MICROSECOND,
                document["intensity_g_per_kwh"],
                Signal(document["signal"]),
                accounting=Accounting(*document["accounting"]),
                kind=Kind(document["kind"]),
                source=str(document["source"]),
                issued_at=None if issued is None else moment_at(issued),
            )
            # Damage shows here, and not in the hands of whoever asks for the end.
            moment_at(whole.end_us)
            moments = (moment_at(document[name]) for name in ("until_us", "asked_us", "expires_us"))
            return cls(whole, *moments)
        except (KeyError, TypeError, ValueError, OverflowError, CarbonError):
            return None
