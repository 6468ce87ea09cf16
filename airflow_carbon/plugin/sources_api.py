"""``api/sources``: how the sources fare, by what this host keeps of them; nothing is asked for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from heapq import nlargest
from typing import Any

from airflow.models.connection import Connection
from airflow.utils.session import create_session
from fastapi import APIRouter
from sqlalchemy import select

from airflow_carbon.core.moment import moment_at
from airflow_carbon.exceptions import CarbonError, SourceError
from airflow_carbon.hooks import chain, settings
from airflow_carbon.hooks.carbon import CarbonHook
from airflow_carbon.hooks.live import LiveHook
from airflow_carbon.plugin import hints, models
from airflow_carbon.plugin.security import Viewer, ViewerDep
from airflow_carbon.web.kept_failure import KeptFailure
from airflow_carbon.web.quota import Quota
from airflow_carbon.web.shelf import Shelf

#: Connections, kept answers of one of them, zones and failures that are looked at.
MOST_SOURCES, MOST_DOCUMENTS, MOST_ZONES, MOST_FAILURES = 50, 200, 50, 10
#: What those read who may not read connections.
UNSAID = "an administrator of this Airflow sees what it said"
_USER_IN_ADDRESS = re.compile(r"//[^/@\s]*@")

router = APIRouter()


@router.get("/api/sources")
def sources(viewer: ViewerDep) -> models.Sources:
    """Give the health of every source that a connection names."""
    now = datetime.now(UTC)
    ids = _ids()
    told = [_source(conn_id, viewer, now) for conn_id in ids] if ids else [_typical()]
    return models.Sources(now=now, sources=told, hints=[] if ids else [hints.NO_SOURCE])


def _ids() -> list[str]:
    """List the connections: those that the pages ask, the default one, and all others of a carbon type."""
    of = Connection
    with create_session(scoped=False) as session:
        listed = session.scalars(
            select(of.conn_id).where(of.conn_type.in_(list(chain.HOOKS))).order_by(of.conn_id).limit(MOST_SOURCES)
        ).all()
    named = [*settings.api_conn_ids(), *map(str, listed)]
    if chain.DEFAULT_CONN_ID not in named and not isinstance(_default(), models.Source):
        named.append(chain.DEFAULT_CONN_ID)
    return list(dict.fromkeys(named))[:MOST_SOURCES]


def _default() -> CarbonHook | models.Source:
    """Look the default connection up, which may lie outside Airflow's database."""
    try:
        [hook] = chain.hooks_of(())
    except CarbonError:
        return _typical()
    return _typical() if hook.carbon_conn_id is None else hook


def _typical() -> models.Source:
    return models.Source(
        conn_id="", conn_type="carbon_typical", title="Typical profiles", state="ok", said="", last_answer_at=None,
        zones=[], failures=[], quota=None,
    )  # fmt: skip


def _source(conn_id: str, viewer: Viewer, now: datetime) -> models.Source:
    reads = viewer.may_read_connection(conn_id)
    told = models.Source(
        conn_id=conn_id if reads else "", conn_type="", title="", state="unasked", said="", last_answer_at=None,
        zones=[], failures=[], quota=None,
    )  # fmt: skip
    try:
        [hook] = chain.hooks_of((conn_id,))
        told.conn_type, told.title = hook.conn_type, hook.hook_name
        fields, shelf = hook.settings(), hook.shelf()
    except CarbonError as error:
        told.state, told.said = "misconfigured", _shown(str(error), reads=reads)
        return told
    if isinstance(hook, LiveHook):
        used, closed_until = Quota(fields["requests_per_hour"], shelf).standing()
        told.quota = models.SourceQuota(per_hour=fields["requests_per_hour"], used=used, closed_until=closed_until)
    if shelf is not None:
        _look(told, shelf, reads=reads)
    if told.quota is not None and told.quota.closed_until is not None:
        told.state = "closed"
        told.said = "the service asked to be left alone for a while"
    return told


def _look(told: models.Source, shelf: Shelf, *, reads: bool) -> None:
    """Take up what the shelf holds of answers and failures."""
    failed: list[KeptFailure] = []
    answers: dict[str, datetime] = {}
    for document in _documents(shelf):
        failure = KeptFailure.from_document(document) if "error" in document else None
        if failure is not None:
            failed.append(failure)
        elif "intensity_g_per_kwh" in document:
            try:
                zone, at = str(document["zone"]), moment_at(document["asked_us"])
            except (KeyError, TypeError, ValueError, OverflowError):
                continue
            answers[zone] = max(at, answers.get(zone, at))
    failed.sort(key=lambda one: one.asked_at, reverse=True)
    told.zones = sorted(answers)[:MOST_ZONES]
    told.last_answer_at = max(answers.values(), default=None)
    told.failures = [
        models.Failure(
            error=type(one.error).__name__,
            said=_shown(str(one.error), reads=reads),
            asked_at=one.asked_at,
            until=one.expires,
        )
        for one in failed[:MOST_FAILURES]
    ]
    told.state = "ok" if answers else "unasked"
    # A place that the source does not know is no failure of the source.
    of_source = next((one for one in failed if isinstance(one.error, SourceError)), None)
    if of_source is not None and (told.last_answer_at is None or of_source.asked_at > told.last_answer_at):
        told.state, told.said = "failing", _shown(str(of_source.error), reads=reads)


def _documents(shelf: Shelf) -> Iterator[Mapping[str, Any]]:
    """Read what the shelf holds, the newest first."""
    try:
        files = nlargest(MOST_DOCUMENTS, shelf.folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
    except OSError:
        # None yet, or one was swept just now.
        return
    for file in files:
        try:
            document = json.loads(file.read_bytes())
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(document, dict):
            yield document


def _shown(said: str, *, reads: bool) -> str:
    return _USER_IN_ADDRESS.sub("//", said)[:500] if reads else UNSAID
