"""Make a task carbon-aware, whatever form it has in the DAG file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, TaskGroup, XComArg
from airflow.sdk.definitions.mappedoperator import MappedOperator, OperatorPartial

from airflow_carbon.decorators.aware_class import aware_class, links, with_ours
from airflow_carbon.decorators.aware_task import CarbonAware
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.decorators.wished import Wished

_FORMS = "an operator, a mapped one, what a @task function returned, or the @task function itself"


def applied(task: Any, wished: Wished) -> Any:
    """Make a task carbon-aware, and give it back; of a ``@task`` function a copy, as its ``override`` does.

    :raises InvalidRequestError: if it is no task, has no work of its own, or waits by itself already.
    """
    if getattr(task, "_airflow_is_task_decorator", False):
        # Not above: only a DAG file with such functions has imported what they are made of.
        from airflow_carbon.decorators.aware_function import aware_function

        return aware_function(task, class_of(task.operator_class, wished, task.kwargs.get("task_id", "")))
    if isinstance(task, XComArg) and hasattr(task, "operator"):
        applied(task.operator, wished)
    elif isinstance(task, MappedOperator):
        _mapped(task, wished)
    elif isinstance(task, BaseOperator):
        _operator(task, wished)
    elif isinstance(task, OperatorPartial):
        raise InvalidRequestError(
            f"{task!r} is no task yet; expand it first: carbon_aware(Operator.partial(...).expand(...), ...)"
        )
    elif isinstance(task, TaskGroup):
        raise InvalidRequestError(
            f"task group {task.group_id!r} is no task; make its tasks carbon-aware, or put a CarbonAwareSensor first"
        )
    else:
        raise InvalidRequestError(f"carbon_aware: {task!r} is no task; it takes {_FORMS}")
    return task


def _operator(task: BaseOperator, wished: Wished) -> None:
    made = class_of(type(task), wished, task.task_id)
    # Some operators say it anew on each instance.
    if "template_fields" in vars(task):
        task.template_fields = with_ours(task.template_fields, wished)
    if "operator_extra_links" in vars(task):
        task.operator_extra_links = links(task.operator_extra_links)
    object.__setattr__(task, "__class__", made)
    depend(task, wished)


def _mapped(task: MappedOperator, wished: Wished) -> None:
    made = class_of(task.operator_class, wished, task.task_id)
    task.operator_class = made
    # What a mapped operator has noted of its class before.
    task.template_fields = with_ours(task.template_fields, wished)
    task.operator_extra_links = made.operator_extra_links
    task.start_from_trigger = False
    if "start_from_trigger" in task.partial_kwargs:
        task.partial_kwargs["start_from_trigger"] = False
    depend(task, wished)


def class_of(own: type[BaseOperator], wished: Wished, task_id: str) -> type[BaseOperator]:
    """Make the class of a carbon-aware task.

    :raises InvalidRequestError: if the operator has no work of its own, or waits by itself already.
    """
    if issubclass(own, CarbonAware):
        raise InvalidRequestError(f"task {task_id!r} is carbon-aware already; say it once")
    if _is_empty(own):
        raise InvalidRequestError(
            f"task {task_id!r}: an {own.__name__} has no work that could wait, and Airflow never runs it; to hold back "
            f"what follows, use a CarbonAwareSensor"
        )
    if own.__module__.startswith(("airflow_carbon.sensors.", "airflow_carbon.timetables.")):
        raise InvalidRequestError(f"task {task_id!r}: {own.__name__} waits by itself; say there what to wait for")
    return aware_class(own, wished)


def _is_empty(own: type[BaseOperator]) -> bool:
    # Who has not imported it has none of it.
    module = sys.modules.get("airflow.providers.standard.operators.empty")
    return module is not None and issubclass(own, module.EmptyOperator)


def depend(task: Any, wished: Wished) -> None:
    """Let a task follow those whose results tell it what to wait for."""
    for value in wished.given().values():
        XComArg.apply_upstream_relationship(task, value)
