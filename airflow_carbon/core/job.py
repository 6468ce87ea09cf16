"""The job that is to be placed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from airflow_carbon.core.moment import parse_moment
from airflow_carbon.core.power import PowerProfile, run_of
from airflow_carbon.core.spot import Checkpoints
from airflow_carbon.core.transfer import Transfer
from airflow_carbon.exceptions import InvalidRequestError


@dataclass(frozen=True, slots=True)
class Job:
    """State a job that any of several regions may run.

    :param duration: how long it takes on a machine that is not taken away; None where the power profile tells.
    :param earliest_start: when it could start, were a machine free and its data there.
    :param deadline: latest finish; None starts it as soon as possible, wherever it runs.
    :param power: what it draws as it goes on, on the user's own hardware [W]. Without it shares and rates are told, and
        no grams.
    :param transfer: data that must move before it begins.
    :param checkpoints: how it keeps what it did when a spot machine is taken away.
    :param delay_cost_per_hour: of each hour by which its end comes after the soonest one [currency/h].
    :raises InvalidRequestError: if a moment is naive, the duration is not positive or not that of the profile, a number
        is out of range, or data are to move and no power makes them comparable with the job.
    """

    duration: timedelta | None = None
    earliest_start: datetime = field(kw_only=True)
    deadline: datetime | None = None
    power: PowerProfile | None = None
    transfer: Transfer = field(default_factory=Transfer)
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    delay_cost_per_hour: float = 0.0

    def __post_init__(self) -> None:
        length, _ = run_of(self.duration, self.power)
        object.__setattr__(self, "duration", length)
        object.__setattr__(self, "earliest_start", parse_moment(self.earliest_start, "earliest_start"))
        if self.deadline is not None:
            object.__setattr__(self, "deadline", parse_moment(self.deadline, "deadline"))
        if not 0.0 <= self.delay_cost_per_hour < math.inf:
            raise InvalidRequestError(
                f"delay_cost_per_hour: {self.delay_cost_per_hour} must be a number, zero or larger"
            )
        if self.transfer.gigabytes and self.power is None:
            raise InvalidRequestError(
                "power: moving data counts in grams, and so the job must: say what it draws, for example "
                "power='2h@300W'"
            )

    @property
    def length(self) -> timedelta:
        """How long the job takes on a machine that is not taken away."""
        assert self.duration is not None
        return self.duration

    @property
    def energy_kwh(self) -> float | None:
        """Energy of the job on the user's own hardware [kWh]; None where it is not known."""
        return None if self.power is None else self.power.energy_kwh
