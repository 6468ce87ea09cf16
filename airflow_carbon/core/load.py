"""The load of a job over time: when it drew how much energy, and where."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from airflow_carbon.core.amount import amount
from airflow_carbon.core.moment import parse_moment
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast


class Arrangement(StrEnum):
    """How the pieces of a job lie to each other when it starts at another moment."""

    AS_IT_RAN = "as it ran"
    END_TO_END = "end to end"
    AT_ONCE = "at once"


@dataclass(frozen=True, slots=True)
class Piece:
    """Hold one stretch of a job; its energy is spread evenly over it.

    :param energy_kwh: drawn in this stretch [kWh]; None where not known.
    :param location: where, as the user named it; empty where one series serves the whole job.
    :raises InvalidRequestError: if a moment is naive, the end does not follow the start, or the energy is negative or
        no number.
    """

    start: datetime
    end: datetime
    energy_kwh: float | None = None
    location: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", parse_moment(self.start, "start"))
        object.__setattr__(self, "end", parse_moment(self.end, "end"))
        if self.end <= self.start:
            raise InvalidRequestError(
                f"end: {self.end.isoformat()} must be later than the start, {self.start.isoformat()}"
            )
        if self.energy_kwh is not None:
            amount(self.energy_kwh, "energy_kwh", "kWh")

    @property
    def duration(self) -> timedelta:
        """From its start to its end."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Load:
    """Hold the pieces of one job, in the order of time; they may overlap, and leave gaps.

    :raises InvalidRequestError: if there is none.
    """

    pieces: tuple[Piece, ...]

    def __post_init__(self) -> None:
        if not self.pieces:
            raise InvalidRequestError("pieces: a load must have one at least")
        object.__setattr__(self, "pieces", tuple(sorted(self.pieces, key=lambda one: (one.start, one.end))))

    @property
    def start(self) -> datetime:
        """Begin of the first piece."""
        return self.pieces[0].start

    @property
    def end(self) -> datetime:
        """End of the last piece."""
        return max(one.end for one in self.pieces)

    @property
    def duration(self) -> timedelta:
        """From the start to the end, gaps included."""
        return self.end - self.start

    @property
    def energy_kwh(self) -> float | None:
        """Energy of the whole job [kWh]; None where that of any piece is not known."""
        known = [one.energy_kwh for one in self.pieces if one.energy_kwh is not None]
        return math.fsum(known) if len(known) == len(self.pieces) else None

    @property
    def weights(self) -> tuple[float, ...]:
        """Share of each piece in the whole [1]: by energy, and by time where no energy is known or none was drawn."""
        whole = self.energy_kwh
        parts = [one.energy_kwh or 0.0 for one in self.pieces] if whole else []
        parts = parts or [one.duration.total_seconds() for one in self.pieces]
        total = math.fsum(parts)
        return tuple(part / total for part in parts)

    def mean_g_per_kwh(self, where: Forecast | Mapping[str, Forecast]) -> float:
        """Give the mean intensity of the job's electricity, exactly over the steps of the series [gCO2eq/kWh].

        :param where: one series for the whole job, or one for each location.
        :raises InvalidForecastError: if a series does not cover its pieces.
        :raises InvalidRequestError: if a location has no series.
        """
        return math.fsum(
            weight * _of(where, one).mean(one.start, one.end)
            for weight, one in zip(self.weights, self.pieces, strict=True)
        )

    def covered_by(self, where: Forecast | Mapping[str, Forecast]) -> bool:
        """Tell whether the series reach over all pieces.

        :raises InvalidRequestError: if a location has no series.
        """
        return all(_of(where, one).covers(one.start, one.end) for one in self.pieces)

    def started(self, at: datetime, arrangement: Arrangement = Arrangement.AS_IT_RAN) -> Load:
        """Give the same job with the same durations and energies, started at another moment.

        :param arrangement: as it ran, gaps and all; end to end, for a run that was cut; or all pieces at once.
        :raises InvalidRequestError: if the moment is naive.
        """
        begin = parse_moment(at, "at")
        moved, cursor = [], begin
        for one in self.pieces:
            if arrangement is Arrangement.AS_IT_RAN:
                cursor = begin + (one.start - self.start)
            moved.append(replace(one, start=cursor, end=cursor + one.duration))
            if arrangement is Arrangement.END_TO_END:
                cursor += one.duration
        return Load(tuple(moved))


def _of(where: Forecast | Mapping[str, Forecast], piece: Piece) -> Forecast:
    if not isinstance(where, Mapping):
        return where
    if piece.location not in where:
        raise InvalidRequestError(f"location: there is no series for {piece.location!r}")
    return where[piece.location]
