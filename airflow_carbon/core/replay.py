"""Take one waiting task through what was really issued: each decision sees only what was known by then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_carbon.core.forecast_error import ForecastError
from airflow_carbon.core.policy import Action, decide
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.request import WaitRequest


@dataclass(frozen=True, slots=True)
class Issue:
    """Hold one issued forecast, when it could first be used, and what its source's issues had taught by then."""

    usable_from: datetime
    forecast: Forecast
    error: ForecastError

    @property
    def believed(self) -> Forecast:
        """The forecast as it was believed then, after all that had been issued before."""
        return self.error.believed(self.forecast)


@dataclass(frozen=True, slots=True)
class Replay:
    """Say what a task would have done.

    :param start: when it would have run.
    :param moves: how often it gave up a standing plan.
    :param decisions: how often it decided.
    :param promised_saving_percent: what the first decision promised: how much cleaner than a run at once [%]; None
        where it did not know.
    """

    start: datetime
    moves: int
    decisions: int
    promised_saving_percent: float | None = None


def learn(issues: Iterable[tuple[datetime, Forecast]], error: ForecastError | None = None) -> list[Issue]:
    """Learn along a source's issues, in their order, each from those before it alone.

    :param issues: when each could first be used, and the forecast; sorted by time.
    :param error: what was known before the first; None starts cold.
    """
    known, learned = error or ForecastError(), []
    for usable_from, forecast in issues:
        known = known.observed(forecast)
        learned.append(Issue(usable_from, forecast, known))
    return learned


def replay(request: WaitRequest, issues: Sequence[Issue]) -> Replay:
    """Take one task through its wait: decide when it is ready, at each new issue, and when the plan's start has come.

    :param issues: as :func:`learn` gives them.
    :raises InvalidRequestError: if no issue was usable when the task was ready.
    """
    now, standing, moves, decisions = request.ready_at, None, 0, 0
    promised: float | None = None
    newest = sum(issue.usable_from <= now for issue in issues) - 1
    if newest < 0:
        raise InvalidRequestError(f"ready_at: nothing had been issued by {now.isoformat()}")
    while True:
        issue = issues[newest]
        decision = decide(request, issue.forecast, now=now, standing=standing, error=issue.error)
        promised = decision.promised_saving_percent if standing is None else promised
        moves, decisions, standing = moves + decision.moved, decisions + 1, decision.window
        if decision.action is Action.RUN:
            return Replay(now, moves, decisions, promised)
        now = standing.start
        if newest + 1 < len(issues) and issues[newest + 1].usable_from <= now:
            newest += 1
            now = issues[newest].usable_from
