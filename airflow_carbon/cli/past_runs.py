"""A DAG's past runs, read through Airflow's REST API: when its work ran, and for how long."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.cli.airflow_api import AirflowApi
from airflow_carbon.core.backtest import Job
from airflow_carbon.core.moment import in_words, parse_moment
from airflow_carbon.exceptions import InvalidRequestError, LocalAirflowError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence

PASSWORD, TOKEN = "AIRFLOW_CARBON_PASSWORD", "AIRFLOW_CARBON_TOKEN"
#: How many task instances are asked for at a time: what an api-server gives at most, as it is installed.
PAGE = 100
#: More task instances than this are not read; the newest count.
MOST = 20_000


@dataclass(frozen=True, slots=True)
class PastRuns:
    """Hold the jobs that past runs make, and what was assumed of them.

    :param jobs: in the order of time.
    :param what: the jobs are, in words.
    :param assumed: one sentence each.
    """

    jobs: tuple[Job, ...]
    what: str
    assumed: tuple[str, ...]


class _WithToken(AirflowApi):
    """Use a token that the user was given, where :class:`AirflowApi` logs in for one."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(url, "", "")
        self._given = token

    def request(self, method: str, *path: str, body: object = None, query: Mapping[str, object] | None = None) -> Any:
        try:
            return super().request(method, *path, body=body, query=query)
        except LocalAirflowError as error:
            if ": 401 " in str(error):
                raise LocalAirflowError(f"{TOKEN}: {self.url} does not accept it; has it expired?") from None
            raise

    def _log_in(self) -> str:
        return self._given


def connected(args: Namespace) -> AirflowApi:
    """Speak to the api-server that the arguments and the environment name.

    :raises InvalidRequestError: if no URL, or no secret for it, is given.
    """
    url: str | None = args.url
    if not url:
        raise InvalidRequestError("--url: --dag needs the address of the api-server, for example http://localhost:8080")
    if not url.startswith(("http://", "https://")):
        raise InvalidRequestError(f"--url: {url!r} is no address; write for example http://localhost:8080")
    if token := os.environ.get(TOKEN):
        return _WithToken(url, token)
    password = os.environ.get(PASSWORD)
    if args.user and password:
        return AirflowApi(url, args.user, password)
    raise InvalidRequestError(
        f"--user: to read runs, put a token into the environment variable {TOKEN}, or name a user and put the password "
        f"into {PASSWORD}"
    )


def read(
    api: AirflowApi, dag_id: str, task_id: str | None, *, since: datetime, until: datetime, max_delay: timedelta
) -> PastRuns:
    """Read what succeeded between two moments and would have been free to shift.

    :param task_id: this task alone; None takes each run of the DAG as one job.
    :raises InvalidRequestError: if there is no such DAG or task, or nothing of it succeeded.
    :raises LocalAirflowError: if Airflow does not answer, or with an error.
    """
    try:
        _check_names(api, dag_id, task_id)
        rows = _rows(api, dag_id, task_id, since, until)
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise LocalAirflowError(f"--url: {api.url} does not answer: {reason}") from error
    waits = [row for row in rows if _waits(row)]
    work = [row for row in rows if row not in waits] if waits else rows
    if task_id is not None and waits:
        raise InvalidRequestError(
            f"--task: {task_id} is a {waits[0]['operator_name']}, which waits and computes nothing; name the task "
            f"after it"
        )
    spans = _by_run(work) if task_id is None else [_span(row) for row in work]
    jobs = [Job(start, end - start, start + max_delay) for start, end in sorted(spans) if end > start]
    if not jobs:
        of = f"task {task_id} of DAG {dag_id}" if task_id else f"DAG {dag_id}"
        raise InvalidRequestError(
            f"--dag: no run of {of} succeeded between {since:%Y-%m-%d %H:%M} and {until:%Y-%m-%d %H:%M} UTC; look "
            f"further back with --history"
        )
    assumed = [
        "a job was ready when it started: what waited in a queue or for a clean hour before that is not counted",
        "it draws the same power all along, and jobs of equal length draw the same",
        "the last try alone is known: tries that failed before it are left out",
    ]
    if task_id is None:
        assumed.append("a run is one piece, from the start of its first task to the end of its last")
    if waits:
        names = sorted({str(row["task_id"]) for row in waits})
        assumed.append(f"sensors wait and compute nothing, so they are left out: {', '.join(names)}")
    assumed.append(
        "other deferred waits cannot be told from work in what Airflow keeps: a deferrable operator counts in full"
    )
    what = f"{'task ' + task_id if task_id else 'whole runs'} of DAG {dag_id}, {in_words(_typical(jobs))} in the middle"
    return PastRuns(tuple(jobs), what, tuple(assumed))


def _rows(api: AirflowApi, dag_id: str, task_id: str | None, since: datetime, until: datetime) -> list[dict[str, Any]]:
    query: dict[str, object] = {
        "state": "success",
        "start_date_gte": since.isoformat(),
        "end_date_lte": until.isoformat(),
        "order_by": "-start_date",
        "limit": PAGE,
    }
    if task_id is not None:
        query["task_id"] = task_id
    rows: list[dict[str, Any]] = []
    while len(rows) < MOST:
        page = api.request(
            "GET", "dags", dag_id, "dagRuns", "~", "taskInstances", query={**query, "offset": len(rows)}
        )["task_instances"]
        rows += page
        if len(page) < PAGE:
            break
    return [row for row in rows if row["start_date"] and row["end_date"]]


def _check_names(api: AirflowApi, dag_id: str, task_id: str | None) -> None:
    """Refuse a DAG or a task that is not there.

    :raises InvalidRequestError: naming the nearest one.
    """
    try:
        tasks = [str(one["task_id"]) for one in api.request("GET", "dags", dag_id, "tasks")["tasks"]]
    except LocalAirflowError as error:
        if ": 404 " not in str(error):
            raise
        dags = api.request("GET", "dags", query={"limit": PAGE})["dags"]
        near = _nearest(dag_id, [str(one["dag_id"]) for one in dags])
        raise InvalidRequestError(f"--dag: {api.url} knows no DAG {dag_id!r} that you may read{near}") from None
    if task_id is not None and task_id not in tasks:
        raise InvalidRequestError(f"--task: DAG {dag_id} has no task {task_id!r}{_nearest(task_id, tasks)}")


def _nearest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(known[:10]) or 'none'}"


def _waits(row: dict[str, Any]) -> bool:
    return str(row.get("operator_name") or row.get("operator") or "").endswith("Sensor")


def _span(row: dict[str, Any]) -> tuple[datetime, datetime]:
    return parse_moment(row["start_date"], "start_date"), parse_moment(row["end_date"], "end_date")


def _by_run(rows: Sequence[dict[str, Any]]) -> list[tuple[datetime, datetime]]:
    runs: dict[str, tuple[datetime, datetime]] = {}
    for row in rows:
        start, end = _span(row)
        first, last = runs.get(row["dag_run_id"], (start, end))
        runs[row["dag_run_id"]] = min(first, start), max(last, end)
    return list(runs.values())


def _typical(jobs: Sequence[Job]) -> timedelta:
    return sorted(job.duration for job in jobs)[len(jobs) // 2]
