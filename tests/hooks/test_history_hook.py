"""A series of a user's own, wherever Airflow can read a file."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_carbon.core.location import Location
from airflow_carbon.exceptions import InvalidForecastError, InvalidRequestError, SourceUnavailableError

pytestmark = pytest.mark.airflow

BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)


def series(*values: float) -> str:
    return "\n".join(["timestamp,intensity", *(f"{BEGIN + row * HOUR},{value}" for row, value in enumerate(values))])


def hook(path: str, *, storage_conn_id: str | None = None, **extra: Any) -> Any:
    from airflow.sdk import Connection

    from airflow_carbon.hooks.history import HistoryHook

    extra = {"path": path, "storage_conn_id": storage_conn_id, **extra}
    connection = Connection(conn_id="mine", conn_type="carbon_history", extra=json.dumps(extra))
    return HistoryHook(connection=connection)


def ask(source: Any, now: datetime = BEGIN) -> Any:
    return asyncio.run(source.forecast(Location.parse("zone:GB"), now=now, until=now + 6 * HOUR))


@pytest.fixture
def store() -> Iterator[Any]:
    """Give a store in memory, empty before and after."""
    from fsspec.implementations.memory import MemoryFileSystem

    filesystem = MemoryFileSystem()
    filesystem.store.clear()
    yield filesystem
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]


@pytest.fixture
def vault(store: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, bool]]]:
    """Serve memory:// as a provider package would: opened by a connection. Gives who opened it, and in which thread."""
    from airflow.sdk import BaseHook
    from airflow.sdk.io import fs
    from airflow.sdk.io import store as stores

    opened: list[tuple[str, bool]] = []

    def get_fs(conn_id: str | None, storage_options: Any = None) -> Any:
        opened.append((conn_id or "", threading.current_thread() is threading.main_thread()))
        if conn_id is not None and BaseHook.get_connection(conn_id).password != "open sesame":
            raise PermissionError("token-7f3a was refused")
        return store

    before = dict(stores._STORE_CACHE)
    stores._STORE_CACHE.clear()
    monkeypatch.setitem(fs._register_filesystems(), "memory", get_fs)
    yield opened
    stores._STORE_CACHE.clear()
    stores._STORE_CACHE.update(before)


def connect(monkeypatch: pytest.MonkeyPatch, conn_id: str, password: str) -> None:
    text = json.dumps({"conn_type": "generic", "password": password})
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", text)


def test_a_plain_path_is_read_as_ever(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text(series(7.0, 8.0))
    assert ask(hook(str(file)).source()).intensity.tolist() == [7.0, 8.0]


def test_a_file_url_is_read_and_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text(series(7.0, 8.0))
    source = hook(file.as_uri()).source()
    answer = ask(source)
    assert answer.intensity.tolist() == [7.0, 8.0]
    assert answer.zone == "own"
    file.write_text(series(7.5, 8.5))
    os.utime(file, (1.0, 2.0))
    assert ask(source).intensity.tolist() == [7.5, 8.5]


def test_a_file_in_a_store_is_opened_by_its_connection(
    monkeypatch: pytest.MonkeyPatch, store: Any, vault: list[tuple[str, bool]]
) -> None:
    connect(monkeypatch, "store_key", "open sesame")
    store.pipe_file("/bucket/year/grid.csv", series(7.0, 8.0).encode())
    source = hook("memory://bucket/year/grid.csv", storage_conn_id="store_key", zone="GB").source()
    assert vault == []
    assert ask(source).intensity.tolist() == [7.0, 8.0]
    # The store tells no time of change: what is new is seen all the same.
    store.pipe_file("/bucket/year/grid.csv", series(7.5, 8.5).encode())
    assert ask(source).intensity.tolist() == [7.5, 8.5]
    assert set(vault) == {("store_key", False)}


def test_the_connection_may_stand_in_the_url(
    monkeypatch: pytest.MonkeyPatch, store: Any, vault: list[tuple[str, bool]]
) -> None:
    connect(monkeypatch, "store_key", "open sesame")
    store.pipe_file("/bucket/grid.csv", series(7.0, 8.0).encode())
    assert ask(hook("memory://store_key@bucket/grid.csv").source()).intensity[0] == 7.0
    assert {conn_id for conn_id, _ in vault} == {"store_key"}


def test_without_a_connection_the_stores_default_opens_it(store: Any, vault: list[tuple[str, bool]]) -> None:
    store.pipe_file("/bucket/grid.csv", series(7.0, 8.0).encode())
    assert ask(hook("memory://bucket/grid.csv").source()).intensity[0] == 7.0
    assert vault == [("", False)]


def test_a_store_that_a_plugin_attached_serves_too(store: Any) -> None:
    from airflow.sdk.io import attach
    from airflow.sdk.io import store as stores

    before = dict(stores._STORE_CACHE)
    try:
        attach("memory", fs=store, conn_id="attached")
        store.pipe_file("/bucket/grid.csv", series(7.0, 8.0).encode())
        source = hook("memory://bucket/grid.csv", storage_conn_id="attached").source()
        assert ask(source).intensity[0] == 7.0
    finally:
        stores._STORE_CACHE.clear()
        stores._STORE_CACHE.update(before)


def test_a_stored_series_can_be_replayed(
    monkeypatch: pytest.MonkeyPatch, store: Any, vault: list[tuple[str, bool]], tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "state"))
    store.pipe_file("/bucket/grid.csv", series(7.0, 8.0, 9.0).encode())
    later = BEGIN + 400 * HOUR
    answer = ask(hook("memory://bucket/grid.csv", replay=later.isoformat()).source(), later + HOUR)
    assert answer.intensity.tolist() == [8.0, 9.0]


