"""Measure how good decisions are on forecasts as they were really issued: a job of 1 h that may wait for 24 h.

Run: ``python benchmarks/quality.py [FOLDER]``; the folder holds ``issued/`` and, where there are, ``issued48h_*.csv``
and ``pair_CISO_*.csv``. Each decision is one job; jobs are ready every ten minutes from the first usable issue to six
hours after the last, and those of all stretches are pooled: once the stretches of which every issue in a row is known,
once the lone issues too, on which nothing can be planned again. A figure is met where both pools meet it. Neighbouring
jobs share hours: what is pooled comes from twelve days in two weeks, so that the figures are those of these days and no
rates.
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
            if past.promised_saving_percent is not None and past.saving_percent is not None:
                record = record.observed(
                    promised_percent=past.promised_saving_percent, realised_percent=past.saving_percent
                )
        if one.shifted and one.promised_saving_percent is not None and one.saving_percent is not None:
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
    saved = "-" if one.reduction_percent is None else f"{one.reduction_percent:.1f}"
    return f"{name:<30}{shares}{saved:>8}{one.oracle_reduction_percent:>8.1f}{regrets}{promises}"


def promises(name: str, found: Sequence[Outcome]) -> str:
    """Print what shrinking does to the promises of one series."""
    plain = summary(found).overpromised_points
    told = shrunk(found)
    return f"{name:<48}{len(told):>8}{plain:>+12.1f}{np.mean(told):>+12.1f}"


def verdict(
    name: str, target: str, pools: Sequence[float | None], limit: float, worst: tuple[str, float] | None
) -> str:
    """Print one figure: what each pool reached, the stretch where it is furthest from zero, and whether all keep to it.

    :param pools: what was reached; None where nothing was shifted.
    :param worst: a stretch whose error another one may cancel, and what it reached; None where none counts.
    """
    reached = [*(one for one in pools if one is not None), *([] if worst is None else [worst[1]])]
    missed = "  MISSED" if any(abs(one) > limit for one in reached) else ""
    shown = "".join(f"{'-' if one is None else f'{one:.2f}':>12}" for one in pools)
    alone = "" if worst is None else f"   worst stretch {worst[1]:+.2f} ({worst[0]})"
    return f"{name:<42}{target:>7}{shown}{alone}{missed}"


def spaced(outcomes: Sequence[Outcome], minutes: int) -> tuple[float, float]:
    """Give the least and the largest share of shifted jobs that emit more [%], had jobs come so many minutes apart."""
    shares = []
    for offset in range(0, minutes, EVERY // timedelta(minutes=1)):
        kept = [
            one for one in outcomes if (one.job.ready_at.hour * 60 + one.job.ready_at.minute - offset) % minutes == 0
        ]
        share = summary(kept).emitted_more_percent if kept else None
        shares += [] if share is None else [share]
    return min(shares), max(shares)


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

    totals = [total, *([summary(every)] if lone else [])]
    apart = {
        stretch.name: points
        for stretch in (*found, *lone)
        if (points := summary(results[stretch.name].outcomes).overpromised_points) is not None
    }
    worst = max(apart.items(), key=lambda one: abs(one[1]))
    print(f"\n{'figure':<42}{'target':>7}{'in a row':>12}" + (f"{'with lone':>12}" if lone else ""))
    for name, target, reached, limit, alone in (
        ("shifted jobs that emit more [%]", "5", [one.emitted_more_percent for one in totals], 5.0, None),
        ("regret p95 [%]", "30", [one.regret_percent[1] for one in totals], 30.0, None),
        ("regret p99 [%]", "60", [one.regret_percent[2] for one in totals], 60.0, None),
        ("promised less realised [points]", "+-1", [one.overpromised_points for one in totals], 1.0, worst),
    ):
        print(verdict(name, target, reached, limit, alone))
    each = ", ".join(f"{name} {points:+.1f}" for name, points in apart.items())
    print(f"stretches err in both directions, which cancels in a pool: {each}")
    print("5 % is not told apart from the spacing of the jobs; share that emits more, least and most by offset:")
    for name, outcomes in (("in a row", pool), *((("with lone", every),) if lone else ())):
        shares = "; ".join(
            "{} min {:.1f} to {:.1f} %".format(minutes, *spaced(outcomes, minutes)) for minutes in (20, 30, 60)
        )
        print(f"  {name}: {shares}")
    print("what limits the regret: that even the best choice among running at once and the issues' own plans has")
    bounds = {stretch.name: best_of_what_was_said(stretch) for stretch in (*found, *lone)}
    for name, group in (("in a row", found), *((("with lone", [*found, *lone]),) if lone else ())):
        least = [regret for stretch in group for regret in bounds[stretch.name]]
        p50, p95, p99 = np.percentile(least, (50, 95, 99), method="inverted_cdf")
        print(f"  {name}: p50 {p50:.1f}, p95 {p95:.1f}, p99 {p99:.1f} %")
    if lone:
        print("  a lone issue cannot be planned again: its p95 is that of planning once, on whatever that issue said")
    worse = [one for one in pool if one.shifted and one.emitted_more]
    days = {f"{one.job.ready_at:%d %B %Y}" for one in worse}
    print(f"those that emit more were ready on {len(days)} of {len({one.job.ready_at.date() for one in pool})} days")

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
