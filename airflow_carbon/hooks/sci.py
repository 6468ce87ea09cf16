"""The hook that measures work and reports its Software Carbon Intensity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.core.embodied import Embodied
    from airflow_carbon.core.power import PowerProfile
    from airflow_carbon.core.sci import SciReport
    from airflow_carbon.core.trend import Trend
    from airflow_carbon.hooks.measuring import Measuring


class SciHook(BaseHook):
    """Report the SCI (ISO/IEC 21031:2024) of work that ran: ``(E x I + M) per R``.

    :param carbon_conn_id: one connection, or an ordered list of them, for I; None uses ``carbon_default``, or the
        typical profiles where that is not defined.
    """

    def __init__(self, carbon_conn_id: str | Sequence[str] | None = None) -> None:
        super().__init__()
        self.carbon_conn_id = carbon_conn_id

    def measure(
        self,
        *,
        location: str,
        energy: str | Mapping[str, Any] | PowerProfile | Sequence[str | Mapping[str, Any]] | None = None,
        embodied: Embodied | str | Mapping[str, Any] | None = None,
        functional_unit: str = "run",
        functional_units: float | str | None = None,
        reserved_while_waiting: timedelta | datetime | str | None = None,
        always_on: bool = False,
        ready_at: datetime | str | None = None,
        intensity_g_per_kwh: float | None = None,
        ask_now: bool = True,
        context: Context | None = None,
    ) -> Measuring:
        """Measure the body of a task, and record what it emitted even where it fails.

        ::

            sci = SciHook()
            with sci.measure(location="azure:uksouth", energy="codecarbon", functional_unit="row") as work:
                rows = load()
                work.count(len(rows))

        The record goes to the XCom ``carbon_emission`` and to the ledger. The time is what the body spent on the
        worker. I is the measured intensity of those hours where the source has it already, else its newest forecast;
        the record is then not final.

        :param location: where the task runs: ``azure:swedencentral``, ``zone:DE`` or ``51.5,-0.12``.
        :param energy: ``"codecarbon"`` (or ``{"meter": "codecarbon", "scope": "machine"}``), ``"0.4 kWh"``, ``"95 W"``,
            ``{"watts": 95, "idle_watts": 40}``, ``{"vcpus": 2, "utilisation": 0.6, "memory_gb": 8}``, or a list of
            which the first that can be had counts; None knows no energy, and the record has no grams. The body may
            set ``work.energy``.
        :param embodied: ``"default server"``, ``{"total_kg": 1000, "life": "1460d", "resource_share": 0.1}``, parts of
            the default server, or None to leave M out.
        :param functional_unit: what one unit of R is, for example ``row``.
        :param functional_units: R; where it is not given, what ``work.count()`` counted.
        :param reserved_while_waiting: for how long, or since when, hardware was reserved before the body began; its
            idle energy and its embodied share are billed. A deferred wait reserves none.
        :param always_on: the hardware runs whether or not there is work, so that only the dynamic part of the energy
            counts as reducible.
        :param ready_at: when the work was first ready; the record then tells how much cleaner it ran than it would have
            then.
        :param intensity_g_per_kwh: I where it is known already [gCO2eq/kWh].
        :param ask_now: False leaves I to be filled in later, and spares the worker the question.
        :param context: of the task; by default the one that runs.
        """
        from airflow_carbon.hooks.measuring import Measuring

        return Measuring(
            location=location,
            energy=energy,
            embodied=embodied,
            functional_unit=functional_unit,
            functional_units=functional_units,
            reserved_while_waiting=reserved_while_waiting,
            always_on=always_on,
            ready_at=ready_at,
            intensity_g_per_kwh=intensity_g_per_kwh,
            ask_now=ask_now,
            carbon_conn_id=self.carbon_conn_id,
            context=context,
        )

    def report(
        self,
        *,
        location: str,
        start: datetime | str,
        end: datetime | str,
        energy_kwh: float | None = None,
        energy: str | Mapping[str, Any] | PowerProfile | None = None,
        embodied_g: float = 0.0,
        embodied: Embodied | str | Mapping[str, Any] | None = None,
        functional_units: float | str = 1.0,
        functional_unit: str = "run",
        intensity_g_per_kwh: float | None = None,
        ready_at: datetime | str | None = None,
    ) -> SciReport:
        """Report E, I, M and R of one piece of work, and their SCI.

        :param location: where it ran: ``azure:swedencentral``, ``zone:DE`` or ``51.5,-0.12``.
        :param start: when it began on a worker; aware, or ISO 8601 with a timezone.
        :param end: when it ended there.
        :param energy_kwh: E, energy of all hardware reserved for the work, data-center overhead included [kWh].
        :param energy: what E stands on, as for :meth:`measure`, where ``energy_kwh`` is not given; with neither, the
            report has no grams.
        :param embodied_g: M, the share of the hardware's embodied emissions [gCO2eq].
        :param embodied: the hardware of M, as for :meth:`measure`, where ``embodied_g`` is not given.
        :param functional_units: R, how many units of work were done; a number or its text.
        :param functional_unit: what one of them is, for example ``order``.
        :param intensity_g_per_kwh: I where it is known already [gCO2eq/kWh]; else what was measured in those hours, or
            the newest forecast of them.
        :param ready_at: when the work was first ready; the report then tells how much cleaner it ran than then.
        :raises InvalidRequestError: naming the field that is wrong; an R of zero is.
        :raises SourceError: if no source knows the intensity of that interval.
        """
        from dataclasses import replace

        from airflow_carbon.core.amount import amount, parse_amount
        from airflow_carbon.hooks.reporting import work_that_ran

        units = parse_amount(functional_units, "functional_units", "1")
        if amount(embodied_g, "embodied_g", "gCO2eq") and embodied is not None:
            raise InvalidRequestError("embodied_g, embodied: give one of the two")
        work = work_that_ran(
            self.carbon_conn_id,
            location=location,
            start=start,
            end=end,
            energy={"kwh": energy_kwh} if energy_kwh is not None else energy,
            embodied=embodied,
            intensity_g_per_kwh=intensity_g_per_kwh,
            ready_at=ready_at,
        )
        report = work.report(functional_unit, units)
        return replace(report, embodied_g=embodied_g) if embodied is None else report

    def trend(self, reports: Iterable[Mapping[str, Any]]) -> Trend:
        """Put the reports of many runs together: each SCI, their mean, and all carbon over all units of work.

        :param reports: records of runs or of works, oldest first; a ``run_id`` in each names it.
        :raises InvalidRequestError: if there is none, or they differ in functional unit, signal or accounting.
        """
        from airflow_carbon.core.trend import trend

        return trend(reports)
