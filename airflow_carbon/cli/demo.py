"""``demo``: the examples on a real Airflow that starts, waits, runs and stops by itself."""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_carbon.cli import ink
from airflow_carbon.cli.airflow_api import FINISHED, AirflowApi
from airflow_carbon.cli.document import print_document
from airflow_carbon.cli.local_airflow import LocalAirflow
from airflow_carbon.cli.table import table
from airflow_carbon.exceptions import LocalAirflowError

if TYPE_CHECKING:
    from argparse import Namespace

#: An hour of the profile passes in ten seconds, and begins before the evening peak of a winter's Monday.
SPEED, PLAYS_FROM = 360.0, "2026-01-05T16:00:00+00:00"
#: What the demo runs: a DAG and the conf of its run.
TRAINING = ("train_when_clean", {"location": "azure:uksouth", "duration": "20s", "max_delay": "100s"})
REGION = ("pick_region_and_branch", {"duration": "20s"})
SCI = ("report_sci", {"location": "azure:uksouth"})
#: Real deployments keep five minutes free for their queues; here nobody else queues.
SETTINGS = {"AIRFLOW__CARBON__START_MARGIN": "10s"}
#: A run that is not over by then [s] is told as a failure.
PATIENCE = 300.0
BAR = 30


def run(args: Namespace) -> int:
    """Show the whole way on a real Airflow; 0 if every example succeeded.

    :raises LocalAirflowError: if that Airflow does not start.
    """
    with ExitStack() as stack:
        home = Path(args.home or stack.enter_context(tempfile.TemporaryDirectory(prefix="airflow-carbon-")))
        airflow = LocalAirflow(home, dags=[Path(args.dags) if args.dags else examples()], environment=SETTINGS)
        stack.callback(airflow.stop)
        say = _Say(quiet=args.json)
        say(f"starting an Airflow of its own in {home}")
        airflow.migrate()
        say(f"  metadata database     {airflow.seconds['migrate']:5.1f} s")
        begin = time.monotonic()
        airflow.start()
        airflow.wait_healthy()
        say(f"  all components well   {time.monotonic() - begin:5.1f} s   {airflow.url}")
        connect(airflow.api)
        if args.stay:
            return stay(airflow, say)
        results = show(airflow.api, say)
        say("\nstopping everything that was started")
    if args.json:
        print_document(results)
    return 0


def examples() -> Path:
    """Find the example DAGs: inside the installed package, or beside it in a checkout.

    :raises LocalAirflowError: if they are in neither place.
    """
    package = Path(__file__).parent.parent
    for folder in (package / "example_dags", package.parent / "example_dags"):
        if folder.is_dir():
            return folder
    raise LocalAirflowError("the example DAGs are not installed; name a folder with --dags")


def connect(api: AirflowApi) -> None:
    """Make the default connection: typical profiles, played fast from the evening peak on."""
    extra = f'{{"speed": {SPEED:g}, "played_since": "{datetime.now(UTC).isoformat()}", "plays_from": "{PLAYS_FROM}"}}'
    with suppress(LocalAirflowError):
        # A folder that is kept may have it from the last time.
        api.request("DELETE", "connections", "carbon_default")
    body = {"connection_id": "carbon_default", "conn_type": "carbon_typical", "extra": extra}
    api.request("POST", "connections", body=body)


def stay(airflow: LocalAirflow, say: _Say) -> int:
    """Leave Airflow running until Ctrl-C."""
    say(f"\nlog in at {airflow.url} as admin with the password {airflow.passwords['admin']}")
    say("Ctrl-C stops it")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        say("\nstopping")
    return 0


