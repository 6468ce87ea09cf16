"""What a run takes on spot machines, which are taken away at random: expected time, not the sticker's.

Evictions come at a constant rate (a Poisson process, as J. T. Daly assumes in "A higher order estimate of the optimum
checkpoint interval for restart dumps", Future Generation Computer Systems 22, 2006). What was done since the last
checkpoint is then done again. A stretch of length ``s`` at rate ``r`` takes ``(exp(r s) - 1) / r`` on average until it
is through without an eviction, and meets ``exp(r s) - 1`` of them on the way, each of which costs a restart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from airflow_carbon.core.moment import LONGEST, in_words
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError

HOUR = timedelta(hours=1)
#: A run that takes this much longer than planned, on average, never gets through.
HOPELESS = 100.0


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Say how a run keeps what it did.

    :param interval: work between two checkpoints; None where there is none, so that an eviction loses all.
    :param writing: time that writing one takes, billed.
    :param restart: time from the next machine's start until the work goes on, billed.
    :raises InvalidRequestError: if the interval is not longer than zero, or another is negative.
    """

    interval: timedelta | None = None
    writing: timedelta = timedelta(0)
    restart: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        if self.interval is not None and self.interval <= timedelta(0):
            raise InvalidRequestError(f"checkpoint_interval: {self.interval} must be longer than zero")
        for name in ("writing", "restart"):
            if getattr(self, name) < timedelta(0):
                raise InvalidRequestError(f"{name}: {getattr(self, name)} must be zero or longer")


@dataclass(frozen=True, slots=True)
class Expected:
    """Hold what a run takes on average.

    :param duration: from its first start to its end, restarts included.
    :param evictions: how often a machine is taken away meanwhile.
    """

    duration: timedelta
    evictions: float


def expected_run(work: timedelta, *, eviction_rate_per_hour: float, checkpoints: Checkpoints) -> Expected:
    """Give the expected time and evictions of a run on machines that are taken away at random.

    The last stretch needs no checkpoint. Restarts are not interrupted themselves.

    :param work: how long the run takes without an eviction and without a checkpoint.
    :param eviction_rate_per_hour: evictions of one machine [1/h].
    :raises InvalidRequestError: if the rate is negative or not finite.
    :raises NoFeasibleWindowError: if the run would take more than a hundred times its work: it never gets through.
    """
    rate = eviction_rate_per_hour
    if not 0.0 <= rate < math.inf:
        raise InvalidRequestError(f"eviction_rate_per_hour: {rate} must be a number, zero or larger [1/h]")
    interval = min(checkpoints.interval or work, work)
    whole = max(0, math.ceil(work / interval - 1e-9) - 1)
    stretches = ((whole, (interval + checkpoints.writing) / HOUR), (1, (work - whole * interval) / HOUR))
    hours = evictions = 0.0
    for count, length in stretches:
        # Beyond 50 the exponential says "never" in any unit, and would soon leave the floats.
        met = count * math.expm1(min(rate * length, 50.0))
        evictions += met
        hours += met / rate if rate else count * length
    hours += evictions * (checkpoints.restart / HOUR)
    if hours > min(HOPELESS * (work / HOUR), LONGEST / HOUR):
        raise NoFeasibleWindowError(
            f"at {rate:g} evictions an hour and {in_words(interval + checkpoints.writing)} between checkpoints the run "
            f"would take more than {HOPELESS:g} times as long; write checkpoints more often, restart faster, or use "
            f"dedicated machines"
        )
    return Expected(hours * HOUR, evictions)
