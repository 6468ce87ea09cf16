"""What a backtest came to, as a document for programs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_carbon.cli.backtest_report import Report
    from airflow_carbon.core.backtest_summary import Summary


def document(report: Report, *, chart: str | None = None) -> dict[str, Any]:
    """Give all that was replayed and what came of it, for programs.

    :param chart: file of the picture, None where there is none.
    """
    gaps = report.past.gaps
    name, periods = report.periods
    calibration = report.calibration
    return {
        "zones": list(report.past.stretches[0]),
        "origin": report.past.origin,
        "what": report.what,
        "max_delay_seconds": report.max_delay.total_seconds(),
        "min_saving_percent": report.min_saving_percent,
        "foresight": report.result.foresight,
        "unknown_jobs": report.result.unknown,
        "gaps": {"count": len(gaps), "longest_seconds": max(((b - a).total_seconds() for a, b in gaps), default=0.0)},
        "assumed": list(report.assumed),
        "total": _record(report.total),
        "period": name,
        "periods": [{name: period, **_record(one)} for period, one in periods],
        "calibration": None
        if calibration is None
        else {
            "min_saving_percent": calibration.min_saving_percent,
            "limit_percent": calibration.limit_percent,
            "foresight": calibration.foresight,
            "rows": [{"asked_percent": least, **_record(one)} for least, one in calibration.rows],
        },
        "chart": chart,
    }


def _record(one: Summary) -> dict[str, Any]:
    p50, p95, p99 = one.regret_percent
    return {
        "jobs": one.jobs,
        "shifted": one.shifted,
        "emitted_more": one.emitted_more,
        "emitted_more_percent": one.emitted_more_percent,
        "reduction_percent": one.reduction_percent,
        "more_against_none": one.reduction_percent is None,
        "oracle_reduction_percent": one.oracle_reduction_percent,
        "kept_percent": one.kept_percent,
        "regret_p50_percent": p50,
        "regret_p95_percent": p95,
        "regret_p99_percent": p99,
        "endless_regrets": [name for name, one in (("p50", p50), ("p95", p95), ("p99", p99)) if math.isinf(one)],
        "promised_percent": one.promised_percent,
        "realised_percent": one.realised_percent,
    }
