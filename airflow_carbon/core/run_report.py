"""The SCI of a whole DAG run: what its tasks emitted, component by component, over the run's one R."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.amount import amount
from airflow_carbon.core.sci import unit_name
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.core.record import EmissionRecord


@dataclass(frozen=True, slots=True)
class RunReport:
    """Hold the emissions of a run's tasks and the functional units of the whole run. Build it with :meth:`of`.

    The run's SCI is its whole carbon over its one R. SCIs of tasks are added only where all have that very R: rates per
    different things, or per different counts, have no sum.

    :param components: one for each try of each task that recorded what it emitted; failed tries too.
    :param functional_unit: what one unit of R is.
    :param functional_units: R of the whole run; zero is kept, and has no SCI.
    """

    components: tuple[EmissionRecord, ...]
    functional_unit: str
    functional_units: float

    @classmethod
    def of(
        cls,
        components: Iterable[EmissionRecord],
        *,
        functional_unit: str,
        functional_units: float,
        mixed_accounting: bool = False,
    ) -> RunReport:
        """Check what is to be added.

        :param mixed_accounting: add emissions of different accounting all the same; the report is labelled. Different
            signals are never added.
        :raises InvalidRequestError: if there is no component, R is no number or negative, or the components do not add
            up because their intensities differ in signal or accounting.
        """
        every = tuple(sorted(components, key=lambda one: (one.started_at, one.task_id, one.map_index, one.try_number)))
        if not every:
            raise InvalidRequestError("components: no task recorded an emission; measure at least one")
        units = amount(functional_units, "functional_units", "1")
        report = cls(every, unit_name(functional_unit), units)
        for field, allowed in (("signal", False), ("accounting", mixed_accounting)):
            # What is not stated, as of an intensity that was given, differs from nothing.
            found = {str(getattr(one, field)): one.task_id for one in every if getattr(one, field)}
            if len(found) > 1 and not allowed:
                listed = "; ".join(
                    f"{task_id} has {sort or 'one that is not stated'}" for sort, task_id in found.items()
                )
                hint = ", or set mixed_accounting=True, which is labelled" if field == "accounting" else ""
                raise InvalidRequestError(
                    f"components: intensities of different {field} do not add up ({listed}); measure all with one{hint}"
                )
        return report

    @property
    def incomplete(self) -> dict[str, str]:
        """Tell which components have no grams, and why; inputs that were refused before any work ran lack none."""
        return {_name(one): _lack(one) for one in self.components if _total_g(one) is None and not _never_ran(one)}

    @property
    def total_g(self) -> float | None:
        """The carbon of all components that have grams [gCO2eq]; None where none has."""
        known = [grams for one in self.components if (grams := _total_g(one)) is not None]
        return math.fsum(known) if known else None

    @property
    def score(self) -> float | None:
        """The run's SCI [gCO2eq per functional unit]; None where a component's carbon is not known.

        :raises InvalidRequestError: if R is zero.
        """
        if not self.functional_units:
            raise InvalidRequestError(
                f"functional_units: R is 0, the run did no {self.functional_unit}; its carbon of "
                f"{'unknown size' if self.total_g is None else f'{self.total_g:g} g'} has no SCI, and stays in totals"
            )
        return None if self.incomplete or self.total_g is None else self.total_g / self.functional_units

    @property
    def intensity_g_per_kwh(self) -> float | None:
        """Mean intensity [gCO2eq/kWh]: by energy where each component's is known, else by time at work."""
        known = [one for one in self.components if one.intensity_g_per_kwh is not None]
        by_energy = all(one.energy_kwh is not None for one in known)
        weights = [(one.energy_kwh or 0.0) if by_energy else _seconds(one) for one in known]
        whole = math.fsum(weights)
        if not whole:
            return None
        return (
            math.fsum((one.intensity_g_per_kwh or 0.0) * share for one, share in zip(known, weights, strict=True))
            / whole
        )

    @property
    def sum_of_task_scis(self) -> float | None:
        """The sum of the tasks' own SCIs [gCO2eq per functional unit]; None unless each has the run's own R."""
        same = all(
            one.functional_unit == self.functional_unit and one.functional_units == self.functional_units
            for one in self.components
        )
        if not same or not self.functional_units or self.incomplete:
            return None
        return math.fsum((_total_g(one) or 0.0) / self.functional_units for one in self.components)

    def record(self) -> dict[str, Any]:
        """Give all as plain JSON values; an R of zero leaves the SCI out and says so."""
        total, accountings = self.total_g, sorted({str(one.accounting) for one in self.components if one.signal})
        energies = [one.energy_kwh for one in self.components if one.energy_kwh is not None]
        own = self.sum_of_task_scis
        score = self.score if self.functional_units else None
        return {
            "sci_g_per_unit": score,
            "functional_unit": self.functional_unit,
            "functional_units": self.functional_units,
            "total_g": total,
            "operational_g": _sum(one.operational_g for one in self.components),
            "embodied_g": None if total is None else _sum(one.embodied_g for one in self.components),
            "energy_kwh": math.fsum(energies) if energies else None,
            "energy_how": sorted({one.energy_how for one in self.components if not _never_ran(one)}),
            "intensity_g_per_kwh": self.intensity_g_per_kwh,
            "zone": _listed(one.zone for one in self.components),
            "kind": _listed(one.kind for one in self.components),
            "signal": next((one.signal for one in self.components if one.signal), ""),
            "accounting": " + ".join(accountings),
            "mixed_accounting": len(accountings) > 1,
            "final": all(one.final for one in self.components if not _never_ran(one)),
            "complete": not self.incomplete,
            "incomplete": self.incomplete,
            "sum_of_task_scis": own,
            "sum_of_task_scis_note": ""
            if own is not None
            else "not added: not every task has the run's own R and carbon",
            "components": [self._component(one) for one in self.components],
        }

    def _component(self, one: EmissionRecord) -> dict[str, Any]:
        total, whole = _total_g(one), self.total_g
        seconds = math.fsum(_seconds(each) for each in self.components)
        return {
            "task_id": one.task_id,
            "map_index": one.map_index,
            "try_number": one.try_number,
            "state": one.state,
            "started_at": one.started_at.isoformat(),
            "ended_at": one.ended_at.isoformat(),
            "location": one.location,
            "zone": one.zone,
            "energy_kwh": one.energy_kwh,
            "energy_how": one.energy_how,
            "energy_note": one.energy_note,
            "intensity_g_per_kwh": one.intensity_g_per_kwh,
            "kind": one.kind,
            "intensity_source": one.intensity_source,
            "operational_g": one.operational_g,
            "embodied_g": one.embodied_g if one.energy_kwh is not None else None,
            "total_g": total,
            "share_of_carbon_percent": None if total is None or not whole else 100.0 * total / whole,
            "share_of_time_percent": 100.0 * _seconds(one) / seconds if seconds else None,
            "of_sci_g_per_unit": None if total is None or not self.functional_units else total / self.functional_units,
            "own_functional_unit": one.functional_unit,
            "own_functional_units": one.functional_units,
            "own_sci_g_per_unit": None if total is None or not one.functional_units else total / one.functional_units,
            "final": one.final,
            "fault": one.fault,
        }


def _total_g(one: EmissionRecord) -> float | None:
    return None if one.operational_g is None else one.operational_g + (one.embodied_g or 0.0)


def _never_ran(one: EmissionRecord) -> bool:
    return bool(one.fault) and one.ended_at == one.started_at


def _seconds(one: EmissionRecord) -> float:
    return (one.ended_at - one.started_at) / timedelta(seconds=1)


def _name(one: EmissionRecord) -> str:
    mapped = f"[{one.map_index}]" if one.map_index >= 0 else ""
    return f"{one.task_id}{mapped}, try {one.try_number}"


def _lack(one: EmissionRecord) -> str:
    return one.fault or ("no energy is known" if one.energy_kwh is None else "no intensity is known yet")


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted({word for word in words if word}))


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if known else None
