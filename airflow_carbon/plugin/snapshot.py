"""What the ledger holds, read once for all viewers: sums of each DAG, so that every viewer gets those they may see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import DateTime, case, or_, select, type_coerce

from airflow_carbon.hooks.counter import PERIODS, Period, Reduction
from airflow_carbon.ledger.tables import DECISION, IMPACT
from airflow_carbon.ledger.uptake import OPEN

if TYPE_CHECKING:
    from airflow_carbon.ledger.sql import SqlLedger

#: Weeks that are shown.
WEEKS = 26
_WEEK = 7
#: What SQLite may keep in memory while the ledger is read, and no longer [KiB].
CACHE_KB = 65_536
#: What a decision claims: nothing (it governs nothing, or nothing came of it yet), its impact, or that and a shift.
_NOTHING, _IMPACT, _SHIFT = 0, 1, 2


#: Signal and accounting: what may be added up.
_Sort = tuple[str, str]
#: Decisions, those measured, those without grams, and the grams; a list, since a ledger makes many thousand additions.
_Sums = list[Any]


class _OfDag:
    """Add up one DAG."""

    __slots__ = ("made", "recent", "shifted", "weeks")

    def __init__(self) -> None:
        self.weeks: dict[tuple[int, str, str], _Sums] = {}
        #: Decisions by sort, action and location.
        self.made: dict[tuple[str, str, str], int] = {}
        #: Tasks that shifted, and their owners.
        self.shifted: set[tuple[str, str]] = set()
        #: What ended within the longest of the short periods: when, the sort, whether measured, grams, task and owner.
        self.recent: list[tuple[datetime, _Sort, bool | None, float | None, tuple[str, str] | None]] = []


@dataclass(frozen=True, slots=True)
class WeekSum:
    """Hold the reductions of one week, signal and accounting, over the DAGs that were asked for."""

    week: date
    reduction: Reduction


class Snapshot:
    """Hold what the ledger said at a moment.

    :param now: that moment.
    :param rows: as :func:`rows_of` gives them.
    """

    def __init__(self, now: datetime, rows: Iterable[Sequence[Any]]) -> None:
        self.now = now
        self._dags: dict[str, _OfDag] = {}
        # As the database gives moments, so that none of many thousand is converted.
        rows = list(rows)
        zoned = any(row[-1] is not None and row[-1].tzinfo is not None for row in rows)
        until = now.astimezone(UTC) if zoned else now.astimezone(UTC).replace(tzinfo=None)
        since = until - max(reach for reach in PERIODS.values() if reach is not None)
        for dag_id, task_id, owner, sort, action, location, claims, signal, accounting, measured, grams, ended in rows:
            dag = self._dags.get(dag_id)
            if dag is None:
                dag = self._dags[dag_id] = _OfDag()
            made = dag.made
            one = sort, action, location
            made[one] = made[one] + 1 if one in made else 1
            if claims == _NOTHING or ended > until:
                continue
            moment = ended.astimezone(UTC) if zoned else ended
            key = (moment.toordinal() - 1) // _WEEK, signal, accounting
            sums = dag.weeks.get(key)
            if sums is None:
                sums = dag.weeks[key] = [0, 0, 0, 0.0]
            _add(sums, measured, grams)
            if claims == _SHIFT:
                dag.shifted.add((task_id, owner))
            if moment > since:
                shifted = (task_id, owner) if claims == _SHIFT else None
                dag.recent.append((moment.replace(tzinfo=UTC), (signal, accounting), measured, grams, shifted))

    @property
    def dag_ids(self) -> frozenset[str]:
        """Every DAG with a decision."""
        return frozenset(self._dags)

    def periods(self, dag_ids: Iterable[str]) -> list[Period]:
        """Count over the periods of the counter, over these DAGs alone."""
        known = [(name, self._dags[name]) for name in dag_ids if name in self._dags]
        return [self._period(name, reach, known) for name, reach in PERIODS.items()]

    def _period(self, name: str, reach: timedelta | None, known: Sequence[tuple[str, _OfDag]]) -> Period:
        sums: dict[_Sort, _Sums] = {}
        tasks, owners = set[tuple[str, str]](), set[str]()
        since = None if reach is None else self.now - reach
        for dag_id, dag in known:
            shifted: Iterable[tuple[str, str]] = dag.shifted
            if since is None:
                for (_, signal, accounting), one in dag.weeks.items():
                    _join(sums, (signal, accounting), one)
            else:
                within = [row for row in dag.recent if row[0] > since]
                for _, kind, measured, grams, _ in within:
                    _add(sums.setdefault(kind, [0, 0, 0, 0.0]), measured, grams)
                shifted = [row[4] for row in within if row[4]]
            for task, owner in shifted:
                tasks.add((dag_id, task))
                owners |= {owner} - {""}
        return Period(name, since, self.now, len(tasks), len(owners), _reductions(sums))

    def weeks(self, dag_ids: Iterable[str]) -> list[WeekSum]:
        """Give the reductions of the last weeks, oldest first, rows apart for each signal and accounting."""
        sums: dict[tuple[int, str, str], _Sums] = {}
        first = (self.now.astimezone(UTC).toordinal() - 1) // _WEEK - WEEKS
        for name in dag_ids:
            if name in self._dags:
                for key, one in self._dags[name].weeks.items():
                    if key[0] > first:
                        _join(sums, key, one)
        return [
            WeekSum(date.fromordinal(week * _WEEK + 1), reduction)
            for (week, signal, accounting), one in sorted(sums.items())
            for reduction in _reductions({(signal, accounting): one})
        ]

    def done(self, dag_ids: Iterable[str]) -> Counter[tuple[str, str]]:
        """Count decisions by sort and action."""
        told = Counter[tuple[str, str]]()
        for name in dag_ids:
            if name in self._dags:
                for (sort, action, _), count in self._dags[name].made.items():
                    told[sort, action or OPEN] += count
        return told

    def locations(self, dag_ids: Iterable[str], most: int) -> list[str]:
        """List where these DAGs ran or waited, the most frequent ones."""
        seen = Counter[str]()
        for name in dag_ids:
            if name in self._dags:
                for (_, _, location), count in self._dags[name].made.items():
                    seen[location] += count
        return [name for name, _ in seen.most_common() if name][:most]


def rows_of(ledger: SqlLedger) -> list[Sequence[Any]]:
    """Read each decision with what came of it.

    Flat, and added up here: the databases take three times as long to sort so many texts into groups.

    :raises LedgerError: if the ledger does not answer.
    """
    of, came = DECISION.c, IMPACT.c
    shifted = (of.action == "taken") & or_(of.promised_saving_percent > 0.0, came.zone != came.home_zone)
    claims = case((or_(of.governs == "[]", came.decision_id.is_(None)), _NOTHING), (shifted, _SHIFT), else_=_IMPACT)
    query = select(
        of.dag_id, of.task_id, of.owner, of.sort, of.action, of.location, claims, came.signal, came.accounting,
        came.measured, came.reduction_g, type_coerce(came.ended_at, DateTime),
    ).outerjoin_from(DECISION, IMPACT, came.decision_id == of.decision_id)  # fmt: skip
    with ledger.asked() as connection:
        if connection.dialect.name == "sqlite":
            # Of its 2 MB of cache the join of two large tables throws out what it needs next: twice the time.
            connection.exec_driver_sql(f"PRAGMA cache_size = -{CACHE_KB}")
        return list(connection.execute(query).all())


def _add(sums: _Sums, measured: bool | None, grams: float | None) -> None:
    sums[0] += 1
    if measured:
        sums[1] += 1
    if grams is None:
        sums[2] += 1
    else:
        sums[3] += grams


def _join(sums: dict[Any, _Sums], key: Any, one: _Sums) -> None:
    known = sums.setdefault(key, [0, 0, 0, 0.0])
    for place, value in enumerate(one):
        known[place] += value


def _reductions(sums: dict[_Sort, _Sums]) -> list[Reduction]:
    return [
        Reduction(signal, accounting, decisions, measured, without, None if without == decisions else grams)
        for (signal, accounting), (decisions, measured, without, grams) in sorted(sums.items())
    ]
