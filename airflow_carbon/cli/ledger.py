"""The ``ledger`` commands: make it, fill it, finish it, and read what is in it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_carbon.cli import ink
from airflow_carbon.cli.airflow_login import connected
from airflow_carbon.cli.source import logs_on_stderr, now_of, see_the_database
from airflow_carbon.cli.table import table
from airflow_carbon.core.moment import parse_duration, parse_moment_after
from airflow_carbon.core.record import DecisionRecord, EmissionRecord, ImpactRecord
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_carbon.hooks.ledger import LedgerHook
    from airflow_carbon.ledger.ghg import GhgView
    from airflow_carbon.ledger.uptake import Uptake

#: How far back ``sync`` and ``finalise`` look where nothing is said.
RECENT = timedelta(days=14)
KINDS: dict[str, type[Any]] = {"emissions": EmissionRecord, "decisions": DecisionRecord, "impacts": ImpactRecord}


def run_init(args: Namespace) -> int:
    """Make the ledger's schema, or bring it up to date.

    :raises LedgerError: if the database does not answer, or its schema is newer than this version knows.
    """
    from airflow_carbon.ledger.schema import NEWEST

    ledger = _hook(args).ledger
    ledger.init()
    if args.json:
        _print_json({"ledger": ledger.name, "schema": NEWEST})
    else:
        print(f"{ledger.name} is ready, schema {NEWEST}")
    return 0


def run_sync(args: Namespace) -> int:
    """Fill the ledger with the records that wait in Airflow.

    :raises CarbonError: if Airflow or the ledger does not answer.
    """
    from airflow_carbon.cli.ledger_sync import sync

    now = now_of(args)
    since = now - RECENT if args.since is None else _moment(args.since, now, "--since")
    api = connected(args)
    told = sync(
        api, _hook(args).ledger, since=since, until=now + timedelta(minutes=1), dag_id=args.dag, thorough=args.thorough
    )
    if args.json:
        _print_json({"tasks": told.tasks, "records": told.records, "written": told.written})
    else:
        print(f"{told.tasks} tasks looked at, {told.records} records found, {told.written} rows written")
    return 0


def run_totals(args: Namespace) -> int:
    """Show sums of emissions or of reductions, or kilograms by account.

    :raises CarbonError: if the request is wrong, or the ledger does not answer.
    """
    hook, which = _hook(args), _which(args)
    if args.ghg or args.accounts:
        if args.reductions or args.dag:
            raise InvalidRequestError("--ghg: emissions of every account; leave --reductions and --dag away")
        return _show_ghg(args, hook.ghg(_accounts(args.accounts), **which))
    by = tuple(word.strip() for word in args.by.split(",") if word.strip())
    rows: Sequence[Any] = (hook.reductions if args.reductions else hook.totals)(by, **which, dag_id=args.dag)
    if args.json:
        _print_json([row.record() for row in rows])
    elif not rows:
        print("nothing in the ledger")
    else:
        shown = _REDUCTIONS if args.reductions else _EMISSIONS
        _print_table([*by, "signal", "accounting", *(f">{name}" for name, _ in shown)], [
            [*(row.group[word] or "-" for word in by), row.signal or "not stated", row.accounting or "not stated",
             *(_number(getattr(row, field)) for _, field in shown)]
            for row in rows
        ])  # fmt: skip
    return 0


def run_export(args: Namespace) -> int:
    """Write records to a file, or as CSV or JSON to stdout.

    :raises CarbonError: if the request is wrong, or the ledger does not answer.
    """
    from airflow_carbon.ledger.export import columns_of, export, rows_of

    kind = KINDS.get(args.what)
    if kind is None:
        raise InvalidRequestError(f"WHAT: {args.what!r} must be one of {', '.join(KINDS)}")
    path = None if args.output is None else Path(args.output)
    form = args.format or (path.suffix.removeprefix(".").lower() if path and path.suffix else "csv")
    records = _hook(args).read(kind, **_which(args), dag_id=args.dag)
    count = export(rows_of(records), columns_of(kind), path or sys.stdout, form)
    if path is not None:
        print(f"{count} {args.what} in {path}")
    return 0


def run_uptake(args: Namespace) -> int:
    """Show what was recommended, what was done, and how well it went.

    :raises LedgerError: if the ledger does not answer.
    """
    rows = _hook(args).uptake(**_which(args), dag_id=args.dag)
    if args.json:
        _print_json([row.record() for row in rows])
    elif not rows:
        print("no decision in the ledger")
    for row in [] if args.json else rows:
        print("\n".join(_uptake_lines(row)))
    return 0


def run_finalise(args: Namespace) -> int:
    """Make provisional emissions final, where their hours were measured meanwhile, and conclude what decisions changed.

    :raises CarbonError: if a connection is wrong, or the ledger does not answer.
    """
    from airflow_carbon.hooks.impact import conclude
    from airflow_carbon.hooks.ledger_finalise import finalise

    now, ledger = now_of(args), _hook(args).ledger
    which = {
        "now": now,
        "carbon_conn_id": args.conn_id,
        "since": None if args.since is None else _moment(args.since, now, "--since"),
        "dag_id": args.dag,
    }
    with logs_on_stderr():
        told = finalise(ledger, **which)
        concluded = conclude(ledger, **which)
    unclaimed = Counter(concluded.left.values())
    if args.json:
        _print_json({
            "finalised": told.finalised, "left": dict(told.left),
            "impacts": len(concluded.records), "unclaimed": dict(unclaimed),
        })  # fmt: skip
        return 0
    print(f"{told.finalised} emissions are final now")
    for reason, count in told.left.most_common():
        print(f"{count} stay provisional: {reason}")
    print(f"{len(concluded.records)} decisions have an impact")
    for reason, count in unclaimed.most_common():
        print(f"{count} claim none: {reason}")
    return 0


_EMISSIONS = (("tries", "records"), ("kWh", "energy_kwh"), ("g operational", "operational_g"),
              ("g embodied", "embodied_g"), ("no grams", "without_grams"), ("provisional", "provisional"))  # fmt: skip
_REDUCTIONS = (("decisions", "decisions"), ("g emitted", "emitted_g"), ("g baseline", "baseline_g"),
               ("g reduction", "reduction_g"), ("no grams", "without_grams"), ("measured", "measured"))  # fmt: skip


def _hook(args: Namespace) -> LedgerHook:
    see_the_database()
    with logs_on_stderr():
        from airflow_carbon.hooks.ledger import LedgerHook

        return LedgerHook(args.ledger_conn_id)


def _which(args: Namespace) -> dict[str, datetime]:
    now = now_of(args)
    given = {name: getattr(args, name) for name in ("since", "until")}
    return {name: _moment(value, now, f"--{name}") for name, value in given.items() if value is not None}


def _moment(value: str, now: datetime, field: str) -> datetime:
    """Read a moment, or a duration back from now: ``30d``."""
    try:
        return now - parse_duration(value, field)
    except InvalidRequestError:
        return parse_moment_after(value if "T" in value or ":" in value else f"{value}T00:00+00:00", now, field)


def _accounts(file: str | None) -> Mapping[str, str]:
    if file is None:
        return {}
    try:
        read = json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidRequestError(f"--accounts: {file}: {error.strerror or error}") from None
    except ValueError as error:
        raise InvalidRequestError(f"--accounts: {file} is no JSON: {error}") from None
    if not isinstance(read, dict) or not all(isinstance(value, str) for value in read.values()):
        raise InvalidRequestError(f"--accounts: {file} must hold one object: {{'tag:finance': 'CC-100', ...}}")
    return read


def _show_ghg(args: Namespace, view: GhgView) -> int:
    left = {"marginal": view.marginal, "not_stated": view.not_stated, "without_grams": view.without_grams}
    if args.json:
        _print_json({"method": "location-based", "rows": [row.record() for row in view.rows], "left_out": left})
        return 0
    header = ["account", "month", "accounting", ">kWh", ">kg operational", ">kg embodied", ">tries", ">provisional"]
    _print_table(header, [
        [row.account, row.month, row.accounting or "not stated", _number(row.energy_kwh), _number(row.operational_kg),
         _number(row.embodied_kg), str(row.records), str(row.provisional)]
        for row in view.rows
    ])  # fmt: skip
    print("location-based; operational is scope 2 on own machines and scope 3 in a cloud, embodied is scope 3")
    for name, count in left.items():
        if count:
            print(f"left out: {count} tries, {name.replace('_', ' ')}")
    return 0


def _uptake_lines(row: Uptake) -> list[str]:
    done = ", ".join(f"{count} {action}" for action, count in row.done.items())
    lines = [ink.bold(f"{row.dag_id}, {row.sort}: {row.recommended} recommended; {done}")]
    lines += [f"  {action}, {count}: {why}" for action, why, count in row.why]
    for one in row.outcomes:
        told = [f"promised {one.promised_saving_percent:.0f} %"] if one.promised_saving_percent is not None else []
        told += [f"became {one.saving_percent:.0f} %"] if one.saving_percent is not None else []
        told += [f"{one.reduction_g:.0f} g less"] if one.reduction_g is not None else []
        told += [f"{100 * one.of_oracle:.0f} % of what was possible"] if one.of_oracle is not None else []
        signal = f"{one.signal or 'signal not stated'}, {one.accounting or 'accounting not stated'}"
        lines.append(f"  {one.action}, {one.decisions} ({one.measured} measured; {signal}): {', '.join(told)}")
    return lines


def _print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    head, *body = table(header, rows)
    print("\n".join([ink.dim(head), *body]))


def _print_json(document: Any) -> None:
    # Every digit: a gram is a millionth of the tonnes that it may be added up to.
    print(json.dumps(document, indent=2, allow_nan=False))


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"
