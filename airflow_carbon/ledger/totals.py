"""Sums of emissions, rows apart for each signal and accounting: a sum over two of them means nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select

from airflow_carbon.ledger.grouping import between, columns_by, grouped, region_of
from airflow_carbon.ledger.tables import EMISSION

if TYPE_CHECKING:
    from airflow_carbon.ledger.sql import SqlLedger

#: By what emissions can be added up. By ``tag`` one with two tags counts under each: such rows do not add up.
EMISSIONS_BY = ("dag", "run", "task", "tag", "owner", "region", "zone", "month", "unit")


class EmissionTotal(NamedTuple):
    """Hold the sum of emissions of one group, signal and accounting.

    :param group: what they have in common, by name.
    :param records: how many tries are in the group; failed ones too.
    :param without_grams: how many of them have no grams, for want of an energy or an intensity.
    :param provisional: how many of them are not final.
    :param faulty: how many of them could not be computed; their inputs are kept.
    :param energy_kwh: sum of the energies that are known [kWh].
    :param operational_g: sum of E x I [gCO2eq].
    :param embodied_g: sum of M [gCO2eq].
    :param functional_units: sum of R, where the group is of one functional unit; None else.
    """

    group: Mapping[str, str]
    signal: str
    accounting: str
    records: int
    without_grams: int
    provisional: int
    faulty: int
    energy_kwh: float
    operational_g: float
    embodied_g: float
    functional_units: float | None = None

    @property
    def total_g(self) -> float:
        """O + M [gCO2eq]."""
        return self.operational_g + self.embodied_g

    @property
    def sci_g_per_unit(self) -> float | None:
        """Total carbon over total R; runs with R = 0 keep their carbon. None where nothing was counted."""
        return self.total_g / self.functional_units if self.functional_units else None

    def record(self) -> dict[str, Any]:
        """Give all as plain JSON values."""
        whole = self._asdict()
        return {**whole.pop("group"), **whole, "total_g": self.total_g, "sci_g_per_unit": self.sci_g_per_unit}


def emission_totals(
    ledger: SqlLedger, by: Sequence[str] = ("dag", "month"), *, since: datetime | None = None,
    until: datetime | None = None, dag_id: str | None = None,
) -> list[EmissionTotal]:  # fmt: skip
    """Add up emissions.

    :param by: what makes a group: of :data:`EMISSIONS_BY`; empty for one group of all.
    :param since: of work that began at this moment or later.
    :param until: of work that began before this moment.
    :param dag_id: of this DAG alone.
    :raises InvalidRequestError: if it is asked by something unknown.
    :raises LedgerError: if the ledger does not answer.
    """
    table = EMISSION.c
    columns = columns_by(
        by,
        {
            "dag": table.dag_id, "run": table.run_id, "task": table.task_id, "tag": table.tags, "tags": table.tags,
            "owner": table.owner,
            "region": region_of(table.location, table.zone), "zone": table.zone, "month": table.month,
            "unit": table.functional_unit,
        },
    )  # fmt: skip
    # Sorts of records are told apart by the grouping, which the index has sorted already: a sum of cases costs more.
    sums = [func.count(), func.count(table.operational_g),
            *(func.sum(column) for column in (table.energy_kwh, table.operational_g, table.embodied_g))]  # fmt: skip
    if "unit" in by:
        sums.append(func.sum(table.functional_units))
    group = [*columns, table.signal, table.accounting]
    finer = [*group, table.final, table.faulty]
    wanted = between(table.started_at, since, until) + ([] if dag_id is None else [table.dag_id == dag_id])
    with ledger.asked() as connection:
        rows = connection.execute(select(*finer, *sums).where(*wanted).group_by(*finer)).all()
    width = len(group)
    told = []
    for row in rows:
        final, faulty, count, with_grams, *amounts = row[width:]
        told.append((*row[:width], count, count - with_grams, 0 if final else count, count if faulty else 0, *amounts))
    return [
        # A sum of nothing is no number to a database.
        EmissionTotal(
            dict(zip(by, key, strict=False)), key[-2], key[-1], records, without, provisional, faulty, energy or 0.0,
            operational or 0.0, embodied or 0.0, *units,
        )
        for key, (records, without, provisional, faulty, energy, operational, embodied, *units) in grouped(told, by)
    ]  # fmt: skip
