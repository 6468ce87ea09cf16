"""A piece of work that ran: when on a worker, with which energy, in which hours of the grid, on which hardware."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_carbon.core.moment import aware, in_words, parse_duration, parse_moment, stated
from airflow_carbon.core.sci import SciReport
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.core.embodied import Embodied
    from airflow_carbon.core.energy import Energy


@dataclass(frozen=True, slots=True)
class Hours:
    """Hold the mean intensity of some hours, and what it stands on.

    :param intensity_g_per_kwh: the mean [gCO2eq/kWh].
    :param zone: the grid zone.
    :param kind: measured, forecast, ...; empty where the number was given.
    :param signal: whether the number is average or marginal.
    :param accounting: what else it means.
    :param source: who says so.
    :param final: True where nothing better is to come.
    """

    intensity_g_per_kwh: float
    zone: str = ""
    kind: str = ""
    signal: str = ""
    accounting: str = ""
    source: str = ""
    final: bool = False

    def __post_init__(self) -> None:
        # An SCI without energy and hardware: what is left to be checked is the intensity.
        SciReport(0.0, self.intensity_g_per_kwh, 0.0, 1.0, "run")

    def comparable_with(self, other: Hours) -> bool:
        """Tell whether both numbers mean the same: equal signal and equal accounting."""
        return (self.signal, self.accounting) == (other.signal, other.accounting)


@dataclass(frozen=True, slots=True)
class Work:
    """Hold what one piece of work is billed by; its functional units are another matter.

    :param started_at: when it began on a worker.
    :param ended_at: when it ended there.
    :param energy: E; None where nobody knows it.
    :param embodied: the hardware of M; None leaves M out.
    :param waited: how long hardware was reserved for it before, without working.
    :param during: the hours in which it ran; None where no source knows them yet.
    :param waiting: the hours in which hardware waited.
    :param ready: the hours in which it would have run, had it begun when it was first ready.
    :raises InvalidRequestError: if a moment is naive, it ends before it starts, or the hours do not compare.
    """

    started_at: datetime
    ended_at: datetime
    energy: Energy | None = None
    embodied: Embodied | None = None
    waited: timedelta = timedelta(0)
    during: Hours | None = None
    waiting: Hours | None = None
    ready: Hours | None = None

    def __post_init__(self) -> None:
        check_interval(self.started_at, self.ended_at)
        for other, name in ((self.waiting, "reserved_while_waiting"), (self.ready, "ready_at")):
            if self.during is not None and other is not None and not other.comparable_with(self.during):
                raise InvalidRequestError(
                    f"{name}: its hours are {other.signal} ({other.accounting}), those of the work are "
                    f"{self.during.signal} ({self.during.accounting}); both must be of one sort"
                )

    @property
    def embodied_g(self) -> float:
        """M, for the time at work and the time reserved before it [gCO2eq]."""
        if self.embodied is None:
            return 0.0
        return self.embodied.share_g(self.ended_at - self.started_at + self.waited)

    @property
    def intensity_g_per_kwh(self) -> float | None:
        """I [gCO2eq/kWh]: the mean over the hours at work, and over those of the wait for what was drawn there."""
        if self.during is None:
            return None
        working = self.during.intensity_g_per_kwh
        if self.energy is None or not self.energy.waiting_kwh:
            return working
        if self.waiting is None:
            return None
        grams = self.energy.working_kwh * working + self.energy.waiting_kwh * self.waiting.intensity_g_per_kwh
        return grams / self.energy.kwh

    @property
    def final(self) -> bool:
        """Tell whether each intensity is one that nothing better will replace."""
        parts = [self.during, *([self.waiting] if self.energy is not None and self.energy.waiting_kwh else [])]
        return all(part is not None and part.final for part in parts)

    def report(self, functional_unit: str, functional_units: float) -> SciReport:
        """Report the SCI per functional unit.

        :param functional_unit: what one unit of R is.
        :param functional_units: R.
        :raises InvalidRequestError: if R is zero or no number, the unit has no name, or no intensity is known.
        """
        intensity, during, energy = self.intensity_g_per_kwh, self.during, self.energy
        if during is None or intensity is None:
            raise InvalidRequestError(
                f"intensity_g_per_kwh: nobody knows it for {self.started_at.isoformat()} to {self.ended_at.isoformat()}"
            )
        return SciReport(
            energy_kwh=None if energy is None else energy.kwh,
            intensity_g_per_kwh=intensity,
            embodied_g=self.embodied_g,
            functional_units=functional_units,
            functional_unit=functional_unit,
            intensity_source=during.source,
            zone=during.zone,
            kind=during.kind,
            signal=during.signal,
            accounting=during.accounting,
            energy_how="" if energy is None else str(energy.how),
            energy_note="" if energy is None else energy.note,
            embodied_note="" if self.embodied is None else str(self.embodied),
            final=self.final,
            ready_intensity_g_per_kwh=None if self.ready is None else self.ready.intensity_g_per_kwh,
        )


def check_interval(start: datetime, end: datetime) -> None:
    """Refuse an interval that is empty or runs backwards.

    :raises InvalidRequestError: naming the end, or the moment without a timezone.
    """
    start, end = aware(start, "start"), aware(end, "end")
    if end <= start:
        before = f", and comes {in_words(start - end)} before it" if end < start else ""
        raise InvalidRequestError(
            f"end: {end.isoformat()} must be later than start, {start.isoformat()}{before}; work ends after it began"
        )


def reserved_before(value: timedelta | datetime | str | None, began: datetime) -> timedelta:
    """Read for how long, or since when, hardware was reserved before work began.

    :raises InvalidRequestError: if the value is neither, or lies after the begin.
    """
    value = stated(value)
    if value is None:
        return timedelta(0)
    if isinstance(value, timedelta):
        return parse_duration(value, "reserved_while_waiting", zero_allowed=True)
    if isinstance(value, str):
        try:
            return parse_duration(value, "reserved_while_waiting", zero_allowed=True)
        except InvalidRequestError:
            if not value[:4].isdigit():
                raise
    since = parse_moment(value, "reserved_while_waiting")
    return parse_duration(aware(began, "start") - since, "reserved_while_waiting", zero_allowed=True)
