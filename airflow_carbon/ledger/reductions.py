"""Sums of reductions, rows apart for each signal and accounting: a sum over two of them means nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from airflow_carbon.core.impact import reduction_label
from airflow_carbon.core.units import Signal
from airflow_carbon.ledger.grouping import between, columns_by, counted, grouped, region_of
from airflow_carbon.ledger.tables import DECISION, IMPACT

if TYPE_CHECKING:
    from airflow_carbon.ledger.sql import SqlLedger

REDUCTIONS_BY = ("dag", "run", "task", "tag", "owner", "region", "zone", "month", "sort")


@dataclass(frozen=True, slots=True)
class ReductionTotal:
    """Hold the sum of reductions of one group, signal and accounting; negative ones are in it.

    :param decisions: how many decisions; each counts once.
    :param tasks: of how many tasks, tries and runs not counted.
    :param owners: of how many owners.
    :param without_grams: how many have no grams, for want of an energy.
    :param measured: how many stand on measured intensities on both sides.
    :param emitted_g: what the governed work emitted [gCO2eq].
    :param baseline_g: what its baselines would have [gCO2eq].
    :param reduction_g: baseline less emitted [gCO2eq].
    :param oracle_g: what the best allowed starts would have emitted, of those decisions where that is known [gCO2eq].
    """

    group: Mapping[str, str]
    signal: str
    accounting: str
    decisions: int
    tasks: int
    owners: int
    without_grams: int
    measured: int
    emitted_g: float
    baseline_g: float
    reduction_g: float
    oracle_g: float

    @property
    def reduction_label(self) -> str:
        """What the reduction may be called; empty where the signal is not stated."""
        return reduction_label(Signal(self.signal)) if self.signal else ""

    def record(self) -> dict[str, Any]:
        """Give all as plain JSON values."""
        whole = asdict(self)
        return {**whole.pop("group"), **whole, "reduction_label": self.reduction_label}


def reduction_totals(
    ledger: SqlLedger, by: Sequence[str] = ("dag", "month"), *, since: datetime | None = None,
    until: datetime | None = None, dag_id: str | None = None,
) -> list[ReductionTotal]:  # fmt: skip
    """Add up reductions; one whose decision the ledger does not hold, or that governs nothing, claims nothing.

    :param by: what makes a group: of :data:`REDUCTIONS_BY`; empty for one group of all.
    :param since: of work that began at this moment or later.
    :param until: of work that began before this moment.
    :param dag_id: of this DAG alone.
    :raises InvalidRequestError: if it is asked by something unknown.
    :raises LedgerError: if the ledger does not answer.
    """
    table, of = IMPACT.c, DECISION.c
    columns = columns_by(
        by,
        {
            "dag": of.dag_id, "run": of.run_id, "task": of.task_id, "tag": of.tags, "owner": of.owner,
            "region": region_of(of.location, table.zone), "zone": table.zone, "month": table.month, "sort": of.sort,
        },
    )  # fmt: skip
    sums = [
        counted(table.reduction_g.is_(None)),
        counted(table.measured),
        *(
            func.coalesce(func.sum(column), 0.0)
            for column in (table.emitted_g, table.baseline_g, table.reduction_g, table.oracle_g)
        ),
    ]
    group = [*columns, table.signal, table.accounting]
    # Tasks and owners are sets: they are counted here, as a group by tag has them in several rows.
    finer = [*group, of.dag_id, of.task_id, of.owner]
    wanted = between(table.started_at, since, until) + ([] if dag_id is None else [of.dag_id == dag_id])
    query = (
        select(*group, of.dag_id, of.task_id, of.owner, func.count(), *sums)
        .join_from(IMPACT, DECISION, table.decision_id == of.decision_id)
        .where(of.governs != "[]", *wanted)
        .group_by(*finer)
        .order_by(*finer)
    )
    with ledger.asked() as connection:
        rows = connection.execute(query).all()
    width = len(group)
    sets = [
        (*row[:width], row[width + 3], {(row[width], row[width + 1])}, {row[width + 2]} - {""}, *row[width + 4 :])
        for row in rows
    ]
    return [_total(by, key, values) for key, values in grouped(sets, by)]


def _total(by: Sequence[str], key: tuple[str, ...], values: Sequence[Any]) -> ReductionTotal:
    *group, signal, accounting = key
    decisions, tasks, owners, without_grams, measured, emitted, baseline, reduction, oracle = values
    return ReductionTotal(
        group=dict(zip(by, group, strict=True)),
        signal=signal,
        accounting=accounting,
        decisions=decisions,
        tasks=len(tasks),
        owners=len(owners),
        without_grams=without_grams,
        measured=measured,
        emitted_g=emitted,
        baseline_g=baseline,
        reduction_g=reduction,
        oracle_g=oracle,
    )
