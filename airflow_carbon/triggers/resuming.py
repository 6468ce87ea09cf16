"""What a worker does for a task whose wait is over: take up what the trigger sent, and tell it beside the promise.

This runs in another process than what came before the wait, and imports nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_carbon.exceptions import InvalidRequestError, SourceUnavailableError
from airflow_carbon.hooks.settings import Mode
from airflow_carbon.triggers.pinned import PINNED, UNDECIDED, promised

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.triggers.asked import Asked
    from airflow_carbon.triggers.promise import Promise


class Resuming:
    """Take one task instance on from its wait.

    :param asked: the task's fields, rendered.
    :param log: the task's own.
    """

    def __init__(self, asked: Asked, context: Context, *, log: Any) -> None:
        self._asked = asked
        self._context = context
        self._log = log

    def complete(self, event: dict[str, Any] | None) -> dict[str, Any]:
        """Take up what the trigger sent.

        :raises InvalidRequestError: if the first look showed that what was asked cannot be meant.
        :raises SourceUnavailableError: if no source answered and ``on_outage`` is ``fail``.
        """
        # From a triggerer that may be of another version: what cannot be read must not fail the work.
        event = event if isinstance(event, Mapping) else {}
        if "refused" in event:
            raise InvalidRequestError(str(event["refused"]))
        if "failed" in event:
            raise SourceUnavailableError(str(event["failed"]))
        if "released" in event:
            plan = event.get("plan")
            return self.release(event["released"], plan if isinstance(plan, Mapping) else {})
        record = event.get("record")
        if not isinstance(record, Mapping) or not isinstance(record.get("reason"), str):
            return self.resume(f"ran because the wait broke ({event.get('broken', 'no decision came')})")
        return self.record(record)

    def resume(self, reason: str) -> dict[str, Any]:
        """Go on without a decision, and say why."""
        return self.record({"reason": reason})

    def release(self, released: Any, plan: Mapping[str, Any]) -> dict[str, Any]:
        """Go on because someone said so, and keep who and why beside what had been planned."""
        from airflow_carbon.triggers.release import Release

        told = Release.of(released)
        # No field but those of a record: the plan came through a database that others write to as well.
        known = {name: plan[name] for name in UNDECIDED if plan.get(name) is not None}
        return self.record({**known, "reason": told.reason_in_words, "released": told.document()})

    def record(
        self, decided: Mapping[str, Any], how: Mode = Mode.ENFORCE, *, promise: Promise | None = None
    ) -> dict[str, Any]:
        """Make the decision's record: what was decided, beside what was promised.

        :param promise: where this process has read it already.
        """
        self._log.info("%s", decided["reason"])
        now = datetime.now(UTC)
        started = promise.record(now) if promise else self._promised(now)
        return {"location": str(self._asked.location), "mode": str(how), **started, **decided}

    def _promised(self, now: datetime) -> dict[str, Any]:
        kept: Any = self._context["task_state_store"].get(PINNED)
        try:
            return promised(kept, now)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            # Damaged, as good as none; without the state store's entry there is only the DAG file to ask.
            from airflow_carbon.triggers.promise import Promise

            return Promise.pin(self._context, self._asked, now=now).record(now)
