"""Measure how good decisions are on forecasts as they were really issued: a job of 1 h that may wait for 24 h.

Run: ``python benchmarks/quality.py [FOLDER]``; the folder holds ``issued/`` and, where there are, ``issued48h_*.csv``
and ``pair_CISO_*.csv``. Each decision is one job; jobs are ready every ten minutes from the first usable issue to six
hours after the last, and those of all stretches are pooled. Neighbouring jobs share hours: what is pooled comes from
twelve days in two weeks, so that the figures are those of these days and no rates.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from replanning import HALF_HOUR, Stretch, stretches

from airflow_carbon.core.backtest import Backtest, Job, Outcome, backtest, jobs_every, learn
from airflow_carbon.core.backtest_summary import Summary, calibrate_min_saving, summary
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.foresight import Issued, LastDays, Stitched
from airflow_carbon.core.promise_record import PromiseRecord
from airflow_carbon.core.units import Kind
from airflow_carbon.core.window import best_window

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
HOUR = timedelta(hours=1)
DURATION, SLACK, EVERY = HOUR, 24 * HOUR, timedelta(minutes=10)
#: The longest that the source goes without an issue in these stretches; older than that, a forecast is not the newest.
NEXT_ISSUE = 6 * HOUR
MIN_SAVING = 10.0


def lone_issues(folder: Path) -> list[Stretch]:
    """Read the issues of which neither the one before nor the one after is known."""
    found = []
    for path in sorted(folder.glob("issued48h_*.csv")):
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        stamps = [datetime.fromisoformat(row["timestamp"]) for row in rows]
        forecast, actual = (
            Forecast.from_points("GB", stamps, [float(row[name]) for row in rows], kind=kind)
            for name, kind in (("gCO2_per_kwh", Kind.FORECAST), ("actual_hourly_mean", Kind.MEASURED))
        )
        issues = learn([(stamps[0] + HALF_HOUR, forecast.replaced(issued_at=stamps[0]))])
        found.append(Stretch(path.stem.split("_")[2], issues, actual))
    return found


def jobs(stretch: Stretch) -> list[Job]:
    """Give the jobs of one stretch."""
    first, last = stretch.issues[0].usable_from, stretch.issues[-1].usable_from + NEXT_ISSUE
    every = jobs_every(stretch.actual, every=EVERY, duration=DURATION, max_delay=SLACK, first=first)
    return [job for job in every if job.ready_at <= last]


def replayed(stretch: Stretch, least: float = MIN_SAVING) -> Backtest:
    """Replay the policy over one stretch, each job seeing only what had been issued."""
    return backtest({"GB": stretch.actual}, jobs(stretch), Issued({"GB": stretch.issues}), min_saving_percent=least)


def best_of_what_was_said(stretch: Stretch) -> list[float]:
    """Give the regret of a clairvoyant who may only run at once or follow the best window of some issue [%].

    No way of choosing among the issues' own plans does better; what is left is the forecasts'.
    """
    regrets = []
    for job in jobs(stretch):
        known = Issued({"GB": stretch.issues}).issues("GB", job.ready_at, job.latest_start)
        means = [stretch.actual.mean(job.ready_at, job.ready_at + job.duration)]
        for issue in known:
            now = max(job.ready_at, issue.usable_from)
            window = best_window(issue.forecast, duration=job.duration, earliest_start=now, deadline=job.deadline)
            means.append(stretch.actual.mean(window.start, window.end))
        oracle = best_window(
            stretch.actual, duration=job.duration, earliest_start=job.ready_at, deadline=job.deadline
        ).intensity_g_per_kwh
        regrets.append(100.0 * (min(means) / oracle - 1.0))
    return regrets


def shrunk(outcomes: Sequence[Outcome]) -> list[float]:
    """Give promised less realised of each shifted job [points], shrunk by what had come due when it was ready."""
    due = sorted((one for one in outcomes if one.shifted), key=lambda one: one.end)
    record, apart, seen = PromiseRecord(), [], 0
    for one in sorted(outcomes, key=lambda one: one.job.ready_at):
        while seen < len(due) and due[seen].end <= one.job.ready_at:
            past, seen = due[seen], seen + 1
            if past.promised_saving_percent is not None:
                record = record.observed(
                    promised_percent=past.promised_saving_percent, realised_percent=past.saving_percent
                )
        if one.shifted and one.promised_saving_percent is not None:
            apart.append(record.shrunk(one.promised_saving_percent) - one.saving_percent)
    return apart


def line(name: str, one: Summary) -> str:
    """Print one row of the table."""
    more = one.emitted_more_percent
    shares = f"{one.jobs:>7}{one.shifted:>9}{'-' if more is None else f'{more:.1f}':>11}"
    regrets = "".join(f"{regret:>8.1f}" for regret in one.regret_percent)
    promises = f"{'-':>10}{'-':>10}"
    if one.promised_percent is not None:
        promises = f"{one.promised_percent:>10.1f}{one.realised_percent:>10.1f}"
    return f"{name:<30}{shares}{one.reduction_percent:>8.1f}{one.oracle_reduction_percent:>8.1f}{regrets}{promises}"


def promises(name: str, found: Sequence[Outcome]) -> str:
    """Print what shrinking does to the promises of one series."""
    plain = summary(found).overpromised_points
    told = shrunk(found)
    return f"{name:<48}{len(told):>8}{plain:>+12.1f}{np.mean(told):>+12.1f}"


def long_series(folder: Path) -> list[tuple[str, Backtest]]:
    """Replay two years of California: on its stitched day-ahead forecast, and on what anyone can guess."""
    found = []
    for path in sorted(folder.glob("pair_CISO_*.csv")):
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        stamps = [datetime.fromisoformat(row["timestamp"]) for row in rows]
        actual, stitched = (
            Forecast.from_points("CISO", stamps, [float(row[name]) for row in rows], kind=Kind.MEASURED)
            for name in ("gCO2_per_kwh", "forecast_dayahead")
        )
        history = {"CISO": actual}
        ready = jobs_every(
            actual, every=11 * HOUR, duration=DURATION, max_delay=SLACK, first=stamps[0] + timedelta(days=7)
        )
        for foresight in (Stitched({"CISO": stitched}), LastDays(history, 1), LastDays(history, 7)):
            result = backtest(history, ready, foresight, min_saving_percent=MIN_SAVING)
            found.append((f"CISO, {result.foresight.partition(' (')[0]}", result))
    return found


def main(folder: Path) -> None:
    found = stretches(folder / "issued")
    if not found:
        sys.exit(f"{folder / 'issued'}: no forecasts_*.csv here; name the folder that holds issued/")
    lone = lone_issues(folder)
    results = {stretch.name: replayed(stretch) for stretch in (*found, *lone)}
    pool = [one for stretch in found for one in results[stretch.name].outcomes]
    every = [one for result in results.values() for one in result.outcomes]
    print(f"min_saving_percent={MIN_SAVING:g}; more: of the shifted jobs; regret: of all jobs, against the oracle")
    heads = "".join(f"{head:>{width}}" for head, width in (
        ("jobs", 7), ("shifted", 9), ("more [%]", 11), ("saved", 8), ("oracle", 8), ("p50", 8), ("p95", 8), ("p99", 8),
        ("promised", 10), ("realised", 10)))  # fmt: skip
    print(f"{'':<30}{heads}")
    total = summary(pool)
    print(line("pooled, issues in a row", total))
    for stretch in found:
        print(line(f"  {stretch.name}", summary(results[stretch.name].outcomes)))
    if lone:
        print(line("pooled with lone issues", summary(every)))
        for stretch in lone:
            print(line(f"  {stretch.name}", summary(results[stretch.name].outcomes)))

    least = [regret for stretch in found for regret in best_of_what_was_said(stretch)]
    p50, p95, p99 = np.percentile(least, (50, 95, 99), method="inverted_cdf")
    more, (_, own95, own99), apart = total.emitted_more_percent, total.regret_percent, total.overpromised_points
    assert more is not None
    assert apart is not None
    print("\nfigure                                          target   reached")
    for name, target, reached, limit in (
        ("shifted jobs that emit more [%]", "5", more, 5.0),
        ("regret p95 [%]", "30", own95, 30.0),
        ("regret p99 [%]", "60", own99, 60.0),
        (f"promised less realised, {total.shifted} shifted jobs [points]", "+-1", apart, 1.0),
    ):
        print(f"{name:<46}{target:>8}{reached:>10.2f}{'' if abs(reached) <= limit else '  MISSED'}")
    print(
        f"regret that even the best choice among running at once and the issues' own plans has: p50 {p50:.1f}, "
        f"p95 {p95:.1f}, p99 {p99:.1f} %"
    )
    worse = [one for one in pool if one.shifted and one.emitted_more]
    days = {f"{one.job.ready_at:%d %B %Y}" for one in worse}
    print(f"those that emit more were ready on {len(days)} of {len({one.job.ready_at.date() for one in pool})} days")
    for stretch in found:
        one = summary(results[stretch.name].outcomes)
        if one.overpromised_points is not None and abs(one.overpromised_points) > 1.0:
            print(
                f"{stretch.name} alone: promised less realised is {one.overpromised_points:+.1f} points; the pool is "
                f"nearer to zero as its stretches err in both directions"
            )

    print("\ncalibration: the least saving that keeps it to 5 % on one stretch, tried on the others")
    for stretch in found:
        asked = calibrate_min_saving(lambda least, on=stretch: replayed(on, least)).min_saving_percent
        print(f"  on {stretch.name}: {'none' if asked is None else f'{asked:g} %'}")
        for other in found:
            if asked is not None and other is not stretch:
                print(line(f"    tried on {other.name}", summary(replayed(other, asked).outcomes)))

    print(f"\n{'promised less realised saving, mean [points]':<48}{'shifted':>8}{'as it is':>12}{'shrunk':>12}")
    for stretch in found:
        print(promises(f"GB {stretch.name}, as issued", results[stretch.name].outcomes))
    for name, result in long_series(folder):
        print(promises(name, result.outcomes))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DATA)
