"""The commands, declared once: for ``airflow carbon`` and for the console script ``airflow-carbon``.

Airflow imports this on every call of ``airflow``, so it imports nothing that costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from airflow_carbon.cli.commands.accounting import ACCOUNTING
from airflow_carbon.cli.commands.deciding import DECIDING
from airflow_carbon.cli.commands.declared import Command, Group
from airflow_carbon.cli.commands.operating import OPERATING

if TYPE_CHECKING:
    from argparse import Namespace

COMMANDS: tuple[Command | Group, ...] = (*DECIDING, *ACCOUNTING, *OPERATING)


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
