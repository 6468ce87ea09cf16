"""From connection ids to a source."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_carbon.core.location import Location
from airflow_carbon.exceptions import InvalidRequestError

pytestmark = pytest.mark.airflow

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def connect(monkeypatch: pytest.MonkeyPatch, conn_id: str, conn_type: str, **extra: Any) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({"conn_type": conn_type, "extra": extra}))


def series(path: Path, start: datetime, values: list[float]) -> Path:
    rows = [f"{(start + row * HOUR).isoformat()},{value}" for row, value in enumerate(values)]
    path.write_text("\n".join(["timestamp,intensity", *rows]))
    return path


def ask(source: Any, now: datetime = NOW, location: str = "zone:GB") -> Any:
    return asyncio.run(source.forecast(Location.parse(location), now=now, until=now + 6 * HOUR))


def test_without_any_connection_the_typical_source_serves_and_the_log_says_so() -> None:
    from airflow_carbon.hooks import chain

    said = io.StringIO()
    handler = logging.StreamHandler(said)
    chain.log.addHandler(handler)
    chain.log.setLevel(logging.INFO)
    hooks = chain.hooks_of(chain.conn_ids(None))
    chain.log.removeHandler(handler)
    assert ask(chain.source_of(hooks)).kind == "typical"
    assert "typical profiles, which are no forecast" in said.getvalue()


def test_the_default_connection_serves_where_it_is_defined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from airflow_carbon.hooks import chain

    path = series(tmp_path / "own.csv", NOW, [7.0] * 12)
    connect(monkeypatch, "carbon_default", "carbon_history", path=str(path))
    assert ask(chain.source_of(chain.hooks_of(()))).intensity[0] == 7.0


def test_a_list_is_a_chain_in_its_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from airflow_carbon.hooks import chain

    connect(monkeypatch, "first", "carbon_history", path=str(series(tmp_path / "old.csv", NOW - 99 * HOUR, [7.0] * 12)))
    connect(monkeypatch, "second", "carbon_typical")
    hooks = chain.hooks_of(chain.conn_ids(["first", "second"]))
    answer = ask(chain.source_of(hooks))
    assert answer.kind == "typical"
    assert "old.csv" in answer.source
    assert chain.source_url(hooks, Location.parse("zone:GB"), answer.source).startswith("https://www.neso.energy/")


def test_a_replayed_file_that_is_missing_is_an_outage_of_its_own_and_not_of_the_chain(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from airflow_carbon.hooks import chain

    connect(monkeypatch, "first", "carbon_history", path=str(tmp_path / "gone.csv"), replay="now")
    connect(monkeypatch, "second", "carbon_typical")
    answer = ask(chain.source_of(chain.hooks_of(chain.conn_ids("first, second"))))
    assert answer.kind == "typical"
    assert "gone.csv" in answer.source


def test_a_replay_whose_begin_cannot_be_kept_is_an_outage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from airflow_carbon.exceptions import SourceUnavailableError
    from airflow_carbon.hooks import chain

    (tmp_path / "a-file").touch()
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "a-file"))
    path = series(tmp_path / "own.csv", NOW, [7.0] * 12)
    connect(monkeypatch, "mine", "carbon_history", path=str(path), replay="now")
    with pytest.raises(SourceUnavailableError, match="when the replay began"):
        ask(chain.source_of(chain.hooks_of(["mine"])), location="zone:DE")


@pytest.mark.parametrize("wrong", [[], "", ["a", ""], ["a", "a"], [3]])
def test_ids_that_cannot_be_meant_are_refused(wrong: Any) -> None:
    from airflow_carbon.hooks import chain

    with pytest.raises(InvalidRequestError, match="carbon_conn_id"):
        chain.conn_ids(wrong)


def test_a_connection_of_another_kind_is_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_carbon.hooks import chain

    connect(monkeypatch, "files", "fs")
    with pytest.raises(InvalidRequestError, match="'files' has type 'fs', which is no carbon source"):
        chain.hooks_of(["files"])


def test_test_connection_answers_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from airflow_carbon.hooks import chain

    connect(monkeypatch, "mine", "carbon_typical", speed=60)
    good, said = chain.hooks_of(["mine"])[0].test_connection()
    assert good
    assert "typical answers for GB" in said
    assert "typical, average" in said
    connect(monkeypatch, "gone", "carbon_history", path=str(tmp_path / "no.csv"))
    bad, said = chain.hooks_of(["gone"])[0].test_connection()
    assert not bad
    assert "no.csv cannot be read" in said


def test_airflow_itself_can_test_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk import Connection

    assert Connection(conn_id="mine", conn_type="carbon_typical").test_connection()[0]


def test_a_file_replayed_from_now_begins_once_for_all_processes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from airflow_carbon.hooks import chain

    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "state"))
    path = series(tmp_path / "old.csv", NOW - 999 * HOUR, [float(row) for row in range(48)])
    connect(monkeypatch, "mine", "carbon_history", path=str(path), replay="now")
    first, again = (chain.source_of(chain.hooks_of(["mine"])) for _ in range(2))
    now = datetime.now(UTC)
    assert ask(first, now).intensity[0] == 0.0
    assert ask(first, now).start == ask(again, now).start
    assert now - timedelta(minutes=1) < ask(first, now).start <= now


def test_a_source_from_another_provider_package_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever ships a hook on CarbonHook under a connection type of their own is found through Airflow's providers."""
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    from airflow_carbon.hooks import chain

    hooks = ProvidersManagerTaskRuntime().hooks
    assert hooks.get("carbon_typical").hook_class_name == "airflow_carbon.hooks.typical.TypicalHook"
    connect(monkeypatch, "mine", "carbon_typical")
    monkeypatch.delitem(chain.HOOKS, "carbon_typical")
    assert type(chain.hooks_of(["mine"])[0]).__name__ == "TypicalHook"
