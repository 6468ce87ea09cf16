"""The ``ledger`` commands, as the command line calls them."""

from __future__ import annotations

import csv
import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from fakes.outbox_server import KnownTask, outbox_server
from fakes.records import START, decision, emission, impact

from airflow_carbon.cli import ledger as commands
from airflow_carbon.cli.airflow_login import PASSWORD
from airflow_carbon.core.record_document import document_of
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.ledger.outbox import OUTBOX

pytestmark = pytest.mark.airflow

NOW = "2026-11-30T00:00+00:00"


@pytest.fixture(autouse=True)
def a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "state"))
    # The commands let the task SDK read the metadata database; no other test is to inherit that.
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")


def args(**given: Any) -> Namespace:
    whole = {
        "ledger_conn_id": None, "json": False, "now": NOW, "since": None, "until": None, "dag": None, "by": "dag,month",
        "reductions": False, "ghg": False, "accounts": None, "what": "emissions", "output": None, "format": None,
        "conn_id": None, "url": None, "user": None, "thorough": False,
    }  # fmt: skip
    return Namespace(**{**whole, **given})


def told(capsys: pytest.CaptureFixture[str], run: Any, **given: Any) -> Any:
    assert run(args(json=True, **given)) == 0
    return json.loads(capsys.readouterr().out)


def test_init_makes_the_ledger_and_can_be_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = {"ledger": "ledger.db", "schema": "0003"}
    assert told(capsys, commands.run_init) == told(capsys, commands.run_init) == expected
    assert (tmp_path / "state" / "ledger.db").exists()


def test_totals_are_shown_by_what_was_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run_totals(args()) == 0
    assert capsys.readouterr().out == "nothing in the ledger\n"
    LedgerHook().write(emission(), emission(task_id="b", dag_id="other"), decision(), impact())
    assert commands.run_totals(args()) == 0
    shown = capsys.readouterr().out
    assert "a_dag  2026-11  average" in shown
    assert "200.000" in shown
    (row,) = told(capsys, commands.run_totals, by="owner")
    assert (row["owner"], row["records"], row["total_g"]) == ("ann", 2, 400.0)
    assert told(capsys, commands.run_totals, since="1d") == []
    assert len(told(capsys, commands.run_totals, since="2026-11-22", until="2026-11-23")) == 2
    (row,) = told(capsys, commands.run_totals, reductions=True)
    assert (row["decisions"], row["reduction_g"], row["reduction_label"]) == (1, 400.0, "attributed reduction")


def test_the_ghg_view_takes_accounts_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    LedgerHook().write(emission(), emission(task_id="b", signal="marginal"))
    accounts = tmp_path / "accounts.json"
    accounts.write_text('{"owner:ann": "CC-100"}')
    shown = told(capsys, commands.run_totals, accounts=str(accounts))
    (row,) = shown["rows"]
    assert (row["account"], row["month"], row["operational_kg"]) == ("CC-100", "2026-11", 0.2)
    assert shown["left_out"]["marginal"] == 1
    assert commands.run_totals(args(ghg=True)) == 0
    assert "left out: 1 tries, marginal" in capsys.readouterr().out
    accounts.write_text("[]")
    with pytest.raises(InvalidRequestError, match="must hold one object"):
        commands.run_totals(args(accounts=str(accounts)))


def test_export_takes_the_format_from_the_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    LedgerHook().write(emission(), decision())
    assert commands.run_export(args(what="decisions", output=str(tmp_path / "out.json"))) == 0
    assert [row["decision_id"] for row in json.loads((tmp_path / "out.json").read_text())] == ["one"]
    capsys.readouterr()
    assert commands.run_export(args()) == 0
    (row,) = csv.DictReader(capsys.readouterr().out.splitlines())
    assert row["operational_g"] == "200.0"
    with pytest.raises(InvalidRequestError, match="'runs' must be one of emissions, decisions, impacts"):
        commands.run_export(args(what="runs"))


def test_uptake_tells_what_was_done(capsys: pytest.CaptureFixture[str]) -> None:
    LedgerHook().write(
        decision(), decision("two", action="overridden", why="a deploy was due"), impact(saving_percent=66.7)
    )
    assert commands.run_uptake(args()) == 0
    shown = capsys.readouterr().out
    assert "a_dag, wait: 2 recommended; 1 taken, 1 overridden" in shown
    assert "overridden, 1: a deploy was due" in shown
    assert "became 67 %, 400 g less" in shown
    assert told(capsys, commands.run_uptake)[0]["recommended"] == 2


def test_sync_fills_the_ledger_from_a_server(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD, "secret")
    with outbox_server([KnownTask(xcoms={OUTBOX: [document_of(emission())]})]) as server:
        assert told(capsys, commands.run_sync, url=server.url, user="admin")["written"] == 1
        assert told(capsys, commands.run_sync, url=server.url, user="admin")["written"] == 0
    assert commands.run_totals(args()) == 0


def test_finalise_says_what_stays_provisional_and_what_claims_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    LedgerHook().write(emission(location="", made_at=START), decision(governs=()))
    assert commands.run_finalise(args()) == 0
    first, second, third, fourth = capsys.readouterr().out.splitlines()
    assert (first, second) == ("0 emissions are final now", "1 stay provisional: no location is recorded")
    assert third == "0 decisions have an impact"
    assert fourth.startswith("1 claim none: ")
    assert told(capsys, commands.run_finalise)["impacts"] == 0
