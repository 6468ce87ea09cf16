"""The wait of a task that does its own work afterwards: once, unless a retry is to wait again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowRescheduleException

from airflow_carbon.exceptions import CarbonError
from airflow_carbon.triggers.asked import Asked
from airflow_carbon.triggers.pinned import PINNED, RETENTION, UNDECIDED

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.decorators.aware_task import CarbonAware
    from airflow_carbon.decorators.wished import Wished
    from airflow_carbon.triggers.resuming import Resuming
    from airflow_carbon.triggers.waiting import Deferral, Waiting

#: Key of the XCom, since the task has a return value of its own.
DECISION = "carbon_decision"
#: Keys in ``task_state_store``: how the wait ended and at which try, and what the duration stands on.
WAITED, LEARNED = "carbon_waited", "carbon_learned"
#: Shortest time between two looks of a task that waits without a triggerer.
PAUSE = timedelta(seconds=60)


class OwnWait:
    """Take one task instance through its wait, and note that it is over.

    :param task: the task that waits and works.
    :param wished: what its author asked, rendered.
    """

    def __init__(self, task: CarbonAware, wished: Wished, context: Context) -> None:
        self._task = task
        self._wished = wished
        self._context = context
        self._store = context["task_state_store"]
        self._try = getattr(context["ti"], "try_number", 1) or 1

    def begin(self) -> Deferral | None:
        """Give what to defer with; None where the work can begin.

        What breaks in here never keeps the work from running; what cannot be meant does, unless ``lenient``.

        :raises CarbonError: naming what is wrong with what was asked, before anything waits.
        :raises AirflowRescheduleException: to look again later, where the task is not deferrable.
        """
        if (waited := self._waited()) is not None:
            if not self._wished.wait_on_retry or waited.get("try") == self._try:
                self._tell(waited["record"])
                self._task.log.info("The wait is over: %s", waited["record"].get("reason"))
                return None
            self._store.delete(WAITED)
        # Not above: who resumes after the wait has no use for it.
        from airflow_carbon.triggers.waiting import Deferral, Waiting

        try:
            waiting = Waiting(self._asked(self._learned()), self._context, pause=PAUSE, log=self._task.log)
            step = waiting.begin()
        except AirflowRescheduleException:
            raise
        except CarbonError as error:
            self._refused(error)
            return None
        except Exception as error:
            self._broken(error)
            return None
        if isinstance(step, Deferral):
            return step
        self._done(step, waiting)
        return None

    def complete(self, event: dict[str, Any] | None) -> None:
        """Take up what the trigger sent.

        :raises InvalidRequestError: if the first look showed that what was asked cannot be meant.
        :raises SourceUnavailableError: if no source answered and ``on_outage`` is ``fail``.
        """
        try:
            record = self._resuming().complete(event)
        except CarbonError as error:
            self._refused(error)
        except Exception as error:
            self._broken(error)
        else:
            self._done(record)

    def give_up(self, reason: str, *, timed_out: bool = False) -> None:
        """End the wait without a decision, and say why.

        :param timed_out: that its trigger failed, or none answered.
        """
        try:
            record = self._resuming().resume(reason)
        except Exception:
            # Nothing was pinned, and what was asked does not let it.
            record = self._undecided(reason)
        self._done(record, timed_out=timed_out)

    def pending(self) -> bool:
        """Tell whether a trigger that failed can only have been that of the wait."""
        return self._kept(PINNED) is not None and self._waited() is None

    def remember(self) -> None:
        """Take up the address of the source again, in a process that has not seen the wait."""
        if (waited := self._waited()) is not None:
            self._task.carbon_source_url = str(waited["record"].get("source_url") or "")

    def around(self, work: Callable[[], Any]) -> Any:
        """Do the work; where its duration is to be learned from the past, record how long it took."""
        if self._wished.percentile is None:
            return work()
        from airflow_carbon.decorators.past_runs import recorded

        return recorded(work, self._context)

    def _waited(self) -> dict[str, Any] | None:
        kept = self._kept(WAITED)
        return kept if isinstance(kept, dict) and isinstance(kept.get("record"), dict) else None

    def _kept(self, key: str) -> Any:
        try:
            return self._store.get(key)
        except Exception:
            # The work does not depend on what is kept of its wait.
            self._task.log.warning("the task's state store does not answer", exc_info=True)
            return None

    def _resuming(self) -> Resuming:
        from airflow_carbon.triggers.resuming import Resuming

        return Resuming(self._asked(self._fallback()), self._context, log=self._task.log)

    def _asked(self, duration: Any) -> Asked:
        wished = self._wished
        return Asked(
            location=wished.location,
            duration=duration,
            power=wished.power,
            tail=wished.tail,
            deadline=wished.deadline,
            max_delay=wished.max_delay,
            earliest_start=wished.earliest_start,
            min_saving_percent=wished.min_saving_percent,
            on_outage=wished.on_outage,
            carbon_conn_id=wished.carbon_conn_id,
            carbon_mode=wished.carbon_mode,
            spread=wished.spread,
            wait_in_backfill=wished.wait_in_backfill,
            deferrable=wished.deferrable,
        )

    def _learned(self) -> Any:
        """Give the duration: as it was asked, or as the past runs tell."""
        if (percent := self._wished.percentile) is None:
            return self._wished.duration
        from airflow_carbon.decorators.past_runs import usual_length

        length, note = usual_length(self._context, percent, self._wished.default_length())
        self._store.set(LEARNED, note, retention=RETENTION)
        self._task.log.info("The work is taken to last %s: %s", length, note)
        return length

    def _fallback(self) -> Any:
        # What was pinned holds; this is asked only where the store has lost it.
        return self._wished.duration if self._wished.percentile is None else self._wished.duration_default

    def _refused(self, error: CarbonError) -> None:
        if not self._wished.lenient:
            raise error
        self._task.log.warning("not waited for: %s", error)
        self.give_up(f"ran at once: {error}")

    def _broken(self, error: Exception) -> None:
        self._task.log.warning("the wait broke; the work goes on", exc_info=True)
        self.give_up(f"ran because the wait broke ({type(error).__name__}: {error})")

    def _undecided(self, reason: str) -> dict[str, Any]:
        from airflow_carbon.hooks.decisions import decision_id

        now = datetime.now(UTC).isoformat()
        known = {"decision_id": decision_id(self._context, "wait"), "ready_at": now, "started_at": now}
        return {"location": str(self._wished.location), "mode": "enforce", **UNDECIDED, **known, "reason": reason}

    def _done(self, record: dict[str, Any], waiting: Waiting | None = None, *, timed_out: bool = False) -> None:
        # Only here, after the wait: who lets go of the worker has no use for a ledger.
        from airflow_carbon.hooks.decisions import keep_decision

        # The work that it changes is the task's own, which begins now.
        record = {**record, "governs": [self._context["ti"].task_id]}
        if self._wished.percentile is not None:
            record["duration_from"] = self._kept(LEARNED)
        try:
            self._store.set(WAITED, {"try": self._try, "record": record}, retention=RETENTION)
        except Exception:
            self._task.log.warning("it is not noted that the wait is over; a retry will wait again", exc_info=True)
        self._tell(record)
        keep_decision(
            record,
            self._context,
            sort="wait",
            timed_out=timed_out,
            forecast=waiting.forecast if waiting else None,
            replans=waiting.replans if waiting else None,
        )

    def _tell(self, record: dict[str, Any]) -> None:
        """Push the decision, which Airflow wipes whenever a try begins; the work does not depend on it."""
        self._task.carbon_source_url = str(record.get("source_url") or "")
        try:
            self._context["ti"].xcom_push(key=DECISION, value=record)
        except Exception:
            self._task.log.warning("the decision is not in the XCom %s", DECISION, exc_info=True)
