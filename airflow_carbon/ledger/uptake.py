"""What was recommended, what was done, and how well it went."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from airflow_carbon.core.record import ACTIONS
from airflow_carbon.ledger.tables import DECISION, IMPACT

if TYPE_CHECKING:
    from airflow_carbon.ledger.sql import SqlLedger

#: What an action is called in a report; the empty one is a decision of which nothing more was heard.
OPEN = "open"
#: Reasons that are listed, the most frequent ones.
MOST_REASONS = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold how decisions of one action, signal and accounting went.

    :param decisions: how many have an impact.
    :param measured: how many of them stand on measured intensities.
    :param promised_saving_percent: mean of what was promised, of those where it is known [%].
    :param saving_percent: mean of what it became, of those where it is known [%].
    :param reduction_g: sum [gCO2eq]; None where no energy is known.
    :param of_oracle: share of the reduction that perfect knowledge would have brought, of those where it is known.
    :param forecast_error_percent: mean of the forecasts' errors, of those where it is known [%].
    """

    action: str
    signal: str
    accounting: str
    decisions: int
    measured: int
    promised_saving_percent: float | None
    saving_percent: float | None
    reduction_g: float | None
    of_oracle: float | None
    forecast_error_percent: float | None


@dataclass(frozen=True, slots=True)
class Uptake:
    """Hold the uptake of one sort of decision in one DAG.

    :param recommended: how many decisions.
    :param done: how many of each action; ``open`` are those of which nothing more was heard.
    :param why: (action, reason, how many), the most frequent first; of what was not simply taken.
    :param outcomes: how well they went, rows apart for each action, signal and accounting.
    """

    dag_id: str
    sort: str
    recommended: int
    done: dict[str, int]
    why: list[tuple[str, str, int]]
    outcomes: list[Outcome]

    def record(self) -> dict[str, Any]:
        """Give all as plain JSON values."""
        reasons = [{"action": action, "why": why, "decisions": count} for action, why, count in self.why]
        return {**asdict(self), "why": reasons}


def uptake(
    ledger: SqlLedger, *, since: datetime | None = None, until: datetime | None = None, dag_id: str | None = None
) -> list[Uptake]:
    """Count what became of decisions.

    :param since: of decisions made at this moment or later.
    :param until: of decisions made before this moment.
    :param dag_id: of this DAG alone.
    :raises LedgerError: if the ledger does not answer.
    """
    of, came = DECISION.c, IMPACT.c
    wanted = [] if dag_id is None else [of.dag_id == dag_id]
    wanted += [] if since is None else [of.decided_at >= since]
    wanted += [] if until is None else [of.decided_at < until]
    group = [of.dag_id, of.sort, of.action]
    counted = select(*group, of.why, func.count()).where(*wanted).group_by(*group, of.why)
    # An unlinked decision claims nothing.
    went = (
        select(*group, came.signal, came.accounting, came.measured, came.promised_saving_percent, came.saving_percent,
               came.reduction_g, came.baseline_g, came.oracle_g, came.forecast_error_percent)
        .join_from(IMPACT, DECISION, came.decision_id == of.decision_id)
        .where(of.governs != "[]", *wanted)
    )  # fmt: skip
    with ledger.asked() as connection:
        counts, results = connection.execute(counted).all(), connection.execute(went).all()
    done: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    why: dict[tuple[str, str], Counter[tuple[str, str]]] = defaultdict(Counter)
    for row in counts:
        dag, sort, action, reason, count = tuple(row)
        done[dag, sort][action or OPEN] += count
        if action not in ("", "taken"):
            why[dag, sort][action, reason or "no reason given"] += count
    outcomes: dict[tuple[str, str], dict[tuple[str, str, str], list[Any]]] = defaultdict(lambda: defaultdict(list))
    for row in results:
        dag, sort, action, signal, accounting = tuple(row)[:5]
        outcomes[dag, sort][action or OPEN, signal, accounting].append(tuple(row[5:]))
    order = [action or OPEN for action in ACTIONS]
    return [
        Uptake(
            dag,
            sort,
            actions.total(),
            {action: actions[action] for action in order if actions[action]},
            [(action, reason, count) for (action, reason), count in why[dag, sort].most_common(MOST_REASONS)],
            [_outcome(key, rows) for key, rows in sorted(outcomes[dag, sort].items())],
        )
        for (dag, sort), actions in sorted(done.items())
    ]


def _outcome(key: tuple[str, str, str], rows: list[Any]) -> Outcome:
    measured, promised, saved, reduction, baseline, oracle, error = zip(*rows, strict=True)
    known = [row for row in zip(reduction, baseline, oracle, strict=True) if None not in row]
    possible = sum(before - best for _, before, best in known)
    return Outcome(
        *key,
        len(rows),
        sum(map(bool, measured)),
        _mean(promised),
        _mean(saved),
        None if set(reduction) == {None} else sum(one for one in reduction if one is not None),
        sum(gained for gained, _, _ in known) / possible if possible > 0.0 else None,
        _mean(error),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
