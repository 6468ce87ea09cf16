"""The ``impact`` command: what decisions changed, and what another start or place would have."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_carbon.cli.energy_profile import read_energy
from airflow_carbon.cli.impact_report import lines, totals
from airflow_carbon.cli.source import asked, logs_on_stderr, now_of, see_the_database
from airflow_carbon.core.counterfactual import SHIFTS, Counterfactual, at_other_times, in_other_places
from airflow_carbon.core.impact import Impact, impact_of
from airflow_carbon.core.moment import parse_duration, parse_moment
from airflow_carbon.core.record_document import document_of
from airflow_carbon.exceptions import InvalidRequestError, SourceUnavailableError
from airflow_carbon.hooks.impact import Concluded, history, impacts_of, linked, load_of

if TYPE_CHECKING:
    from argparse import Namespace
    from datetime import datetime

    from airflow_carbon.core.governed import Governed
    from airflow_carbon.core.load import Load
    from airflow_carbon.hooks.ledger import LedgerHook
    from airflow_carbon.sources.base import CarbonSource


@dataclass(slots=True)
class Found:
    """Hold what the command tells.

    :param links: the decisions and the work that they govern.
    :param concluded: what came of them.
    :param run: the load of one run beside its baseline; None where no single run is asked about.
    :param table: the same load at other times and places.
    """

    links: list[Governed]
    concluded: Concluded
    run: Impact | None = None
    table: list[Counterfactual] = field(default_factory=list)


def run(args: Namespace) -> int:
    """Show what the decisions of a DAG or of one run changed, and keep it in the ledger.

    :raises CarbonError: if the request is wrong, or the ledger or the source does not answer.
    """
    if args.energy and not args.run:
        raise InvalidRequestError("--energy: it is the energy of one run; name the RUN too")
    # A ledger that is new, or older than this version, speaks of its schema, and connections of what they mask.
    with logs_on_stderr():
        found = _found(args, now_of(args))
    if args.json:
        print(json.dumps(_document(args, found), indent=2, allow_nan=False))
    else:
        print("\n".join(lines(args.dag, args.run, found.links, found.concluded, found.run, found.table)))
    return 0


def _found(args: Namespace, now: datetime) -> Found:
    hook = _hook(args)
    since = None if args.since is None else now - parse_duration(args.since, "--since")
    links, left = linked(hook.ledger, until=now, since=since, dag_id=args.dag, run_id=args.run)
    whole = _whole(args, hook, links, now) if args.run else None
    if args.csv is not None:
        _refuse_several_places(links, whole)

    async def question(source: CarbonSource) -> Found:
        # Given an energy of another meter, the recorded one is not what is asked about.
        mine = Concluded() if args.energy else await impacts_of(source, links, now=now)
        found = Found(links, mine)
        if whole is not None:
            await _compare(found, source, args, whole, now)
        return found

    found = asked(args, now, question)
    if not args.energy:
        found.concluded.left |= left
    if args.csv is None and found.concluded.records:
        hook.ledger.write(found.concluded.records)
    return found


def _refuse_several_places(links: Sequence[Governed], whole: _Whole | None) -> None:
    """Refuse to let one file speak for several places.

    :raises InvalidRequestError: if there are several.
    """
    places = {place for one in links for place in (one.home, *(work.location for work in one.works)) if place}
    if whole is not None:
        places |= {whole.home, *(piece.location for piece in whole.load.pieces), *whole.places}
    if len(places) > 1:
        raise InvalidRequestError(
            f"--csv: the file is of one place, and this asks about {', '.join(sorted(places))}; name connections by "
            f"--conn-id instead"
        )


@dataclass(frozen=True, slots=True)
class _Whole:
    """Hold the load of one run, and the baseline that it is held against."""

    load: Load
    ready_at: datetime
    home: str
    places: Sequence[str]


def _whole(args: Namespace, hook: LedgerHook, links: Sequence[Governed], now: datetime) -> _Whole | None:
    """Put the load of the run together: its governed work, or all of it where nothing is governed.

    :raises InvalidRequestError: if an energy is given, and nothing says where it was drawn.
    """
    from airflow_carbon.core.record import EmissionRecord

    works = [work for one in links for work in one.works]
    works = works or [one for one in hook.read(EmissionRecord, dag_id=args.dag, run_id=args.run) if one.ended_at <= now]
    decided = next((one.decision.location for one in links if one.decision.location), "")
    location = args.location or next((one.location for one in works if one.location), decided)
    if args.energy:
        if not location:
            raise InvalidRequestError("--location: nothing is recorded of this run; say where the energy was drawn")
        load = read_energy(Path(args.energy).expanduser(), location)
    elif works and location:
        load = load_of(works, location)
    else:
        return None
    ready = min((one.ready_at for one in links), default=load.start)
    ready = ready if args.ready_at is None else parse_moment(args.ready_at, "--ready-at")
    home = args.home or next((one.home for one in links if one.home), location)
    return _Whole(load, ready, home, args.region or ())


async def _compare(found: Found, source: CarbonSource, args: Namespace, whole: _Whole, now: datetime) -> None:
    """Hold the run against its baseline, and against other starts and places.

    :raises SourceUnavailableError: if the hours in which it ran are not known.
    """
    load = whole.load
    baseline = load.started(whole.ready_at)
    needed = [*{piece.location for piece in load.pieces}, whole.home]
    start, last = min(load.start, baseline.start), max(load.end, baseline.end)
    end = max(last, min(load.end + SHIFTS[-1], now))
    try:
        series = await history(source, whole.places, start=start, end=end, needed=needed)
    except SourceUnavailableError:
        series = {}
    covered = bool(series) and load.covered_by(series) and baseline.covered_by(series[whole.home])
    if not covered and args.energy:
        raise SourceUnavailableError(f"the intensities of {start.isoformat()} to {last.isoformat()} are not known")
    if not covered:
        return
    found.run = impact_of(load, series, ready_at=whole.ready_at, home=series[whole.home])
    found.table = at_other_times(load, series)
    places = {name: series[name] for name in whole.places if name in series}
    found.table += in_other_places(load, places, like=series[whole.home])
    for name in whole.places:
        if name not in series:
            fault = "no source knows those hours"
            found.table.append(Counterfactual(SHIFTS[0] * 0, load.start, load.end, None, None, name, fault))


def _document(args: Namespace, found: Found) -> dict[str, Any]:
    decisions = {one.decision.decision_id: one for one in found.links}
    impacts = []
    for record in found.concluded.records:
        one = decisions[record.decision_id].decision
        told = {"run_id": one.run_id, "task_id": one.task_id, "sort": one.sort, "action": one.action}
        impacts.append({**told, **document_of(record)})
    return {
        "dag": args.dag,
        "run": args.run,
        "impacts": impacts,
        "claim_nothing": found.concluded.left,
        "totals": [total.record() for total in totals(found.concluded.records)],
        "as_it_ran": None if found.run is None else found.run.record(),
        "counterfactuals": [_known(one.record()) for one in found.table],
    }


def _known(record: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(one, float) and not math.isfinite(one) else one for name, one in record.items()}


def _hook(args: Namespace) -> LedgerHook:
    see_the_database()
    from airflow_carbon.hooks.ledger import LedgerHook

    return LedgerHook(args.ledger_conn_id)
