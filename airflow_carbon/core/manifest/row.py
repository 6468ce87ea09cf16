"""One row of a component on its way through the plugins."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_carbon.core.manifest.place import Place, finite, nearest


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """Hold a row's values, and where they were written.

    :param values: what is known so far.
    :param place: of the row among the component's inputs.
    :param defaults: where defaults are written.
    :param defaulted: names whose values are from there.
    """

    values: Mapping[str, Any]
    place: Place
    defaults: Place
    defaulted: frozenset[str] = frozenset()

    def at(self, name: str) -> Place:
        """Tell where a value is written, or ought to be."""
        return (self.defaults if name in self.defaulted else self.place).key(name)

    def value(self, name: str) -> Any:
        """Give a value.

        :raises InvalidRequestError: if it is missing, naming the nearest one that is there.
        """
        value = self.values.get(name)
        if value is None:
            near = nearest(name, tuple(one for one in self.values if one not in ("timestamp", "duration")))
            raise self.at(name).wrong(
                f"is missing; the row has {near!r}, is {name!r} meant?" if near else "is missing; the pipeline needs it"
            )
        return value

    def number(self, name: str, *, least: float = -math.inf, above: float = -math.inf) -> float:
        """Give a number.

        :param least: the least that is allowed.
        :param above: what it must be larger than.
        :raises InvalidRequestError: if it is missing, no finite number, or outside its limits.
        """
        number = finite(self.values.get(name))
        if number is not None and number >= least and number > above:
            return number
        # The place is named where something is wrong; to name it for each number of a year would take its time.
        return self.at(name).number(self.value(name), least=least, above=above)

    def numbers(self, names: tuple[str, ...]) -> list[float]:
        """Give several numbers.

        :raises InvalidRequestError: as :meth:`number`.
        """
        return [self.number(name) for name in names]

    def having(self, name: str, number: float) -> dict[str, Any]:
        """Give the values with one more.

        :raises InvalidRequestError: if the number left the range of numbers.
        """
        if finite(number) is None:
            raise self.place.key(name).wrong("the result is too large for a number")
        return {**self.values, name: number}


Step = Callable[[PlacedRow], dict[str, Any]]
