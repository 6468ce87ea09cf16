"""A ``@task`` function that makes carbon-aware tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.decorator import _TaskDecorator

from airflow_carbon.decorators.applied import depend

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, XComArg


class AwareFunction(_TaskDecorator[Any, Any, Any]):
    """Let a mapped task, too, follow those whose results tell it what to wait for; others do so by themselves."""

    def _expand(self, expand_input: Any, *, strict: bool) -> XComArg:
        expanded: Any = super()._expand(expand_input, strict=strict)
        depend(expanded.operator, self.operator_class.carbon_wait)
        return expanded  # type: ignore[no-any-return]


def aware_function(function: _TaskDecorator[Any, Any, Any], made: type[BaseOperator]) -> AwareFunction:
    """Give a copy of a ``@task`` function, as its ``override`` does, that makes tasks of another class."""
    copy: Any = function.override()
    copy.returns_dag_result = function.returns_dag_result
    copy.operator_class = made
    copy.__class__ = AwareFunction
    return copy  # type: ignore[no-any-return]
