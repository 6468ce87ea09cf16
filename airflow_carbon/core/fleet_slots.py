"""Slots of one length over many regions: what a run that starts with each costs, and the cores free in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from airflow_carbon.core.candidate import ASSUMED_PUE
from airflow_carbon.core.moment import MICROSECOND, microseconds, parse_duration, parse_moment
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_carbon.core.forecast import Forecast

_HOUR_US = timedelta(hours=1) // MICROSECOND


@dataclass(frozen=True, slots=True)
class FleetRegion:
    """Hold one region that takes tasks.

    :param name: the region as the user wrote it.
    :param capacity: cores that may be used, a number, or one for each slot, shape ``(k,)`` or longer.
    :param backlog: the queue that is there already and goes first: core hours [h] that all cores work off, or a
        timedelta for which all of them stay busy; counted from the first slot on.
    :param occupied: cores that are held until a moment, as pairs; a slot that begins before it lacks them.
    :param pue: power usage effectiveness [1]; None takes ``ASSUMED_PUE``.
    """

    name: str
    forecast: Forecast
    capacity: float | Sequence[float] | NDArray[np.float64]
    backlog: float | timedelta = 0.0
    occupied: Sequence[tuple[float, datetime]] = ()
    pue: float | None = None


class Slots:
    """Hold the slots of a fleet: ``count`` of them, each ``length_us`` long, the first at ``start_us``.

    :param regions: at least one.
    :param slot: length of every slot.
    :param start: begin of the first slot; the latest of the forecasts' starts where not given.
    :param end: no slot begins later; the latest of the forecasts' ends where not given, or where that is earlier.
    :raises InvalidRequestError: naming the field that is wrong.
    :raises NoFeasibleWindowError: if no slot lies between start and end.
    """

    __slots__ = ("count", "free", "length_us", "pues", "regions", "start_us")

    def __init__(
        self, regions: Sequence[FleetRegion], slot: timedelta, start: datetime | None, end: datetime | None
    ) -> None:
        self.regions = tuple(regions)
        self.length_us = parse_duration(slot, "slot") // MICROSECOND
        self.start_us = (
            max(region.forecast.start_us for region in regions)
            if start is None
            else microseconds(parse_moment(start, "earliest_start"))
        )
        limit = max(region.forecast.end_us for region in regions)
        if end is not None:
            limit = min(limit, microseconds(parse_moment(end, "deadline")))
        self.count = -(-(limit - self.start_us) // self.length_us)
        if self.count < 1:
            raise NoFeasibleWindowError(
                f"deadline: no slot of {slot} lies between the earliest start and the deadline or the end of the "
                f"series; allow a later deadline or an earlier start"
            )
        self.pues = np.array([_pue(region) for region in regions])
        #: Cores that are free all through each slot, shape ``(r, k)``.
        self.free = self._free()

    def costs(self, duration_us: int) -> NDArray[np.float64]:
        """Give mean intensity x PUE of a run from each slot's start on [gCO2eq/kWh], shape ``(r, k)``.

        Infinite where the region's series does not cover the run.
        """
        grids: dict[tuple[int, int, int], list[int]] = {}
        for row, region in enumerate(self.regions):
            forecast = region.forecast
            grids.setdefault((forecast.start_us, forecast.step_us, forecast.intensity.size), []).append(row)
        if len(grids) == 1:
            costs = self._means([region.forecast for region in self.regions], duration_us)
        else:
            costs = np.empty((len(self.regions), self.count))
            for rows in grids.values():
                costs[rows] = self._means([self.regions[row].forecast for row in rows], duration_us)
        costs *= self.pues[:, None]
        return costs

    def _means(self, forecasts: list[Forecast], duration_us: int) -> NDArray[np.float64]:
        grid = forecasts[0]
        offset, step, slot = self.start_us - grid.start_us, grid.step_us, self.length_us
        covered = max(0, -(offset // slot))
        last = min(self.count - 1, (grid.end_us - self.start_us - duration_us) // slot)
        means = np.full((len(forecasts), self.count), np.inf)
        if covered > last:
            return means
        intensity = np.concatenate([forecast.intensity for forecast in forecasts]).reshape(len(forecasts), -1)
        inside = slice(covered, last + 1)
        first = offset + covered * slot
        if duration_us == slot == step and first % step == 0:
            means[:, inside] = intensity[:, first // step : first // step + last + 1 - covered]
            return means
        begins = first + np.arange(last + 1 - covered) * slot
        steps, rest = np.divmod(begins, step)
        if bool((rest + duration_us <= step).all()):
            # The prefix sums would only add their rounding to what is the mean of one step.
            if covered == 0 and last == self.count - 1:
                return intensity.take(steps, axis=1)
            means[:, inside] = intensity[:, steps]
            return means
        cumulative = np.concatenate([forecast.cumulative for forecast in forecasts]).reshape(len(forecasts), -1)
        beyond = np.concatenate((intensity, intensity[:, -1:]), axis=1)
        opens = cumulative[:, steps] + beyond[:, steps] * (rest / step)
        steps, rest = np.divmod(begins + duration_us, step)
        closes = cumulative[:, steps] + beyond[:, steps] * (rest / step)
        # Prefix sums of zeros end in a residue of either sign.
        means[:, inside] = np.maximum(closes - opens, 0.0) / (duration_us / step)
        return means

    def _free(self) -> NDArray[np.int64]:
        shape = len(self.regions), self.count
        plain = [region.capacity for region in self.regions if isinstance(region.capacity, (int, float))]
        if len(plain) == len(self.regions):
            free = np.broadcast_to(np.array(plain, dtype=np.float64)[:, None], shape)
        else:
            free = np.empty(shape)
            for row, region in enumerate(self.regions):
                free[row] = self._capacity(region)
        bounds = free[:, :1] if len(plain) == len(self.regions) else free
        if not 0.0 <= bounds.min() <= bounds.max() < math.inf:
            row = int(np.flatnonzero(~((bounds >= 0.0) & (bounds < np.inf)).all(axis=1))[0])
            raise InvalidRequestError(f"capacity: that of {self.regions[row].name} must be numbers, zero or larger")
        if any(region.occupied or region.backlog for region in self.regions):
            free = free.copy()
            for row, region in enumerate(self.regions):
                if region.occupied or region.backlog:
                    free[row] = self._left(region, free[row])
        elif len(plain) == len(self.regions):
            return np.broadcast_to(np.floor(bounds).astype(np.int64), shape)
        # A share of a core that a rounding took away is no lost core.
        return np.floor(free + 1e-9).astype(np.int64)

    def _capacity(self, region: FleetRegion) -> NDArray[np.float64]:
        capacity = np.asarray(region.capacity, dtype=np.float64)
        if capacity.ndim > 1 or (capacity.ndim == 1 and capacity.size < self.count):
            raise InvalidRequestError(
                f"capacity: {region.name} has shape {capacity.shape}; give a number, or one for each of the "
                f"{self.count} slots"
            )
        return capacity[: self.count] if capacity.ndim else capacity

    def _left(self, region: FleetRegion, cores: NDArray[np.float64]) -> NDArray[np.float64]:
        begins = self.start_us + np.arange(self.count) * self.length_us
        for held, until in region.occupied:
            if not 0.0 <= held < math.inf:
                raise InvalidRequestError(f"occupied: {held} cores of {region.name} must be a number, zero or larger")
            cores = cores - held * (begins < microseconds(parse_moment(until, "occupied")))
        cores = np.maximum(cores, 0.0)
        if isinstance(region.backlog, timedelta):
            busy = parse_duration(region.backlog, "backlog", zero_allowed=True) // MICROSECOND
            return np.where(begins < self.start_us + busy, 0.0, cores)
        if not 0.0 <= region.backlog < math.inf:
            raise InvalidRequestError(f"backlog: {region.backlog} h of {region.name} must be a number, zero or larger")
        hours = self.length_us / _HOUR_US
        done_before = np.minimum(np.concatenate(([0.0], (cores * hours).cumsum())), region.backlog)
        return cores - np.diff(done_before) / hours


def _pue(region: FleetRegion) -> float:
    if region.pue is None:
        return ASSUMED_PUE
    if not 1.0 <= region.pue < math.inf:
        raise InvalidRequestError(f"pue: {region.pue} of {region.name} must be a number, 1 or larger")
    return region.pue
