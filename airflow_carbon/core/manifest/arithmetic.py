"""The arithmetic plugins of Impact Framework 1.1.0: Sum, Multiply, Subtract, Divide, Coefficient, Copy.

Each function reads a configuration and gives the step that turns one row into the next. Numbers are added and
multiplied in Impact Framework's order, so that results are the same to the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_carbon.core.manifest.place import Place
    from airflow_carbon.core.manifest.row import PlacedRow, Step

Config = Mapping[str, Any]


def read_sum(config: Config, place: Place) -> Step:
    """Add ``input-parameters`` into ``output-parameter``.

    :raises InvalidRequestError: if one of the two is missing or wrong.
    """

    def total(numbers: Sequence[float]) -> float:
        # Not sum(): from Python 3.12 on it carries what rounding lost, and Impact Framework does not.
        answer = 0.0
        for number in numbers:
            answer += number
        return answer

    return _many(config, place, total)


def read_multiply(config: Config, place: Place) -> Step:
    """Multiply ``input-parameters`` into ``output-parameter``.

    :raises InvalidRequestError: if one of the two is missing or wrong.
    """
    return _many(config, place, lambda numbers: math.prod(numbers, start=1.0))


def read_subtract(config: Config, place: Place) -> Step:
    """Take the rest of ``input-parameters`` off the first into ``output-parameter``.

    :raises InvalidRequestError: if one of the two is missing or wrong.
    """

    def difference(numbers: Sequence[float]) -> float:
        left, *rest = numbers
        for number in rest:
            left -= number
        return left

    return _many(config, place, difference)


def read_divide(config: Config, place: Place) -> Step:
    """Divide ``numerator`` by ``denominator``, a name or a number, into ``output``; a number 0 gives the numerator.

    :raises InvalidRequestError: if one of the three is missing or wrong.
    """
    place.refuse_misspelt(config, ("numerator", "denominator", "output"), "ignored")
    numerator = parameter(config, "numerator", place)
    output = parameter(config, "output", place)
    by_name = isinstance(config.get("denominator"), str)
    name = parameter(config, "denominator", place) if by_name else ""
    fixed = 0.0 if by_name else place.key("denominator").number(config.get("denominator"))

    def divide(row: PlacedRow) -> dict[str, Any]:
        above, below = row.number(numerator), row.number(name) if by_name else fixed
        if below != 0.0:
            return row.having(output, above / below)
        if by_name:
            raise row.at(name).wrong("is 0 and is to be divided by; leave the row out or write a number")
        place.key("denominator").note(f"is 0, so {output} is {numerator} itself, as in Impact Framework")
        return row.having(output, above)

    return divide


def read_coefficient(config: Config, place: Place) -> Step:
    """Multiply ``input-parameter`` by the number ``coefficient`` into ``output-parameter``.

    :raises InvalidRequestError: if one of the three is missing or wrong.
    """
    place.refuse_misspelt(config, ("input-parameter", "coefficient", "output-parameter"), "ignored")
    name = parameter(config, "input-parameter", place)
    output = parameter(config, "output-parameter", place)
    coefficient = place.key("coefficient").number(config.get("coefficient"))
    return lambda row: row.having(output, row.number(name) * coefficient)


def read_copy(config: Config, place: Place) -> Step:
    """Copy the value of ``from`` to ``to``, and take the first away unless ``keep-existing``.

    :raises InvalidRequestError: if one of the three is missing or wrong.
    """
    place.refuse_misspelt(config, ("keep-existing", "from", "to"), "ignored")
    source, target = parameter(config, "from", place), parameter(config, "to", place)
    keep = config.get("keep-existing")
    if not isinstance(keep, bool):
        raise place.key("keep-existing").wrong(f"{keep!r} must be true or false")

    def copy(row: PlacedRow) -> dict[str, Any]:
        value = row.value(source)
        if not isinstance(value, str):
            row.number(source)
        kept = row.values if keep else {name: one for name, one in row.values.items() if name != source}
        return {**kept, target: value}

    return copy


def parameter(config: Config, key: str, place: Place) -> str:
    """Read the name of a parameter.

    :raises InvalidRequestError: if it is no name; Impact Framework's expressions (``=2*a``) are not supported.
    """
    return _plain(place.key(key).text(config.get(key), "the name of a parameter"), place.key(key))


def _many(config: Config, place: Place, reduce: Callable[[Sequence[float]], float]) -> Step:
    place.refuse_misspelt(config, ("input-parameters", "output-parameter"), "ignored")
    listed = place.key("input-parameters")
    names = listed.texts(config.get("input-parameters"), "names of parameters")
    for index, name in enumerate(names):
        _plain(name, listed.row(index))
    output = parameter(config, "output-parameter", place)
    return lambda row: row.having(output, reduce(row.numbers(names)))


def _plain(name: str, place: Place) -> str:
    if "=" in name:
        raise place.wrong(f"{name!r} is an expression, and these are not supported; compute it with a plugin before")
    return name
