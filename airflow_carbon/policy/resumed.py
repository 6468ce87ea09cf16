"""A task that comes back from a wait which nobody asks for any more: its rule is gone, or its file is broken."""

from __future__ import annotations

from typing import Any

#: Where a wait's end calls the task back (``decorators.aware_task``), and where Airflow does that of a failed trigger.
COMPLETE, FAILED = "carbon_wait_complete", "__fail__"


def let_resume(task: Any, *, whole: bool = False) -> None:
    """Make sure that a task which waits already finds its way back to its work.

    :param task: the one task that this process runs.
    :param whole: also where its trigger failed, and with the decision kept; needs a class of its own in place of the
        task's. Without it the class learns one method, which costs nothing and nobody else calls.
    """
    # Of a mapped task as of any other; and nothing is imported to find it.
    own = task.operator_class
    if own.__module__.partition(".")[0] == "airflow_carbon":
        return
    if not whole:
        if not hasattr(own, COMPLETE):
            setattr(own, COMPLETE, _work)
        return
    from airflow_carbon.decorators.carbon_aware import is_carbon_aware
    from airflow_carbon.policy.ruleless import Ruleless, ruleless_class

    if is_carbon_aware(task) or issubclass(own, Ruleless):
        return
    if own is type(task):
        task.__class__ = ruleless_class(own)
    else:
        task.operator_class = ruleless_class(own)


def _work(task: Any, context: Any, event: Any = None) -> Any:
    """Do the work of a task that waited under a policy which is gone."""
    task.log.warning("nothing asks for this wait any more; the work begins")
    return task.execute(context)
