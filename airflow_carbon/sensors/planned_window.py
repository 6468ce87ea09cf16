"""The sensor that waits for one window of a plan that stands."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from airflow.sdk import BaseOperator, BaseSensorOperator
from airflow.sdk.exceptions import AirflowRescheduleException, TaskDeferralError, TaskDeferralTimeout

from airflow_carbon.hooks.source_link import CarbonPageLink

# Each parse of a DAG pays for what stands above; what only a running task needs is imported when it runs.
if TYPE_CHECKING:
    from airflow.sdk import Context

#: A triggerer that has not answered so long after the planned start is taken to be down; the work goes on without it.
PATIENCE = timedelta(seconds=60)
#: Where the latest start leaves less, no more than this is waited for the triggerer's last word.
GRACE = timedelta(seconds=10)

#: A start this much later than planned is another one, as for a wait that decides for itself (``core.wait``, which
#: brings numpy with it).
MISSED = timedelta(minutes=2)


class PlannedWindowSensor(BaseSensorOperator):
    """Wait for the start of one planned window, and never past its latest start.

    Returns the window with ``started_at``, ``late_seconds`` (after the planned start), ``in_time`` (whether the promise
    is kept; None where the window holds none) and ``reason``, so that the work downstream gets all of it. It asks no
    source: what was planned stands. A start that has gone by already runs at once. ``window`` and ``carbon_mode`` are
    templated.

    :param window: one element of what :class:`~airflow_carbon.operators.best_schedule.BestScheduleOperator` returns, or
        any mapping (or its JSON text) with a ``start``, and perhaps a ``latest_start`` and a ``limit`` (the latest
        start that keeps what was asked for with nothing kept free): moments with a timezone.
    :param carbon_mode: ``enforce``, or ``shadow`` or ``off``, which do not wait; None takes the run's
        ``conf["carbon"]``, or else ``[carbon] mode``.
    :param deferrable: wait in the triggerer; False reschedules the task instead and needs no triggerer.

    Of the common fields of sensors ``timeout``, ``poke_interval``, ``mode`` and ``exponential_backoff`` do not apply.
    """

    template_fields: Sequence[str] = ("window", "carbon_mode")
    operator_extra_links = (CarbonPageLink(),)
    ui_color: str = "#d5f0dc"

    def __init__(
        self,
        *,
        window: Mapping[str, Any] | str,
        carbon_mode: str | None = None,
        deferrable: bool = True,
        retries: int = 2,
        **kwargs: Any,
    ) -> None:
        if not deferrable:
            kwargs["mode"] = "reschedule"
        super().__init__(retries=retries, **kwargs)
        self.window = window
        self.carbon_mode = carbon_mode
        self.deferrable = deferrable

    def execute(self, context: Context) -> dict[str, Any]:
        """Let go of the worker until the planned start.

        :raises InvalidRequestError: naming the field that is wrong, before anything waits.
        :raises AirflowRescheduleException: to come back at the planned start, where the task is not deferrable.
        """
        from airflow_carbon.hooks.settings import Mode, min_defer
        from airflow_carbon.triggers.release import RELEASE
        from airflow_carbon.triggers.run_mode import run_mode

        window = Planned.of(self.window)
        how, left = run_mode(context, self.carbon_mode), window.begin - datetime.now(UTC)
        if how is not Mode.ENFORCE:
            return self._done(f"ran at once: the carbon mode is {how}")
        if not self.deferrable and (released := context["task_state_store"].get(RELEASE)) is not None:
            context["task_state_store"].delete(RELEASE)
            return self._released(released, context)
        if left >= min_defer():
            self._let_go(window)
        # Airflow would call the task back before it has noted that it let go; so near a start is sat out here.
        time.sleep(max(0.0, left.total_seconds()))
        return self._done()

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Give the window as the task's result; the event says that its start has come, or that someone released it."""
        if isinstance(event, dict) and "released" in event:
            return self._released(event["released"], context)
        return self._done()

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on with the work where the trigger raised, timed out or was never taken up by a triggerer."""
        try:
            # Not the sensor's own: it turns a time-out into a failure that is never retried.
            return BaseOperator.resume_execution(self, next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            reason = "ran after its planned start because no triggerer answered; is one running?"
        except TaskDeferralError as error:
            reason = f"ran because the trigger failed: {error}"
        self.log.warning("%s", reason)
        return self._done(reason)

    def _let_go(self, window: Planned) -> NoReturn:
        self.log.info("Waiting for the window planned for %s", window.begin.isoformat())
        if not self.deferrable:
            raise AirflowRescheduleException(window.begin)
        # Not above: who resumes after the wait has no use for a trigger.
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        from airflow_carbon.hooks.settings import start_margin

        grace = min(GRACE, start_margin() / 4)
        last = max(min(window.begin + PATIENCE, window.latest_start), window.begin + grace)
        trigger = DateTimeTrigger(moment=window.begin)
        self.defer(trigger=trigger, method_name="execute_complete", timeout=last - datetime.now(UTC))

    def _released(self, given: Any, context: Context) -> dict[str, Any]:
        """Go on because someone said so; the ledger keeps who and why, and that nothing is claimed for it."""
        from airflow_carbon.hooks.decisions import keep_decision
        from airflow_carbon.triggers.release import Release

        told = Release.of(given)
        record = {**self._done(told.reason_in_words), "released": told.document()}
        # What the plan is worth is told by its own decision.
        keep_decision({**record, "decision_id": None, "governs": []}, context, sort="wait")
        return record

    def _done(self, reason: str = "") -> dict[str, Any]:
        window, started = Planned.of(self.window), datetime.now(UTC)
        reason = reason or window.punctuality(started)
        self.log.info("%s", reason)
        return {**window.record(started), "reason": reason}


class Planned(NamedTuple):
    """Hold a window as it was given, and its moments.

    :param limit: None where the window promises nothing.
    """

    given: Mapping[str, Any]
    start: datetime
    latest_start: datetime
    limit: datetime | None

    @classmethod
    def of(cls, window: Any) -> Planned:
        """Read a mapping, or its JSON text.

        :raises InvalidRequestError: naming what is missing, or is no moment with a timezone.
        """
        from airflow_carbon.core.moment import parse_moment
        from airflow_carbon.exceptions import InvalidRequestError

        given = window
        if isinstance(window, str):
            with suppress(ValueError):
                given = json.loads(window)
        if not isinstance(given, Mapping) or not given.get("start"):
            raise InvalidRequestError(f"window: {window!r} must be a mapping, or its JSON text, with a start")
        start, latest, limit = (
            parse_moment(given[name], f"window: {name}") if given.get(name) else None
            for name in ("start", "latest_start", "limit")
        )
        assert start is not None
        return cls(given, start, latest or start, limit or latest)

    @property
    def begin(self) -> datetime:
        """The moment to wait for."""
        return min(self.start, self.latest_start)

    def punctuality(self, started: datetime) -> str:
        """Say whether a start is the planned one, or how late it is."""
        from airflow_carbon.core.moment import in_words

        late = started - self.start
        return "started as planned" if late <= MISSED else f"started {in_words(late)} late"

    def record(self, started: datetime) -> dict[str, Any]:
        """Give the window with what became of it."""
        return {
            **self.given,
            "started_at": started.isoformat(),
            "late_seconds": round(max(0.0, (started - self.start).total_seconds()), 3),
            "in_time": None if self.limit is None else started <= self.limit,
        }
