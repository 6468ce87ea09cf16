"""The SCI of a DAG's last runs, as the ledger's sums of them give it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from airflow_carbon.core.trend import trend
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.ledger.sql import SqlLedger
from airflow_carbon.ledger.tables import EMISSION
from airflow_carbon.plugin import models

#: Runs that are shown, the newest ones.
RUNS = 100
#: What stands for R where no functional unit is counted: the run itself.
PER_RUN = ""


def trends(ledger: SqlLedger, dag_id: str) -> list[models.SciTrend]:
    """Give the SCI over the last runs, apart for each functional unit, signal and accounting.

    All carbon of a run, failed tries included, stands over its one functional unit; a run that counts several units,
    or whose intensities differ in signal or accounting, has no SCI and is left out. Where no unit is counted at all it
    is carbon per run.

    :raises LedgerError: if the ledger does not answer.
    """
    of = EMISSION.c
    last = (
        select(of.run_id, func.min(of.started_at).label("began"))
        .where(of.dag_id == dag_id)
        .group_by(of.run_id)
        .order_by(func.min(of.started_at).desc())
        .limit(RUNS)
        .subquery()
    )
    query = (
        select(of.run_id, last.c.began, of.signal, of.accounting, of.functional_unit, func.count(),
               func.count(of.operational_g), func.sum(of.operational_g), func.sum(of.embodied_g),
               func.sum(of.functional_units))
        .join_from(EMISSION, last, last.c.run_id == of.run_id)
        .where(of.dag_id == dag_id, of.faulty.is_(False))
        .group_by(of.run_id, last.c.began, of.signal, of.accounting, of.functional_unit)
    )  # fmt: skip
    with ledger.asked() as connection:
        rows = connection.execute(query).all()
    runs: defaultdict[tuple[Any, str], list[Sequence[Any]]] = defaultdict(list)
    for row in rows:
        runs[row[1], row[0]].append(tuple(row[2:]))
    found: defaultdict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    lacking: list[dict[str, Any]] = []
    for (began, run_id), parts in sorted(runs.items()):
        report = {**_report(parts), "run_id": run_id, "began": began}
        key = report["functional_unit"], report["signal"], report["accounting"]
        (found[key] if report["complete"] else lacking).append(report)
    if found:
        # Left out and counted, where most of the others stand.
        max(found.values(), key=len).extend(lacking)
    return [one for key, reports in sorted(found.items()) if (one := _trend(key, reports))]


def _report(parts: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Put one run's sums together."""
    # A part without carbon, such as a task that took no energy, is of no signal.
    with_carbon = [part for part in parts if part[4]]
    sorts = {(part[0], part[1]) for part in with_carbon}
    units = {part[2] for part in parts if part[2]}
    missing = any(part[3] != part[4] for part in parts)
    signal, accounting = sorts.pop() if len(sorts) == 1 else ("", "")
    unit = units.pop() if len(units) == 1 else PER_RUN
    complete = bool(signal) and not missing and not sorts and not units
    return {
        "total_g": sum((part[5] or 0.0) + (part[6] or 0.0) for part in parts),
        "functional_units": sum(part[7] or 0.0 for part in parts if part[2] == unit) if unit else 1.0,
        "functional_unit": unit,
        "signal": signal,
        "accounting": accounting,
        "complete": complete,
    }


def _trend(key: tuple[str, str, str], reports: Sequence[dict[str, Any]]) -> models.SciTrend | None:
    began = {one["run_id"]: one["began"] for one in reports}
    try:
        known = trend(reports)
        per_unit = known.total_over_total if any(units for _, _, units in known.runs) else None
    except InvalidRequestError:
        return None
    return models.SciTrend(
        functional_unit=key[0],
        signal=key[1],
        accounting=key[2],
        total_over_total_g_per_unit=per_unit,
        mean_of_ratios_g_per_unit=known.mean_of_ratios,
        runs=[
            models.SciRun(
                run_id=name,
                started_at=began[name],
                total_g=grams,
                functional_units=units,
                sci_g_per_unit=grams / units if units else None,
            )
            for name, grams, units in known.runs
        ],
        left_out=len(known.left_out),
    )
