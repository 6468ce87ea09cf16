"""The hook: which database it writes to, and that a ledger that is down fails no task."""

from __future__ import annotations

import json
import logging
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.log import mask_secret
from fakes.records import START, decision, emission
from fakes.task_context import StateStore, TaskInstance, task_context

from airflow_carbon.core.record import DecisionRecord, EmissionRecord
from airflow_carbon.exceptions import LedgerError
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.hooks.ledger_finalise import finalise
from airflow_carbon.ledger.outbox import OUTBOX, kept_in

pytestmark = pytest.mark.airflow


@pytest.fixture(autouse=True)
def a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "state"))


def connection(monkeypatch: pytest.MonkeyPatch, conn_id: str, **fields: Any) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_without_a_connection_it_is_a_file_in_the_state_folder(tmp_path: Path) -> None:
    assert LedgerHook().write(emission(), decision())
    assert (tmp_path / "state" / "ledger.db").exists()
    assert [one.task_id for one in LedgerHook().read(EmissionRecord, dag_id="a_dag")] == ["a_task"]
    assert [row.total_g for row in LedgerHook().totals()] == [200.0]
    assert [row.recommended for row in LedgerHook().uptake()] == [1]
    assert LedgerHook().reductions() == []
    assert LedgerHook().ghg().rows[0].operational_kg == 0.2


def test_the_configured_connection_names_a_sqlite_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection(monkeypatch, "carbon_ledger", conn_type="sqlite", host=str(tmp_path / "elsewhere.db"))
    monkeypatch.setenv("AIRFLOW__CARBON__LEDGER_CONN_ID", "carbon_ledger")
    assert LedgerHook().write(emission())
    assert (tmp_path / "elsewhere.db").exists()
    monkeypatch.setenv("AIRFLOW_CONN_AS_URI", f"sqlite:///{tmp_path}/by_uri.db".replace("///", "////", 1))
    assert LedgerHook("as_uri").write(emission())


def test_a_postgres_connection_leads_to_postgres(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_IN_EARNEST", postgres.url.replace("postgresql:", "postgres:"))
    hook = LedgerHook("in_earnest")
    assert hook.write(emission(made_at=START))
    assert list(hook.read(EmissionRecord)) == [emission(made_at=START)]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"conn_type": "mysql", "host": "h"}, "has type 'mysql'; the ledger lives behind one of type postgres or"),
        ({"conn_type": "sqlite", "host": "ledger.db"}, "must be the file's whole path"),
        (None, "the connection 'wrong' is not defined"),
    ],
)
def test_a_connection_that_cannot_be_a_ledger_says_what_would_be(
    fields: dict[str, Any] | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fields is not None:
        connection(monkeypatch, "wrong", **fields)
    with pytest.raises(LedgerError, match=said):
        _ = LedgerHook("wrong").ledger
    assert LedgerHook("wrong").write(emission()) is False


def test_a_ledger_that_is_down_leaves_the_record_in_the_outbox(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setenv("AIRFLOW_CONN_DOWN", f"postgres://carbon:hunter22@127.0.0.1:{free_port()}/ledger")
    store, ti = StateStore(), TaskInstance()
    with caplog.at_level(logging.WARNING):
        assert LedgerHook("down").write(emission(), context=task_context(store=store, ti=ti)) is False  # type: ignore[arg-type]
    (kept,) = kept_in(store.get(OUTBOX))
    assert kept_in(ti.xcoms[OUTBOX]) == [kept]
    assert isinstance(kept, EmissionRecord)
    assert kept.operational_g == 200.0
    # It says when it was made, so that it counts against later versions as it would have then.
    assert kept.made_at is not None
    assert datetime.now(UTC) - kept.made_at < timedelta(minutes=1)
    assert "waits in the outbox" in caplog.text
    assert "hunter22" not in caplog.text + json.dumps(store.values)


def test_without_a_context_a_record_that_the_ledger_did_not_take_is_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert LedgerHook("not_defined").write(emission(task_id="lost_and_found")) is False
    assert "lost_and_found" in caplog.text


def test_no_secret_that_airflow_knows_gets_into_the_ledger(tmp_path: Path) -> None:
    mask_secret("s3cr3t-of-the-house")
    inputs = {"command": "train --key s3cr3t-of-the-house", "password": "anything", "tokens": 5}
    LedgerHook().write(emission(raw=inputs), decision(why="by s3cr3t-of-the-house", raw={"deep": [[[[[[[inputs]]]]]]]}))
    for file in (tmp_path / "state").iterdir():
        assert b"s3cr3t" not in file.read_bytes()
    assert next(LedgerHook().read(EmissionRecord)).raw == {"command": "train --key ***", "password": "***", "tokens": 5}
    assert next(LedgerHook().read(DecisionRecord)).why == "by ***"


# -- finalise --------------------------------------------------------------------------------------------------------


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give a connection to a file: 300 g/kWh until 06:00, 60 g/kWh until 07:00; later hours are not there."""
    rows = [f"{(START + timedelta(hours=hour)).isoformat()},{60 if hour >= 0 else 300}" for hour in range(-6, 1)]
    file = tmp_path / "measured.csv"
    file.write_text("\n".join(["timestamp,intensity", *rows]) + "\n")
    connection(monkeypatch, "measured", conn_type="carbon_history", extra=json.dumps({"path": str(file)}))
    return "measured"


def test_an_emission_becomes_final_once_its_hours_were_measured(measured: str) -> None:
    hook, hour = LedgerHook(), timedelta(hours=1)
    waited = {"waiting_kwh": 0.5, "waited_seconds": 3600.0}
    hook.write(
        emission(task_id="plain", kind="forecast", made_at=START),
        emission(task_id="reserved", kind="forecast", made_at=START, raw=waited),
        emission(task_id="no energy", kind="forecast", energy_kwh=None, energy_how="none", made_at=START),
        emission(task_id="too early", started_at=START + 3 * hour, made_at=START),
        emission(task_id="nowhere", location="", made_at=START),
    )
    told = finalise(hook.ledger, now=START + 12 * hour, carbon_conn_id=measured)
    assert told.finalised == 3
    assert sum(told.left.values()) == 2
    found = {one.task_id: one for one in hook.read(EmissionRecord)}
    assert (found["plain"].operational_g, found["plain"].kind, found["plain"].final) == (120.0, "measured", True)
    # 1.5 kWh at 60 g/kWh, and 0.5 kWh of the hour before at 300 g/kWh.
    assert found["reserved"].operational_g == pytest.approx(240.0)
    assert found["no energy"].operational_g is None
    assert found["no energy"].intensity_g_per_kwh == 60.0
    assert found["plain"].raw["provisional"]["operational_g"] == 200.0
    assert not found["too early"].final
    assert finalise(hook.ledger, now=START + 12 * hour, carbon_conn_id=measured).finalised == 0


def test_the_default_folder_is_airflow_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW__CARBON__STATE_DIR")
    engine = LedgerHook().ledger._engine
    assert engine.url.database == str(Path(os.environ["AIRFLOW_HOME"]) / "carbon" / "ledger.db")
