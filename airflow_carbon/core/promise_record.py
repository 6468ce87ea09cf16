"""What became of a source's past promises, and how far to believe its next one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_carbon.exceptions import InvalidRequestError

#: Promises that the record remembers, in effect; older ones fade.
MEMORY = 100.0
#: Points of promises that are taken as kept before any was seen, and fade like any other: about ten promises, so that a
#: few bad days, which come together, do not pass for the rule.
PRIOR_POINTS = 250.0


@dataclass(frozen=True, slots=True)
class PromiseRecord:
    """Hold, for one source and zone, what was promised and what was realised.

    The least of many noisy numbers looks better than it is, so that the best of a forecast's windows tends to promise
    too much (Smith and Winkler 2006, "The optimizer's curse", doi:10.1287/mnsc.1050.0451). The cure here is that
    paper's, shrinking, with its strength taken from what earlier promises became: realised over promised, both summed
    with a fading memory. A record that keeps more than it promised is no reason to promise more.

    :param promised_points: sum of promised savings that are remembered [points], larger than zero.
    :param realised_points: sum of what they became [points]; negative where they emitted more than at once.
    :param count: how many are remembered, in effect [1].
    """

    promised_points: float = PRIOR_POINTS
    realised_points: float = PRIOR_POINTS
    count: float = 0.0

    def observed(self, *, promised_percent: float, realised_percent: float) -> PromiseRecord:
        """Return what is known once a promise has come due; one of nothing teaches nothing.

        :param promised_percent: what was promised when the wait began, before shrinking, against a run at once [%].
        :param realised_percent: what was measured, against the same run at once [%]; one run that emitted many times
            as much counts as -100.
        :raises InvalidRequestError: if one of them is no number.
        """
        if not (math.isfinite(promised_percent) and math.isfinite(realised_percent)):
            raise InvalidRequestError(f"promised, realised: {promised_percent}, {realised_percent} must be numbers [%]")
        if promised_percent <= 0.0:
            return self
        kept = 1.0 - 1.0 / MEMORY
        return PromiseRecord(
            kept * self.promised_points + promised_percent,
            kept * self.realised_points + max(-100.0, realised_percent),
            kept * self.count + 1.0,
        )

    @property
    def factor(self) -> float:
        """Share of a promise to believe, from 0 to 1."""
        return min(max(self.realised_points / self.promised_points, 0.0), 1.0)

    def shrunk(self, promised_percent: float) -> float:
        """Shrink a promise [%] by what earlier ones became; what promises no saving stays as it is."""
        return promised_percent * self.factor if promised_percent > 0.0 else promised_percent

    def to_dict(self) -> dict[str, float]:
        """Give the record as plain JSON."""
        return {
            "promised_points": round(self.promised_points, 3),
            "realised_points": round(self.realised_points, 3),
            "count": round(self.count, 3),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> PromiseRecord:
        """Take up what :meth:`to_dict` gave.

        :raises InvalidRequestError: if the state is not such a dict; start with ``PromiseRecord()`` then.
        """
        try:
            record = cls(*(float(state[name]) for name in ("promised_points", "realised_points", "count")))
        except (KeyError, TypeError, ValueError):
            record = cls(count=math.nan)
        finite = math.isfinite(record.promised_points) and math.isfinite(record.realised_points)
        if not finite or not (0.0 <= record.count < math.inf) or record.promised_points <= 0.0:
            raise InvalidRequestError("state: not what to_dict gives; start with PromiseRecord() instead")
        return record
