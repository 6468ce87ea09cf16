"""Fill the ledger with what it missed, from the XComs and states that wait in Airflow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_carbon.cli.pages import PAGE
from airflow_carbon.core.record import EmissionRecord
from airflow_carbon.exceptions import LocalAirflowError
from airflow_carbon.ledger.base import Selection
from airflow_carbon.ledger.outbox import EMISSION, OUTBOX, kept_in

if TYPE_CHECKING:
    from airflow_carbon.cli.airflow_api import AirflowApi
    from airflow_carbon.core.record import Record
    from airflow_carbon.ledger.sql import SqlLedger

#: Records that are written at a time.
BATCH = 500


class Place(NamedTuple):
    """Name one task instance."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int


@dataclass(slots=True)
class Synced:
    """Count what a sync met.

    :param tasks: task instances that were looked at.
    :param records: records that waited, or lay in an XCom and not in the ledger.
    :param written: rows that changed.
    """

    tasks: int = 0
    records: int = 0
    written: int = 0


def sync(
    api: AirflowApi,
    ledger: SqlLedger,
    *,
    since: datetime,
    until: datetime,
    dag_id: str | None = None,
    thorough: bool = False,
) -> Synced:
    """Bring records into the ledger; one that it has, or has a better one of, is not written again.

    :param since: of runs that were due at this moment or later.
    :param until: of runs that were due before this moment.
    :param dag_id: of this DAG alone.
    :param thorough: read the state of every task, also of those that succeeded at the first try, whose XCom tells all
        unless somebody deleted it.
    :raises LocalAirflowError: if Airflow does not answer, or with an error.
    :raises LedgerError: if the ledger does not answer.
    """
    told = Synced()
    within: dict[str, object] = {"run_after_gte": since.isoformat(), "run_after_lt": until.isoformat()}
    try:
        batch: list[Record] = []
        for found in _found(api, ledger, dag_id or "~", within, thorough, told):
            batch += found
            if len(batch) >= BATCH:
                _write(ledger, batch, told)
        _write(ledger, batch, told)
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise LocalAirflowError(f"--url: {api.url} does not answer: {reason}") from error
    return told


def _write(ledger: SqlLedger, batch: list[Record], told: Synced) -> None:
    told.written += ledger.write(batch)
    told.records += len(batch)
    batch.clear()


def _found(
    api: AirflowApi, ledger: SqlLedger, dag_id: str, within: Mapping[str, object], thorough: bool, told: Synced
) -> Iterator[list[Record]]:
    waiting = set(_pushed(api, dag_id, OUTBOX, within))
    reported = set(_pushed(api, dag_id, EMISSION, within))
    known: dict[tuple[str, str], set[tuple[Any, ...]]] = {}
    for row in _pages(api, dag_id, "taskInstances", "task_instances", within):
        place = Place(row["dag_id"], row["dag_run_id"], row["task_id"], int(row["map_index"]))
        told.tasks += 1
        if place in waiting:
            yield kept_in(_xcom(api, place, OUTBOX))
        elif thorough or row["state"] != "success" or (row["try_number"] or 0) > 1:
            # A retry wipes XComs: what an earlier try could not write lies in the task's state alone.
            yield kept_in(_state(api, place))
        run = place.dag_id, place.run_id
        if place not in reported:
            continue
        if run not in known:
            known[run] = ledger.keys(EmissionRecord, Selection(dag_id=place.dag_id, run_id=place.run_id))
        # An XCom is of the newest try: where the ledger has that, it has the same or a later report.
        if (*place, row["try_number"]) not in known[run]:
            yield kept_in(_xcom(api, place, EMISSION))


def _pushed(api: AirflowApi, dag_id: str, key: str, within: Mapping[str, object]) -> Iterator[Place]:
    path = "taskInstances", "~", "xcomEntries"
    for row in _pages(api, dag_id, path, "xcom_entries", {**within, "xcom_key": key}):
        yield Place(row["dag_id"], row["run_id"], row["task_id"], int(row["map_index"]))


def _pages(
    api: AirflowApi, dag_id: str, path: str | tuple[str, ...], name: str, query: Mapping[str, object]
) -> Iterator[dict[str, Any]]:
    """Read a list of any length; in an order that does not change under it."""
    words = (path,) if isinstance(path, str) else path
    # By default XComs come in the order of their keys, and tasks in one that has ties.
    order = {} if name == "xcom_entries" else {"order_by": "id"}
    offset = 0
    while True:
        asked = {**query, **order, "limit": PAGE, "offset": offset}
        answer = api.request("GET", "dags", dag_id, "dagRuns", "~", *words, query=asked)
        yield from answer[name]
        offset += len(answer[name])
        if not answer[name] or offset >= answer["total_entries"]:
            return


def _xcom(api: AirflowApi, place: Place, key: str) -> Any:
    try:
        value = api.xcom(place.dag_id, place.run_id, place.task_id, key, map_index=place.map_index)
    except LocalAirflowError as error:
        return _absent(error)
    if isinstance(value, str):
        with suppress(ValueError):
            return json.loads(value)
    return value


def _state(api: AirflowApi, place: Place) -> Any:
    path = "dags", place.dag_id, "dagRuns", place.run_id, "taskInstances", place.task_id, "state-store", OUTBOX
    try:
        return api.request("GET", *path, query={"map_index": place.map_index})["value"]
    except LocalAirflowError as error:
        return _absent(error)


def _absent(error: LocalAirflowError) -> list[Any]:
    # Gone since it was listed, or never there.
    if ": 404 " not in str(error):
        raise error
    return []
