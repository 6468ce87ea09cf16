"""What was promised to a task, as it lies pinned in its state: enough to tell of it once the wait is over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow_carbon.core.moment import parse_moment

#: Key in ``task_state_store``, which outlives retries and clears of the task.
PINNED = "carbon_wait"
#: A pinned promise is kept this long beyond its latest start, for clears that come late.
RETENTION = timedelta(days=30)
#: What a record says where nothing was decided: the same keys, so that whoever reads one finds them all.
UNDECIDED = dict.fromkeys(
    ("zone", "source", "source_url", "kind", "signal", "accounting", "issued_at", "start", "end", "intensity_g_per_kwh",
     "baseline_intensity_g_per_kwh", "promised_saving_percent", "shrunk_saving_percent", "promises_kept"),
) | {"horizon_cut": False, "decisions": 0, "replans": 0, "notes": [], "earlier_sources": []}  # fmt: skip


def promised(pinned: Mapping[str, Any], started_at: datetime) -> dict[str, Any]:
    """Tell what was promised, and whether the start kept it, as plain JSON.

    :param pinned: as :class:`~airflow_carbon.triggers.promise.Promise` pins itself.
    :raises KeyError, TypeError, ValueError: if it is damaged.
    """
    ready, earliest, latest, limit = (
        parse_moment(pinned[name], name) for name in ("ready_at", "earliest_start", "latest_start", "limit")
    )
    return {
        **UNDECIDED,
        "decision_id": str(pinned["decision_id"]),
        "ready_at": ready.isoformat(),
        "earliest_start": earliest.isoformat(),
        "latest_start": latest.isoformat(),
        "duration_seconds": float(pinned["duration_seconds"]),
        "power": pinned.get("power") or None,
        "started_at": started_at.isoformat(),
        "deadline": pinned["deadline"],
        "start_overrun_seconds": round(max(0.0, (started_at - latest).total_seconds()), 3),
        "in_time": started_at <= limit,
    }
