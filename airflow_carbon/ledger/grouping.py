"""How records are put into groups, in SQL and after it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, case, func

from airflow_carbon.exceptions import InvalidRequestError


def columns_by(by: Sequence[str], known: Mapping[str, ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    """Give the columns that make a group.

    :raises InvalidRequestError: if it is asked by something unknown, or by one twice.
    """
    wrong = [word for word in by if word not in known]
    if wrong or len(set(by)) != len(by):
        raise InvalidRequestError(f"by: {', '.join(wrong) or 'a word twice'}: must be some of {', '.join(known)}")
    return [known[word].label(f"by_{word}") for word in by]


def region_of(location: ColumnElement[str], zone: ColumnElement[str]) -> ColumnElement[str]:
    """Name where work ran as the user did, else by its grid zone."""
    return case((location != "", location), (zone != "", "zone:" + zone), else_="")


def counted(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Count the rows that meet a condition."""
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0).cast(Integer)


def between(
    column: ColumnElement[datetime], since: datetime | None, until: datetime | None
) -> list[ColumnElement[bool]]:
    """Say that a moment lies in a stretch of time, of which either end may be open."""
    return ([] if since is None else [column >= since]) + ([] if until is None else [column < until])


def grouped(rows: Iterable[Sequence[Any]], by: Sequence[str]) -> list[tuple[tuple[str, ...], list[Any]]]:
    """Add up rows that share a group; a list of tags makes a row of each."""
    width, at = len(by) + 2, by.index("tag") if "tag" in by else None
    found: dict[tuple[str, ...], list[Any]] = {}
    for row in rows:
        key, values = tuple(row[:width]), list(row[width:])
        keys = [key] if at is None else [(*key[:at], tag, *key[at + 1 :]) for tag in json.loads(key[at]) or [""]]
        for one in keys:
            found[one] = [_added(*pair) for pair in zip(found[one], values, strict=True)] if one in found else values
    return sorted(found.items())


def _added(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    return one | other if isinstance(one, set) else one + other
