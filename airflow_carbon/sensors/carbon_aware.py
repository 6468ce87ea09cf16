"""The sensor that waits for the cleanest window."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator, BaseSensorOperator
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferralError, TaskDeferralTimeout

from airflow_carbon.hooks.source_link import CarbonPageLink, CarbonSourceLink

# Each parse of a DAG pays for what stands above; what only a running task needs is imported when it runs.
if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.core.power import PowerProfile
    from airflow_carbon.triggers.asked import Asked
    from airflow_carbon.triggers.resuming import Resuming
    from airflow_carbon.triggers.waiting import Waiting


class CarbonAwareSensor(BaseSensorOperator):
    """Wait until the cleanest window for what runs downstream, and never past its latest start.

    Returns the decision record, a plain dict, and keeps it in the ledger. All fields but ``governs``, ``spread``,
    ``wait_in_backfill`` and ``deferrable`` are templated; ``dag_run.run_after`` is a base that scheduled and manual
    runs both have:
    ``deadline="{{ dag_run.run_after + macros.timedelta(hours=8) }}"``.

    :param location: where the work runs: ``azure:swedencentral``, ``zone:DE`` or ``51.5,-0.12``.
    :param duration: how long the work takes, a timedelta or a text like ``1h30m``; the promise holds for it.
    :param power: what the work draws as it goes on, ``"10m@50W, 2h@300W, 15m@80W"`` or ``[["10m", 50], ...]``; tells
        the duration too, and puts the hungry phases on clean hours.
    :param deadline: latest finish: a moment, or a duration counted from ``run_after``.
    :param tail: where the deadline is that of the whole DAG: expected time from the end of this work to the DAG's end.
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
    :param notify: a notifier, such as :class:`~airflow_carbon.notifications.carbon.CarbonNotifier`, or a list of them,
        told when the task starts waiting, and when it goes on.
    :param governs: ids of the tasks whose emissions the wait changes; None takes those directly downstream.

    Of the common fields of sensors ``timeout``, ``mode`` and ``exponential_backoff`` do not apply: the latest start
    ends every wait.
    """

    template_fields: Sequence[str] = (
        "location", "duration", "deadline", "max_delay", "earliest_start", "min_saving_percent", "on_outage",
        "carbon_conn_id", "carbon_mode", "power", "tail",
    )  # fmt: skip
    operator_extra_links = (CarbonSourceLink(), CarbonPageLink())
    ui_color: str = "#d5f0dc"
    source_url: str = ""

    def __init__(
        self,
        *,
        location: str,
        duration: timedelta | str | None = None,
        power: PowerProfile | str | Sequence[Any] | None = None,
        deadline: datetime | timedelta | str | None = None,
        tail: timedelta | str | None = None,
        max_delay: timedelta | str | None = None,
        earliest_start: datetime | timedelta | str | None = None,
        min_saving_percent: float | str = 10.0,
        on_outage: str = "run",
        carbon_conn_id: str | Sequence[str] | None = None,
        carbon_mode: str | None = None,
        spread: bool = True,
        wait_in_backfill: bool = False,
        deferrable: bool = True,
        governs: Sequence[str] | str | None = None,
        notify: Any = None,
        retries: int = 2,
        **kwargs: Any,
    ) -> None:
        if not deferrable:
            kwargs["mode"] = "reschedule"
        super().__init__(retries=retries, **kwargs)
        self.location = location
        self.duration = duration
        self.power = power
        self.tail = tail
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
        self.governs = governs
        self.notify = notify

    def execute(self, context: Context) -> dict[str, Any]:
        """Pin the latest start and let go of the worker until the trigger says that it is time."""
        from airflow_carbon.exceptions import SourceUnavailableError
        from airflow_carbon.triggers.waiting import Deferral

        waiting = self._waiting(context)
        try:
            step = waiting.begin()
        except SourceUnavailableError as error:
            self._fail(error)
        if isinstance(step, Deferral):
            self._tell("waiting", step.record, context)
            self.defer(trigger=step.trigger, method_name="execute_complete", timeout=step.timeout)
        return self._done(step, context, waiting)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Take the decision that the trigger sent and give it as the task's result.

        :raises InvalidRequestError: if the first look showed that what was asked cannot be meant.
        :raises SourceUnavailableError: if no source answered and ``on_outage`` is ``fail``.
        """
        from airflow_carbon.exceptions import SourceUnavailableError

        try:
            record = self._resuming(context).complete(event)
        except SourceUnavailableError as error:
            self._fail(error)
        return self._done(record, context)

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
        return self._done(self._resuming(context).resume(reason), context, timed_out=True)

    def _waiting(self, context: Context) -> Waiting:
        from airflow_carbon.triggers.waiting import Waiting

        return Waiting(self._asked(), context, pause=timedelta(seconds=self.poke_interval), log=self.log)

    def _resuming(self, context: Context) -> Resuming:
        from airflow_carbon.triggers.resuming import Resuming

        return Resuming(self._asked(), context, log=self.log)

    def _asked(self) -> Asked:
        from airflow_carbon.triggers.asked import Asked

        return Asked(
            location=self.location,
            duration=self.duration,
            power=self.power,
            tail=self.tail,
            deadline=self.deadline,
            max_delay=self.max_delay,
            earliest_start=self.earliest_start,
            min_saving_percent=self.min_saving_percent,
            on_outage=self.on_outage,
            carbon_conn_id=self.carbon_conn_id,
            carbon_mode=self.carbon_mode,
            spread=self.spread,
            wait_in_backfill=self.wait_in_backfill,
            deferrable=self.deferrable,
        )

    def _tell(self, what: str, record: dict[str, Any], context: Context) -> None:
        if self.notify:
            from airflow_carbon.hooks.notifying import tell

            tell(self.notify, what, record, context)

    def _fail(self, error: Exception) -> NoReturn:
        if self.soft_fail or self.never_fail:
            raise AirflowSkipException(str(error)) from error
        raise error

    def _done(
        self, record: dict[str, Any], context: Context, waiting: Waiting | None = None, *, timed_out: bool = False
    ) -> dict[str, Any]:
        # Only here, after the wait: who lets go of the worker has no use for a ledger.
        from airflow_carbon.hooks.decisions import governed, keep_decision

        self.source_url = record["source_url"] or ""
        record = {**record, "governs": list(governed(self, self.governs))}
        keep_decision(
            record,
            context,
            sort="wait",
            timed_out=timed_out,
            forecast=waiting.forecast if waiting else None,
            replans=waiting.replans if waiting else None,
        )
        if self.notify and record["mode"] == "enforce":
            from airflow_carbon.hooks.notifying import occasion

            self._tell(occasion(record), record, context)
        return record