def show(api: AirflowApi, say: _Say) -> dict[str, Any]:
    """Run the examples and print what they decided.

    :raises LocalAirflowError: if one does not succeed.
    """
    for dag_id, _ in (TRAINING, REGION, SCI):
        api.wait_for_dag(dag_id)
    runs = {dag_id: api.trigger(dag_id, conf) for dag_id, conf in (TRAINING, REGION, SCI)}
    training = runs[TRAINING[0]]
    say("\ntrain_when_clean: a training run in London, an hour of the grid in ten seconds")
    _follow(api, training, say)
    for dag_id, run_id in runs.items():
        state = api.wait_for_run(dag_id, run_id, timeout=PATIENCE)
        if state != "success":
            raise LocalAirflowError(f"the run {run_id} of {dag_id} ended as {state}")
    decision = api.xcom(TRAINING[0], training, "wait_for_clean_power")
    ranking = api.xcom(REGION[0], runs[REGION[0]], "pick_region", "ranking")
    report = api.xcom(SCI[0], runs[SCI[0]], "sci_report")
    say(f"\n{ink.bold('The decision')}\n{ink.green(decision['reason'])}")
    say(*table(("", "start UTC", ">g/kWh"), _decision_rows(decision)))
    say(f"\n{ink.bold('The regions')}, for an allowed country of SE, GB, DE")
    say(*table((">rank", "region", "zone", ">g/kWh", ">PUE", ">effective", "kind"), map(_region_row, ranking)))
    say(f"\n{ink.bold('The SCI report')}: (E x I + M) per R")
    say(*table(("term", ">value", "unit"), _sci_rows(report)))
    return {"decision": decision, "ranking": ranking, "sci": report}


def _follow(api: AirflowApi, run_id: str, say: _Say) -> None:
    """Show the wait as a bar from the moment it was asked for to its latest start."""
    asked, delay, give_up, planned = datetime.now(UTC), timedelta(seconds=90), time.monotonic() + PATIENCE, ""
    while time.monotonic() < give_up:
        states = {one["task_id"]: one["state"] for one in api.task_instances(TRAINING[0], run_id)}
        wait = states.get("wait_for_clean_power")
        share = min(1.0, (datetime.now(UTC) - asked) / delay)
        full = round(share * BAR)
        waiting = {"deferred": "waiting in the triggerer, no worker held", "success": "training"}
        if wait == "deferred" and not planned and (planned := _plan(api, run_id)):
            say.again("")
            say(f"  decided: {planned}")
        say.again(f"  [{'=' * full}{' ' * (BAR - full)}]  {waiting.get(wait or '', wait or 'scheduled')}")
        if wait in FINISHED or states.get("train") in FINISHED:
            break
        time.sleep(1)
    say.again("")


def _plan(api: AirflowApi, run_id: str) -> str:
    """Find the first decision in what the trigger wrote to the task's log; empty before there is one."""
    lines = api.log(TRAINING[0], run_id, "wait_for_clean_power").splitlines()
    return next((line for line in lines if "cleaner than now" in line), "")


def _decision_rows(decision: dict[str, Any]) -> list[tuple[str, ...]]:
    rows = (
        ("at once", decision["ready_at"], decision["baseline_intensity_g_per_kwh"]),
        ("chosen", decision["start"], decision["intensity_g_per_kwh"]),
        ("latest start promised", decision["latest_start"], None),
        ("really started", decision["started_at"], None),
    )
    return [
        (name, datetime.fromisoformat(at).astimezone(UTC).strftime("%H:%M:%S"), "" if g is None else f"{g:.0f}")
        for name, at, g in rows
    ]


def _region_row(row: dict[str, Any]) -> tuple[str, ...]:
    if row["rejected"]:
        return "-", row["region"], row["zone"] or "", "", "", "", f"rejected: {row['rejected']}"
    pue = f"{row['pue']:.2f}{'?' if row['pue_assumed'] else ''}"
    numbers = (f"{row['intensity_g_per_kwh']:.0f}", pue, f"{row['effective_g_per_kwh']:.0f}")
    return str(row["rank"]), row["region"], row["zone"], *numbers, row["kind"]


def _sci_rows(report: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        ("E energy", f"{report['energy_kwh']:.6f}", "kWh"),
        ("I intensity", f"{report['intensity_g_per_kwh']:.1f}", f"g/kWh ({report['kind']}, {report['zone']})"),
        ("M embodied", f"{report['embodied_g']:.4f}", "g"),
        ("R", f"{report['functional_units']:g}", report["functional_unit"]),
        ("SCI", f"{report['sci_g_per_unit']:.6f}", f"g per {report['functional_unit']}"),
    ]


class _Say:
    """Print lines, and one that is written over again where there is a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._last = quiet, ""

    def __call__(self, *lines: str) -> None:
        if not self._quiet:
            print(*lines, sep="\n", flush=True)

    def again(self, line: str) -> None:
        """Show a line in place of the one before; without a terminal, only when its words change."""
        words = line.rpartition("]")[2]
        if self._quiet:
            return
        if sys.stdout.isatty():
            print(f"\r\x1b[K{line}", end="", flush=True)
        elif words != self._last and line:
            print(line, flush=True)
        self._last = words
