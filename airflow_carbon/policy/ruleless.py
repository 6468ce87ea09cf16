"""What is put before the class of a running task that no rule means (any more)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_carbon.decorators.aware_task import FAILED, CarbonAware
from airflow_carbon.policy.task_policy import COMPLETE

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.decorators.own_wait import OwnWait


class Ruleless(BaseOperator):
    """Do what the operator's own class does; only take a wait to its end that began under a rule."""

    def carbon_wait_complete(self, context: Context, event: dict[str, Any] | None = None) -> Any:
        """Keep the decision that the trigger sent, and do the work."""
        try:
            _wait(self, context, event).complete(event)
        except Exception:
            self.log.warning("the decision is not kept; the work begins", exc_info=True)
        return self.execute(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on: with the work where a wait ended or failed, or else with the operator's own matter."""
        if next_method == COMPLETE:
            # Not by the operator's own: a sensor's, for one, has its own idea of what an error means.
            return self.carbon_wait_complete(context, **(next_kwargs or {}))
        if next_method == FAILED and (wait := _wait(self, context)).pending():
            reason = f"ran because its wait failed: {(next_kwargs or {}).get('error', 'no reason was given')}"
            self.log.warning("%s", reason)
            wait.give_up(reason)
            return self.execute(context)
        return super().resume_execution(next_method, next_kwargs, context)


def let_resume(task: Any) -> None:
    """Put it before the class of the one task that this process runs, of a mapped one too; its name stays."""
    own: type[Any] = task.operator_class
    ours = own.__module__.partition(".")[0] == "airflow_carbon"
    if ours or issubclass(own, (CarbonAware, Ruleless)):
        return
    names = {"__module__": own.__module__, "__qualname__": own.__qualname__, "__doc__": own.__doc__}
    meta: Any = type(own)
    made = meta(own.__name__, (Ruleless, own), names)
    # Airflow has wrapped it once more, as if the class brought one of its own.
    made.__init__ = own.__init__
    if own is type(task):
        task.__class__ = made
    else:
        task.operator_class = made


def _wait(task: Any, context: Context, event: dict[str, Any] | None = None) -> OwnWait:
    """Take up the wait by what was pinned when it began; where it ran, only the decision itself still tells."""
    from airflow_carbon.decorators.own_wait import OwnWait
    from airflow_carbon.decorators.wished import Wished

    zone = ((event or {}).get("record") or {}).get("zone")
    wished = Wished(location=f"zone:{zone}" if zone else "", duration="1h", max_delay="0s", lenient=True)
    return OwnWait(task, wished, context)
