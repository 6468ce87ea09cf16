"""The story of one wait: which plans were given up for which, and what of it is news to others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_carbon.core.record_wait import CANCELLED, STARTED
from airflow_carbon.triggers.publisher import News

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.wait import Wait
    from airflow_carbon.hooks.wait_record import TaskKey

#: Key of the moves in the kept state of a wait.
MOVES = "moves"
#: As many are kept as a record keeps notes.
MOST_MOVES = 20
#: The smallest step of a database's clock.
TICK = timedelta(microseconds=1)


class Moved(NamedTuple):
    """Hold one plan that took the place of another."""

    at: datetime
    start: datetime
    reason: str

    def document(self) -> dict[str, str]:
        """Give it as plain JSON."""
        return {"at": self.at.isoformat(), "start": self.start.isoformat(), "reason": self.reason}


class Story:
    """Follow one wait from look to look.

    :param key: the task instance; None of one that is not known, and tells nothing.
    :param promised: what was promised to it, in the words of a decision's record.
    :param state: what :meth:`state` gave to an earlier process.
    :param since: end of the trigger's least life; a worker goes on with the task after it alone.
    """

    def __init__(
        self,
        key: TaskKey | None,
        promised: Mapping[str, Any],
        state: Mapping[str, Any] | None = None,
        since: datetime | None = None,
    ) -> None:
        self._key = key
        self._since = since
        self._promised = promised
        kept = (state or {}).get(MOVES)
        self.moves: list[dict[str, Any]] = (
            [one for one in kept if isinstance(one, dict)] if isinstance(kept, list) else []
        )
        self._before: tuple[datetime | None, int] | None = None
        self._last: News | None = None

    def state(self) -> dict[str, Any]:
        """Give what a later process needs to go on, as plain JSON."""
        return {MOVES: self.moves}

    def before(self, wait: Wait) -> None:
        """Note what stands before a look."""
        self._before = (wait.standing.start if wait.standing else None, wait.replans)

    def after(self, wait: Wait, forecast: Forecast | None, now: datetime) -> News | None:
        """Give what a look has brought, None where that is no news.

        :param forecast: what the look has seen; None where no source answered, or none was asked.
        """
        planned, replans = self._before or (None, 0)
        start = wait.standing.start if wait.standing else None
        if start is not None and wait.replans != replans:
            self.moves = [*self.moves, Moved(now, start, wait.reason).document()][-MOST_MOVES:]
        elif self._last is not None and start == planned:
            return None
        if self._key is None:
            return None
        decision = {**self._promised, **wait.record()}
        # What the baseline was set on is seen once; a plan made from scratch sets it anew.
        baseline = forecast is not None and (planned is None or wait.decisions <= 1)
        self._last = News(
            self._key,
            decision,
            now,
            forecast=forecast,
            baseline=baseline,
            replans=tuple(self.moves),
            since=self._since,
        )
        return self._last

    def started(self, wait_record: Mapping[str, Any], now: datetime) -> News | None:
        """Give the end of the wait.

        :param wait_record: of the decision, as the event carries it.
        """
        if self._key is None:
            return None
        decision = {**self._promised, **wait_record}
        return News(self._key, decision, now, STARTED, replans=tuple(self.moves), since=self._since)

    def cancelled(self) -> News | None:
        """Give the end of a wait that a user ended.

        Whoever releases a task ends its trigger as well, and then the task itself tells the end: whatever else is told
        of this wait comes after.
        """
        if self._last is None:
            return None
        return self._last._replace(at=self._last.at + TICK, state=CANCELLED, forecast=None, baseline=False)
