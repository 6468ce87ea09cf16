"""How a command is declared, in the words that argparse and Airflow share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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


def argument(*flags: str, **kwargs: Any) -> Argument:
    """Declare one argument as ``add_argument`` takes it."""
    return Argument(flags, kwargs)
