"""The SCI over many runs: each run's, the mean of these, and all carbon over all units of work."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_carbon.core.amount import amount
from airflow_carbon.exceptions import InvalidRequestError


@dataclass(frozen=True, slots=True)
class Trend:
    """Hold the SCIs of many runs of one functional unit.

    :param runs: in the order given: name of the run, its carbon [gCO2eq], its R. A run with R = 0 keeps its carbon.
    :param functional_unit: what one unit of R is.
    :param signal: of all intensities behind it.
    :param accounting: of all intensities behind it.
    :param left_out: runs whose carbon is not known.
    """

    runs: tuple[tuple[str, float, float], ...]
    functional_unit: str
    signal: str
    accounting: str
    left_out: tuple[str, ...] = ()

    @property
    def total_over_total(self) -> float:
        """All carbon over all units of work [gCO2eq per unit]: the SCI to report.

        :raises InvalidRequestError: if no run did any work.
        """
        units = math.fsum(units for _, _, units in self.runs)
        if not units:
            raise InvalidRequestError("functional_units: R is 0 in every run; emissions per unit need some work done")
        return math.fsum(grams for _, grams, _ in self.runs) / units

    @property
    def mean_of_ratios(self) -> float | None:
        """The unweighted mean of the runs' SCIs [gCO2eq per unit], as Impact Framework averages; R = 0 has none."""
        scores = [grams / units for _, grams, units in self.runs if units]
        return math.fsum(scores) / len(scores) if scores else None

    def record(self) -> dict[str, Any]:
        """Give all as plain JSON values."""
        return {
            "functional_unit": self.functional_unit,
            "total_over_total_g_per_unit": self.total_over_total,
            "mean_of_ratios_g_per_unit": self.mean_of_ratios,
            "to_report": "total_over_total_g_per_unit",
            "total_g": math.fsum(grams for _, grams, _ in self.runs),
            "functional_units": math.fsum(units for _, _, units in self.runs),
            "signal": self.signal,
            "accounting": self.accounting,
            "left_out": list(self.left_out),
            "runs": [
                {
                    "run": name,
                    "total_g": grams,
                    "functional_units": units,
                    "sci_g_per_unit": grams / units if units else None,
                }
                for name, grams, units in self.runs
            ],
        }


def trend(reports: Iterable[Mapping[str, Any]]) -> Trend:
    """Put reports of runs together, oldest first, as :meth:`SciReport.record` and :meth:`RunReport.record` give them.

    :param reports: each has ``total_g``, ``functional_units``, ``functional_unit``, ``signal``, ``accounting`` and, if
        wanted, ``run_id``. One that says ``complete: False`` is left out and named, since its carbon is too small.
    :raises InvalidRequestError: if there is none, or they differ in functional unit, signal or accounting.
    """
    every = [(str(one.get("run_id") or f"run {number}"), one) for number, one in enumerate(reports, start=1)]
    if not every:
        raise InvalidRequestError("reports: there is none to put together")
    known = [(name, one) for name, one in every if one.get("total_g") is not None and one.get("complete", True)]
    if not known:
        raise InvalidRequestError("reports: none has carbon that is known; a trend needs energies")
    first_name, first = known[0]
    for name, one in known:
        for field in ("functional_unit", "signal", "accounting"):
            if one.get(field, "") != first.get(field, ""):
                raise InvalidRequestError(
                    f"{field}: {name} has {one.get(field, '')!r}, {first_name} {first.get(field, '')!r}; rates of "
                    f"different sorts do not go together, make one trend for each"
                )
    runs = tuple(
        (name, amount(one["total_g"], "total_g", "gCO2eq"), amount(one["functional_units"], "functional_units", "1"))
        for name, one in known
    )
    left_out = tuple(name for name, one in every if (name, one) not in known)
    return Trend(
        runs,
        str(first.get("functional_unit", "")),
        str(first.get("signal", "")),
        str(first.get("accounting", "")),
        left_out,
    )
