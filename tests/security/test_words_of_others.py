"""Words of others, in errors, logs and terminals: a server's, a file's, a user's."""

from __future__ import annotations

import copy
import inspect
import logging
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon import exceptions
from airflow_carbon.cli.table import table
from airflow_carbon.exceptions import CarbonError, InvalidForecastError, LocalAirflowError, PolicyFileError
from airflow_carbon.sources.intensity_csv import parse

#: A line of its own, a screen that is cleared, a title that is set, a text that runs backwards, half a character.
HOSTILE = "\n2026-11-22 INFO all is well\r\x1b[2J\x1b]0;root\x07\u202egnp.exe\u2028\ud800"

ERRORS = [
    one
    for _, one in inspect.getmembers(exceptions, inspect.isclass)
    if issubclass(one, CarbonError) and one is not LocalAirflowError
]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_no_error_breaks_a_line_or_moves_a_cursor(kind: type[CarbonError]) -> None:
    error = kind(f"the service says {HOSTILE}")
    for one in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert str(one).isprintable()
        assert "all is well" in str(one)


@given(st.text())
def test_an_error_says_what_it_was_given_where_that_can_be_shown(said: str) -> None:
    shown = str(CarbonError(said))
    assert shown.isprintable()
    assert len(shown) == len(said)
    assert all(after in (before, " ") for before, after in zip(said, shown, strict=True))


def test_an_error_of_a_policy_keeps_its_place() -> None:
    error = pickle.loads(pickle.dumps(PolicyFileError(f"line 3{HOSTILE}", line=3, key="rules")))
    assert (error.line, error.key) == (3, "rules")


@pytest.mark.parametrize(
    "text",
    [
        f'"time{HOSTILE[:-1]}",intensity\n2026-01-01T00:00:00Z,1\n2026-01-01T01:00:00Z,1\n',
        f'timestamp,intensity\n"{HOSTILE[:-1]}",1\n2026-01-01T01:00:00Z,1\n',
        f'timestamp,intensity\n2026-01-01T00:00:00Z,"{HOSTILE[:-1]}"\n2026-01-01T01:00:00Z,1\n',
    ],
)
def test_a_series_is_refused_in_one_line_whatever_it_holds(text: str) -> None:
    with pytest.raises(InvalidForecastError) as raised:
        parse(text, file=f"own{HOSTILE}.csv", column="mine" if text.startswith('"') else "")
    assert str(raised.value).isprintable()


def test_a_cell_of_a_table_stays_one_cell() -> None:
    head, row = table(["dag", ">grams"], [[f"a{HOSTILE}", "1"]])
    assert head.isprintable()
    assert row.isprintable()


def test_the_last_line_of_the_command_line_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from airflow_carbon.cli.main import main

    bad = tmp_path / "own.csv"
    bad.write_text('"time\x1b[2J\nx",intensity\nnever\x1b]0;root\x07,1\n')
    words = ["window", "zone:GB", "--csv", str(bad), "--duration", "1h"]
    assert main(words) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert said.rstrip("\n").isprintable()


@pytest.mark.airflow
def test_who_releases_a_task_writes_one_line_into_its_log(caplog: pytest.LogCaptureFixture) -> None:
    from fakes.sensors import sensor
    from fakes.task_context import task_context

    with caplog.at_level(logging.INFO):
        event = {"released": {"by": f"eve{HOSTILE}", "reason": f"now{HOSTILE}"}, "plan": {}}
        record = sensor().execute_complete(task_context(), event)
    assert record["reason"].isprintable()
    assert record["released"]["by"].isprintable()
    assert "all is well" in record["reason"]


@pytest.mark.airflow
@pytest.mark.parametrize(
    "field", ["location", "duration", "deadline", "max_delay", "earliest_start", "on_outage", "carbon_mode", "power"]
)
def test_what_a_dag_param_puts_into_a_field_is_quoted_in_one_line(field: str) -> None:
    from fakes.sensors import sensor
    from fakes.task_context import task_context

    from airflow_carbon.exceptions import InvalidRequestError

    with pytest.raises(InvalidRequestError) as raised:
        sensor(**{field: f"x{HOSTILE}"}).execute(task_context())
    assert str(raised.value).isprintable()


@pytest.mark.airflow
def test_the_mode_that_a_run_asks_for_is_quoted_in_one_line() -> None:
    from fakes.sensors import sensor
    from fakes.task_context import task_context

    from airflow_carbon.exceptions import InvalidRequestError

    for asked in (HOSTILE, {HOSTILE: 1}, {"mode": HOSTILE}):
        with pytest.raises(InvalidRequestError) as raised:
            sensor().execute(task_context(conf={"carbon": asked}))
        assert str(raised.value).isprintable()
