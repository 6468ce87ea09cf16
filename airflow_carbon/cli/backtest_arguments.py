"""What the arguments of ``backtest`` say, and what they may not."""

from __future__ import annotations

import difflib
import math
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_carbon.core.backtest import Interruption
from airflow_carbon.core.moment import in_words, parse_duration
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from argparse import Namespace

#: Days of the past that a guess needs before the first job.
DAYS = {"yesterday": 1, "week": 7, "perfect": 0}
#: More jobs than this are not replayed.
MOST_JOBS = 200_000
#: Hours between two jobs: none shares a factor with 24, so that every hour of the day gets its turn.
_EVERY = (1, 5, 7, 11, 13, 17, 19, 23, 25, 29, 31, 35, 37, 41, 43, 47)
#: As many are told apart from chance; where nothing is asked for, no more are replayed.
_ENOUGH_JOBS = 2000


def check(args: Namespace) -> None:
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
    if args.csv is not None and args.now is not None and args.dag is None:
        raise InvalidRequestError("--csv, --now: the whole file is replayed; leave --now away")
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


def interruption_of(args: Namespace) -> Interruption | None:
    """Read how a run may be cut; None where it is one piece.

    :raises InvalidRequestError: if that contradicts itself.
    """
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


def refuse_long_chunks(interruption: Interruption | None, longest: timedelta) -> None:
    """Refuse a least chunk of which no run holds two.

    :param longest: duration of the longest run.
    :raises InvalidRequestError: if runs are to be cut and none can be.
    """
    if interruption is None or interruption.max_chunks == 1 or 2 * interruption.min_chunk <= longest:
        return
    raise InvalidRequestError(
        f"--min-chunk: no run of {in_words(longest)} holds two chunks of {in_words(interruption.min_chunk)}; give "
        f"{in_words(longest / 2)} or less, or leave --max-chunks away"
    )


def every_of(args: Namespace, covered: timedelta) -> timedelta:
    """Read how often a run is ready, or choose it by the length of the history.

    :raises InvalidRequestError: if that makes more jobs than can be replayed.
    """
    if args.every is None:
        hours = covered / timedelta(hours=1)
        return timedelta(hours=next((one for one in _EVERY if hours / one <= _ENOUGH_JOBS), _EVERY[-1]))
    every = parse_duration(args.every, "--every")
    if covered // every > MOST_JOBS:
        raise InvalidRequestError(
            f"--every: a run every {in_words(every)} makes {covered // every} jobs over {in_words(covered)}, more than "
            f"{MOST_JOBS}; give {in_words(timedelta(seconds=math.ceil(covered / MOST_JOBS / timedelta(seconds=1))))} "
            f"or longer"
        )
    return every
