"""The trigger that decides when a waiting task starts."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_carbon.core.request import OnOutage
from airflow_carbon.exceptions import CarbonError, SourceUnavailableError
from airflow_carbon.hooks.asking import ANSWER_TIMEOUT, REFUSED_AT_FIRST, RETRY_SECONDS
from airflow_carbon.hooks.settings import state_dir
from airflow_carbon.triggers.kept_wait import KeptWait
from airflow_carbon.triggers.row import VERSION, Row, Unread

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.policy import Action
    from airflow_carbon.core.wait import Wait
    from airflow_carbon.triggers.asked import Asked
    from airflow_carbon.triggers.crowd import Asking, Place
    from airflow_carbon.triggers.outlook import Outlook
    from airflow_carbon.triggers.pool import Pool
    from airflow_carbon.triggers.promise import Promise
    from airflow_carbon.triggers.publisher import News
    from airflow_carbon.triggers.story import Story

#: Never sleep longer than this at a stretch [s], so that a clock that is set is noticed.
LONGEST_SLEEP = 60.0


def utcnow() -> datetime:
    """Read the clock, in UTC."""
    return datetime.now(UTC)


def _listed(value: Any) -> Any:
    # What comes from a row is a list, and what another wheel wrote may be anything.
    return list(value) if isinstance(value, list | tuple) else value


class CarbonWindowTrigger(BaseTrigger):
    """Wait for the cleanest window, plan again with each new answer of the source, never past the latest start.

    Its arguments are absolute moments, so that a triggerer that restarts goes on with the same promise.

    :param location: where the work runs, as the user wrote it.
    :param duration_seconds: length of the run [s].
    :param ready_at: ISO 8601; when the task was first ready.
    :param earliest_start: ISO 8601; no start before it.
    :param latest_start: ISO 8601; no start after it.
    :param not_before: ISO 8601; the trigger lives at least until then (Airflow loses events that come too early).
    :param min_saving_percent: least reduction of intensity that makes waiting worth it [%].
    :param spread: the task's place in ``[0, 1)`` among equally clean starts; None for the optimum itself.
    :param on_outage: what to do while no source answers and no plan stands.
    :param carbon_conn_id: ids of the connections, in order; empty for the default.
    :param decision_id: identity of the wait, under which its plan is kept across restarts; empty keeps none.
    :param power: what the run draws as it goes on, as text; empty where it draws the same all along.
    :param task_key: DAG, run, task and map index of the task that waits, for the ledger; empty tells it nothing.
    :param threshold: limit to wait for in place of the cleanest window, as ``core.threshold`` gives it plainly.
    :param pool: the pool that the work runs in; tasks of one pool are planned side by side.
    :param pool_size: its slots; 0 where they are not known, and each task plans for itself.
    :param pool_slots: slots that the work holds.
    :param version: of these arguments; see :data:`~airflow_carbon.triggers.row.VERSION`.
    :param unknown: what another version of this wheel wrote.
    """

    def __init__(
        # Nothing in here is required and nothing refused: a row that cannot be read must not fail the task, and what
        # is raised here ends the triggerer.
        self,
        /,
        *,
        location: str = "",
        duration_seconds: float = 0.0,
        ready_at: str = "",
        earliest_start: str = "",
        latest_start: str = "",
        not_before: str = "",
        min_saving_percent: float = 10.0,
        spread: float | None = None,
        on_outage: str = "run",
        carbon_conn_id: Sequence[str] = (),
        decision_id: str = "",
        power: str = "",
        task_key: Sequence[Any] = (),
        threshold: dict[str, float] | None = None,
        pool: str = "",
        pool_size: int = 0,
        pool_slots: int = 1,
        version: int = VERSION,
        **unknown: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's own is not annotated
        self.location = location
        self.duration_seconds = duration_seconds
        self.ready_at = ready_at
        self.earliest_start = earliest_start
        self.latest_start = latest_start
        self.not_before = not_before
        self.min_saving_percent = min_saving_percent
        self.spread = spread
        self.on_outage = on_outage
        self.carbon_conn_id = _listed(carbon_conn_id)
        self.decision_id = decision_id
        self.power = power
        self.task_key = _listed(task_key)
        self.threshold = threshold
        self.pool = pool
        self.pool_size = pool_size
        self.pool_slots = pool_slots
        self.version = version
        self.unknown = unknown
        self._story: Story | None = None

    @classmethod
    def of(
        cls,
        promise: Promise,
        asked: Asked,
        ids: Sequence[str],
        *,
        not_before: datetime,
        task_key: Sequence[Any] = (),
        pool: Pool | None = None,
    ) -> CarbonWindowTrigger:
        """Make the trigger that keeps a promise.

        :param pool: where the work runs; None where its slots are not known.
        """
        request = promise.request
        return cls(
            location=asked.location,
            duration_seconds=request.duration.total_seconds(),
            ready_at=request.ready_at.isoformat(),
            earliest_start=request.earliest_start.isoformat(),
            latest_start=request.latest_start.isoformat(),
            not_before=min(not_before, request.latest_start).isoformat(),
            min_saving_percent=request.min_saving_percent,
            spread=request.spread,
            on_outage=asked.on_outage,
            carbon_conn_id=ids,
            decision_id=promise.decision_id,
            power=str(request.power or ""),
            task_key=task_key,
            threshold=request.threshold.plain() if request.threshold else None,
            **(pool._asdict() if pool else {}),
        )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the constructor's plain arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                **self.unknown,
                "version": self.version,
                "location": self.location,
                "duration_seconds": self.duration_seconds,
                "ready_at": self.ready_at,
                "earliest_start": self.earliest_start,
                "latest_start": self.latest_start,
                "not_before": self.not_before,
                "min_saving_percent": self.min_saving_percent,
                "spread": self.spread,
                "on_outage": self.on_outage,
                "carbon_conn_id": self.carbon_conn_id,
                "decision_id": self.decision_id,
                "power": self.power,
                "task_key": self.task_key,
                "threshold": self.threshold,
                "pool": self.pool,
                "pool_size": self.pool_size,
                "pool_slots": self.pool_slots,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event when it is time to run: a ``record``, or what went wrong.

        ``refused``: the first look showed that what was asked cannot be meant. ``failed``: no source answered, and
        that must fail. ``broken``: something else did, and the work goes on without a decision.
        """
        told = self.serialize()[1]
        try:
            row = Row.read(told, self.unknown)
        except CarbonError as error:
            unread = Unread.of(told, getattr(self, "timeout_after", None), str(error), utcnow())
            self.log.warning("waiting until %s: %s", unread.until.isoformat(timespec="seconds"), unread.reason)
            await self._sleep_until(unread.until)
            yield TriggerEvent({"record": {"reason": unread.reason}})
            return
        kept = KeptWait(state_dir(), self.decision_id)
        not_before = row.not_before
        try:
            payload: dict[str, Any] = {"record": await self._wait(row, kept)}
        except REFUSED_AT_FIRST as error:
            payload = {"refused": str(error)}
        except SourceUnavailableError as error:
            payload = {"failed": str(error)}
        except Exception as error:
            # Whatever broke in here, the work must not wait for it: the task resumes and says so.
            self.log.exception("the wait broke; the task goes on without a decision")
            payload = {"broken": f"{type(error).__name__}: {error}"}
            not_before = max(not_before, row.request.earliest_start)
        await self._sleep_until(not_before)
        kept.forget()
        if self._story is not None and "record" in payload:
            self._publish(self._story.started(payload["record"], utcnow()))
        yield TriggerEvent(payload)

    async def on_kill(self) -> None:
        """Tell the ledger that a user has ended the wait."""
        if self._story is not None:
            self._publish(self._story.cancelled())

    async def _wait(self, row: Row, kept: KeptWait) -> dict[str, Any]:
        # Not above: the worker that makes the trigger has no use for what only the triggerer does.
        from airflow_carbon.triggers.outlook import Outlook

        outlook = Outlook.current()
        await outlook.warm_up()
        from airflow_carbon.core.policy import Action
        from airflow_carbon.core.wait import Wait

        state = kept.read()
        wait = Wait(row.request, self.location).resume(state)
        self._story = self._told(state, row.not_before)
        with outlook.place_in_crowd(wait, self._crowd()) as place:
            return await self._decided(row, outlook, wait, kept, self._story, place, Action.RUN)

    async def _decided(
        self, row: Row, outlook: Outlook, wait: Wait, kept: KeptWait, story: Story, place: Place | None, run: Action
    ) -> dict[str, Any]:
        """Decide, sleep and look again, until it is time to run; give the record."""
        while True:
            before = wait.standing
            story.before(wait)
            patience, forecast = await self._look(row, outlook, wait, place)
            self._publish(story.after(wait, forecast, utcnow()))
            if wait.action is run:
                if place is not None:
                    place.begun(utcnow())
                self.log.info("%s", wait.reason)
                return wait.record()
            # A plan that stands says so again with every answer, to nobody's use.
            news = before is None or wait.standing is None or before.start != wait.standing.start
            self.log.log(logging.INFO if news else logging.DEBUG, "%s", wait.reason)
            kept.write(wait.state() | story.state())
            await self._sleep_until(wait.next_look(utcnow(), patience), place.moved if place else None)

    async def _look(
        self, row: Row, outlook: Outlook, wait: Wait, place: Place | None
    ) -> tuple[timedelta, Forecast | None]:
        """Decide once; return how long the decision may stand unquestioned, and what it was made on."""
        request, now = row.request, utcnow()
        if wait.due(now):
            return timedelta(0), None
        left = (request.latest_start - now).total_seconds()
        try:
            # Waiting for a turn counts against the promise as well, but never as a source that does not answer.
            async with asyncio.timeout(left):
                await outlook.turn(wait)
                now, until = utcnow(), request.latest_start + request.duration
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    answer = await outlook.ask(self.carbon_conn_id, row.place, now, until, due=request.latest_start)
                if answer.stands_in and wait.standing is None and row.on_outage is OnOutage.FAIL:
                    raise SourceUnavailableError(f"only a typical profile is left: {answer.forecast.source}")
                await outlook.decide(wait, answer, utcnow, place)
        except (CarbonError, TimeoutError) as error:
            if isinstance(error, REFUSED_AT_FIRST) and wait.is_new:
                raise
            slow = f"no answer within {ANSWER_TIMEOUT:.0f} s"
            fault = str(error) or ("no answer before the latest start" if utcnow() >= request.latest_start else slow)
            wait.outage(fault, utcnow(), row.on_outage)
            self.log.warning("no answer of the source: %s", fault)
            return timedelta(seconds=RETRY_SECONDS), None
        # Not everyone on the same second when the source refreshes.
        patience = answer.refresh * (1.0 + 0.1 * random.random())  # noqa: S311 - spreads load, guards nothing
        return patience, answer.forecast

    def _told(self, state: Mapping[str, Any] | None, since: datetime) -> Story:
        from airflow_carbon.hooks.wait_record import TaskKey
        from airflow_carbon.triggers.story import Story

        names = ("decision_id", "location", "ready_at", "earliest_start", "latest_start", "duration_seconds")
        known = bool(self.task_key and self.decision_id)
        return Story(
            TaskKey(*self.task_key) if known else None, {name: getattr(self, name) for name in names}, state, since
        )

    def _publish(self, news: News | None) -> None:
        if news is None:
            return
        from airflow_carbon.triggers.publisher import Publisher

        try:
            Publisher.current().tell(news)
        except Exception:
            self.log.debug("the wait is not published", exc_info=True)

    def _crowd(self) -> Asking | None:
        if not self.pool or self.pool_size < 1 or self.threshold is not None or not self.decision_id:
            return None
        from airflow_carbon.triggers.crowd import Asking

        alike = (*self.carbon_conn_id, self.location, self.duration_seconds)
        return Asking(self.pool, self.pool_size, self.pool_slots, self.decision_id, alike)

    @staticmethod
    async def _sleep_until(moment: datetime, moved: asyncio.Event | None = None) -> None:
        # The clock of the wall counts, and it can be set: no event tells of that, so look again and again.
        while (left := (moment - utcnow()).total_seconds()) > 0.0:
            if moved is None:
                await asyncio.sleep(min(left, LONGEST_SLEEP))
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, LONGEST_SLEEP)):
                    await moved.wait()
                return
