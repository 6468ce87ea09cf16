"""``sci manifest``: a DAG run from the ledger as a manifest that Impact Framework computes to the same SCI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from airflow_carbon.cli.manifest_file import write_manifest
from airflow_carbon.cli.source import logs_on_stderr, see_the_database
from airflow_carbon.cli.yaml_text import dumped
from airflow_carbon.core.amount import parse_amount
from airflow_carbon.core.manifest.of_run import TaskRow, manifest_of_run
from airflow_carbon.core.record import EmissionRecord
from airflow_carbon.core.run_report import RunReport
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from argparse import Namespace


def run(args: Namespace) -> int:
    """Read the emissions of a run and write or print its manifest.

    :raises CarbonError: if the ledger does not answer, or holds nothing of that run that makes an SCI.
    """
    see_the_database()
    with logs_on_stderr():
        from airflow_carbon.hooks.ledger import LedgerHook

        found = list(LedgerHook(args.ledger_conn_id).read(EmissionRecord, dag_id=args.dag, run_id=args.run))
    if not found:
        raise InvalidRequestError(
            f"RUN: the ledger holds nothing of {args.run!r} of DAG {args.dag!r}; 'airflow carbon ledger export' lists "
            f"what it holds"
        )
    unit, units = _counted(args, found)
    # What does not add up is refused as a report refuses it.
    report = RunReport.of(found, functional_unit=unit, functional_units=units)
    if report.incomplete:
        lacking = "; ".join(f"{name}: {why}" for name, why in report.incomplete.items())
        raise InvalidRequestError(f"RUN: a manifest needs grams of every task, and these have none: {lacking}")
    tasks = [_row(one) for one in report.components if one.energy_kwh is not None]
    document = manifest_of_run(
        dag_id=args.dag,
        run_id=args.run,
        started=min(one.started_at for one in found),
        ended=max(one.ended_at for one in found),
        tasks=tasks,
        functional_unit=unit,
        functional_units=units,
    )
    if args.output is None:
        print(dumped(document).decode(), end="")
        return 0
    write_manifest(Path(args.output), document)
    print(f"{len(tasks)} components, {units:g} x {unit}: {report.score:.6g} g per {unit}; written to {args.output}")
    return 0


def _counted(args: Namespace, found: list[EmissionRecord]) -> tuple[str, float]:
    """Give what the run counts: as asked for, or the one count that its tasks recorded."""
    known = {(one.functional_unit, one.functional_units) for one in found if one.functional_units is not None}
    told = None if args.units is None else parse_amount(args.units, "--units", "1")
    if args.unit is not None and told is not None:
        return args.unit, told
    if len(known) != 1:
        listed = ", ".join(f"{units:g} x {unit}" for unit, units in sorted(known, key=str)) or "nothing"
        raise InvalidRequestError(
            f"--unit, --units: the tasks of the run counted {listed}, and a run has one R; give both"
        )
    [(unit, units)] = known
    return args.unit or unit, (units or 0.0) if told is None else told


def _row(one: EmissionRecord) -> TaskRow:
    return TaskRow(
        task_id=one.task_id,
        energy_kwh=one.energy_kwh or 0.0,
        intensity_g_per_kwh=one.intensity_g_per_kwh or 0.0,
        embodied_g=one.embodied_g or 0.0,
        map_index=one.map_index,
        try_number=one.try_number,
        signal=one.signal,
        accounting=str(one.accounting),
        about={"energy": f"{one.energy_how}: {one.energy_note}", "intensity": one.intensity_source},
    )
