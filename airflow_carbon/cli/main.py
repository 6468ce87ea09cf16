"""The console script ``airflow-carbon``: the commands of ``airflow carbon`` without the start of Airflow."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from airflow_carbon import __version__
from airflow_carbon.cli.commands import COMMANDS
from airflow_carbon.cli.commands.declared import Command, Group
from airflow_carbon.exceptions import CarbonError, printable

#: Exit statuses beside a command's own: what was asked cannot be done; as shells have them, a closed pipe and Ctrl-C.
REFUSED, PIPE_CLOSED, INTERRUPTED = 2, 141, 130

#: Argparse takes a point south of the equator for an option.
_SOUTHERN_POINT = re.compile(r"-\d+(\.\d+)?\s*,\s*[+-]?\d+(\.\d+)?")


class _Parser(argparse.ArgumentParser):
    hint = ""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(REFUSED, f"{self.prog}: {message}{self.hint}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status.

    :param argv: words after the script's name; the process's own by default.
    :raises SystemExit: with status 2, after naming the fault and the nearest word, if the words are no command.
    """
    words = [
        f" {word}" if _SOUTHERN_POINT.fullmatch(word) else word for word in (sys.argv[1:] if argv is None else argv)
    ]
    args = _parser(_meant(words)).parse_args(words)
    return run_command(args.declared, args)


def run_command(command: Command, args: argparse.Namespace) -> int:
    """Run a command; a deliberate error becomes one line on stderr.

    :param args: as argparse read them for this command.
    """
    module, _, name = command.func.rpartition(".")
    try:
        status = int(getattr(import_module(module), name)(args))
        sys.stdout.flush()
    except CarbonError as error:
        print(f"airflow-carbon: {printable(' '.join(str(error).split()))}", file=sys.stderr)
        return REFUSED
    except OverflowError:
        print("airflow-carbon: a moment lies outside the calendar; is a year or a duration mistyped?", file=sys.stderr)
        return REFUSED
    except BrokenPipeError:
        # Python flushes stdout once more as it exits, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except KeyboardInterrupt:
        print("airflow-carbon: interrupted", file=sys.stderr)
        return INTERRUPTED
    return status


def _parser(hint: str) -> _Parser:
    parser = _Parser(prog="airflow-carbon", description="Run work when and where electricity is cleanest.")
    parser.hint = hint
    parser.add_argument("--version", action="version", version=__version__)
    _declare(parser, COMMANDS, hint)
    return parser


def _declare(parser: _Parser, declared: Sequence[Command | Group], hint: str) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for one in declared:
        own = commands.add_parser(one.name, help=one.help, description=one.description)
        own.hint = hint
        if isinstance(one, Group):
            _declare(own, one.commands, hint)
            continue
        own.set_defaults(declared=one)
        for argument in one.args:
            own.add_argument(*argument.flags, **argument.kwargs)


def _meant(words: Sequence[str]) -> str:
    """Find the command or option nearest to the first one that does not exist."""
    named, declared = (word for word in words if not word.startswith("-")), COMMANDS
    for word in named:
        known = {one.name: one for one in declared}
        if word not in known:
            return _nearest(word, list(known))
        found = known[word]
        if isinstance(found, Command):
            return _meant_option(words, found)
        declared = found.commands
    return ""


def _meant_option(words: Sequence[str], command: Command) -> str:
    options = ["--help", *(flag for one in command.args for flag in one.flags if flag.startswith("--"))]
    given = (word.partition("=")[0] for word in words if word.startswith("--") and word != "--")
    wrong = next((word for word in given if not any(option.startswith(word) for option in options)), None)
    return "" if wrong is None else _nearest(wrong, options)


def _nearest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


if __name__ == "__main__":
    sys.exit(main())
