"""What a backtest came to, as text and as a document for programs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.cli import ink
from airflow_carbon.cli.clock import utc
from airflow_carbon.cli.sparkline import BLOCKS
from airflow_carbon.cli.table import table
from airflow_carbon.core.backtest_summary import EVIDENCE, Summary, by_month, by_week, summary
from airflow_carbon.core.moment import in_words

if TYPE_CHECKING:
    from airflow_carbon.cli.past import Past
    from airflow_carbon.core.backtest import Backtest
    from airflow_carbon.core.backtest_summary import Calibration

#: Width of the longest bar of the plain-text chart.
COLUMNS = 40
#: A history of fewer months is shown by weeks.
FEW_MONTHS = 3


@dataclass(frozen=True, slots=True)
class Report:
    """Hold all that is shown.

    :param what: was replayed, in words.
    :param min_saving_percent: least promise that the jobs waited for [%].
    :param calibration: None where it was not asked for.
    :param assumed: of past runs, one sentence each.
    """

    past: Past
    what: str
    max_delay: timedelta
    min_saving_percent: float
    result: Backtest
    calibration: Calibration | None
    assumed: tuple[str, ...]

    @property
    def total(self) -> Summary:
        """All jobs."""
        return summary(self.result.outcomes)

    @property
    def periods(self) -> tuple[str, list[tuple[str, Summary]]]:
        """Name the periods, ``month`` or ``week``, and sum each up."""
        months = by_month(self.result.outcomes)
        return ("month", months) if len(months) >= FEW_MONTHS else ("week", by_week(self.result.outcomes))

    @property
    def title(self) -> str:
        """Say where."""
        zones = list(self.past.stretches[0])
        others = f", or in {', '.join(zones[1:])}" if len(zones) > 1 else ""
        return f"{zones[0]}{others}"


def lines(report: Report, *, chart: str | None = None) -> list[str]:
    """Say it in text, with a chart of bars.

    :param chart: file that was drawn, None where there is none.
    """
    total, name, periods = report.total, *report.periods
    unknown = f" ({report.result.unknown} more could not be replayed)" if report.result.unknown else ""
    said = [
        f"{report.title}: {report.past.origin}",
        f"{report.what}, started at most {in_words(report.max_delay)} later where that promised "
        f"{report.min_saving_percent:g} % or more",
        f"{_days(report)}; known to each job: {report.result.foresight}",
        "",
        *_total(total, unknown),
        "",
        *_chart(name, periods),
    ]
    if report.calibration is not None:
        said += ["", *_calibrated(report.calibration)]
    if report.assumed:
        said += ["", *(f"assumed: {one}" for one in report.assumed)]
    if chart is not None:
        said += ["", f"chart: {chart}"]
    return said


def document(report: Report) -> dict[str, Any]:
    """Give all that was replayed and what came of it, for programs."""
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
        "assumed": list(report.assumed),
        "total": _record(report.total),
        "period": name,
        "periods": [{name: period, **_record(one)} for period, one in periods],
        "calibration": None
        if calibration is None
        else {
            "min_saving_percent": calibration.min_saving_percent,
            "limit_percent": calibration.limit_percent,
            "rows": [{"asked_percent": least, **_record(one)} for least, one in calibration.rows],
        },
    }


def _days(report: Report) -> str:
    first, last = report.result.outcomes[0].job.ready_at, report.result.outcomes[-1].job.ready_at
    return f"{first:%Y} {utc(first)} to {last:%Y} {utc(last)} UTC"


def _total(one: Summary, unknown: str) -> list[str]:
    kept = "" if one.kept_percent is None else f", {one.kept_percent:.0f} % of it kept"
    p50, p95, p99 = one.regret_percent
    rows = [
        ("jobs", f"{one.jobs}, {one.shifted} of them shifted{unknown}"),
        ("reduction", f"{one.reduction_percent:.1f} % against running at once"),
        ("oracle", f"{one.oracle_reduction_percent:.1f} %, had the future been known{kept}"),
        ("regret", f"p50 {p50:.0f} %, p95 {p95:.0f} %, p99 {p99:.0f} % emitted beyond the oracle"),
    ]
    if one.emitted_more_percent is not None:
        rows.append(("backfired", f"{one.emitted_more_percent:.1f} % of the shifted jobs emitted more than at once"))
    if one.promised_percent is not None and one.realised_percent is not None:
        rows.append(
            ("promises", f"{one.promised_percent:.1f} % promised, {one.realised_percent:.1f} % realised, on the mean")
        )
    width = max(len(name) for name, _ in rows)
    reduction = 1
    return [
        ink.green(f"{name.ljust(width)}  {text}") if row == reduction else f"{name.ljust(width)}  {text}"
        for row, (name, text) in enumerate(rows)
    ]


def _chart(name: str, periods: list[tuple[str, Summary]]) -> list[str]:
    header = [name, ">jobs", ">shifted", ">backfired", ">reduction", ">oracle", ""]
    most = max(max(one.oracle_reduction_percent, one.reduction_percent) for _, one in periods)
    scale = COLUMNS / most if most > 0.0 else 0.0
    solid, light = (BLOCKS[-1], "░") if ink.levels() == BLOCKS else ("#", ".")
    rows = [
        [
            period,
            str(one.jobs),
            f"{100 * one.shifted / one.jobs:.0f} %",
            "" if one.emitted_more_percent is None else f"{one.emitted_more_percent:.1f} %",
            f"{one.reduction_percent:.1f} %",
            f"{one.oracle_reduction_percent:.1f} %",
            _bar(one, scale, solid, light),
        ]
        for period, one in periods
    ]
    head, *body = table(header, rows)
    return [ink.dim(head), *body, ink.dim(f"{solid} reduction, {light} what the oracle adds")]


def _bar(one: Summary, scale: float, solid: str, light: str) -> str:
    own = round(max(0.0, one.reduction_percent) * scale)
    return solid * own + light * (round(max(0.0, one.oracle_reduction_percent) * scale) - own)


def _calibrated(calibration: Calibration) -> list[str]:
    header = [">--min-saving", ">shifted", ">backfired", ">reduction", ">kept", ">regret p95"]
    rows = [
        [
            f"{least:g} %",
            str(one.shifted),
            "" if one.emitted_more_percent is None else f"{one.emitted_more_percent:.1f} %",
            f"{one.reduction_percent:.1f} %",
            "" if one.kept_percent is None else f"{one.kept_percent:.0f} %",
            f"{one.regret_percent[1]:.0f} %",
        ]
        for least, one in calibration.rows
    ]
    head, *body = table(header, rows)
    limit, found = calibration.limit_percent, calibration.min_saving_percent
    if found is None:
        told = (
            f"no min_saving_percent that was tried keeps it to {limit:g} % of the shifted jobs that emit more, with "
            f"{EVIDENCE} shifted jobs or more to tell by"
        )
        return [ink.dim(head), *body, ink.yellow(told)]
    marked = [
        ink.bold(line) if least == found else line for line, (least, _) in zip(body, calibration.rows, strict=True)
    ]
    told = (
        f"min_saving_percent={found:g} keeps it to at most {limit:g} % of the shifted jobs that emit more than at once"
    )
    return [ink.dim(head), *marked, ink.green(told)]


def _record(one: Summary) -> dict[str, Any]:
    p50, p95, p99 = one.regret_percent
    return {
        "jobs": one.jobs,
        "shifted": one.shifted,
        "emitted_more": one.emitted_more,
        "emitted_more_percent": one.emitted_more_percent,
        "reduction_percent": one.reduction_percent,
        "oracle_reduction_percent": one.oracle_reduction_percent,
        "kept_percent": one.kept_percent,
        "regret_p50_percent": p50,
        "regret_p95_percent": p95,
        "regret_p99_percent": p99,
        "promised_percent": one.promised_percent,
        "realised_percent": one.realised_percent,
    }
