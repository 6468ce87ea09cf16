from __future__ import annotations

import json
from argparse import Namespace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.records import START, decision, impact

from airflow_carbon.cli.commands.declared import Command
from airflow_carbon.cli.main import run_command
from airflow_carbon.hooks.ledger import LedgerHook

pytestmark = pytest.mark.airflow

#: One hour after the work of ``impact()`` ended.
NOW = "2026-11-22T08:00Z"
COUNTER = Command("counter", "", "", (), "airflow_carbon.cli.counter.run")


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LedgerHook:
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path))
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # restored, though a command sets it too
    return LedgerHook()


def told(capsys: pytest.CaptureFixture[str], *, status: int = 0, **given: Any) -> str:
    args = {"action": None, "dry_run": False, "ledger_conn_id": None, "now": NOW, "json": False, **given}
    assert run_command(COUNTER, Namespace(**args)) == status
    said = capsys.readouterr()
    return said.err if status else said.out


def fill(hook: LedgerHook) -> None:
    """One decision of the last hour and one of last week, 400 g each, and a marginal one."""
    hook.ledger.write([decision(name, promised_saving_percent=60.0, task_id=name) for name in ("a", "b", "c")])
    week = START - timedelta(days=7)
    hook.ledger.write([
        impact("a", ended_at=START + timedelta(minutes=90)),
        impact("b", started_at=week, ended_at=week + timedelta(hours=1)),
        impact("c", started_at=week, ended_at=week + timedelta(hours=1), signal="marginal"),
    ])  # fmt: skip


def test_it_tells_of_each_period_with_kilometres_and_where_their_factor_comes_from(
    capsys: pytest.CaptureFixture[str], ledger: LedgerHook
) -> None:
    fill(ledger)
    said = told(capsys)
    # 400 g / 400 g per mile = 1.61 km; all time 800 g = 3.22 km.
    assert [line.strip() for line in said.splitlines()] == [
        "up to Sun 22 Nov 2026 08:00 UTC, by the end of the work",
        "the last hour",
        "1 task of 1 owner shifted",
        "attributed reduction: 400 g, as 1.61 km driven by an average car in the US "
        "(average, accounting not stated; 1 decision, 1 measured)",
        "the last day",
        "1 task of 1 owner shifted",
        "attributed reduction: 400 g, as 1.61 km driven by an average car in the US "
        "(average, accounting not stated; 1 decision, 1 measured)",
        "the last 30 days",
        "3 tasks of 1 owner shifted",
        "attributed reduction: 800 g, as 3.22 km driven by an average car in the US "
        "(average, accounting not stated; 2 decisions, 2 measured)",
        "avoided (estimate): 400 g, as 1.61 km driven by an average car in the US "
        "(marginal, accounting not stated; 1 decision, 1 measured)",
        "all time",
        "3 tasks of 1 owner shifted",
        "attributed reduction: 800 g, as 3.22 km driven by an average car in the US "
        "(average, accounting not stated; 2 decisions, 2 measured)",
        "avoided (estimate): 400 g, as 1.61 km driven by an average car in the US "
        "(marginal, accounting not stated; 1 decision, 1 measured)",
        "km driven by an average car in the US: 248.5 g per km, CO2 of the tailpipe alone, 400 g per mile over the "
        "cars in use; US EPA, Tailpipe Greenhouse Gas Emissions from a Typical Passenger Vehicle, EPA-420-F-23-014 "
        "(2023)",
    ]


def test_an_empty_ledger_says_so_and_compares_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys)
    assert said.count("no impact of a decision in the ledger") == 4
    assert "km" not in said


def test_as_json_each_comparison_carries_its_source(capsys: pytest.CaptureFixture[str], ledger: LedgerHook) -> None:
    fill(ledger)
    hour, *_ = json.loads(told(capsys, json=True))
    assert (hour["period"], hour["since"]) == ("hour", "2026-11-22T07:00:00+00:00")
    (row,) = hour["reductions"]
    assert row["reduction_g"] == 400.0
    assert all(one["source"] and one["year"] for one in row["equivalents"])


def test_a_dry_run_shows_exactly_what_a_push_would_send(
    capsys: pytest.CaptureFixture[str], ledger: LedgerHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_carbon.hooks.counter import count, pushed

    fill(ledger)
    # Nobody listens there: a dry run that sent anything would fail.
    monkeypatch.setenv("AIRFLOW__CARBON__COUNTER_URL", "http://127.0.0.1:9/carbon")
    first, _, rest = told(capsys, action="push", dry_run=True).partition("\n")
    assert first == "nothing is sent; a push would POST this to http://127.0.0.1:9/carbon:"
    assert json.loads(rest) == pushed(count(ledger, START + timedelta(hours=2)))


def test_a_push_without_a_collector_sends_nothing_and_says_what_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    assert "[carbon] counter_url" in told(capsys, action="push", status=2)
    assert "names no collector" in told(capsys, action="push", dry_run=True)


def test_a_collector_that_does_not_answer_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__COUNTER_URL", "http://127.0.0.1:9")
    said = told(capsys, action="push", status=2)
    assert "collector" in said
    assert said.count("\n") == 1


def test_a_dry_run_of_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "counter push --dry-run" in told(capsys, dry_run=True, status=2)
