"""How much less was emitted in the last hour, day, month and since the ledger began, and how many shifted for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.configuration import conf

from airflow_carbon.core.equivalents import Equivalent, equivalents
from airflow_carbon.core.impact import reduction_label
from airflow_carbon.core.units import Signal
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.hooks.fields import address
from airflow_carbon.hooks.settings import SECTION

if TYPE_CHECKING:
    from airflow_carbon.hooks.ledger import LedgerHook

#: Names of the periods, and how far each reaches back from now; a month is 30 days, None is all time.
PERIODS: dict[str, timedelta | None] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "month": timedelta(days=30),
    "all_time": None,
}
#: Form of what is pushed; it changes with the form.
FORM = "airflow-carbon-counter/1"


@dataclass(frozen=True, slots=True)
class Reduction:
    """Hold the reductions of one period, signal and accounting: a sum over two of them means nothing.

    :param decisions: how many have an impact; each counts once.
    :param measured: how many of them stand on measured intensities on both sides.
    :param without_grams: how many have no grams, for want of an energy.
    :param reduction_g: sum [gCO2eq], negative ones in it; None where none has grams.
    """

    signal: str
    accounting: str
    decisions: int
    measured: int
    without_grams: int
    reduction_g: float | None

    @property
    def label(self) -> str:
        """What the reduction may be called."""
        return reduction_label(Signal(self.signal)) if self.signal else "reduction, signal not stated"

    @property
    def equivalents(self) -> list[Equivalent]:
        """What it is comparable to; nothing where it is not known."""
        return [] if self.reduction_g is None else equivalents(self.reduction_g)

    def aggregates(self) -> dict[str, Any]:
        """Give the sums alone, as plain JSON values."""
        return {
            "signal": self.signal,
            "accounting": self.accounting,
            "decisions": self.decisions,
            "measured": self.measured,
            "without_grams": self.without_grams,
            "reduction_g": self.reduction_g,
        }

    def record(self) -> dict[str, Any]:
        """Give all as plain JSON values."""
        told = {"reduction_label": self.label, "equivalents": [one.record() for one in self.equivalents]}
        return {**self.aggregates(), **told}


@dataclass(frozen=True, slots=True)
class Period:
    """Hold what is known of one period, by the end of the governed work.

    A task has shifted if a decision sent it elsewhere, or promised that a later start would be cleaner, and that was
    done.

    :param name: a key of :data:`PERIODS`.
    :param since: its begin; None for all time.
    :param until: its end.
    :param tasks_shifted: how many tasks, runs and tries not counted.
    :param owners_shifted: how many owners have such a task.
    :param reductions: one for each signal and accounting.
    """

    name: str
    since: datetime | None
    until: datetime
    tasks_shifted: int
    owners_shifted: int
    reductions: Sequence[Reduction]

    def aggregates(self) -> dict[str, Any]:
        """Give the sums alone, as plain JSON values."""
        return self._told([one.aggregates() for one in self.reductions])

    def record(self) -> dict[str, Any]:
        """Give all as plain JSON values."""
        return self._told([one.record() for one in self.reductions])

    def _told(self, reductions: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "period": self.name,
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat(),
            "tasks_shifted": self.tasks_shifted,
            "owners_shifted": self.owners_shifted,
            "reductions": reductions,
        }


def count(hook: LedgerHook, now: datetime) -> list[Period]:
    """Count over every period at once, in one query; a decision that governs nothing claims nothing.

    :param now: end of each period; work that ended later is passed over.
    :raises LedgerError: if the ledger does not answer.
    """
    since = {name: None if reach is None else now - reach for name, reach in PERIODS.items()}
    rows = _rows(hook, [since[name] for name in PERIODS], now)
    return [_period(name, since[name], now, rows, at) for at, name in enumerate(PERIODS)]


def collector() -> str:
    """Read ``[carbon] counter_url``: where the counter may be pushed to; empty for nowhere.

    :raises InvalidRequestError: if it is no address, or holds a user or a password.
    """
    given = (conf.get(SECTION, "counter_url", fallback="") or "").strip()
    return address(given, "[carbon] counter_url") if given else ""


def pushed(periods: Sequence[Period]) -> dict[str, Any]:
    """Give the document that a push sends: sums, without the name of a DAG, a task, an owner or this host."""
    return {"form": FORM, "periods": [one.aggregates() for one in periods]}


def push(periods: Sequence[Period]) -> str:
    """Send the aggregates to the collector that ``[carbon] counter_url`` names, and nothing else; give its address.

    :raises InvalidRequestError: if it names none.
    :raises SourceError: if the collector does not take them.
    """
    from airflow_carbon.web.http import Http, close

    url = collector()
    if not url:
        raise InvalidRequestError("[carbon] counter_url: names no collector, so nothing is sent; write its address")

    async def send() -> None:
        try:
            await Http("the counter's collector", url).post("", pushed(periods))
        finally:
            await close()

    asyncio.run(send())
    return url


def _rows(hook: LedgerHook, since: Sequence[datetime | None], now: datetime) -> list[Sequence[Any]]:
    """Ask for one row for each task, owner, signal, accounting and the shortest period that holds it."""
    from sqlalchemy import case, func, select

    from airflow_carbon.ledger.tables import DECISION, IMPACT

    came, of = IMPACT.c, DECISION.c
    # Each period holds the shorter ones before it, and the last one everything.
    shortest = case(*((came.ended_at > begin, at) for at, begin in enumerate(since) if begin), else_=len(since) - 1)
    shifted = (of.action == "taken") & ((of.promised_saving_percent > 0.0) | (came.zone != came.home_zone))
    group = [shortest.label("shortest"), came.signal, came.accounting, of.dag_id, of.task_id, of.owner]
    query = (
        select(
            *group,
            func.count(),
            func.sum(case((came.measured, 1), else_=0)),
            func.count() - func.count(came.reduction_g),
            func.sum(came.reduction_g),
            func.max(case((shifted, 1), else_=0)),
        )
        .join_from(IMPACT, DECISION, came.decision_id == of.decision_id)
        .where(of.governs != "[]", came.ended_at <= now)
        .group_by(*group)
    )
    with hook.ledger.asked() as connection:
        return [tuple(row) for row in connection.execute(query)]


def _period(name: str, since: datetime | None, now: datetime, rows: Sequence[Sequence[Any]], at: int) -> Period:
    tasks, owners = set[tuple[str, str]](), set[str]()
    found: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        shortest, signal, accounting, dag_id, task_id, owner, decisions, measured, without, grams, shifted = row
        if shortest > at:
            continue
        sums = found.setdefault((signal, accounting), [0, 0, 0, 0.0])
        for place, value in enumerate((decisions, measured, without, grams or 0.0)):
            sums[place] += value
        if shifted:
            tasks.add((dag_id, task_id))
            owners |= {owner} - {""}
    reductions = [
        Reduction(signal, accounting, decisions, measured, without, None if without == decisions else grams)
        for (signal, accounting), (decisions, measured, without, grams) in sorted(found.items())
    ]
    return Period(name, since, now, len(tasks), len(owners), reductions)
