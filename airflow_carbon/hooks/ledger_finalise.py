"""Make provisional emissions final, once the source has measured the hours in which the work ran."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.location import Location
from airflow_carbon.core.record import EmissionRecord
from airflow_carbon.exceptions import CarbonError, SourceUnavailableError
from airflow_carbon.hooks import chain
from airflow_carbon.hooks.asking import ANSWER_TIMEOUT
from airflow_carbon.hooks.hours import hours_of
from airflow_carbon.ledger.base import Selection

if TYPE_CHECKING:
    from airflow_carbon.core.work import Hours
    from airflow_carbon.ledger.sql import SqlLedger
    from airflow_carbon.sources.base import CarbonSource

#: Records that are written at a time.
BATCH = 500


@dataclass(slots=True)
class Finalised:
    """Count what came of it.

    :param finalised: records that are final now.
    :param left: the reason, and how many records it keeps provisional.
    """

    finalised: int = 0
    left: Counter[str] = field(default_factory=Counter)


def finalise(
    ledger: SqlLedger,
    *,
    now: datetime,
    carbon_conn_id: str | Sequence[str] | None = None,
    since: datetime | None = None,
    dag_id: str | None = None,
) -> Finalised:
    """Look every provisional emission up again, and make those final whose hours were measured meanwhile.

    :param now: work that has not ended by then is passed over.
    :param carbon_conn_id: one connection, or an ordered list of them; None uses the default.
    :param since: work that began at this moment or later.
    :param dag_id: of this DAG alone.
    :raises InvalidRequestError: naming the connection that is wrong.
    :raises LedgerError: if the ledger does not answer.
    """
    source = chain.source_of(chain.hooks_of(chain.conn_ids(carbon_conn_id)))
    which = Selection(final=False, since=since, until=now, dag_id=dag_id)
    told = Finalised()
    due = [one for one in ledger.read(EmissionRecord, which) if not one.fault and one.ended_at <= now]
    for first in range(0, len(due), BATCH):
        final = asyncio.run(_final(source, due[first : first + BATCH], now, told))
        ledger.write(final)
        told.finalised += len(final)
    return told


async def _final(
    source: CarbonSource, records: Sequence[EmissionRecord], now: datetime, told: Finalised
) -> list[EmissionRecord]:
    found: list[EmissionRecord] = []
    for record in records:
        if not record.location:
            told.left["no location is recorded"] += 1
            continue
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                one = await _finalised(source, record, now)
        except TimeoutError:
            told.left["the source did not answer in time"] += 1
        except SourceUnavailableError:
            told.left["the source does not know those hours yet"] += 1
        except CarbonError as error:
            told.left[" ".join(str(error).split())] += 1
        else:
            if one is None:
                told.left["those hours are not measured yet"] += 1
            else:
                found.append(one)
    return found


async def _finalised(source: CarbonSource, record: EmissionRecord, now: datetime) -> EmissionRecord | None:
    location = Location.parse(record.location)
    hours = await hours_of(source, location, record.started_at, _end(record))
    mean = hours.intensity_g_per_kwh
    waiting_kwh, waited = _waiting(record)
    if waiting_kwh and record.energy_kwh:
        before = await hours_of(source, location, record.started_at - waited, record.started_at)
        if not before.final or (before.signal, before.accounting) != (hours.signal, hours.accounting):
            return None
        working_kwh = record.energy_kwh - waiting_kwh
        mean = (working_kwh * mean + waiting_kwh * before.intensity_g_per_kwh) / record.energy_kwh
    return _replaced(record, hours, mean, now) if hours.final else None


def _replaced(record: EmissionRecord, hours: Hours, mean: float, now: datetime) -> EmissionRecord:
    before = {
        name: getattr(record, name)
        for name in ("intensity_g_per_kwh", "operational_g", "kind", "signal", "accounting", "intensity_source", "zone")
    }
    return replace(
        record,
        zone=hours.zone,
        intensity_g_per_kwh=mean,
        kind=hours.kind,
        signal=hours.signal,
        accounting=hours.accounting,
        intensity_source=hours.source,
        operational_g=None if record.energy_kwh is None else record.energy_kwh * mean,
        final=True,
        made_at=now,
        raw={**record.raw, "provisional": before},
    )


def _end(record: EmissionRecord) -> datetime:
    # Work of no length at all still has an intensity: that of its moment.
    return max(record.ended_at, record.started_at + timedelta(microseconds=1))


def _waiting(record: EmissionRecord) -> tuple[float, timedelta]:
    """Read the energy that reserved hardware drew before the work [kWh], and how long it waited."""
    raw: Any = record.raw
    energy, seconds = raw.get("waiting_kwh"), raw.get("waited_seconds")
    if not isinstance(energy, int | float) or not isinstance(seconds, int | float) or seconds <= 0.0:
        return 0.0, timedelta(0)
    return float(energy), timedelta(seconds=seconds)
