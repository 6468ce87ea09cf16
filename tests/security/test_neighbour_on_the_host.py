"""What another user of a host can read, and what they can do in a folder that is not private."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_carbon.web.private_folder import private_folder


@pytest.fixture(autouse=True)
def _open_umask() -> Any:
    """Let nothing but the code itself keep others out."""
    before = os.umask(0)
    yield
    os.umask(before)


_HOUR = timedelta(hours=1)


def for_others(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o077)


def test_a_folder_and_all_that_is_missing_above_it_are_for_this_user_alone(tmp_path: Path) -> None:
    made = private_folder(tmp_path / "state" / "cache" / "one")
    assert made.is_dir()
    for folder in (made, made.parent, made.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_is_there_stays_as_its_owner_made_it(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o770)
    private_folder(tmp_path / "shared" / "state")
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o770
    private_folder(tmp_path / "shared")
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o770


@pytest.mark.airflow
@pytest.mark.parametrize("first", ["ledger", "wait", "learned", "shelf", "replay"])
def test_whatever_is_kept_first_the_state_folder_is_for_this_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    state = tmp_path / "airflow" / "carbon"
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(state))
    monkeypatch.delenv("AIRFLOW__CARBON__LEDGER_CONN_ID", raising=False)
    match first:
        case "ledger":
            from fakes.records import emission

            from airflow_carbon.hooks.ledger import LedgerHook

            assert LedgerHook().write(emission())
        case "wait":
            from airflow_carbon.triggers.kept_wait import KeptWait

            KeptWait(state, "0123").write({"standing": None})
        case "learned":
            import numpy as np

            from airflow_carbon.core.forecast import Forecast
            from airflow_carbon.sources.learned import LearnedErrors

            begin = datetime(2026, 1, 1, tzinfo=UTC)
            LearnedErrors(state).observe(Forecast("GB", begin, _HOUR, np.ones(24), source="uk"), asked=["one"])
        case "shelf":
            from airflow_carbon.web.shelf import Shelf

            Shelf(state / "cache" / "one").write("name", {"a": 1})
        case "replay":
            _replayed(tmp_path, monkeypatch)
    assert state.is_dir()
    assert not for_others(state)
    assert not for_others(state.parent)


def _replayed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    from airflow_carbon.core.location import Location
    from airflow_carbon.hooks.chain import hooks_of

    rows = [f"2026-01-01T{hour:02d}:00:00Z,{hour}" for hour in range(24)]
    (folder / "own.csv").write_text("\n".join(["timestamp,intensity", *rows]))
    extra = {"path": str(folder / "own.csv"), "replay": "now"}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    (hook,) = hooks_of(["mine"])
    now = datetime.now(UTC)
    asyncio.run(hook.source().forecast(Location.parse("zone:GB"), now=now, until=now + 3 * _HOUR))


@pytest.mark.airflow
def test_a_link_that_was_laid_in_a_shared_folder_is_not_written_through(tmp_path: Path) -> None:
    from airflow_carbon.triggers.kept_wait import KeptWait

    shared, victim = tmp_path / "shared", tmp_path / "victim"
    shared.mkdir(mode=0o777)
    victim.write_text("mine")
    for name in ("wait-0123.new", "wait-0123.json"):
        (shared / name).symlink_to(victim)
    kept = KeptWait(shared, "0123")
    kept.write({"standing": None, "notes": []})
    assert victim.read_text() == "mine"
    assert kept.read() == {"standing": None, "notes": []}
    assert not for_others(shared / "wait-0123.json")


@pytest.mark.airflow
@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "0123/../../x", "0123\n", "", "x" * 100, "A B"])
def test_the_identity_of_a_wait_never_names_another_file(tmp_path: Path, name: str) -> None:
    from airflow_carbon.triggers.kept_wait import KeptWait

    state = tmp_path / "inside" / "state"
    kept = KeptWait(state, name)
    kept.write({"standing": None})
    kept.forget()
    assert kept.read() is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.airflow
def test_the_doctor_names_a_state_folder_that_everybody_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_carbon.cli.checkup import options
    from airflow_carbon.cli.finding import Health

    folder = tmp_path / "open"
    folder.mkdir(mode=0o777)
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(folder))
    found = {one.check: one for one in options()}
    assert found["state"].health is Health.WARN
    assert "by everybody" in found["state"].said
    folder.chmod(0o700)
    assert {one.check: one for one in options()}["state"].health is Health.OK
