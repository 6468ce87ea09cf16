"""The servers' scripts: each command may be repeated, a stranger is refused, and nothing is left behind."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_carbon.exceptions import LocalAirflowError
from distributed.servers import Server


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    server = Server("redis", tmp_path)
    server.run("install")
    yield server
    server.run("remove")


def said(server: Server, *commands: str) -> str:
    """Speak to Redis as a client does, and give all it says."""
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as line:
        line.sendall("".join(f"{one}\r\n" for one in (*commands, "QUIT")).encode())
        return b"".join(iter(lambda: line.recv(4096), b"")).decode()


def test_it_starts_stops_and_starts_again_however_often_it_is_asked(redis: Server, tmp_path: Path) -> None:
    with pytest.raises(LocalAirflowError):
        redis.run("status")
    for words in (["start"], ["start"], ["status"], ["stop"], ["stop"], ["start"], ["stop", "immediate"], ["start"]):
        redis.run(*words)
    redis.run("remove")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConnectionRefusedError):
        said(redis, "PING")


def test_it_listens_here_alone_and_asks_for_its_password(redis: Server) -> None:
    redis.run("start")
    url = redis.run("url")
    password = url.removeprefix("redis://:").partition("@")[0]
    assert url == f"redis://:{password}@{redis.address}/0"
    assert len(password) == 48
    assert "NOAUTH" in said(redis, "GET carbon")
    assert "WRONGPASS" in said(redis, "AUTH carbon")
    assert "+PONG" in said(redis, f"AUTH {password}", "PING")


def test_a_flush_forgets_everything(redis: Server) -> None:
    redis.run("start")
    password = redis.run("url").removeprefix("redis://:").partition("@")[0]
    assert "$5\r\nclean" in said(redis, f"AUTH {password}", "SET power clean", "GET power")
    redis.run("flush")
    assert "$-1" in said(redis, f"AUTH {password}", "GET power")


def test_its_password_is_in_no_command_line_and_no_file_that_others_may_read(redis: Server, tmp_path: Path) -> None:
    redis.run("start")
    password = redis.run("url").removeprefix("redis://:").partition("@")[0]
    pid = (tmp_path / "redis" / "pid").read_text().strip()
    assert password not in Path(f"/proc/{pid}/cmdline").read_text()
    holding = [one for one in (tmp_path / "redis").iterdir() if password in one.read_text(errors="replace")]
    assert holding
    assert all(one.stat().st_mode & 0o077 == 0 for one in holding)
