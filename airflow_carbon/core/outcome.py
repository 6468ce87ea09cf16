"""What became of one replayed job, against the same run at once and against the best run that was possible."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Job:
    """State one job of the past: when it was ready, how long it ran, and its latest start."""

    ready_at: datetime
    duration: timedelta
    latest_start: datetime

    @property
    def deadline(self) -> datetime:
        """Latest finish."""
        return self.latest_start + self.duration


@dataclass(frozen=True, slots=True)
class Outcome:
    """Say what became of one job; intensities are grams for each kWh of its bare run, resume overheads added.

    :param zone: where it ran.
    :param start: when it started.
    :param end: when it ended.
    :param chunks: in how many pieces it ran.
    :param shifted: whether it ran at another time or place than at once at home.
    :param emitted_g_per_kwh: what came [gCO2eq/kWh].
    :param baseline_g_per_kwh: the same run at home, at once [gCO2eq/kWh].
    :param oracle_g_per_kwh: the best run that was possible, known from what came [gCO2eq/kWh].
    :param promised_saving_percent: what the first decision promised [%]; zero for a run at once, None where it did not
        know.
    """

    job: Job
    zone: str
    start: datetime
    end: datetime
    chunks: int
    shifted: bool
    emitted_g_per_kwh: float
    baseline_g_per_kwh: float
    oracle_g_per_kwh: float
    promised_saving_percent: float | None

    @property
    def saving_percent(self) -> float | None:
        """Reduction against running at once [%]; negative where it emitted more, None where that is against nothing."""
        return saving_percent(self.emitted_g_per_kwh, self.baseline_g_per_kwh)

    @property
    def regret_percent(self) -> float:
        """What it emitted beyond the oracle, as a share of what the oracle emitted [%]."""
        if self.oracle_g_per_kwh == 0.0:
            return 0.0 if self.emitted_g_per_kwh == 0.0 else math.inf
        return 100.0 * (self.emitted_g_per_kwh - self.oracle_g_per_kwh) / self.oracle_g_per_kwh

    @property
    def emitted_more(self) -> bool:
        """Whether it emitted more than at once, by more than rounding."""
        return self.emitted_g_per_kwh > self.baseline_g_per_kwh * (1.0 + 1e-9)


def saving_percent(emitted: float, baseline: float) -> float | None:
    """Give the reduction against a baseline [%]; None for what was emitted against nothing, which is no percentage."""
    if baseline == 0.0:
        return 0.0 if emitted == 0.0 else None
    return 100.0 * (1.0 - emitted / baseline)
