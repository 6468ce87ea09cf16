"""The commands, declared once: for ``airflow carbon`` and for the console script ``airflow-carbon``.

Airflow imports this file on every call of ``airflow``, so it imports nothing that costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


def _argument(*flags: str, **kwargs: Any) -> Argument:
    return Argument(flags, kwargs)


_WHERE = (
    "azure:swedencentral (a cloud region), zone:DE (a grid zone) or 51.5,-0.12 (latitude,longitude; where the first is "
    "negative, point:-33.9,18.4)"
)
_LOCATION = _argument("location", metavar="LOCATION", help=f"where the work runs: {_WHERE}")
_DURATION = _argument("--duration", required=True, metavar="DURATION", help="how long the run takes: 90m, 1h30m, 2d")
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

COMMANDS = (
    Command(
        "window",
        "When to run",
        "Tell when a run is cleanest, and whether waiting for it is worth it: what a CarbonAwareSensor would decide.",
        (
            _LOCATION,
            _DURATION,
            _DEADLINE,
            _argument(
                "--max-delay", metavar="DURATION", help="latest start, from now (24h where no deadline is given)"
            ),
            _argument("--earliest-start", metavar="WHEN", help="no start before it: a moment, or a duration from now"),
            _argument(
                "--min-saving",
                type=float,
                default=10.0,
                metavar="PERCENT",
                help="waiting must promise at least this reduction of intensity (default: 10)",
            ),
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
        "Rank regions by intensity x PUE; with a deadline, by the cleanest time of each.",
        (
            _argument("regions", nargs="*", metavar="REGION", help=f"candidates, each {_WHERE}"),
            _argument("--all", metavar="PROVIDER", help="rank every region of azure, aws or gcp"),
            _DURATION,
            _DEADLINE,
            _argument("--allowed-countries", metavar="CODES", help="where the data may go: SE,DE (ISO 3166)"),
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


def airflow_commands() -> list[Any]:
    """Give the group ``airflow carbon``, as Airflow's provider metadata names it under ``cli``."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

    return [
        GroupCommand(
            name="carbon",
            help="Run tasks when and where electricity is cleanest",
            subcommands=[
                ActionCommand(
                    name=command.name,
                    help=command.help,
                    description=command.description,
                    func=_under_airflow(command),
                    args=[Arg(flags=argument.flags, **argument.kwargs) for argument in command.args],
                )
                for command in COMMANDS
            ],
        )
    ]


def _under_airflow(command: Command) -> Callable[[Namespace], None]:
    def run(args: Namespace) -> None:
        from airflow.cli.utils import redirect_stdout_log_handlers_to_stderr

        from airflow_carbon.cli.main import run_command

        redirect_stdout_log_handlers_to_stderr()
        args.under_airflow = True
        if status := run_command(command, args):
            raise SystemExit(status)

    return run
