"""Make the class of a carbon-aware task: the wait first, then the operator's own class, whose name it keeps."""

from __future__ import annotations

import copyreg
from typing import TYPE_CHECKING, Any

from airflow_carbon.decorators.aware_task import PREFIX, AwareMeta, CarbonAware
from airflow_carbon.hooks.source_link import CarbonSourceLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from airflow_carbon.decorators.wished import Wished


class _Never:
    """Read as False, whatever an operator sets: its own trigger must not start before the wait is over."""

    def __get__(self, instance: Any, owner: Any = None) -> bool:
        return False

    def __set__(self, instance: Any, value: Any) -> None:
        pass


def aware_class(own: type[BaseOperator], wished: Wished) -> type[BaseOperator]:
    """Put the wait before an operator's own class.

    What is asked stands on the class, not on its instances: those of a mapped task are made anew on the worker, by
    the operator's own arguments.
    """
    given = wished.given()
    namespace: dict[str, Any] = {
        # Airflow shows the class's name, and looks for links by its module.
        "__module__": own.__module__,
        "__qualname__": own.__qualname__,
        "__doc__": own.__doc__,
        "carbon_wait": wished,
        "carbon_wait_given": tuple(given),
        "template_fields": with_ours(own.template_fields, wished),
        "operator_extra_links": links(own.operator_extra_links),
        "start_from_trigger": _Never(),
        # A function here would become a method.
        **{PREFIX + name: staticmethod(value) if callable(value) else value for name, value in given.items()},
    }
    if hasattr(own, "get_python_source"):
        namespace["get_python_source"] = _plain_source
    # Of an operator whose class is made in a way of its own, that way holds too.
    plain = issubclass(AwareMeta, type(own))
    kind: Any = AwareMeta if plain else type(AwareMeta.__name__, (AwareMeta, type(own)), {})
    made = kind(own.__name__, (CarbonAware, own), namespace)
    # Airflow has wrapped it once more, as if the class brought one of its own.
    made.__init__ = own.__init__
    return made  # type: ignore[no-any-return]


def _reduced(made: type[Any]) -> Any:
    """Tell pickle how to make the class anew."""
    return made.__qualname__ if made is CarbonAware else (aware_class, (made.__mro__[2], made.carbon_wait))


copyreg.pickle(AwareMeta, _reduced)


def with_ours(fields: Any, wished: Wished) -> tuple[str, ...]:
    """Add the fields of the wait to an operator's templated ones."""
    own = (fields,) if isinstance(fields, str) else tuple(fields)
    return (*own, *(PREFIX + name for name in wished.given()))


def links(own: Any) -> Any:
    if isinstance(own, property):
        return property(lambda task: (*own.__get__(task), CarbonSourceLink()))
    return (*own, CarbonSourceLink())


def _plain_source(task: Any) -> str:
    """Give the function's source without this package's decorator, which is not there where the function runs."""
    from airflow.sdk.definitions._internal.decorators import remove_task_decorator

    source: str = super(CarbonAware, task).get_python_source()
    for name in ("carbon_aware", "airflow_carbon.carbon_aware"):
        source = remove_task_decorator(source, name)
    return source
