"""What a backtest came to, as text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_carbon.cli import ink
from airflow_carbon.cli.clock import dated
from airflow_carbon.cli.sparkline import BLOCKS
from airflow_carbon.cli.table import table
from airflow_carbon.core.backtest_summary import EVIDENCE, Summary, by_month, by_week, summary
from airflow_carbon.core.moment import in_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_carbon.cli.past import Past
    from airflow_carbon.core.backtest import Backtest
    from airflow_carbon.core.backtest_summary import Calibration

#: Width of the longest bar of the plain-text chart.
COLUMNS = 40
#: Marks in it what was emitted beyond running at once.
_MORE = "-"
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
    def knowing(self) -> str:
        """Say in a few words what the jobs were allowed to know."""
        return self.result.foresight.partition(" (")[0]

    @property
    def title(self) -> str:
        """Say where."""
        zones = list(self.past.stretches[0])
        others = f", or in {', '.join(zones[1:])}" if len(zones) > 1 else ""
        return f"{zones[0]}{others}"


def lines(report: Report) -> list[str]:
    """Say it in text, with a chart of bars."""
    total, name, periods = report.total, *report.periods
    unknown = f" ({report.result.unknown} more could not be replayed)" if report.result.unknown else ""
    said = [
        f"{report.title}: {report.past.origin}",
        f"{report.what}, started at most {in_words(report.max_delay)} later where that promised "
        f"{report.min_saving_percent:g} % or more",
        f"{_days(report)}; known to each job: {report.result.foresight}",
        *(
            [f"{report.past.gaps_in_words}: jobs that would wait or run across one are left out"]
            if report.past.gaps
            else []
        ),
        "",
        *_total(total, unknown),
        "",
        *_chart(name, periods),
    ]
    if report.calibration is not None:
        said += ["", *_calibrated(report.calibration, report.knowing)]
    if report.assumed:
        said += ["", *(f"assumed: {one}" for one in report.assumed)]
    return said


def _days(report: Report) -> str:
    first, last = report.result.outcomes[0].job.ready_at, report.result.outcomes[-1].job.ready_at
    return f"{dated(first)} to {dated(last)}"


def _total(one: Summary, unknown: str) -> list[str]:
    kept = "" if one.kept_percent is None else f", {one.kept_percent:.0f} % of it kept"
    p50, p95, p99 = (
        "endless (the oracle emitted nothing)" if math.isinf(regret) else f"{regret:.0f} %"
        for regret in one.regret_percent
    )
    reduction, ours = one.reduction_percent, ink.green
    if reduction is None:
        against, ours = "more, against none: running at once emitted nothing", ink.yellow
    else:
        against = f"{reduction:.1f} % against running at once"
        if reduction < 0.0:
            against, ours = f"{against}: more was emitted", ink.yellow
    rows: list[tuple[str, str, Callable[[str], str]]] = [
        ("jobs", f"{one.jobs}, {one.shifted} of them shifted{unknown}", str),
        ("reduction", against, ours),
        ("oracle", f"{one.oracle_reduction_percent:.1f} %, had the future been known{kept}", str),
        ("regret", f"p50 {p50}, p95 {p95}, p99 {p99} emitted beyond the oracle", str),
    ]
    if one.emitted_more_percent is not None:
        share = f"{one.emitted_more_percent:.1f} % of the shifted jobs emitted more than at once"
        rows.append(("backfired", share, str))
    if one.promised_percent is not None and one.realised_percent is not None:
        promises = f"{one.promised_percent:.1f} % promised, {one.realised_percent:.1f} % realised, on the mean"
        rows.append(("promises", promises, str))
    width = max(len(name) for name, _, _ in rows)
    return [ink_it(f"{name.ljust(width)}  {text}") for name, text, ink_it in rows]


def _chart(name: str, periods: list[tuple[str, Summary]]) -> list[str]:
    header = [name, ">jobs", ">shifted", ">backfired", ">reduction", ">oracle", ""]
    most = max(_more(one) + max(one.oracle_reduction_percent, one.reduction_percent or 0.0) for _, one in periods)
    scale = COLUMNS / most if most > 0.0 else 0.0
    solid, light = (BLOCKS[-1], "░") if ink.levels() == BLOCKS else ("#", ".")
    rows = [
        [
            period,
            str(one.jobs),
            f"{100 * one.shifted / one.jobs:.0f} %",
            "" if one.emitted_more_percent is None else f"{one.emitted_more_percent:.1f} %",
            reduction_in_words(one),
            f"{one.oracle_reduction_percent:.1f} %",
            _bar(one, scale, solid, light),
        ]
        for period, one in periods
    ]
    head, *body = table(header, rows)
    more = f", {_MORE} more than at once" if any(_MORE in row[-1] for row in rows) else ""
    return [ink.dim(head), *body, ink.dim(f"{solid} reduction, {light} what the oracle adds{more}")]


def reduction_in_words(one: Summary) -> str:
    """Say a reduction in a cell of a table."""
    return "more, against none" if one.reduction_percent is None else f"{one.reduction_percent:.1f} %"


def _more(one: Summary) -> float:
    return max(0.0, -(one.reduction_percent or 0.0))


def _bar(one: Summary, scale: float, solid: str, light: str) -> str:
    own = round(max(0.0, one.reduction_percent or 0.0) * scale)
    # What was emitted beyond running at once is seen, however little it is.
    more = 1 if one.reduction_percent is None else math.ceil(_more(one) * scale)
    return _MORE * more + solid * own + light * (round(max(0.0, one.oracle_reduction_percent) * scale) - own)


def _calibrated(calibration: Calibration, knowing: str) -> list[str]:
    header = [">--min-saving", ">shifted", ">backfired", ">reduction", ">kept", ">regret p95"]
    rows = [
        [
            f"{least:g} %",
            str(one.shifted),
            "" if one.emitted_more_percent is None else f"{one.emitted_more_percent:.1f} %",
            reduction_in_words(one),
            "" if one.kept_percent is None else f"{one.kept_percent:.0f} %",
            "endless" if math.isinf(one.regret_percent[1]) else f"{one.regret_percent[1]:.0f} %",
        ]
        for least, one in calibration.rows
    ]
    head, *body = table(header, rows)
    limit, found = calibration.limit_percent, calibration.min_saving_percent
    if found is None:
        told = (
            f"no min_saving_percent that was tried keeps it to {limit:g} % of the shifted jobs that emit more, with "
            f"{EVIDENCE} shifted jobs or more to tell by (known: {knowing})"
        )
        return [ink.dim(head), *body, ink.yellow(told)]
    marked = [
        ink.bold(line) if least == found else line for line, (least, _) in zip(body, calibration.rows, strict=True)
    ]
    told = (
        f"min_saving_percent={found:g} keeps it to at most {limit:g} % of the shifted jobs that emit more than at once "
        f"(known: {knowing})"
    )
    return [ink.dim(head), *marked, ink.green(told)]
