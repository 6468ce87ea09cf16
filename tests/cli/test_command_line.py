from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from airflow_carbon import __version__
from airflow_carbon.cli.commands import COMMANDS, single_commands
from airflow_carbon.cli.commands.declared import Command, Group
from airflow_carbon.cli.main import main, run_command

SCRIPT = [sys.executable, "-m", "airflow_carbon.cli.main"]


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    with pytest.raises(SystemExit) as raised:
        main(argv)
    assert raised.value.code == 2
    return capsys.readouterr().err


def test_a_misspelt_command_is_refused_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "windw", "zone:GB").rstrip().endswith("did you mean 'window'?")


def test_a_command_like_no_other_is_refused_with_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    fault = refused(capsys, "xyzzy")
    assert "'window'" in fault
    assert "did you mean" not in fault


def test_a_misspelt_option_is_refused_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    fault = refused(capsys, "window", "zone:GB", "--duration", "1h", "--dedline=8h")
    assert fault.rstrip().endswith("did you mean '--deadline'?")


def test_a_missing_option_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "required: LOCATION" in refused(capsys, "intensity")
    assert main(["window", "zone:GB"]) == 2
    assert "duration: say how long the run takes" in capsys.readouterr().err


def test_without_a_command_the_usage_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert "COMMAND" in refused(capsys)


def test_a_point_south_of_the_equator_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["window", "-33.9,151.2", "--duration", "1h", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["location"] == "-33.9,151.2"


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["--version"])
    assert raised.value.code == 0
    assert capsys.readouterr().out.strip() == __version__


def interrupted(args: argparse.Namespace) -> int:
    raise KeyboardInterrupt


def test_ctrl_c_ends_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    command = Command("x", "", "", (), f"{__name__}.interrupted")
    assert run_command(command, argparse.Namespace()) == 130
    assert capsys.readouterr().err == "airflow-carbon: interrupted\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    with subprocess.Popen(
        [*SCRIPT, "forecast", "zone:GB", "--hours", "8784", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_a_plan_without_a_connection_imports_neither_airflow_nor_pandas(series: Path) -> None:
    for argv in (
        ["window", "zone:GB", "--duration", "1h"],
        ["window", "zone:GB", "--duration", "1h", "--csv", str(series), "--replay"],
        ["regions", "zone:GB", "--duration", "1h"],
        ["forecast", "zone:GB"],
    ):
        code = (
            "import sys; from airflow_carbon.cli.main import main; status = main(sys.argv[1:]);"
            "print(sorted({'airflow', 'pandas', 'httpx', 'sqlalchemy'} & sys.modules.keys()), file=sys.stderr);"
            "sys.exit(status)"
        )
        done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, check=True)
        assert done.stderr == "[]\n"


def test_where_blocks_cannot_be_shown_the_picture_is_plain() -> None:
    done = subprocess.run(
        [*SCRIPT, "forecast", "zone:GB"],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.stderr == b""
    assert b"####" in done.stdout
    assert b"?" not in done.stdout


def test_every_command_but_the_demo_has_its_function() -> None:
    for command in single_commands():
        module, _, name = command.func.rpartition(".")
        if command.name != "demo":
            assert callable(getattr(import_module(module), name))


def test_the_declaration_costs_nothing_to_import() -> None:
    code = (
        "import sys; before = set(sys.modules); import airflow_carbon.cli.commands;"
        "print({'numpy', 'airflow', 'asyncio', 'argparse'} & (set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.airflow
def test_airflow_gets_the_same_commands() -> None:
    from airflow.cli.cli_config import DefaultHelpParser

    from airflow_carbon.cli.commands import airflow_commands

    (group,) = airflow_commands()
    assert group.name == "carbon"
    pairs = list(zip(COMMANDS, group.subcommands, strict=True))
    while pairs:
        ours, theirs = pairs.pop()
        assert theirs.name == ours.name
        if isinstance(ours, Group):
            pairs += zip(ours.commands, theirs.subcommands, strict=True)
            continue
        parser = DefaultHelpParser()
        for argument in theirs.args:
            argument.add_to_parser(parser)
        flags = [flag for argument in ours.args for flag in argument.flags if flag.startswith("-")]
        assert set(flags) <= set(parser._option_string_actions)


@pytest.mark.airflow
def test_under_airflow_an_error_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    from airflow.cli.cli_config import DefaultHelpParser

    from airflow_carbon.cli.commands import airflow_commands

    (group,) = airflow_commands()
    window = next(command for command in group.subcommands if command.name == "window")
    parser = DefaultHelpParser()
    for argument in window.args:
        argument.add_to_parser(parser)
    with pytest.raises(SystemExit) as raised:
        window.func(parser.parse_args(["zone:GB", "--duration", "0h"]))
    assert raised.value.code == 2
    assert capsys.readouterr().err == "airflow-carbon: --duration: 0:00:00 must be longer than zero\n"
