"""The source that a command asks: a file, Airflow connections, or the embedded profiles."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_carbon.core.moment import parse_moment
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.hooks.asking import asked_in_time

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Coroutine, Iterator

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.sources.base import CarbonSource

Answer = TypeVar("Answer")


def now_of(args: Namespace) -> datetime:
    """Read ``--now``, or the clock.

    :raises InvalidRequestError: if the moment cannot be read or has no timezone.
    """
    return datetime.now(UTC) if args.now is None else parse_moment(args.now, "--now")


def asked(
    args: Namespace,
    now: datetime,
    question: Callable[[CarbonSource], Coroutine[Any, Any, Answer]],
    *,
    ranking: bool = False,
) -> Answer:
    """Ask the source that the arguments name. Not to be called where an event loop runs.

    :param question: asks the source that it is given.
    :param now: when the file of ``--csv`` is taken to begin, with ``--replay``; else a moment that it must hold.
    :param ranking: the answers for different zones are to be ranked against each other.
    :raises InvalidRequestError: if they contradict each other, or a connection is not defined or is no carbon source.
    :raises CarbonError: what the source says.
    """
    with logs_on_stderr():
        return asked_in_time(question(_source(args, now, ranking=ranking)))


@contextmanager
def logs_on_stderr() -> Iterator[None]:
    """Keep what Airflow logs off stdout, where the answer goes."""
    # Each of Airflow's loggers takes the stdout of the moment in which it first speaks.
    with redirect_stdout(sys.stderr):
        yield


def _source(args: Namespace, now: datetime, *, ranking: bool) -> CarbonSource:
    file: str | None = getattr(args, "csv", None)
    if file is not None and args.conn_id:
        raise InvalidRequestError("--csv, --conn-id: give one of them, not both")
    if file is not None:
        return _file(Path(file).expanduser(), now, replay=args.replay)
    if getattr(args, "replay", False):
        raise InvalidRequestError("--replay: needs --csv FILE, the series to replay")
    if args.conn_id or getattr(args, "under_airflow", False):
        return _connections(args.conn_id, ranking=ranking)
    from airflow_carbon.sources.typical import Typical

    return Typical(averages_only=ranking)


def see_the_database() -> None:
    """Let the task SDK read connections from the metadata database, as Airflow's own ``connections get`` does."""
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"


def origin(forecast: Forecast, file: str | None = None) -> str:
    """Say what kind of numbers an answer holds, and whose.

    :param file: of ``--csv``, None where there is none.
    """
    what = {
        Kind.FORECAST: "forecast",
        Kind.OWN: "own forecast from history, issued by nobody",
        Kind.MEASURED: "measured values, not a forecast",
        Kind.TYPICAL: "typical profile, not a forecast",
        Kind.ANNUAL_AVERAGE: "annual average, no daily shape: connect a source (--conn-id) or plan on a file (--csv)",
    }[forecast.kind]
    source = forecast.source
    if file is not None:
        what, source = "your series, taken as the forecast", Path(file).name
    return f"{what} (source: {source}; {forecast.signal} intensity; accounting: {forecast.accounting})"


def _connections(conn_ids: list[str] | None, *, ranking: bool) -> CarbonSource:
    see_the_database()
    from airflow_carbon.hooks import chain

    # Which source served is said with its answer.
    chain.log.setLevel(logging.WARNING)
    return chain.source_of(chain.hooks_of(chain.conn_ids(conn_ids)), ranking=ranking)


def _file(path: Path, now: datetime, *, replay: bool) -> CarbonSource:
    from airflow_carbon.sources.history import History
    from airflow_carbon.sources.played import Played

    history = History(path)
    first, end = asked_in_time(history.covered())
    if replay:
        return Played(history, anchor=now, plays_from=first)
    if not first <= now < end:
        raise InvalidRequestError(
            f"--csv: {path.name} covers {first.isoformat()} to {end.isoformat()}, not {now.isoformat()}; "
            f"add --replay to take it as if it began now, or --now with a moment that it covers"
        )
    return history
