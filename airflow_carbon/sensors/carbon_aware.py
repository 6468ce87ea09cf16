"""The sensor that waits for the cleanest window."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator, BaseSensorOperator
from airflow.sdk.exceptions import AirflowRescheduleException, TaskDeferralError, TaskDeferralTimeout

from airflow_carbon.core.location import Location
from airflow_carbon.core.request import OnOutage
from airflow_carbon.exceptions import CarbonError, InvalidRequestError, SourceUnavailableError
from airflow_carbon.hooks.settings import Mode, min_defer, mode, parse_mode, state_dir
from airflow_carbon.hooks.source_link import CarbonSourceLink

# Each parse of a DAG and each start of a task pays for what stands above: what is needed later is imported later.
if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.core.wait import Wait
    from airflow_carbon.triggers.promise import Promise

#: Key in ``task_state_store`` of the plan that stands between two looks of a rescheduled sensor.
STANDING = "carbon_plan"
#: The scheduler fails a deferral this long after its latest start at the most, if no triggerer ever takes it up.
GRACE = timedelta(seconds=30)


class CarbonAwareSensor(BaseSensorOperator):
    """Wait until the cleanest window for what runs downstream, and never past its latest start.

    Returns the decision record, a plain dict. Every field below is templated; ``dag_run.run_after`` is a base that
    scheduled and manual runs both have: ``deadline="{{ dag_run.run_after + macros.timedelta(hours=8) }}"``.

    :param location: where the work runs: ``azure:swedencentral``, ``zone:DE`` or ``51.5,-0.12``.
    :param duration: how long the work takes, a timedelta or a text like ``1h30m``; the promise holds for it.
    :param deadline: latest finish: a moment, or a duration counted from ``run_after``.
    :param max_delay: latest start, counted from the moment the task was first ready; with a deadline too, the earlier
        of both holds.
    :param earliest_start: no start before it: a moment, or a duration counted from ``run_after``.
    :param min_saving_percent: waiting must promise at least this reduction of intensity [%].
    :param on_outage: while no source answers and no plan stands: ``run``, ``latest_start`` or ``fail``.
    :param carbon_conn_id: one connection, or an ordered list of them; None uses ``carbon_default``, or the typical
        profiles where that is not defined.
    :param carbon_mode: ``enforce``, ``shadow`` (decide and record, never delay) or ``off``; None takes the run's
        ``conf["carbon"]``, or else ``[carbon] mode``.
    :param spread: place many tasks beside each other, within 2 % of the optimum, instead of on one minute.
    :param wait_in_backfill: wait in backfill runs too.
    :param deferrable: wait in the triggerer; False reschedules the task instead and needs no triggerer.
    """

    template_fields: Sequence[str] = (
        "location", "duration", "deadline", "max_delay", "earliest_start", "min_saving_percent", "on_outage",
        "carbon_conn_id", "carbon_mode",
    )  # fmt: skip
    operator_extra_links = (CarbonSourceLink(),)
    ui_color: str = "#d5f0dc"
    source_url: str = ""

    def __init__(
        self,
        *,
        location: str,
        duration: timedelta | str,
        deadline: datetime | timedelta | str | None = None,
        max_delay: timedelta | str | None = None,
        earliest_start: datetime | timedelta | str | None = None,
        min_saving_percent: float | str = 10.0,
        on_outage: str = "run",
        carbon_conn_id: str | Sequence[str] | None = None,
        carbon_mode: str | None = None,
        spread: bool = True,
        wait_in_backfill: bool = False,
        deferrable: bool = True,
        retries: int = 2,
        **kwargs: Any,
    ) -> None:
        if not deferrable:
            kwargs["mode"] = "reschedule"
        super().__init__(retries=retries, **kwargs)
        self.location = location
        self.duration = duration
        self.deadline = deadline
        self.max_delay = max_delay
        self.earliest_start = earliest_start
        self.min_saving_percent = min_saving_percent
        self.on_outage = on_outage
        self.carbon_conn_id = carbon_conn_id
        self.carbon_mode = carbon_mode
        self.spread = spread
        self.wait_in_backfill = wait_in_backfill
        self.deferrable = deferrable

    def execute(self, context: Context) -> dict[str, Any]:
        """Pin the latest start and let go of the worker until the trigger says that it is time."""
        from airflow_carbon.hooks import chain

        now = datetime.now(UTC)
        how = self._mode(context)
        promise, ids = self._promise(context, now), chain.conn_ids(self.carbon_conn_id)
        if how is Mode.OFF:
            return self._done(promise, {"reason": "ran at once: the carbon mode is off"}, how)
        if context["dag_run"].run_type == "backfill" and not self.wait_in_backfill:
            return self._done(promise, {"reason": "ran at once: a backfill run, and wait_in_backfill is not set"}, how)
        for hook in chain.hooks_of(ids):
            hook.settings()
        if how is Mode.SHADOW:
            return self._shadow(promise, ids, now)
        left = promise.request.latest_start - now
        if left < (min_defer() if self.deferrable else timedelta(0)):
            reason = f"ran at once: {max(0.0, left.total_seconds()):.0f} s are left before the latest start"
            return self._done(promise, {"reason": reason}, how)
        if self.deferrable:
            return self._defer(promise, ids, now)
        return self._wait_rescheduled(context, promise, ids, now)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Take the decision that the trigger sent and give it as the task's result.

        :raises SourceUnavailableError: if no source answered and ``on_outage`` is ``fail``.
        """
        event = event or {}
        if "failed" in event:
            raise SourceUnavailableError(event["failed"])
        promise = self._promise(context, datetime.now(UTC))
        broken = {"reason": f"ran because the wait broke ({event.get('broken', 'no event came')})"}
        record = event.get("record") or broken
        return self._done(promise, record, Mode.ENFORCE)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on with the work where the trigger raised, timed out or was never taken up by a triggerer."""
        try:
            # Not the sensor's own: it turns a time-out into a failure that is never retried.
            return BaseOperator.resume_execution(self, next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            reason = "ran at the latest start because no triggerer answered; is one running?"
        except TaskDeferralError as error:
            reason = f"ran because the trigger failed: {error}"
        self.log.warning("%s", reason)
        return self._done(self._promise(context, datetime.now(UTC)), {"reason": reason}, Mode.ENFORCE)

    def _mode(self, context: Context) -> Mode:
        """Find the mode that holds: the run's word, then the task's, then the deployment's."""
        asked = (context["dag_run"].conf or {}).get("carbon")
        if isinstance(asked, dict):
            unknown = sorted(set(asked) - {"mode"})
            if unknown:
                raise InvalidRequestError(f"conf['carbon']: unknown key {unknown[0]!r}; it takes 'mode'")
            asked = asked.get("mode")
        if asked is not None:
            return parse_mode(asked, "conf['carbon']")
        return mode() if self.carbon_mode is None else parse_mode(self.carbon_mode, "carbon_mode")

    def _promise(self, context: Context, now: datetime) -> Promise:
        from airflow_carbon.sources import regions
        from airflow_carbon.triggers.promise import Promise

        try:
            OnOutage(self.on_outage)
        except ValueError:
            raise InvalidRequestError(f"on_outage: {self.on_outage!r} must be one of {', '.join(OnOutage)}") from None
        location = Location.parse(self.location)
        if location.is_region:
            regions.lookup(location)
        return Promise.pin(
            context,
            duration=self.duration,
            deadline=self.deadline,
            max_delay=self.max_delay,
            earliest_start=self.earliest_start,
            min_saving_percent=self.min_saving_percent,
            spread=self.spread,
            now=now,
        )

    def _defer(self, promise: Promise, ids: Sequence[str], now: datetime) -> NoReturn:
        from airflow_carbon.triggers.carbon_window import CarbonWindowTrigger

        request = promise.request
        self.log.info("Waiting for clean power at %s, until %s at the latest", self.location, request.latest_start)
        self.defer(
            trigger=CarbonWindowTrigger(
                location=self.location,
                duration_seconds=request.duration.total_seconds(),
                ready_at=request.ready_at.isoformat(),
                earliest_start=request.earliest_start.isoformat(),
                latest_start=request.latest_start.isoformat(),
                not_before=min(now + min_defer(), request.latest_start).isoformat(),
                min_saving_percent=request.min_saving_percent,
                spread=request.spread,
                on_outage=self.on_outage,
                carbon_conn_id=list(ids),
            ),
            method_name="execute_complete",
            # A little after the trigger's own last moment, or both would race; never more than the margin allows.
            timeout=request.latest_start - now + min(GRACE, promise.margin / 2),
        )

    def _wait_rescheduled(
        self, context: Context, promise: Promise, ids: Sequence[str], now: datetime
    ) -> dict[str, Any]:
        """Take the trigger's steps on the worker, one look at a time."""
        from airflow_carbon.core.policy import Action
        from airflow_carbon.core.wait import Wait

        store = context["task_state_store"]
        kept: Any = store.get(STANDING)
        wait = Wait(promise.request).resume(kept)
        patience = self._look(wait, ids, now)
        self.log.info("%s", wait.reason)
        if wait.action is Action.RUN:
            return self._done(promise, wait.record(), Mode.ENFORCE)
        store.set(STANDING, wait.state())
        look = wait.next_look(now, max(patience, timedelta(seconds=self.poke_interval)))
        raise AirflowRescheduleException(look)

    def _shadow(self, promise: Promise, ids: Sequence[str], now: datetime) -> dict[str, Any]:
        from airflow_carbon.core.wait import Wait

        wait = Wait(promise.request)
        try:
            self._look(wait, ids, now)
        except CarbonError as error:
            wait.run(f"no decision: {error}")
        record = wait.record()
        return self._done(promise, {**record, "reason": f"shadow, not delayed: {record['reason']}"}, Mode.SHADOW)

    def _look(self, wait: Wait, ids: Sequence[str], now: datetime) -> timedelta:
        """Ask the source and decide once; return how long the decision may stand unquestioned."""
        from airflow_carbon.hooks import chain
        from airflow_carbon.sources.learned import LearnedErrors
        from airflow_carbon.triggers.carbon_window import RETRY_SECONDS

        hooks, location, request = chain.hooks_of(ids), Location.parse(self.location), wait.request
        try:
            source = chain.source_of(hooks)
            until = request.latest_start + request.duration
            forecast = asyncio.run(source.forecast(location, now=now, until=until))
            wait.decide(forecast, now, LearnedErrors(state_dir()).observe(forecast, asked=ids))
        except CarbonError as error:
            wait.outage(str(error), now, OnOutage(self.on_outage))
            return timedelta(seconds=RETRY_SECONDS)
        wait.origin["source_url"] = chain.source_url(hooks, location, forecast.source)
        return source.refresh

    def _done(self, promise: Promise, record: dict[str, Any], how: Mode) -> dict[str, Any]:
        self.source_url = record.get("source_url", "")
        self.log.info("%s", record["reason"])
        return {
            "location": str(self.location),
            "mode": str(how),
            **promise.record(datetime.now(UTC)),
            **record,
        }
