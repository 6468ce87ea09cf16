"""What was emitted, what decisions changed, and the sums of it."""

from __future__ import annotations

from airflow_carbon.cli.commands.arguments import CONN_ID, CSV, DAG, JSON, LEDGER, NOW, REPLAY, SINCE, UNTIL, URL, USER
from airflow_carbon.cli.commands.declared import Command, Group, argument

ACCOUNTING: tuple[Command | Group, ...] = (
    Group(
        "sci",
        "Software Carbon Intensity",
        "Emissions per unit of work (ISO/IEC 21031:2024), in manifests of Impact Framework.",
        (
            Command(
                "run",
                "Compute a manifest",
                "Compute the outputs and aggregates of an Impact Framework manifest, and the SCI to report. Without "
                "--output the manifest with its outputs is printed.",
                (
                    argument("manifest", metavar="MANIFEST", help="a YAML file"),
                    argument("-o", "--output", metavar="FILE", help="write the outputs here; show the SCIs alone"),
                    argument("--json", action="store_true", help="print the manifest with its outputs as JSON instead"),
                ),
                "airflow_carbon.cli.sci.run",
            ),
            Command(
                "manifest",
                "Write a manifest of a run",
                "Write a DAG run as a manifest that Impact Framework accepts and computes to the same SCI.",
                (
                    argument("dag", metavar="DAG"),
                    argument("run", metavar="RUN"),
                    argument(
                        "--unit", metavar="NAME", help="functional unit (default: the one that the tasks counted)"
                    ),
                    argument("--units", metavar="COUNT", help="how many the run did (default: what the tasks counted)"),
                    argument("-o", "--output", metavar="FILE", help="write it here, not to stdout"),
                    LEDGER,
                ),
                "airflow_carbon.cli.sci_manifest.run",
            ),
        ),
    ),
    Command(
        "impact",
        "What decisions changed",
        "Show what the decisions of a DAG or of one run changed, keep it in the ledger, and, for a run, what other "
        "starts and places would have emitted.",
        (
            argument("dag", metavar="DAG"),
            argument("run", nargs="?", metavar="RUN"),
            argument(
                "--energy", metavar="FILE", help="measured energy of the run from any meter: a CSV, timestamp,kwh"
            ),
            argument("--location", metavar="LOCATION", help="where it was drawn, if the ledger does not know"),
            argument("--home", metavar="LOCATION", help="where the baseline runs"),
            argument("--ready-at", metavar="MOMENT", help="when it was first ready"),
            argument("--region", action="append", metavar="LOCATION", help="had it run there; repeat it"),
            argument("--since", metavar="DURATION", help="decisions of that long ago or later: 30d"),
            LEDGER,
            CSV,
            REPLAY,
            CONN_ID,
            NOW,
            JSON,
        ),
        "airflow_carbon.cli.impact.run",
    ),
    Group(
        "ledger",
        "What was recorded",
        "The ledger of what tasks emitted, what was decided, and what came of it.",
        (
            Command(
                "init",
                "Make it ready",
                "Make the schema, or bring it up to date.",
                (LEDGER, JSON),
                "airflow_carbon.cli.ledger.run_init",
            ),
            Command(
                "sync",
                "Fill what it missed",
                "Read through Airflow's REST API what tasks kept while the ledger was down, and write it.",
                (
                    DAG,
                    SINCE,
                    argument(
                        "--thorough",
                        action="store_true",
                        help="look into every task, also where nothing tells of a record",
                    ),
                    URL,
                    USER,
                    LEDGER,
                    NOW,
                    JSON,
                ),
                "airflow_carbon.cli.ledger.run_sync",
            ),
            Command(
                "totals",
                "Sums",
                "Sums of emissions or reductions; signals and accountings are never added up.",
                (
                    argument(
                        "--by",
                        default="dag,month",
                        metavar="WORDS",
                        help="dag, tag, owner, region, month (default: dag,month)",
                    ),
                    DAG,
                    SINCE,
                    UNTIL,
                    argument("--reductions", action="store_true", help="what decisions changed, not what was emitted"),
                    argument("--ghg", action="store_true", help="location-based kilograms by account and month"),
                    argument("--accounts", metavar="FILE", help="with --ghg: JSON that maps owners to accounts"),
                    LEDGER,
                    NOW,
                    JSON,
                ),
                "airflow_carbon.cli.ledger.run_totals",
            ),
            Command(
                "export",
                "Write it out",
                "Write records as CSV, JSON or Parquet.",
                (
                    argument(
                        "what", nargs="?", default="emissions", metavar="WHAT", help="emissions, decisions or impacts"
                    ),
                    argument("-o", "--output", metavar="FILE", help="without it, CSV to stdout"),
                    argument("--format", metavar="FORM", help="csv, json or parquet (default: by the file's name)"),
                    DAG,
                    SINCE,
                    UNTIL,
                    LEDGER,
                    NOW,
                ),
                "airflow_carbon.cli.ledger.run_export",
            ),
            Command(
                "uptake",
                "What was done with it",
                "What was recommended, what was done, and how well it went.",
                (DAG, SINCE, UNTIL, LEDGER, NOW, JSON),
                "airflow_carbon.cli.ledger.run_uptake",
            ),
            Command(
                "finalise",
                "Make it final",
                "Make provisional emissions final, where the hours in which they ran were measured meanwhile, and "
                "conclude what each decision changed.",
                (DAG, SINCE, CONN_ID, LEDGER, NOW, JSON),
                "airflow_carbon.cli.ledger.run_finalise",
            ),
        ),
    ),
    Command(
        "counter",
        "What was changed so far",
        "Show reductions of the last hour, day, 30 days and all time, and who shifted; 'counter push' sends these sums "
        "to [carbon] counter_url.",
        (
            argument("action", nargs="?", choices=("push",), help="send the sums to [carbon] counter_url"),
            argument(
                "--dry-run", action="store_true", help="with push: show exactly what would be sent, and send nothing"
            ),
            LEDGER,
            NOW,
            JSON,
        ),
        "airflow_carbon.cli.counter.run",
    ),
)
