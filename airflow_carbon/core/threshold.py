"""A limit on the intensity: a number, or what the cleanest share of the hours ahead stays below."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_carbon.core.moment import in_words, microseconds, moment_at
from airflow_carbon.core.value import value
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast

#: How far ahead a share of the hours is looked for, where nothing is said.
HORIZON = timedelta(hours=24)


@value
class Threshold:
    """State when electricity is clean enough. Build it with :meth:`checked`.

    :param below_g_per_kwh: the intensity of the moment must lie under it [gCO2eq/kWh]; None where a share counts.
    :param lowest_percent: the moment must be among the cleanest so much of the time ahead [%].
    :param horizon: how far ahead that share is looked for.
    """

    below_g_per_kwh: float | None = None
    lowest_percent: float | None = None
    horizon: timedelta = HORIZON

    @classmethod
    def checked(
        cls,
        *,
        below_g_per_kwh: float | None = None,
        lowest_percent: float | None = None,
        horizon: timedelta = HORIZON,
    ) -> Threshold:
        """Refuse what cannot be meant.

        :raises InvalidRequestError: naming the field, unless exactly one limit is given, a limit is not negative, a
            share lies above 0 and at most at 100, and the horizon is longer than zero.
        """
        if (below_g_per_kwh is None) == (lowest_percent is None):
            raise InvalidRequestError("below_g_per_kwh, lowest_percent: give one of them, and not both")
        if below_g_per_kwh is not None and not 0.0 < below_g_per_kwh < float("inf"):
            raise InvalidRequestError(f"below_g_per_kwh: {below_g_per_kwh} must be larger than zero [gCO2eq/kWh]")
        if lowest_percent is not None and not 0.0 < lowest_percent <= 100.0:
            raise InvalidRequestError(f"lowest_percent: {lowest_percent} must lie above 0 and at most at 100 [%]")
        if horizon <= timedelta(0):
            raise InvalidRequestError(f"horizon: {horizon} must be longer than zero")
        return cls(below_g_per_kwh, lowest_percent, horizon)

    @classmethod
    def of(cls, plain: Mapping[str, float] | None) -> Threshold | None:
        """Read what :meth:`plain` gave; None stays None.

        :raises InvalidRequestError: if it is damaged.
        """
        if not plain:
            return None
        return cls.checked(
            below_g_per_kwh=plain.get("below_g_per_kwh"),
            lowest_percent=plain.get("lowest_percent"),
            horizon=timedelta(seconds=plain.get("horizon_seconds") or HORIZON.total_seconds()),
        )

    def plain(self) -> dict[str, float]:
        """Give it as plain JSON."""
        if self.below_g_per_kwh is not None:
            return {"below_g_per_kwh": self.below_g_per_kwh}
        assert self.lowest_percent is not None
        return {"lowest_percent": self.lowest_percent, "horizon_seconds": self.horizon.total_seconds()}

    def limit(self, forecast: Forecast, at: datetime) -> float:
        """Give the limit that holds as seen from a moment [gCO2eq/kWh].

        Of a share, it is the least intensity such that so much of the time from then on, as far as the horizon and the
        forecast go, is no dirtier.

        :raises InvalidForecastError: if a share is asked for and the forecast knows nothing of the horizon.
        """
        if self.below_g_per_kwh is not None:
            return self.below_g_per_kwh
        assert self.lowest_percent is not None
        import numpy as np

        part = forecast.between(at, at + self.horizon)
        edges = part.start_us + part.step_us * np.arange(len(part) + 1, dtype=np.int64)
        lasting = np.diff(edges.clip(microseconds(at), microseconds(at + self.horizon)))
        order = part.intensity.argsort(kind="stable")
        upto = lasting[order].cumsum()
        # A share that ends with a step holds that step and no more, however the percentage was rounded.
        needed = max(1, math.ceil(self.lowest_percent / 100.0 * int(upto[-1]) - 0.5))
        return float(part.intensity[order[int(upto.searchsorted(needed))]])

    def first(self, forecast: Forecast, limit: float, earliest: datetime, latest: datetime) -> datetime | None:
        """Find the earliest moment at which the intensity meets a limit; None where none is known up to ``latest``.

        :param limit: as :meth:`limit` gave it [gCO2eq/kWh].
        """
        import numpy as np

        # The cleanest moment is among any share of them, so there equality counts.
        clean = forecast.intensity < limit if self.below_g_per_kwh is not None else forecast.intensity <= limit
        steps = np.flatnonzero(clean)
        ends = forecast.start_us + (steps + 1) * forecast.step_us
        steps = steps[ends > microseconds(earliest)]
        if not steps.size:
            return None
        start = max(earliest, moment_at(forecast.start_us + int(steps[0]) * forecast.step_us))
        return start if start <= latest else None

    def __str__(self) -> str:
        if self.below_g_per_kwh is not None:
            return f"under {self.below_g_per_kwh:g} g/kWh"
        return f"among the lowest {self.lowest_percent:g} % of the next {in_words(self.horizon)}"
