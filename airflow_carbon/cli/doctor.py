"""``doctor``: the first thing to run after installing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from airflow_carbon.cli import checkup, ink
from airflow_carbon.cli.document import print_document
from airflow_carbon.cli.finding import Finding, Health
from airflow_carbon.cli.source import logs_on_stderr, see_the_database
from airflow_carbon.core.location import Location
from airflow_carbon.core.moment import in_words
from airflow_carbon.core.policy import Action, decide
from airflow_carbon.core.request import WaitRequest
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import CarbonError
from airflow_carbon.hooks.asking import asked_in_time

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_carbon.core.forecast import Forecast

#: As far as any source looks ahead.
HORIZON = timedelta(days=3)
#: The plan that is made as an example.
DURATION, DELAY = timedelta(hours=1), timedelta(hours=12)

_INK = {Health.OK: ink.green, Health.WARN: ink.yellow, Health.FAIL: ink.red}


def run(args: Namespace) -> int:
    """Check one thing after another; status 1 where a check failed.

    :raises InvalidRequestError: if the location cannot be read.
    """
    location = Location.parse(args.location, "--location")
    see_the_database()
    checks: list[Callable[[], Iterator[Finding]]] = [
        checkup.installation,
        checkup.database,
        checkup.options,
        checkup.button,
        partial(connections, args.conn_id or []),
        partial(plan, location, args.conn_id),
    ]
    findings: list[Finding] = []
    for check in checks:
        found = _looked(check)
        findings += found
        if not args.json:
            print("\n".join(line for finding in found for line in _lines(finding)), flush=True)
    failed = [finding for finding in findings if finding.health is Health.FAIL]
    if args.json:
        print_document({"healthy": not failed, "checks": [asdict(finding) for finding in findings]})
    else:
        print("\n" + _verdict(findings))
    return 1 if failed else 0


def connections(named: list[str]) -> Iterator[Finding]:
    """Ask every carbon connection that can be found, and those named."""
    from airflow_carbon.hooks import chain

    chain.log.setLevel("WARNING")
    ids = list(dict.fromkeys([*named, *_defined(tuple(chain.HOOKS))]))
    if not ids:
        yield Finding(
            "connections",
            Health.WARN,
            "no carbon connection is defined: typical profiles serve, which are no forecast",
            f"add one in Admin > Connections; {chain.DEFAULT_CONN_ID} is used where a task names none",
        )
    for conn_id in ids:
        try:
            answers, said = chain.hooks_of([conn_id])[0].test_connection()
        except CarbonError as error:
            answers, said = False, str(error)
        yield Finding(f"connection {conn_id}", Health.OK if answers else Health.FAIL, said)


def plan(location: Location, conn_ids: list[str] | None) -> Iterator[Finding]:
    """Ask for the location what a task there would, and make one plan."""
    from airflow_carbon.hooks import chain

    now = datetime.now(UTC)
    try:
        source = chain.source_of(chain.hooks_of(chain.conn_ids(conn_ids)))
        forecast = asked_in_time(source.forecast(location, now=now, until=now + HORIZON))
    except CarbonError as error:
        yield Finding("location", Health.FAIL, f"{location}: {error}", "give another --location, or another --conn-id")
        return
    yield _known(location, forecast, now)
    request = WaitRequest.checked(duration=DURATION, ready_at=now, latest_start=now + DELAY)
    decision = decide(request, forecast, now=now)
    waits = "waits: " if decision.action is Action.WAIT else ""
    asked = f"a run of {in_words(DURATION)} that may wait {in_words(DELAY)}"
    yield Finding("plan", Health.OK, f"{asked} {waits}{decision.reason}")


def _known(location: Location, forecast: Forecast, now: datetime) -> Finding:
    reach = in_words(min(forecast.end - now, HORIZON))
    kind = {
        Kind.OWN: "an own forecast from history, issued by nobody",
        Kind.TYPICAL: "a typical profile, not a forecast",
        Kind.ANNUAL_AVERAGE: "an annual average, no daily shape to wait for",
    }.get(forecast.kind, f"a {forecast.kind}")
    said = f"{location} lies in zone {forecast.zone}, {reach} known ahead: {kind} (source: {forecast.source})"
    if forecast.kind is Kind.FORECAST:
        return Finding("location", Health.OK, said)
    return Finding("location", Health.WARN, said, "connect a source of forecasts for this zone")


def _defined(kinds: tuple[str, ...]) -> list[str]:
    """List the ids of carbon connections in the environment and in the metadata database; other stores do not list."""
    from airflow.models.connection import Connection
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException
    from airflow.utils.session import create_session
    from sqlalchemy import select
    from sqlalchemy.exc import SQLAlchemyError

    prefix = "AIRFLOW_CONN_"
    found = []
    for name in sorted(one for one in os.environ if one.startswith(prefix)):
        conn_id = name.removeprefix(prefix).lower()
        # One that cannot be read is of no type; naming it shows why.
        with suppress(AirflowNotFoundException):
            if BaseHook.get_connection(conn_id).conn_type in kinds:
                found.append(conn_id)
    try:
        with create_session() as session:
            query = select(Connection.conn_id).where(Connection.conn_type.in_(kinds)).order_by(Connection.conn_id)
            return [*found, *session.scalars(query)]
    except SQLAlchemyError:
        # The check of the database has told.
        return found


def _looked(check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    findings: list[Finding] = []
    try:
        with logs_on_stderr():
            findings.extend(check())
    except Exception as error:
        # A doctor who faints helps nobody; what the error says may name credentials.
        said = f"the check itself broke: {type(error).__name__}"
        name = getattr(check, "func", check).__name__
        findings.append(Finding(name, Health.FAIL, said, "look at the log above, if any"))
    return findings


def _lines(finding: Finding) -> list[str]:
    lines = [_INK[finding.health](f"{finding.health:4}  {finding.check}: {finding.said}")]
    return [*lines, f"      -> {finding.remedy}"] if finding.remedy else lines


def _verdict(findings: list[Finding]) -> str:
    counts = {health: sum(finding.health is health for finding in findings) for health in Health}
    said = f"{counts[Health.OK]} ok, {counts[Health.WARN]} warnings, {counts[Health.FAIL]} failed"
    worst = max((finding.health for finding in findings), key=list(Health).index)
    return _INK[worst](said)
