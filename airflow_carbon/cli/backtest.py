"""``backtest``: what shifting would have changed, over a history or over a DAG's own past runs."""

from __future__ import annotations

from bisect import bisect_right
from datetime import timedelta
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from airflow_carbon.cli import past_runs
from airflow_carbon.cli.airflow_login import connected
from airflow_carbon.cli.backtest_arguments import DAYS, check, every_of, interruption_of, refuse_long_chunks
from airflow_carbon.cli.backtest_document import document
from airflow_carbon.cli.backtest_report import Report, lines
from airflow_carbon.cli.document import print_document
from airflow_carbon.cli.past import Past, of_file, of_source
from airflow_carbon.cli.source import now_of
from airflow_carbon.core.backtest import Backtest, Job, backtest, jobs_every
from airflow_carbon.core.backtest_summary import calibrate_min_saving
from airflow_carbon.core.foresight import LastDays, Perfect, Stitched
from airflow_carbon.core.moment import in_words, parse_duration
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_carbon.core.foresight import Foresight

MAX_DELAY = timedelta(hours=24)
HISTORY = timedelta(days=30)


def run(args: Namespace) -> int:
    """Replay the jobs and show what came of them.

    :raises CarbonError: if the request is wrong, or a source or Airflow does not answer.
    """
    check(args)
    if args.chart is not None:
        from airflow_carbon.cli.backtest_chart import check_drawable

        # A replay may take minutes: what would spoil the picture at its end is said before it.
        check_drawable(args.chart)
    now = now_of(args)
    max_delay = (
        MAX_DELAY if args.max_delay is None else parse_duration(args.max_delay, "--max-delay", zero_allowed=True)
    )
    length = HISTORY if args.history is None else parse_duration(args.history, "--history")
    warm_up = timedelta(days=0 if args.forecast_column else DAYS[args.knowing])
    interruption = interruption_of(args)
    jobs: list[Job]
    if args.dag is not None:
        runs = past_runs.read(connected(args), args.dag, args.task, since=now - length, until=now, max_delay=max_delay)
        jobs, what, assumed = list(runs.jobs), f"{len(runs.jobs)} past jobs: {runs.what}", runs.assumed
        refuse_long_chunks(interruption, max(job.duration for job in jobs))
        first, last = jobs[0].ready_at, min(now, max(job.deadline for job in jobs))
        past = of_file(args) if args.csv else of_source(args, now, first - warm_up, last)
    else:
        duration = parse_duration(args.duration, "--duration")
        refuse_long_chunks(interruption, duration)
        if not args.csv:
            every_of(args, length)
        past = of_file(args) if args.csv else of_source(args, now, now - length - warm_up, now)
        every = every_of(args, past.end - past.start)
        jobs = jobs_every(past, every=every, duration=duration, max_delay=max_delay, first=past.start + warm_up)
        what, assumed = f"a run of {in_words(duration)}, ready every {in_words(every)}", ()
    if interruption is not None:
        most = (
            "any number of chunks" if interruption.max_chunks is None else f"at most {interruption.max_chunks} chunks"
        )
        what += f", in {most}"
    foresight, per_stretch = _foresight(args, past), _by_stretch(jobs, past)

    def replayed(least: float) -> Backtest:
        return reduce(
            add,
            (
                backtest(one, jobs, knows, min_saving_percent=least, interruption=interruption)
                for one, jobs, knows in zip(past.stretches, per_stretch, foresight, strict=True)
            ),
        )

    result = replayed(args.min_saving)
    if not result.outcomes:
        raise InvalidRequestError(_nothing(past, warm_up, max_delay, result.unknown))
    report = Report(
        past=past,
        what=what,
        max_delay=max_delay,
        min_saving_percent=args.min_saving,
        result=result,
        calibration=calibrate_min_saving(replayed) if args.calibrate else None,
        assumed=assumed,
    )
    if args.json:
        print_document(document(report, chart=args.chart))
    else:
        print("\n".join(lines(report)), flush=True)
    if args.chart is not None:
        from airflow_carbon.cli.backtest_chart import draw

        draw(report, args.chart)
        if not args.json:
            print(f"\nchart: {args.chart}")
    return 0


def _foresight(args: Namespace, past: Past) -> list[Foresight]:
    if past.stitched:
        return [Stitched(one) for one in past.stitched]
    if days := DAYS[args.knowing]:
        ends = [one[past.home].end for one in past.stretches]
        # The last part that ended too early to be looked back on tells that the history reaches back far enough.
        reach = [bisect_right(ends, one[past.home].start - timedelta(days=days)) - 1 for one in past.stretches]
        return [
            LastDays(one, days, earlier=past.stretches[max(0, reach[row]) : row])
            for row, one in enumerate(past.stretches)
        ]
    return [Perfect(one) for one in past.stretches]


def _by_stretch(jobs: list[Job], past: Past) -> list[list[Job]]:
    """Give each unbroken part its jobs, and those of the gap after it, which it leaves out as unknown."""
    begins = [one[past.home].start for one in past.stretches]
    parts: list[list[Job]] = [[] for _ in begins]
    for job in jobs:
        # A job in the gap after a part, or before the first, is none that its history covers.
        parts[max(0, bisect_right(begins, job.ready_at) - 1)].append(job)
    return parts


def _nothing(past: Past, warm_up: timedelta, max_delay: timedelta, unknown: int) -> str:
    needed = f"{in_words(warm_up)} before a job is ready and " if warm_up else ""
    none = f"none of {unknown} jobs" if unknown else "no job"
    gaps = f", with {past.gaps_in_words}," if past.gaps else ","
    without = " without a gap" if past.gaps else ""
    return (
        f"--max-delay: {none} can be replayed: the history, {past.start:%Y-%m-%d %H:%M} to "
        f"{past.end:%Y-%m-%d %H:%M} UTC{gaps} must cover {needed}{in_words(max_delay)} and the run after it{without}; "
        f"take a longer history{' or a shorter --max-delay' if max_delay else ''}"
    )
