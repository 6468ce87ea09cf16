"""``@task.carbon_aware(...)``: a TaskFlow function that waits for clean power before it is called."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from airflow.providers.standard.decorators.python import python_task

from airflow_carbon.decorators.carbon_aware import carbon_aware
from airflow_carbon.decorators.wished import DEFAULTS
from airflow_carbon.exceptions import InvalidRequestError

_OURS = tuple(DEFAULTS)


def carbon_aware_task(python_callable: Callable[..., Any] | None = None, **keywords: Any) -> Any:
    """Make a carbon-aware task of a function.

    :param python_callable: the function, where the decorator has no arguments; then nothing says what to wait for.
    :param keywords: those of :func:`~airflow_carbon.decorators.carbon_aware.carbon_aware`, and those of ``@task``.
    :raises InvalidRequestError: naming the keyword that neither knows, or what is wrong with one.
    """
    if python_callable is not None or "location" not in keywords:
        raise InvalidRequestError(
            "location: say where it runs and how long it may wait, for example "
            "@task.carbon_aware(location='azure:uksouth', duration='1h', max_delay='8h')"
        )
    asked = {name: keywords.pop(name) for name in _OURS if name in keywords}
    _refuse_misspelt(keywords)
    decorate: Any = carbon_aware(**asked)
    return lambda function: decorate(python_task(**keywords)(function))


def _refuse_misspelt(keywords: dict[str, Any]) -> None:
    from airflow.providers.standard.operators.python import PythonOperator

    known: set[str] = {"multiple_outputs", "default_args", "params"}
    for one in PythonOperator.__mro__:
        known |= getattr(vars(one).get("__init__"), "_BaseOperatorMeta__param_names", set())
    for name in keywords:
        if name not in known:
            near = get_close_matches(name, [*_OURS, *known], n=1)
            hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(_OURS)}, and what @task takes"
            raise InvalidRequestError(f"{name}: @task.carbon_aware knows no such keyword; {hint}")
