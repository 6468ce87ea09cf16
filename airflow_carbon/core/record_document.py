"""A record as plain JSON, for an outbox or a file, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow_carbon.core.record import DecisionRecord, EmissionRecord, ImpactRecord, Record
from airflow_carbon.core.record_wait import WaitRecord
from airflow_carbon.exceptions import InvalidRequestError

#: Which word stands for which sort of record.
SORTS_OF_RECORD: dict[str, type[Record]] = {
    "emission": EmissionRecord,
    "decision": DecisionRecord,
    "impact": ImpactRecord,
    "wait": WaitRecord,
}
_WORDS = {kind: word for word, kind in SORTS_OF_RECORD.items()}
_FIELDS = {kind: tuple(kind.__annotations__) for kind in _WORDS}
_KEYS: dict[type[Record], tuple[str, ...]] = {
    EmissionRecord: ("dag_id", "run_id", "task_id", "map_index", "try_number"),
    DecisionRecord: ("decision_id",),
    ImpactRecord: ("decision_id",),
    WaitRecord: ("decision_id",),
}


def field_names(kind: type[Any]) -> tuple[str, ...]:
    """List the fields of a sort of record."""
    return _FIELDS[kind]


def key_names(kind: type[Record]) -> tuple[str, ...]:
    """List the fields that make a record one and the same."""
    return _KEYS[kind]


def key_of(record: Record) -> tuple[str, tuple[Any, ...]]:
    """Give the sort of a record, in a word, and what makes it one and the same."""
    return _WORDS[type(record)], tuple(getattr(record, name) for name in _KEYS[type(record)])


def document_of(record: Record) -> dict[str, Any]:
    """Give a record as plain JSON."""
    document: dict[str, Any] = {"record": _WORDS[type(record)]}
    for name in _FIELDS[type(record)]:
        value = getattr(record, name)
        document[name] = (
            value.isoformat() if isinstance(value, datetime) else list(value) if isinstance(value, tuple) else value
        )
    return document


def record_of(document: Mapping[str, Any]) -> Record:
    """Take up what :func:`document_of` gave; a field that this version does not know is left out.

    :raises InvalidRequestError: if it is no such document, or a field is wrong.
    """
    kind = SORTS_OF_RECORD.get(str(document.get("record"))) if isinstance(document, Mapping) else None
    if kind is None:
        raise InvalidRequestError(f"record: no ledger record; it must say which of {', '.join(SORTS_OF_RECORD)} it is")
    known = {name: document[name] for name in _FIELDS[kind] if name in document}
    missing = [name for name in _KEYS[kind] if name not in known]
    if missing:
        raise InvalidRequestError(f"{missing[0]}: missing; a ledger record must have {', '.join(_KEYS[kind])}")
    try:
        return kind(**known)
    except TypeError as error:
        raise InvalidRequestError(f"record: {error}") from None
