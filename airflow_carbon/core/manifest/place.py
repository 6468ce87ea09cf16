"""A place in a manifest, by which an error names itself."""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_carbon.exceptions import InvalidRequestError


@dataclass(frozen=True, slots=True)
class Place:
    """Name a place, for example ``tree.children.x.inputs[2]``.

    :param path: as far as here.
    :param notes: what the reader should know and is no error; all places of one manifest share them.
    """

    path: str = ""
    notes: list[str] = field(default_factory=list, compare=False, repr=False)

    def __str__(self) -> str:
        return self.path or "manifest"

    def key(self, name: object) -> Place:
        """Go to a key."""
        return Place(f"{self.path}.{name}" if self.path else str(name), self.notes)

    def row(self, index: int) -> Place:
        """Go to an item of a list."""
        return Place(f"{self.path}[{index}]", self.notes)

    def wrong(self, text: str) -> InvalidRequestError:
        """Make an error that begins with this place."""
        return InvalidRequestError(f"{self}: {text}")

    def note(self, text: str) -> None:
        """Leave word of something that is no error."""
        self.notes.append(f"{self}: {text}")

    def mapping(self, value: object, what: str) -> Mapping[str, Any]:
        """Give a mapping with texts for keys.

        :raises InvalidRequestError: if the value is anything else.
        """
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise self.wrong(f"{short(value)} must be {what}, as keys with values")
        return value

    def text(self, value: object, what: str) -> str:
        """Give a text that says something.

        :raises InvalidRequestError: if the value is anything else.
        """
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(f"{short(value)} must be {what}, as a text")
        return value

    def texts(self, value: object, what: str) -> tuple[str, ...]:
        """Give a list of texts, at least one.

        :raises InvalidRequestError: if the value is anything else.
        """
        if not isinstance(value, list | tuple) or not value:
            raise self.wrong(f"{short(value)} must be {what}, as a list")
        return tuple(self.row(index).text(one, "a name") for index, one in enumerate(value))

    def number(self, value: object, *, least: float = -math.inf, above: float = -math.inf) -> float:
        """Give a finite number in a range.

        :raises InvalidRequestError: if the value is anything else; a text with a number in it too.
        """
        limit = (
            f", larger than {above:g}" if above > -math.inf else f", at least {least:g}" if least > -math.inf else ""
        )
        number = finite(value)
        if number is None:
            hint = "; expressions are not supported" if isinstance(value, str) and "=" in value else ""
            quoted = "; take the quotes away" if isinstance(value, str) and _numeric(value) else hint
            raise self.wrong(f"{short(value)} must be a finite number{limit}{quoted}")
        if number < least or number <= above:
            raise self.wrong(f"{short(value)} must be a number{limit}")
        return number

    def refuse_misspelt(
        self, given: Collection[str], known: Collection[str], ignored: str = "", *, cutoff: float = 0.75
    ) -> None:
        """Refuse a key that is nearly a known one that is absent.

        :param ignored: note with this word for each other key that is not known; empty for no note.
        :param cutoff: how near, in 0..1; 1 is the same word.
        :raises InvalidRequestError: naming the nearest known key.
        """
        absent = tuple(key for key in known if key not in given)
        if not absent and not ignored:
            return
        for key in given:
            if key in known:
                continue
            if near := nearest(key, absent, cutoff):
                raise self.key(key).wrong(f"is not known; write {near!r}")
            if ignored:
                self.key(key).note(f"is not known here and is {ignored}; known are {', '.join(known)}")


def finite(value: object) -> float | None:
    """Give a finite number as a float, and None for anything else; True is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


@functools.lru_cache(maxsize=1024)
def nearest(word: str, known: tuple[str, ...], cutoff: float = 0.75) -> str:
    """Find the known word that was probably meant, else the empty text."""
    # Kept, because every row of a component has the same names.
    (near,) = difflib.get_close_matches(word, known, n=1, cutoff=cutoff) or ("",)
    return near


def short(value: object) -> str:
    """Show a value in a message, cut where it is long."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _numeric(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
