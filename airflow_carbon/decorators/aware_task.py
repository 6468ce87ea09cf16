"""A task that waits by itself: what is put before the operator's own class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.bases.operator import BaseOperatorMeta
from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout

# Each parse of a DAG pays for what stands above; what only a running task needs is imported when it runs.
if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.decorators.own_wait import OwnWait
    from airflow_carbon.decorators.wished import Wished

#: Before each name that the wait adds to an operator, which has names of its own.
PREFIX = "carbon_wait_"


class AwareMeta(BaseOperatorMeta):
    """Tell the classes of carbon-aware tasks from all others, for pickle: no module knows them by their name."""


class CarbonAware(BaseOperator, metaclass=AwareMeta):
    """Wait in the triggerer, then do the work of the operator's own class, which follows in the order of classes.

    Never made by itself: :func:`~airflow_carbon.decorators.aware_class.aware_class` puts it before another.
    """

    carbon_wait: ClassVar[Wished]
    carbon_wait_given: ClassVar[Sequence[str]] = ()
    carbon_source_url: str = ""

    def execute(self, context: Context, *arguments: Any, **keywords: Any) -> Any:
        """Let go of the worker until it is time; do the work where the wait is over, or there is none."""
        wait = self._carbon_wait(context)
        if (step := wait.begin()) is not None:
            self.defer(trigger=step.trigger, method_name=_RESUME, timeout=step.timeout)
        return wait.around(lambda: super(CarbonAware, self).execute(context, *arguments, **keywords))

    def carbon_wait_complete(self, context: Context, event: dict[str, Any] | None = None) -> Any:
        """Take the decision that the trigger sent, and do the work.

        :raises InvalidRequestError: if the first look showed that what was asked cannot be meant.
        :raises SourceUnavailableError: if no source answered and ``on_outage`` is ``fail``.
        """
        wait = self._carbon_wait(context)
        wait.complete(event)
        return wait.around(lambda: super(CarbonAware, self).execute(context))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on: with the wait's end, with the work where the wait itself failed, or with the operator's own matter."""
        if next_method == _RESUME:
            # Not by the operator's own: a sensor's, for one, has its own idea of what an error means.
            return self.carbon_wait_complete(context, **(next_kwargs or {}))
        wait = self._carbon_wait(context)
        if next_method != FAILED or not wait.pending():
            wait.remember()
            return super().resume_execution(next_method, next_kwargs, context)
        try:
            BaseOperator.resume_execution(self, next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            reason = "ran at the latest start because no triggerer answered; is one running?"
        except TaskDeferralError as error:
            reason = f"ran because the trigger failed: {error}"
        self.log.warning("%s", reason)
        wait.give_up(reason, timed_out=True)
        return wait.around(lambda: super(CarbonAware, self).execute(context))

    def _carbon_wait(self, context: Context) -> OwnWait:
        from airflow_carbon.decorators.own_wait import OwnWait

        values = {name: getattr(self, PREFIX + name) for name in self.carbon_wait_given}
        return OwnWait(self, self.carbon_wait.rendered(values), context)


_RESUME = CarbonAware.carbon_wait_complete.__name__
#: What Airflow resumes with where a trigger raised or timed out, whosever it was.
FAILED = "__fail__"