def test_a_line_that_is_wrong_is_named_by_the_file(store: Any, vault: list[tuple[str, bool]]) -> None:
    store.pipe_file("/bucket/grid.csv", series(7.0, -8.0).encode())
    with pytest.raises(InvalidForecastError, match=r"^grid\.csv: line 3: '-8.0' is no carbon intensity"):
        ask(hook("memory://bucket/grid.csv").source())


def test_a_file_that_is_not_there_is_an_outage(store: Any, vault: list[tuple[str, bool]]) -> None:
    with pytest.raises(SourceUnavailableError, match=r"^gone\.csv cannot be read: FileNotFoundError"):
        ask(hook("memory://bucket/gone.csv").source())


def test_a_store_that_refuses_is_an_outage_and_its_words_stay_its_own(
    monkeypatch: pytest.MonkeyPatch, vault: list[tuple[str, bool]]
) -> None:
    connect(monkeypatch, "store_key", "open barley")
    with pytest.raises(SourceUnavailableError, match="PermissionError") as caught:
        ask(hook("memory://bucket/grid.csv", storage_conn_id="store_key").source())
    assert "token-7f3a" not in str(caught.value)


def test_a_storage_connection_that_is_not_defined_is_named(vault: list[tuple[str, bool]]) -> None:
    with pytest.raises(InvalidRequestError, match=r"'mine'.*storage_conn_id: the connection 'no_key' is not defined"):
        ask(hook("memory://bucket/grid.csv", storage_conn_id="no_key").source())


@pytest.mark.parametrize(
    ("scheme", "package"),
    [
        ("s3", "apache-airflow-providers-amazon[s3fs]"),
        ("gs", "apache-airflow-providers-google"),
        ("abfss", "apache-airflow-providers-microsoft-azure"),
        ("sftp", "apache-airflow-providers-sftp[sshfs]"),
    ],
)
def test_a_store_that_nothing_here_reads_is_refused_with_the_package_that_does(scheme: str, package: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        hook(f"{scheme}://bucket/grid.csv", storage_conn_id="store_key").source()
    assert f"nothing here reads {scheme}:// addresses" in str(caught.value)
    assert f"pip install '{package}'" in str(caught.value)


def test_a_provider_whose_own_part_is_missing_is_refused_with_the_package_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.sdk.io import fs

    def get_fs(conn_id: str | None, storage_options: Any = None) -> Any:
        raise ImportError("s3fs")

    monkeypatch.setitem(fs._register_filesystems(), "s3", get_fs)
    with pytest.raises(InvalidRequestError, match=r"pip install 'apache-airflow-providers-amazon\[s3fs\]'"):
        hook("s3://bucket/grid.csv").source()


def test_a_part_that_shows_missing_when_the_store_is_opened_is_no_outage(
    monkeypatch: pytest.MonkeyPatch, vault: list[tuple[str, bool]]
) -> None:
    from airflow.sdk.io import fs

    def get_fs(conn_id: str | None, storage_options: Any = None) -> Any:
        raise ImportError("memory_client")

    monkeypatch.setitem(fs._register_filesystems(), "memory", get_fs)
    source = hook("memory://bucket/grid.csv").source()
    with pytest.raises(InvalidRequestError, match="nothing here reads memory:// addresses; install the provider"):
        ask(source)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("nonsense://bucket/grid.csv", "nothing here reads nonsense:// addresses; install the provider package"),
        ("://bucket/grid.csv", "nothing here reads :// addresses"),
        ("file://[bucket/grid.csv", "no URL; write for example s3://bucket/series.csv"),
        ("file:///", "the URL names no file"),
        ("s3://key:token-7f3a@bucket/grid.csv", "the URL holds a password; keep it in a connection"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_when_the_source_is_built(url: str, fault: str) -> None:
    with pytest.raises(InvalidRequestError, match="connection 'mine': field 'path': ") as caught:
        hook(url).source()
    assert fault in str(caught.value)
    assert "token-7f3a" not in str(caught.value)
