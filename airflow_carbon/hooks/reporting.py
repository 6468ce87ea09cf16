"""A piece of work that ran earlier, put together from what is told of it and what the source knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from airflow_carbon.core.embodied import parse_embodied
from airflow_carbon.core.energy_basis import Metered
from airflow_carbon.core.energy_given import parse_basis
from airflow_carbon.core.location import Location
from airflow_carbon.core.moment import parse_moment, stated
from airflow_carbon.core.work import Hours, Work, check_interval
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.hooks.hours import ask_hours, given_hours
from airflow_carbon.hooks.pue import cloud_and_pue


def work_that_ran(
    carbon_conn_id: str | Sequence[str] | None,
    *,
    location: str,
    start: datetime | str,
    end: datetime | str,
    energy: Any = None,
    embodied: Any = None,
    intensity_g_per_kwh: float | None = None,
    ready_at: datetime | str | None = None,
) -> Work:
    """Put a piece of work together; the fields are those of :meth:`~airflow_carbon.hooks.sci.SciHook.report`.

    :raises InvalidRequestError: naming the field that is wrong.
    :raises SourceError: if no source knows the intensity of that interval.
    """
    began, ended = parse_moment(start, "start"), parse_moment(end, "end")
    check_interval(began, ended)
    where = Location.parse(location)
    cloud, pue = cloud_and_pue(where)
    basis = parse_basis(energy, cloud=cloud, pue=pue)
    if isinstance(basis, Metered):
        raise InvalidRequestError("energy: a meter runs beside the work; use measure(), or give what the meter read")
    billed = None if basis is None else basis.energy(ended - began)
    hardware, ready = parse_embodied(embodied), stated(ready_at)
    spans = [] if intensity_g_per_kwh is not None else [(began, ended)]
    if ready is not None:
        first = parse_moment(ready, "ready_at")
        spans.append((first, first + (ended - began)))
    found = ask_hours(carbon_conn_id, where, spans) if spans else []
    then: Hours | None = found.pop() if ready is not None else None
    during = found[0] if intensity_g_per_kwh is None else given_hours(intensity_g_per_kwh)
    return Work(began, ended, billed, hardware, during=during, ready=then)
