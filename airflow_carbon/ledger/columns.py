"""The columns of the ledger's tables, in plain words: all that a write needs, and what SQLAlchemy makes its tables of.

A task writes two rows and ends; SQLAlchemy's own tables would cost it more than the write.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_carbon.core.record import DecisionRecord, EmissionRecord, ImpactRecord
from airflow_carbon.core.record_wait import REMEMBERED, WaitRecord

#: Where alembic keeps the version of the schema; a name of its own, as Airflow may live in the same database.
VERSION_TABLE = "carbon_ledger_version"


class Columns(NamedTuple):
    """Describe one table.

    :param table: its name.
    :param key: the columns that make a row one and the same.
    :param sorts: what each column holds, in order: ``id``, ``text``, ``word``, ``whole``, ``number``, ``flag``,
        ``moment``, ``month`` or ``digest``; with ``?`` where it may be NULL.
    :param remembered: columns that a newer row without them leaves as they are.
    """

    table: str
    key: tuple[str, ...]
    sorts: Mapping[str, str]
    remembered: frozenset[str] = frozenset()


#: What every table but that of waits ends with: its month in UTC, what decides between two records, all the rest as
#: JSON.
_KEPT = {"month": "month", "final": "flag", "made_at": "moment", "digest": "digest", "raw": "text"}

EMISSION = Columns(
    "carbon_emission",
    ("dag_id", "run_id", "task_id", "map_index", "try_number"),
    {
        "dag_id": "id",
        "run_id": "id",
        "task_id": "id",
        "map_index": "whole",
        "try_number": "whole",
        "started_at": "moment",
        "ended_at": "moment",
        "state": "word",
        "tags": "text",
        "owner": "text",
        "location": "text",
        "zone": "text",
        "energy_kwh": "number?",
        "energy_how": "word",
        "energy_note": "text",
        "intensity_g_per_kwh": "number?",
        "kind": "word",
        "signal": "word",
        "accounting": "id",
        "intensity_source": "text",
        "operational_g": "number?",
        "embodied_g": "number?",
        "functional_unit": "text",
        "functional_units": "number?",
        "fault": "text",
        "faulty": "flag",
        **_KEPT,
    },
)
DECISION = Columns(
    "carbon_decision",
    ("decision_id",),
    {
        "decision_id": "id",
        "dag_id": "id",
        "run_id": "id",
        "task_id": "id",
        "map_index": "whole",
        "sort": "word",
        "decided_at": "moment",
        "recommended": "text",
        "action": "word",
        "why": "text",
        "governs": "text",
        "tags": "text",
        "owner": "text",
        "location": "text",
        "zone": "text",
        "home": "text",
        "ready_at": "moment?",
        "start": "moment?",
        "promised_saving_percent": "number?",
        "baseline_intensity_g_per_kwh": "number?",
        "kind": "word",
        "signal": "word",
        "accounting": "id",
        "intensity_source": "text",
        **_KEPT,
    },
)
IMPACT = Columns(
    "carbon_impact",
    ("decision_id",),
    {
        "decision_id": "id",
        "started_at": "moment",
        "ended_at": "moment",
        "zone": "text",
        "home_zone": "text",
        "energy_kwh": "number?",
        "intensity_g_per_kwh": "number?",
        "baseline_intensity_g_per_kwh": "number?",
        "emitted_g": "number?",
        "baseline_g": "number?",
        "reduction_g": "number?",
        "oracle_g": "number?",
        "saving_percent": "number?",
        "promised_saving_percent": "number?",
        "forecast_error_percent": "number?",
        "signal": "word",
        "accounting": "id",
        "measured": "flag",
        **_KEPT,
    },
)
#: A wait has a row for as long as the ledger lives, and is only ever what it was last: nothing of it is final.
WAIT = Columns(
    "carbon_wait",
    ("decision_id",),
    {
        "decision_id": "id",
        "dag_id": "id",
        "run_id": "id",
        "task_id": "id",
        "map_index": "whole",
        "location": "text",
        "zone": "text",
        "ready_at": "moment",
        "earliest_start": "moment",
        "latest_start": "moment",
        "duration_seconds": "number",
        "state": "word",
        "reason": "text",
        "start": "moment?",
        "end": "moment?",
        "intensity_g_per_kwh": "number?",
        "baseline_start": "moment?",
        "baseline_end": "moment?",
        "baseline_intensity_g_per_kwh": "number?",
        "promised_saving_percent": "number?",
        "kind": "word",
        "signal": "word",
        "accounting": "id",
        "source": "text",
        "source_url": "text",
        "started_at": "moment?",
        "forecast": "text?",
        "forecast_made_at": "moment?",
        "replans": "text?",
        "updated_at": "moment",
        "since": "moment?",
        "digest": "digest",
    },
    frozenset(REMEMBERED),
)
#: The table of each sort of record.
COLUMNS: dict[type[Any], Columns] = {
    EmissionRecord: EMISSION,
    DecisionRecord: DECISION,
    ImpactRecord: IMPACT,
    WaitRecord: WAIT,
}
