"""The commands, declared once: for ``airflow carbon`` and for the console script ``airflow-carbon``.

Airflow imports this file on every call of ``airflow``, so it imports nothing that costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import Namespace


@dataclass(frozen=True, slots=True)
class Argument:
    """Declare one argument, in argparse's words.

    :param flags: its names, or the one name of a positional argument.
    :param kwargs: what ``add_argument`` takes besides.
    """

    flags: tuple[str, ...]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """Declare one command.

    :param name: word on the command line.
    :param help: what it is for, in a few words.
    :param description: the same in a sentence or two.
    :param args: its arguments.
    :param func: dotted path of ``run(args: Namespace) -> int``, its exit status; imported when it is called.
    """

    name: str
    help: str
    description: str
    args: tuple[Argument, ...]
    func: str


@dataclass(frozen=True, slots=True)
class Group:
    """Declare commands that share their first word.

    :param name: that word.
    :param help: what they are for, in a few words.
    :param description: the same in a sentence or two.
    :param commands: in the order of the help.
    """

    name: str
    help: str
    description: str
    commands: tuple[Command | Group, ...]


def _argument(*flags: str, **kwargs: Any) -> Argument:
    return Argument(flags, kwargs)


_WHERE = (
    "azure:swedencentral (a cloud region), zone:DE (a grid zone) or 51.5,-0.12 (latitude,longitude; where the first is "
    "negative, point:-33.9,18.4)"
)
_LOCATION = _argument("location", metavar="LOCATION", help=f"where the work runs: {_WHERE}")
_DURATION = _argument("--duration", metavar="DURATION", help="how long the run takes: 90m, 1h30m, 2d")
_POWER = _argument(
    "--power",
    metavar="PHASES",
    help="what the run draws as it goes on: '10m@50W, 2h@300W, 15m@80W'; tells the duration too",
)
_MIN_SAVING = _argument(
    "--min-saving",
    type=float,
    default=10.0,
    metavar="PERCENT",
    help="waiting must promise at least this reduction of intensity (default: 10)",
)
_DEADLINE = _argument(
    "--deadline",
    metavar="WHEN",
    help="latest finish: a moment with its timezone (2026-11-22T18:00+00:00), or a duration from now (8h)",
)
_CONN_ID = _argument(
    "--conn-id",
    action="append",
    metavar="ID",
    help="Airflow connection to ask; repeat it for a chain, the preferred one first. Without it: carbon_default under "
    "'airflow carbon' where that is defined, else the typical profiles, which are no forecast",
)
_CSV = _argument("--csv", metavar="FILE", help="plan on a file of your own: a CSV with the header timestamp,intensity")
_REPLAY = _argument("--replay", action="store_true", help="take the file of --csv as if it began now")
_NOW = _argument("--now", metavar="MOMENT", help="look from this moment instead of the clock's, with its timezone")
_JSON = _argument("--json", action="store_true", help="print one JSON document and nothing else")
_LEDGER = _argument(
    "--ledger-conn-id", metavar="ID", help="connection of the ledger (default: [carbon] ledger_conn_id)"
)
_DAG = _argument("--dag", metavar="DAG_ID", help="of this DAG alone")
_SINCE = _argument("--since", metavar="WHEN", help="from here on: 30d (back from now), 2026-11-01, or a moment")
_UNTIL = _argument("--until", metavar="WHEN", help="and up to here")
_URL = _argument("--url", metavar="URL", help="of the api-server: http://localhost:8080")
_USER = _argument(
    "--user",
    metavar="NAME",
    help="to log in as, with the password in the environment variable AIRFLOW_CARBON_PASSWORD; or put a token into "
    "AIRFLOW_CARBON_TOKEN",
)

COMMANDS: tuple[Command | Group, ...] = (
    Command(
        "window",
        "When to run",
        "Tell when a run is cleanest, and whether waiting for it is worth it: what a CarbonAwareSensor would decide.",
        (
            _LOCATION,
            _DURATION,
            _POWER,
            _DEADLINE,
            _argument(
                "--max-delay", metavar="DURATION", help="latest start, from now (24h where no deadline is given)"
            ),
            _argument("--earliest-start", metavar="WHEN", help="no start before it: a moment, or a duration from now"),
            _MIN_SAVING,
            _CSV,
            _REPLAY,
            _CONN_ID,
            _NOW,
            _JSON,
        ),
        "airflow_carbon.cli.window.run",
    ),
    Command(
        "regions",
        "Where to run",
        "Rank regions by intensity x PUE; with a deadline, by the cleanest time of each; with prices, spot and "
        "dedicated machines by what the whole run emits and costs.",
        (
            _argument("regions", nargs="*", metavar="REGION", help=f"candidates, each {_WHERE}"),
            _argument("--all", metavar="PROVIDER", help="rank every region of azure, aws or gcp"),
            _DURATION,
            _POWER,
            _DEADLINE,
            _argument("--allowed-countries", metavar="CODES", help="where the data may go: SE,DE (ISO 3166)"),
            _argument("--exclude", metavar="REGIONS", help="regions that must not be chosen, commas between them"),
            _argument("--prices", metavar="WHAT", help="azure_retail, or the path of a CSV; needs --sku"),
            _argument("--sku", metavar="NAME", help="the machine, in its cloud's exact spelling: Standard_D2s_v3"),
            _argument("--purchase", metavar="HOW", help="spot or dedicated (default: both)"),
            _argument("--currency", default="USD", metavar="CODE", help="of the prices (default: USD)"),
            _argument("--eviction-rate", metavar="PER_HOUR", help="of spot machines, where the prices do not tell"),
            _argument("--checkpoint-interval", metavar="DURATION", help="work between two checkpoints on spot"),
            _argument(
                "--tradeoff",
                metavar="WORD=NUMBER",
                help="carbon_price_per_tonne=80, max_extra_cost_percent=5, cost_percent_per_carbon_percent=0.5 or "
                "emission_weight=0.5 (default: least carbon)",
            ),
            _argument("--max-extra-cost", metavar="PERCENT", help="a limit over the cheapest, with any tradeoff"),
            _argument(
                "--queue-wait", metavar="REGION=WAIT", help="expected wait for a machine: azure:uksouth=20m, ..."
            ),
            _argument("--data-gb", metavar="GB", help="data to move from --data-region; needs --power"),
            _argument("--data-region", metavar="REGION", help="where the data lie"),
            _CONN_ID,
            _NOW,
            _JSON,
        ),
        "airflow_carbon.cli.regions.run",
    ),
    Command(
        "forecast",
        "What is to come",
        "Show the carbon intensity of the next hours, and what kind of number it is.",
        (
            _LOCATION,
            _argument("--hours", type=float, default=24.0, metavar="N", help="how far to look (default: 24)"),
            _CSV,
            _REPLAY,
            _CONN_ID,
            _NOW,
            _JSON,
        ),
        "airflow_carbon.cli.forecast.run",
    ),
    Command(
        "intensity",
        "How clean places are",
        "Show the carbon intensity of places, all asked at once: at present, over the past, or over what is to come. "
        "One without an answer is shown with the reason; exits with 1 if none has an answer.",
        (
            _argument("locations", nargs="+", metavar="LOCATION", help=f"places, each {_WHERE}"),
            _argument("--history", metavar="TIME", help="the past: week, month, or a duration (24h, 7d)"),
            _argument("--forecast", metavar="DURATION", help="what is to come, over a duration (8h)"),
            _argument(
                "--sort",
                action="store_true",
                help="cleanest first, by numbers that compare where the source has them; others are ordered apart",
            ),
            _CSV,
            _REPLAY,
            _CONN_ID,
            _NOW,
            _JSON,
        ),
        "airflow_carbon.cli.intensity.run",
    ),
    Command(
        "backtest",
        "What shifting would have changed",
        "Replay runs over what was measured: what they would have emitted, against running at once and against knowing "
        "the future. The runs are made up (--duration), or the past runs of a DAG (--dag).",
        (
            _argument(
                "location", nargs="?", metavar="LOCATION", help=f"home of the work, not needed with --csv: {_WHERE}"
            ),
            _argument("--duration", metavar="DURATION", help="how long a run takes: 90m, 1h30m, 2d"),
            _argument("--max-delay", metavar="DURATION", help="latest start after a run was ready (default: 24h)"),
            _MIN_SAVING,
            _argument(
                "--every", metavar="DURATION", help="how often a run is ready (default: by the history's length)"
            ),
            _argument("--max-chunks", type=int, metavar="N", help="the run may be cut into so many chunks"),
            _argument("--min-chunk", metavar="DURATION", help="shortest chunk"),
            _argument("--resume-overhead", metavar="DURATION", help="run time that each resume costs"),
            _argument(
                "--regions",
                nargs="+",
                metavar="LOCATION",
                help="it may run there too; with --csv, LOCATION and these name columns of the file (zone:DE: DE)",
            ),
            _argument("--csv", metavar="FILE", help="replay over a file of your own: a CSV, timestamp,intensity"),
            _argument(
                "--forecast-column",
                metavar="NAME",
                help="column of --csv with day-ahead forecasts, stitched together; the result is labelled so",
            ),
            _argument("--history", metavar="DURATION", help="how far back to look from now (default: 30d)"),
            _CONN_ID,
            _argument(
                "--knowing",
                metavar="WHAT",
                help="what a run may know when it is ready: week (the hourly mean of the last 7 days; the default), "
                "yesterday (the same hour) or perfect (what came)",
            ),
            _argument(
                "--calibrate",
                action="store_true",
                help="find the --min-saving at which at most 5 %% of the shifted runs emit more than at once",
            ),
            _argument("--dag", metavar="DAG_ID", help="replay this DAG's past runs, read through Airflow's REST API"),
            _argument("--task", metavar="TASK_ID", help="this task of --dag alone; without it, each run is one job"),
            _argument("--url", metavar="URL", help="of the api-server, for --dag: http://localhost:8080"),
            _argument(
                "--user",
                metavar="NAME",
                help="to log in as, for --dag, with the password in the environment variable AIRFLOW_CARBON_PASSWORD; "
                "or put a token into AIRFLOW_CARBON_TOKEN",
            ),
            _argument("--chart", metavar="FILE", help="draw it into this file too: .png, .svg or .pdf (extra: charts)"),
            _NOW,
            _JSON,
        ),
        "airflow_carbon.cli.backtest.run",
    ),
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
                    _argument("manifest", metavar="MANIFEST", help="a YAML file"),
                    _argument("-o", "--output", metavar="FILE", help="write the outputs here; show the SCIs alone"),
                    _argument(
                        "--json", action="store_true", help="print the manifest with its outputs as JSON instead"
                    ),
                ),
                "airflow_carbon.cli.sci.run",
            ),
            Command(
                "manifest",
                "Write a manifest of a run",
                "Write a DAG run as a manifest that Impact Framework accepts and computes to the same SCI.",
                (
                    _argument("dag", metavar="DAG"),
                    _argument("run", metavar="RUN"),
                    _argument(
                        "--unit", metavar="NAME", help="functional unit (default: the one that the tasks counted)"
                    ),
                    _argument(
                        "--units", metavar="COUNT", help="how many the run did (default: what the tasks counted)"
                    ),
                    _argument("-o", "--output", metavar="FILE", help="write it here, not to stdout"),
                    _LEDGER,
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
            _argument("dag", metavar="DAG"),
            _argument("run", nargs="?", metavar="RUN"),
            _argument(
                "--energy", metavar="FILE", help="measured energy of the run from any meter: a CSV, timestamp,kwh"
            ),
            _argument("--location", metavar="LOCATION", help="where it was drawn, if the ledger does not know"),
            _argument("--home", metavar="LOCATION", help="where the baseline runs"),
            _argument("--ready-at", metavar="MOMENT", help="when it was first ready"),
            _argument("--region", action="append", metavar="LOCATION", help="had it run there; repeat it"),
            _argument("--since", metavar="DURATION", help="decisions of that long ago or later: 30d"),
            _LEDGER,
            _CSV,
            _REPLAY,
            _CONN_ID,
            _NOW,
            _JSON,
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
                (_LEDGER, _JSON),
                "airflow_carbon.cli.ledger.run_init",
            ),
            Command(
                "sync",
                "Fill what it missed",
                "Read through Airflow's REST API what tasks kept while the ledger was down, and write it.",
                (
                    _DAG,
                    _SINCE,
                    _argument(
                        "--thorough",
                        action="store_true",
                        help="look into every task, also where nothing tells of a record",
                    ),
                    _URL,
                    _USER,
                    _LEDGER,
                    _NOW,
                    _JSON,
                ),
                "airflow_carbon.cli.ledger.run_sync",
            ),
            Command(
                "totals",
                "Sums",
                "Sums of emissions or reductions; signals and accountings are never added up.",
                (
                    _argument(
                        "--by",
                        default="dag,month",
                        metavar="WORDS",
                        help="dag, tag, owner, region, month (default: dag,month)",
                    ),
                    _DAG,
                    _SINCE,
                    _UNTIL,
                    _argument("--reductions", action="store_true", help="what decisions changed, not what was emitted"),
                    _argument("--ghg", action="store_true", help="location-based kilograms by account and month"),
                    _argument("--accounts", metavar="FILE", help="with --ghg: JSON that maps owners to accounts"),
                    _LEDGER,
                    _NOW,
                    _JSON,
                ),
                "airflow_carbon.cli.ledger.run_totals",
            ),
            Command(
                "export",
                "Write it out",
                "Write records as CSV, JSON or Parquet.",
                (
                    _argument(
                        "what", nargs="?", default="emissions", metavar="WHAT", help="emissions, decisions or impacts"
                    ),
                    _argument("-o", "--output", metavar="FILE", help="without it, CSV to stdout"),
                    _argument("--format", metavar="FORM", help="csv, json or parquet (default: by the file's name)"),
                    _DAG,
                    _SINCE,
                    _UNTIL,
                    _LEDGER,
                    _NOW,
                ),
                "airflow_carbon.cli.ledger.run_export",
            ),
            Command(
                "uptake",
                "What was done with it",
                "What was recommended, what was done, and how well it went.",
                (_DAG, _SINCE, _UNTIL, _LEDGER, _NOW, _JSON),
                "airflow_carbon.cli.ledger.run_uptake",
            ),
            Command(
                "finalise",
                "Make it final",
                "Make provisional emissions final, where the hours in which they ran were measured meanwhile, and "
                "conclude what each decision changed.",
                (_DAG, _SINCE, _CONN_ID, _LEDGER, _NOW, _JSON),
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
            _argument("action", nargs="?", choices=("push",), help="send the sums to [carbon] counter_url"),
            _argument(
                "--dry-run", action="store_true", help="with push: show exactly what would be sent, and send nothing"
            ),
            _LEDGER,
            _NOW,
            _JSON,
        ),
        "airflow_carbon.cli.counter.run",
    ),
    Group(
        "policy",
        "Rules of the deployment",
        "The rules of [carbon] policy_file: which tasks wait for clean power though their DAGs say nothing of it.",
        (
            Command(
                "check",
                "Look for mistakes",
                "Read the policy file and name every mistake by line and key. Exits with 1 where there is one.",
                (
                    _argument("file", nargs="?", metavar="FILE", help="a YAML file (default: [carbon] policy_file)"),
                    _JSON,
                ),
                "airflow_carbon.cli.policy.run_check",
            ),
            Command(
                "explain",
                "What applies to a DAG",
                "Read a DAG from its file, and tell what applies to each of its tasks and why. "
                "Exits with 1 where the policy file has a mistake.",
                (
                    _argument("dag", metavar="DAG"),
                    _argument("--file", metavar="FILE", help="the policy (default: [carbon] policy_file)"),
                    _argument("--dags", metavar="PATH", help="file or folder of the DAG (default: the DAG bundles)"),
                    _JSON,
                ),
                "airflow_carbon.cli.policy.run_explain",
            ),
        ),
    ),
    Command(
        "release",
        "Start a waiting task now",
        "Start a task that waits for clean power now, and keep who asked and why in the ledger, as an override. Asks "
        "the api-server with the token in AIRFLOW_CARBON_TOKEN, or --user and the password in AIRFLOW_CARBON_PASSWORD.",
        (
            _argument("dag_id", metavar="DAG"),
            _argument("run_id", metavar="RUN"),
            _argument("task_id", metavar="TASK"),
            _argument("--map-index", type=int, default=-1, metavar="N", help="of a mapped task"),
            _argument("--reason", required=True, metavar="TEXT", help="why; kept with the decision"),
            _URL,
            _USER,
            _JSON,
        ),
        "airflow_carbon.cli.release.run",
    ),
    Command(
        "doctor",
        "Check this installation",
        "Check Airflow, its triggerer, the [carbon] options and the connections, and make one plan. "
        "Exits with 1 if a check failed; warnings do not count.",
        (
            _argument("--location", default="zone:GB", metavar="LOCATION", help=f"where your work runs: {_WHERE}"),
            _CONN_ID,
            _JSON,
        ),
        "airflow_carbon.cli.doctor.run",
    ),
    Command(
        "demo",
        "See it work",
        "Start an Airflow of its own in a folder of its own, run the examples on it, and show what they decided.",
        (
            _argument("--stay", action="store_true", help="leave Airflow running, and say where to log in"),
            _argument("--home", metavar="PATH", help="keep that Airflow in this folder"),
            _argument("--dags", metavar="PATH", help="folder of DAGs to run instead of the examples"),
            _JSON,
        ),
        "airflow_carbon.cli.demo.run",
    ),
)


def single_commands(declared: tuple[Command | Group, ...] = COMMANDS) -> Iterator[Command]:
    """Give every command, those of groups too."""
    for one in declared:
        if isinstance(one, Group):
            yield from single_commands(one.commands)
        else:
            yield one


def airflow_commands() -> list[Any]:
    """Give the group ``airflow carbon``, as Airflow's provider metadata names it under ``cli``."""
    return [
        _airflow_command(
            Group(
                "carbon",
                "Run tasks when and where electricity is cleanest",
                "Run work when and where electricity is cleanest.",
                COMMANDS,
            )
        )
    ]


def _airflow_command(declared: Command | Group) -> Any:
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

    if isinstance(declared, Group):
        return GroupCommand(
            name=declared.name,
            help=declared.help,
            description=declared.description,
            subcommands=[_airflow_command(one) for one in declared.commands],
        )
    return ActionCommand(
        name=declared.name,
        help=declared.help,
        description=declared.description,
        func=_under_airflow(declared),
        args=[Arg(flags=argument.flags, **argument.kwargs) for argument in declared.args],
    )


def _under_airflow(command: Command) -> Callable[[Namespace], None]:
    def run(args: Namespace) -> None:
        from airflow.cli.utils import redirect_stdout_log_handlers_to_stderr

        from airflow_carbon.cli.main import run_command

        redirect_stdout_log_handlers_to_stderr()
        args.under_airflow = True
        if status := run_command(command, args):
            raise SystemExit(status)

    return run
