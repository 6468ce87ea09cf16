"""``backtest``: what shifting would have changed, over a history or over a DAG's own past runs."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from datetime import timedelta
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from airflow_carbon.cli import past_runs
from airflow_carbon.cli.backtest_report import Report, document, lines
from airflow_carbon.cli.document import print_document
from airflow_carbon.cli.past import Past, of_file, of_source
from airflow_carbon.cli.source import now_of
from airflow_carbon.core.backtest import Backtest, Interruption, Job, backtest, jobs_every
from airflow_carbon.core.backtest_summary import calibrate_min_saving
from airflow_carbon.core.foresight import LastDays, Perfect, Stitched
from airflow_carbon.core.moment import in_words, parse_duration
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.foresight import Foresight

MAX_DELAY = timedelta(hours=24)
HISTORY = timedelta(days=30)
#: Days of the past that a guess needs before the first job.
DAYS = {"yesterday": 1, "week": 7, "perfect": 0}
#: Hours between two jobs: none shares a factor with 24, so that every hour of the day gets its turn.
_EVERY = (1, 5, 7, 11, 13, 17, 19, 23, 25, 29, 31, 35, 37, 41, 43, 47)
_MOST_JOBS = 2000


def run(args: Namespace) -> int:
    """Replay the jobs and show what came of them.

    :raises CarbonError: if the request is wrong, or a source or Airflow does not answer.
    """
    _check(args)
    now = now_of(args)
    max_delay = (
        MAX_DELAY if args.max_delay is None else parse_duration(args.max_delay, "--max-delay", zero_allowed=True)
    )
    length = HISTORY if args.history is None else parse_duration(args.history, "--history")
    warm_up = timedelta(days=0 if args.forecast_column else DAYS[args.knowing])
    interruption = _interruption(args)
    if args.dag is not None:
        api = past_runs.connected(args)
        runs = past_runs.read(api, args.dag, args.task, since=now - length, until=now, max_delay=max_delay)
        first, last = runs.jobs[0].ready_at, min(now, max(job.deadline for job in runs.jobs))
        past = of_file(args) if args.csv else of_source(args, now, first - warm_up, last)
        jobs, what, assumed = list(runs.jobs), f"{len(runs.jobs)} past jobs: {runs.what}", runs.assumed
        per_stretch = _by_stretch(jobs, past)
    else:
        duration = parse_duration(args.duration, "--duration")
        past = of_file(args) if args.csv else of_source(args, now, now - length - warm_up, now)
        every = _every(args, past.end - past.start)
        per_stretch = [
            jobs_every(
                one[past.home],
                every=every,
                duration=duration,
                max_delay=max_delay,
                first=one[past.home].start + warm_up,
            )
            for one in past.stretches
        ]
        what, assumed = f"a run of {in_words(duration)}, ready every {in_words(every)}", ()
    if interruption is not None:
        most = (
            "any number of chunks" if interruption.max_chunks is None else f"at most {interruption.max_chunks} chunks"
        )
        what += f", in {most}"
    foresight = _foresight(args, past)

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
    if args.chart is not None:
        from airflow_carbon.cli.backtest_chart import draw

        draw(report, args.chart)
    if args.json:
        print_document(document(report))
    else:
        print("\n".join(lines(report, chart=args.chart)))
    return 0


def _check(args: Namespace) -> None:
    """Refuse arguments that contradict each other.

    :raises InvalidRequestError: naming them.
    """
    if args.dag is None:
        if args.task or args.url or args.user:
            raise InvalidRequestError("--task, --url, --user: they are for --dag DAG_ID, whose past runs are read")
        if args.duration is None:
            raise InvalidRequestError("--duration: say how long a run takes, for example 2h; or name a DAG with --dag")
    elif args.duration is not None or args.every is not None:
        raise InvalidRequestError("--duration, --every: past runs of --dag have their own; leave these away")
    if args.csv is not None and args.conn_id:
        raise InvalidRequestError("--csv, --conn-id: give one of them, not both")
    if args.csv is not None and args.history is not None and args.dag is None:
        raise InvalidRequestError("--csv, --history: the whole file is replayed; leave --history away")
    if args.knowing is not None and args.forecast_column:
        raise InvalidRequestError("--knowing, --forecast-column: what a job knew is in the column; give one of them")
    args.knowing = args.knowing or "week"
    if args.knowing not in DAYS:
        near = difflib.get_close_matches(args.knowing, DAYS, n=1)
        raise InvalidRequestError(
            f"--knowing: {args.knowing!r} must be one of {', '.join(DAYS)}"
            + (f"; did you mean {near[0]!r}?" if near else "")
        )
    if not 0.0 <= args.min_saving <= 100.0:
        raise InvalidRequestError(f"--min-saving: {args.min_saving:g} must lie between 0 and 100 [%]")


def _interruption(args: Namespace) -> Interruption | None:
    if args.max_chunks is None:
        if args.min_chunk is not None or args.resume_overhead is not None:
            raise InvalidRequestError("--min-chunk, --resume-overhead: they need --max-chunks, or the run is one piece")
        return None
    if args.max_chunks < 1:
        raise InvalidRequestError(f"--max-chunks: {args.max_chunks} must be 1 or larger")
    return Interruption(
        args.max_chunks,
        timedelta(0) if args.min_chunk is None else parse_duration(args.min_chunk, "--min-chunk", zero_allowed=True),
        timedelta(0)
        if args.resume_overhead is None
        else parse_duration(args.resume_overhead, "--resume-overhead", zero_allowed=True),
    )


def _every(args: Namespace, covered: timedelta) -> timedelta:
    if args.every is not None:
        return parse_duration(args.every, "--every")
    hours = covered / timedelta(hours=1)
    return timedelta(hours=next((one for one in _EVERY if hours / one <= _MOST_JOBS), _EVERY[-1]))


def _foresight(args: Namespace, past: Past) -> list[Foresight]:
    if past.stitched:
        return [Stitched(one) for one in past.stitched]
    days = DAYS[args.knowing]
    make: Callable[[dict[str, Forecast]], Foresight] = (lambda one: LastDays(one, days)) if days else Perfect
    return [make(one) for one in past.stretches]


def _by_stretch(jobs: list[Job], past: Past) -> list[list[Job]]:
    """Give each unbroken part its jobs; the first takes those that lie in none, and leaves them out as unknown."""
    histories = [one[past.home] for one in past.stretches]
    at = [next((row for row, one in enumerate(histories) if one.start <= job.ready_at < one.end), 0) for job in jobs]
    return [[job for job, row in zip(jobs, at, strict=True) if row == part] for part in range(len(histories))]


def _nothing(past: Past, warm_up: timedelta, max_delay: timedelta, unknown: int) -> str:
    needed = f"{in_words(warm_up)} before a job is ready and " if warm_up else ""
    none = f"none of {unknown} jobs" if unknown else "no job"
    return (
        f"--max-delay: {none} can be replayed: the history, {past.start:%Y-%m-%d %H:%M} to "
        f"{past.end:%Y-%m-%d %H:%M} UTC, must cover {needed}{in_words(max_delay)} and the run after it; take a longer "
        f"history"
    )
