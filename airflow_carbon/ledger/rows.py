"""A record as a row of its table, and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.record import DecisionRecord, EmissionRecord, ImpactRecord, Record
from airflow_carbon.core.record_document import document_of, field_names
from airflow_carbon.core.record_wait import WaitRecord

if TYPE_CHECKING:
    from airflow_carbon.ledger.base import AnyRecord

#: Fields that a column holds as JSON.
AS_JSON = frozenset({"tags", "governs", "recommended", "raw", "forecast", "replans"})


def row_of(record: Record) -> dict[str, Any]:
    """Give a record's values by the names of its table's columns."""
    row: dict[str, Any] = {name: getattr(record, name) for name in field_names(type(record))}
    for name in AS_JSON & row.keys():
        row[name] = None if row[name] is None else json_text(row[name])
    if isinstance(record, WaitRecord):
        return row | {"digest": digest(record)}
    began, made = _times(record)
    row |= {"month": f"{began:%Y-%m}", "final": record.final, "made_at": made, "digest": digest(record)}
    if isinstance(record, EmissionRecord):
        row["faulty"] = bool(record.fault)
    return row


def from_row(kind: type[AnyRecord], row: Mapping[str, Any]) -> AnyRecord:
    """Take a record up from its row."""
    given = {name: row[name] for name in field_names(kind)}
    for name in AS_JSON & given.keys():
        given[name] = None if given[name] is None else json.loads(given[name])
    return kind(**given)


def digest(record: Record) -> str:
    """Tell records apart by all they hold but when they were made: 128 bits of SHA-256, in hexadecimal."""
    document = document_of(record)
    for name in ("made_at", "updated_at", "since"):
        document.pop(name, None)
    return hashlib.sha256(json_text(document).encode()).hexdigest()[:32]


def json_text(value: Any) -> str:
    """Write JSON in one form only: sorted, without spaces, and in ASCII, which every database takes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _times(record: EmissionRecord | DecisionRecord | ImpactRecord) -> tuple[datetime, datetime]:
    if isinstance(record, DecisionRecord):
        return record.decided_at.astimezone(UTC), record.made_at or record.decided_at
    return record.started_at.astimezone(UTC), record.made_at or record.ended_at
