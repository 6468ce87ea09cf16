"""A DAG's past runs, read through Airflow's REST API: when its work ran, and for how long."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.cli.pages import Pages, pages
from airflow_carbon.core.backtest import Job
from airflow_carbon.core.moment import in_words, parse_moment
from airflow_carbon.exceptions import InvalidRequestError, LocalAirflowError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_carbon.cli.airflow_api import AirflowApi

#: More runs or task instances than this are not read; the newest count.
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


def read(
    api: AirflowApi,
    dag_id: str,
    task_id: str | None,
    *,
    since: datetime,
    until: datetime,
    max_delay: timedelta,
    most: int = MOST,
) -> PastRuns:
    """Read what succeeded between two moments and would have been free to shift.

    :param task_id: this task alone, in any run; None takes each run that succeeded and lies between them as one job,
        or as several where sensors alone ran in between.
    :param most: runs, and task instances, that are read: the newest.
    :raises InvalidRequestError: if there is no such DAG or task, or nothing of it succeeded.
    :raises LocalAirflowError: if Airflow does not answer, or with an error.
    """
    within = {"state": "success", "start_date_gte": since.isoformat(), "end_date_lte": until.isoformat()}
    newest_first = {**within, "order_by": "-start_date"}
    try:
        _check_names(api, dag_id, task_id)
        path = ("dags", dag_id, "dagRuns")
        runs = None if task_id else pages(api, *path, key="dag_runs", most=most, query=newest_first)
        if task_id is not None:
            newest_first["task_id"] = task_id
        found = pages(api, *path, "~", "taskInstances", key="task_instances", most=most, query=newest_first)
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise LocalAirflowError(f"--url: {api.url} does not answer: {reason}") from error
    rows = [row for row in found.rows if row["start_date"] and row["end_date"]]
    if runs is not None:
        whole = _whole(runs, found)
        rows = [row for row in rows if row["dag_run_id"] in whole]
    waits = [row for row in rows if _waits(row)]
    work = [row for row in rows if not _waits(row)]
    if task_id is not None and waits:
        raise InvalidRequestError(
            f"--task: {task_id} is a {waits[0]['operator_name']}, which waits and computes nothing; name the task "
            f"after it"
        )
    by_run = _by_run(work, waits) if task_id is None else {str(at): [_span(row)] for at, row in enumerate(work)}
    spans = sorted(span for every in by_run.values() for span in every)
    jobs = [Job(start, end - start, start + max_delay) for start, end in spans if end > start]
    if not jobs:
        of = f"task {task_id} of DAG {dag_id}" if task_id else f"DAG {dag_id}"
        raise InvalidRequestError(
            f"--dag: no run of {of} succeeded between {since:%Y-%m-%d %H:%M} and {until:%Y-%m-%d %H:%M} UTC; look "
            f"further back with --history"
        )
    assumed = [
        "a job was ready when it started: what waited in a queue or for a clean hour before that is not counted",
        "it draws the same power all along, and jobs of equal length draw the same",
        "what failed is left out: earlier tries of a task, and runs or tasks that did not succeed",
    ]
    cut = any(len(every) > 1 for every in by_run.values())
    if task_id is None:
        assumed.append("a run is one piece, from the start of its first task to the end of its last, pauses included")
    if waits:
        names = sorted({str(row["task_id"]) for row in waits})
        assumed.append(f"sensors wait and compute nothing, so they are left out: {', '.join(names)}")
    if cut:
        assumed.append("where sensors alone ran between two tasks, the run is cut: what came after it is a job too")
    assumed.append(
        "other deferred waits cannot be told from work in what Airflow keeps: a deferrable operator counts in full"
    )
    for what, one in (("runs", runs), ("task instances", found)):
        if one is not None and one.left_out:
            assumed.append(f"of {len(one.rows) + one.left_out} {what} the newest {len(one.rows)} were read")
    shape = (
        f"task {task_id}" if task_id else f"{len(by_run)} runs, cut where sensors alone ran," if cut else "whole runs"
    )
    return PastRuns(tuple(jobs), f"{shape} of DAG {dag_id}, {in_words(_typical(jobs))} in the middle", tuple(assumed))


def _whole(runs: Pages, found: Pages) -> set[str]:
    """Name the runs of which every instance was read: all, or those that began after the oldest that was read."""
    oldest = parse_moment(found.rows[-1]["start_date"], "start_date") if found.left_out else None
    return {
        str(run["dag_run_id"])
        for run in runs.rows
        if oldest is None or (run["start_date"] and parse_moment(run["start_date"], "start_date") > oldest)
    }


def _check_names(api: AirflowApi, dag_id: str, task_id: str | None) -> None:
    """Refuse a DAG or a task that is not there.

    :raises InvalidRequestError: naming the nearest one.
    """
    try:
        tasks = [str(one["task_id"]) for one in api.request("GET", "dags", dag_id, "tasks")["tasks"]]
    except LocalAirflowError as error:
        if ": 404 " not in str(error):
            raise
        dags = pages(api, "dags", key="dags", most=MOST, query={})
        near = _nearest(dag_id, [str(one["dag_id"]) for one in dags.rows])
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


def _by_run(
    work: Sequence[dict[str, Any]], waits: Sequence[dict[str, Any]]
) -> dict[str, list[tuple[datetime, datetime]]]:
    """Give the stretches of work of each run: apart where nothing but a sensor ran between two tasks."""
    waited: dict[str, list[tuple[datetime, datetime]]] = {}
    for row in waits:
        waited.setdefault(row["dag_run_id"], []).append(_span(row))
    runs: dict[str, list[tuple[datetime, datetime]]] = {}
    for run_id, (start, end) in sorted(((row["dag_run_id"], _span(row)) for row in work), key=lambda one: one[1]):
        stretches = runs.setdefault(run_id, [])
        if stretches and not _overlap(stretches[-1][1], start, waited.get(run_id, ())):
            stretches[-1] = stretches[-1][0], max(stretches[-1][1], end)
        else:
            stretches.append((start, end))
    return runs


def _overlap(start: datetime, end: datetime, spans: Sequence[tuple[datetime, datetime]]) -> bool:
    return any(max(start, begun) < min(end, ended) for begun, ended in spans)


def _typical(jobs: Sequence[Job]) -> timedelta:
    return sorted(job.duration for job in jobs)[len(jobs) // 2]
