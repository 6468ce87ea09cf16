"""A job on one candidate: how long it takes there, what it emits and costs, and when it could start."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_carbon.core.moment import MICROSECOND, moment_at
from airflow_carbon.core.price import Purchase
from airflow_carbon.core.spot import HOUR, expected_run
from airflow_carbon.core.window import Window, best_window, turning_points, window_at
from airflow_carbon.exceptions import NoFeasibleWindowError, SourceUnavailableError

if TYPE_CHECKING:
    from airflow_carbon.core.candidate import Candidate
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.job import Job
    from airflow_carbon.core.power import PowerProfile


@dataclass(frozen=True, slots=True)
class RunAt:
    """Hold what a job takes on one candidate, on average where its machine may be taken away.

    :param duration: from its start to its end.
    :param power: what it draws over that time, on the user's own hardware.
    :param evictions: how often its machine is taken away.
    :param earliest_start: when a machine is free and the data are there.
    :param carbon_per_intensity: emissions for each g/kWh of the mean intensity [g/(g/kWh)], which is kWh; without known
        energy the overhead alone [1].
    :param transfer_g: emissions of moving the data [gCO2eq].
    :param transfer_assumed: whether these are billed at the intensity of this grid alone, as that of the grid where the
        data lie is not known or does not compare.
    :param fixed_cost: of the machine and of moving the data [currency]; NaN where not known.
    """

    job: Job
    forecast: Forecast
    duration: timedelta
    power: PowerProfile | None
    evictions: float
    earliest_start: datetime
    carbon_per_intensity: float
    transfer_g: float
    transfer_assumed: bool
    fixed_cost: float

    @classmethod
    def of(cls, candidate: Candidate, job: Job, home: Candidate | None) -> RunAt:
        """Work out what a job takes on a candidate whose intensities are known.

        :param home: where its data lie; None where that is not known.
        :raises NoFeasibleWindowError: if a spot machine is taken away so often that the job never gets through, or
            nobody knows how often.
        """
        assert candidate.forecast is not None
        price, transfer = candidate.price, job.transfer
        duration, evictions = job.length, 0.0
        if price is not None and price.purchase is Purchase.SPOT:
            if price.eviction_rate_per_hour is None:
                raise NoFeasibleWindowError("how often its spot machines are taken away is not known")
            expected = expected_run(
                job.length, eviction_rate_per_hour=price.eviction_rate_per_hour, checkpoints=job.checkpoints
            )
            duration, evictions = expected.duration, expected.evictions
        moves, delay = transfer.is_needed(candidate.name), candidate.queue_wait
        egress, transfer_g, assumed = 0.0, 0.0, False
        if moves:
            delay = max(delay, transfer.duration)
            there = _mean(candidate.forecast, job.earliest_start, transfer.duration)
            known_home = None if home is None else home.forecast
            assumed = known_home is None or not known_home.comparable_with(candidate.forecast)
            here = there if assumed or known_home is None else _mean(known_home, job.earliest_start, transfer.duration)
            transfer_g = transfer.carbon_g(here, there)
            known = None if price is None else price.egress_per_gb
            egress = transfer.gigabytes * (transfer.egress_per_gb if known is None else known)
        energy = 1.0 if job.energy_kwh is None else job.energy_kwh
        return cls(
            job,
            candidate.forecast,
            duration,
            None if job.power is None else job.power.stretched(duration),
            evictions,
            job.earliest_start + delay,
            energy * (duration / job.length) * candidate.overhead,
            transfer_g,
            assumed,
            math.nan if price is None else price.per_hour * (duration / HOUR) + egress,
        )

    def carbon(self, window: Window) -> float:
        """Emissions of the whole job in a window, moving its data included [gCO2eq]; without energy [gCO2eq/kWh]."""
        return window.intensity_g_per_kwh * self.carbon_per_intensity + self.transfer_g

    def cost(self, start: datetime) -> float:
        """Cost of the whole job from a start, that of its delay included [currency]; NaN where not known."""
        late = start + self.duration - (self.job.earliest_start + self.job.length)
        return self.fixed_cost + self.job.delay_cost_per_hour * (late / HOUR)

    @property
    def first(self) -> datetime:
        """When it could start at the soonest; with a deadline a forecast that begins late puts it off."""
        return self.earliest_start if self.job.deadline is None else max(self.earliest_start, self.forecast.start)

    def soonest(self) -> Window:
        """Give the window of the soonest start.

        :raises NoFeasibleWindowError: if it ends after the deadline.
        :raises SourceUnavailableError: if the forecast does not cover it.
        """
        deadline, start = self.job.deadline, self.first
        end = start + self.duration
        if deadline is not None and end > deadline:
            raise NoFeasibleWindowError(
                f"it can start at {_minute(start)} and would end at {_minute(end)}, after the deadline "
                f"{_minute(deadline)}"
            )
        if not self.forecast.covers(start, end):
            raise SourceUnavailableError(
                f"the intensities cover {_minute(self.forecast.start)} to {_minute(self.forecast.end)}, not the run "
                f"from {_minute(start)} to {_minute(end)}"
            )
        return window_at(self.forecast, start=start, duration=self.duration, power=self.power)

    def best(self, *, carbon_price: float | None = None, most: float = math.inf) -> Window:
        """Give the cleanest window, or that of least cost and carbon together.

        :param carbon_price: of carbon [currency per unit of :meth:`carbon`]; None minds the carbon alone.
        :param most: that it may cost [currency]; the soonest start is always taken to be within it.
        :raises NoFeasibleWindowError: if the run does not end by the deadline.
        """
        job, rate = self.job, self.job.delay_cost_per_hour
        if job.deadline is None:
            return self.soonest()
        # The end is never before the soonest one, so that the cost of delay grows evenly with the start.
        deadline, soonest_end = job.deadline, self.first + self.duration
        cut = self.forecast.end < deadline
        if rate > 0.0:
            affordable = max(0.0, (most - self.cost(self.first)) / rate)
            if affordable < (deadline - soonest_end) / HOUR:
                deadline = soonest_end + affordable * HOUR
        if rate == 0.0 or carbon_price is None:
            window = best_window(
                self.forecast, duration=self.duration, power=self.power, earliest_start=self.first, deadline=deadline
            )
            return replace(window, horizon_cut=cut)
        starts, means = turning_points(
            self.forecast,
            duration=self.duration,
            power=self.power,
            earliest_start=self.first,
            deadline=deadline,
        )
        hours = (starts - starts[0]) / (HOUR / MICROSECOND)
        least = int((rate * hours + carbon_price * self.carbon_per_intensity * means).argmin())
        start = moment_at(int(starts[least]))
        window = window_at(self.forecast, start=start, duration=self.duration, power=self.power)
        return replace(window, horizon_cut=cut)


def _minute(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")


def _mean(forecast: Forecast, start: datetime, length: timedelta) -> float:
    """Mean intensity of that part of a time that the forecast covers, or of its nearest step."""
    begin = max(forecast.start, min(start, forecast.end - forecast.step))
    return forecast.mean(begin, max(begin + forecast.step, min(start + length, forecast.end)))
