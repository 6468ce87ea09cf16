"""The hook that reports Software Carbon Intensity."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

from airflow_carbon.core.location import Location
from airflow_carbon.core.moment import parse_moment
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.core.sci import SciReport


class SciHook(BaseHook):
    """Report the SCI (ISO/IEC 21031:2024) of work that ran: ``(E x I + M) per R``.

    :param carbon_conn_id: one connection, or an ordered list of them, for I; None uses ``carbon_default``, or the
        typical profiles where that is not defined.
    """

    def __init__(self, carbon_conn_id: str | Sequence[str] | None = None) -> None:
        super().__init__()
        self.carbon_conn_id = carbon_conn_id

    def report(
        self,
        *,
        energy_kwh: float,
        location: str,
        start: datetime | str,
        end: datetime | str,
        embodied_g: float = 0.0,
        functional_units: float = 1.0,
        functional_unit: str = "run",
        intensity_g_per_kwh: float | None = None,
    ) -> SciReport:
        """Report E, I, M and R of one piece of work, and their SCI.

        :param energy_kwh: E, energy of all hardware reserved for the work, data-center overhead included [kWh].
        :param location: where it ran: ``azure:swedencentral``, ``zone:DE`` or ``51.5,-0.12``.
        :param start: when it began; aware, or ISO 8601 with a timezone.
        :param end: when it ended.
        :param embodied_g: M, the share of the hardware's embodied emissions [gCO2eq].
        :param functional_units: R, how many units of work were done.
        :param functional_unit: what one of them is, for example ``order``.
        :param intensity_g_per_kwh: I where it is known already [gCO2eq/kWh]; else the source's mean over the interval.
        :raises InvalidRequestError: naming the field that is wrong.
        :raises SourceError: if no source knows the intensity of that interval.
        """
        from airflow_carbon.core.sci import SciReport

        began, ended = parse_moment(start, "start"), parse_moment(end, "end")
        if ended <= began:
            raise InvalidRequestError(f"end: {ended.isoformat()} must be later than start, {began.isoformat()}")
        where = Location.parse(location)
        if intensity_g_per_kwh is not None:
            return SciReport(
                energy_kwh=energy_kwh,
                intensity_g_per_kwh=intensity_g_per_kwh,
                embodied_g=embodied_g,
                functional_units=functional_units,
                functional_unit=functional_unit,
                intensity_source="given",
            )
        from airflow_carbon.hooks import chain
        from airflow_carbon.hooks.asking import asked_in_time

        source = chain.source_of(chain.hooks_of(chain.conn_ids(self.carbon_conn_id)))
        measured = asked_in_time(source.history(where, start=began, end=ended))
        return SciReport(
            energy_kwh=energy_kwh,
            intensity_g_per_kwh=measured.mean(began, ended),
            embodied_g=embodied_g,
            functional_units=functional_units,
            functional_unit=functional_unit,
            intensity_source=measured.source,
            zone=measured.zone,
            kind=str(measured.kind),
            signal=str(measured.signal),
            accounting=str(measured.accounting),
        )
