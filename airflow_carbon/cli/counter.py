"""The ``counter`` command: what was changed so far, and its push to a collector that the user names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airflow_carbon.cli import ink
from airflow_carbon.cli.clock import dated
from airflow_carbon.cli.document import print_document
from airflow_carbon.cli.source import logs_on_stderr, now_of, see_the_database
from airflow_carbon.core.equivalents import FACTORS
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_carbon.hooks.counter import Period, Reduction

_SAID = {"hour": "the last hour", "day": "the last day", "month": "the last 30 days", "all_time": "all time"}


def run(args: Namespace) -> int:
    """Show the counter, or push it.

    :raises CarbonError: if the ledger does not answer, no collector is named, or it does not take the counter.
    """
    if args.dry_run and args.action is None:
        raise InvalidRequestError("--dry-run: it shows what `counter push` would send; write `counter push --dry-run`")
    see_the_database()
    with logs_on_stderr():
        from airflow_carbon.hooks.counter import count
        from airflow_carbon.hooks.ledger import LedgerHook

        periods = count(LedgerHook(args.ledger_conn_id), now_of(args))
    if args.action is not None:
        return _push(args, periods)
    if args.json:
        print_document([one.record() for one in periods])
    else:
        print("\n".join(_lines(periods)))
    return 0


def _push(args: Namespace, periods: list[Period]) -> int:
    from airflow_carbon.hooks.counter import collector, push, pushed

    document, url = pushed(periods), collector()
    if args.dry_run:
        if args.json:
            print_document({"sent": False, "counter_url": url or None, "document": document})
            return 0
        print(f"nothing is sent; a push would POST this to {url}:" if url else _OFF)
        print(json.dumps(document, indent=2))
        return 0
    push(periods)
    if args.json:
        print_document({"sent": True, "counter_url": url, "document": document})
    else:
        print(f"the counter was sent to {url}")
    return 0


_OFF = "nothing is sent, and [carbon] counter_url names no collector; with one, a push would POST this to it:"


def _lines(periods: list[Period]) -> list[str]:
    lines = [f"up to {dated(periods[0].until)}, by the end of the work"]
    for one in periods:
        lines += [ink.bold(_SAID[one.name])]
        if one.reductions:
            lines += [f"  {_shifted(one)}", *(f"  {_reduction(row)}" for row in one.reductions)]
        else:
            lines += ["  no impact of a decision in the ledger"]
    if any(row.reduction_g is not None for one in periods for row in one.reductions):
        lines += [ink.dim(f"{FACTORS[0].unit} {FACTORS[0].name}: {FACTORS[0]}")]
    return lines


def _shifted(one: Period) -> str:
    return f"{_counted(one.tasks_shifted, 'task')} of {_counted(one.owners_shifted, 'owner')} shifted"


def _reduction(row: Reduction) -> str:
    meaning = f"{row.signal or 'signal not stated'}, {row.accounting or 'accounting not stated'}"
    known = f"{_counted(row.decisions, 'decision')}, {row.measured} measured"
    if row.reduction_g is None:
        return f"{row.label}: no grams, for want of an energy ({meaning}; {known})"
    left = f", {row.without_grams} without grams" if row.without_grams else ""
    return f"{row.label}: {_mass(row.reduction_g)}, as {row.equivalents[0]} ({meaning}; {known}{left})"


def _mass(grams: float) -> str:
    return f"{grams / 1000.0:,.1f} kg" if abs(grams) >= 1000.0 else f"{grams:.0f} g"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
