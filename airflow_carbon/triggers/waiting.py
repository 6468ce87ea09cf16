"""What a worker does for a task that may wait: check, pin, and let go, or decide itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.sdk.exceptions import AirflowRescheduleException

from airflow_carbon.core.moment import stated
from airflow_carbon.core.request import OnOutage
from airflow_carbon.exceptions import CarbonError, SourceUnavailableError
from airflow_carbon.hooks import chain
from airflow_carbon.hooks.asking import ANSWER_TIMEOUT, REFUSED_AT_FIRST, RETRY_SECONDS, asked_in_time
from airflow_carbon.hooks.settings import Mode, min_defer, state_dir
from airflow_carbon.triggers.promise import Promise
from airflow_carbon.triggers.release import RELEASE
from airflow_carbon.triggers.resuming import Resuming
from airflow_carbon.triggers.run_mode import run_mode

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.core.wait import Wait
    from airflow_carbon.triggers.asked import Asked
    from airflow_carbon.triggers.carbon_window import CarbonWindowTrigger

#: Key in ``task_state_store`` of the plan that stands between two looks of a rescheduled task.
STANDING = "carbon_plan"
#: The scheduler ends a deferral this long after its latest start at the most, if no triggerer ever takes it up.
GRACE = timedelta(seconds=10)
#: A task in shadow waits this long for the answer of its source [s]: what only watches does not hold anybody up.
SHADOW_PATIENCE = 5.0


class Deferral(NamedTuple):
    """Hold what the task has to defer with."""

    trigger: CarbonWindowTrigger
    timeout: timedelta
    record: dict[str, Any]


class Waiting:
    """Take one task instance into its wait; what comes after it is for :mod:`~airflow_carbon.triggers.resuming`.

    :param asked: the task's fields, rendered.
    :param pause: shortest time between two looks of a rescheduled task.
    :param log: the task's own.
    """

    def __init__(self, asked: Asked, context: Context, *, pause: timedelta, log: Any) -> None:
        self._asked = asked
        self._context = context
        self._pause = pause
        self._log = log
        self._end = Resuming(asked, context, log=log)
        #: What the source said, where it was this process that asked; for the ledger.
        self.forecast: Forecast | None = None
        #: The plans that were given up, where it is this process that knows.
        self.replans: list[dict[str, Any]] | None = None

    def begin(self) -> dict[str, Any] | Deferral:
        """Pin the promise; give the record where there is nothing to wait for, else what to defer with.

        :raises InvalidRequestError: naming the field that is wrong, before anything waits.
        :raises SourceUnavailableError: if no source answers, no plan stands and ``on_outage`` is ``fail``.
        :raises AirflowRescheduleException: to look again later, where the task is not deferrable.
        """
        now, asked, run = datetime.now(UTC), self._asked, self._context["dag_run"]
        how, ids = run_mode(self._context, asked.carbon_mode), chain.conn_ids(stated(asked.carbon_conn_id))
        asked.outage()
        location = asked.place()
        exempt = _exempt(run, asked)
        waits = how is Mode.ENFORCE and not exempt
        if waits and Promise.pinned(self._context) is None:
            # Before anything is pinned: a retry of a task that was refused is refused again.
            chain.check(ids)
        promise = Promise.pin(self._context, asked, now=now)
        if how is Mode.OFF:
            return self._end.record({"reason": "ran at once: the carbon mode is off"}, how, promise=promise)
        if how is Mode.SHADOW:
            return self._shadow(promise, ids, location, now)
        if not waits:
            return self._end.record({"reason": f"ran at once: {exempt}"}, promise=promise)
        if not asked.deferrable:
            return self._rescheduled(promise, ids, location, now)
        left = promise.request.latest_start - now
        if left < min_defer() and asked.threshold is not None:
            # Whether the limit is met decides what follows, so it is looked at, however little time is left.
            return self._rescheduled(promise, ids, location, now)
        if left < min_defer():
            # Too short for a trigger, and yet no start before the earliest.
            time.sleep(max(0.0, (promise.request.earliest_start - now).total_seconds()))
            seconds = max(0.0, left.total_seconds())
            return self._end.record(
                {"reason": f"ran at once: {seconds:.0f} s are left before the latest start"}, how, promise=promise
            )
        # Not above: who resumes after the wait has no use for a trigger, and Airflow's own base of it costs.
        from airflow_carbon.triggers.carbon_window import CarbonWindowTrigger
        from airflow_carbon.triggers.pool import pool_of

        self._log.info("Waiting for clean power at %s, to start by %s", location, promise.request.latest_start)
        return Deferral(
            CarbonWindowTrigger.of(
                promise,
                asked,
                ids,
                not_before=now + min_defer(),
                task_key=self._key(),
                pool=pool_of(self._context, asked),
            ),
            # A little after the trigger's own last moment, or both would race; never more than the margin allows.
            left + min(GRACE, promise.margin / 4),
            {"location": str(location), **promise.record(now), "reason": f"to start by {promise.request.latest_start}"},
        )

    def _key(self) -> tuple[str, str, str, int]:
        ti = self._context["ti"]
        return ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index

    def _rescheduled(self, promise: Promise, ids: Sequence[str], location: Location, now: datetime) -> dict[str, Any]:
        """Take the trigger's steps here, one look at a time."""
        from airflow_carbon.core.policy import Action
        from airflow_carbon.core.wait import Wait

        store = self._context["task_state_store"]
        kept: Any = store.get(STANDING)
        wait = Wait(promise.request, str(location)).resume(kept)
        if (released := store.get(RELEASE)) is not None:
            store.delete(RELEASE)
            store.delete(STANDING)
            return self._end.release(released, wait.record())
        from airflow_carbon.hooks.wait_record import TaskKey
        from airflow_carbon.triggers.story import Story

        told = {"location": str(self._asked.location), **promise.record(now)}
        story = Story(TaskKey(*self._key()), told, kept)
        story.before(wait)
        patience = self._look(wait, ids, location, now)
        news, self.replans = story.after(wait, self.forecast, now), story.moves
        if wait.action is Action.RUN:
            store.delete(STANDING)
            return self._end.record(wait.record(), promise=promise)
        self._log.info("%s", wait.reason)
        look = wait.next_look(now, max(patience, self._pause, min_defer()))
        if look - now < min_defer():
            # The start is so near that Airflow would call the task back before it has noted that it let go.
            time.sleep(max(0.0, (look - datetime.now(UTC)).total_seconds()))
            wait.due(look)
            store.delete(STANDING)
            return self._end.record(wait.record(), promise=promise)
        store.set(STANDING, wait.state() | story.state())
        if news is not None and (kept is None or wait.standing is None or wait.replans != kept.get("replans")):
            from airflow_carbon.hooks.decisions import keep_wait

            keep_wait(news.record)
        raise AirflowRescheduleException(look)

    def _shadow(self, promise: Promise, ids: Sequence[str], location: Location, now: datetime) -> dict[str, Any]:
        """Decide and record, and never delay nor fail: nobody rolls out a shadow that can break what it watches."""
        from airflow_carbon.core.wait import Wait

        wait = Wait(promise.request)
        try:
            self._look(wait, ids, location, now, timeout=SHADOW_PATIENCE)
        except Exception as error:
            self._log.warning("no decision", exc_info=True)
            wait.run(f"no decision: {error}")
        record = wait.record()
        return self._end.record(
            {**record, "reason": f"shadow, not delayed: {record['reason']}"}, Mode.SHADOW, promise=promise
        )

    def _look(
        self, wait: Wait, ids: Sequence[str], location: Location, now: datetime, timeout: float = ANSWER_TIMEOUT
    ) -> timedelta:
        """Ask the source and decide once; return how long the decision may stand unquestioned.

        :param timeout: for an answer [s].
        """
        from airflow_carbon.sources.kept_promises import KeptPromises
        from airflow_carbon.sources.learned import LearnedErrors

        request = wait.request
        if wait.due(now):
            return timedelta(0)
        left = (request.latest_start - now).total_seconds()
        try:
            hooks = chain.hooks_of(ids)
            source = chain.source_of(hooks)
            question = source.forecast(location, now=now, until=request.latest_start + request.duration)
            forecast = asked_in_time(question, min(timeout, left))
            fails = OnOutage(self._asked.on_outage) is OnOutage.FAIL and wait.standing is None
            if fails and chain.stands_in(hooks, forecast):
                raise SourceUnavailableError(f"only a typical profile is left: {forecast.source}")
            kept = KeptPromises(state_dir()).record(forecast.zone, forecast.source).factor
            wait.decide(forecast, now, LearnedErrors(state_dir()).observe(forecast, asked=ids), promises_kept=kept)
        except CarbonError as error:
            if isinstance(error, REFUSED_AT_FIRST) and wait.is_new:
                raise
            wait.outage(str(error), now, OnOutage(self._asked.on_outage))
            return timedelta(seconds=RETRY_SECONDS)
        self.forecast = forecast
        wait.origin["source_url"] = chain.source_url(hooks, location, forecast.source)
        return source.refresh


def _exempt(run: Any, asked: Asked) -> str:
    """Say why a run of this sort does not wait; nothing where it does."""
    if run.run_type == "backfill":
        return "" if asked.wait_in_backfill else "a backfill run, and wait_in_backfill is not set"
    if asked.from_tick and run.run_type != "scheduled" and (run.conf or {}).get("carbon") is None:
        return "not a run of the schedule's own, and its conf does not say {'carbon': 'enforce'}"
    return ""
