"""The fields of a record: read, checked, and turned into plain JSON and back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from numbers import Integral, Real
from typing import Any

from airflow_carbon.core.moment import parse_moment
from airflow_carbon.core.units import Accounting
from airflow_carbon.exceptions import InvalidRequestError

#: As long as Airflow lets an id be; a database's index takes no more of them side by side.
LONGEST_ID = 250
#: Deeper inputs are cut: a structure that holds itself would never end.
DEEPEST = 20


def whole_numbers(record: Any, *fields: str) -> None:
    """Refuse what is no whole number.

    :raises InvalidRequestError: naming the field.
    """
    for field in fields:
        value = getattr(record, field)
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise InvalidRequestError(f"{field}: {value!r} must be a whole number")
        object.__setattr__(record, field, int(value))


def texts(record: Any, *fields: str, needed: bool = False, longest: int | None = None) -> None:
    """Keep texts as a database takes them: whole characters, none of them NUL.

    :param needed: an empty one is an error.
    :param longest: number of characters; a longer one is an error.
    :raises InvalidRequestError: naming the field.
    """
    for field in fields:
        value = getattr(record, field)
        text = _kept("" if value is None else str(value))
        if needed and not text:
            raise InvalidRequestError(f"{field}: must not be empty")
        if longest is not None and len(text) > longest:
            raise InvalidRequestError(f"{field}: {text[:40]!r}... has {len(text)} characters; {longest} is the most")
        object.__setattr__(record, field, text)


def accounting(record: Any) -> None:
    """Keep what an intensity's accounting says in words; what says nothing is empty.

    :raises InvalidRequestError: if it is too long.
    """
    texts(record, "accounting", longest=LONGEST_ID)
    if record.accounting == str(Accounting()):
        object.__setattr__(record, "accounting", "")


def names(record: Any, *fields: str) -> None:
    """Keep lists of names as sorted tuples, each name once.

    :raises InvalidRequestError: naming the field, if it is one text alone.
    """
    for field in fields:
        value = getattr(record, field)
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise InvalidRequestError(f"{field}: {value!r} must be a list of names")
        object.__setattr__(record, field, tuple(sorted({_kept(str(one)) for one in value})))


def one_of(record: Any, **known: Sequence[str]) -> None:
    """Refuse a word that is not known.

    :raises InvalidRequestError: naming the field.
    """
    for field, words in known.items():
        value = str(getattr(record, field) or "")
        if value not in words:
            listed = ", ".join(word or "''" for word in words)
            raise InvalidRequestError(f"{field}: {value!r} must be one of {listed}")
        object.__setattr__(record, field, value)


def moments(record: Any, *fields: str) -> None:
    """Read moments, and keep them in UTC; None stays.

    :raises InvalidRequestError: naming the field.
    """
    for field in fields:
        value = getattr(record, field)
        if value is not None or field in ("started_at", "ended_at", "decided_at"):
            object.__setattr__(record, field, parse_moment(value, field))


def amounts(record: Any, *fields: str, least: float = -math.inf) -> None:
    """Refuse what is no finite number; None stays.

    :param least: the smallest that is right.
    :raises InvalidRequestError: naming the field.
    """
    for field in fields:
        value = getattr(record, field)
        if value is None:
            continue
        # A boolean is an int to Python.
        number = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
        if not (math.isfinite(number) and number >= least):
            bound = "" if least == -math.inf else f", {least:g} or larger"
            raise InvalidRequestError(f"{field}: {value!r} must be a finite number{bound}, or None")
        object.__setattr__(record, field, number)


def plain(value: Any, depth: int = 0) -> Any:
    """Turn any input into plain JSON without an error: what JSON has no word for becomes a text that tells.

    Of an object of an unknown class only the class is kept: its text may hold anything, a secret among them.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _kept(str(value), nul="\0")
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else str(number)
    if isinstance(value, datetime):
        return value.isoformat()
    if depth >= DEEPEST:
        return "<too deep>"
    if isinstance(value, Mapping):
        return {_kept(str(key), nul="\0"): plain(one, depth + 1) for key, one in value.items()}
    if isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray | memoryview):
        listed = sorted(value, key=repr) if isinstance(value, Set) else value
        return [plain(one, depth + 1) for one in listed]
    return f"<{type(value).__name__}>"


def _kept(text: str, nul: str = "\N{REPLACEMENT CHARACTER}") -> str:
    if text.isascii() and "\0" not in text:
        return text
    # PostgreSQL takes no NUL, and half a surrogate pair is no UTF-8.
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", nul)
