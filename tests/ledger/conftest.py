"""A ledger on SQLite, and one on a real PostgreSQL that these tests start and stop."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from airflow_carbon.ledger.sql import SqlLedger

SCRIPT = Path(__file__).parents[2] / "tools" / "postgres.sh"


@dataclass
class Server:
    """One PostgreSQL, by the script that developers run too."""

    environment: dict[str, str]
    url: str = ""

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [SCRIPT, *words], env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode == 3:
            pytest.skip(f"no PostgreSQL can be started here: {done.stderr.strip()}")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def empty(self) -> None:
        engine = create_engine(self.url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Start a PostgreSQL with data and a port of its own."""
    if find_spec("psycopg") is None:
        pytest.skip("no PostgreSQL driver is installed; pip install 'airflow-provider-carbon[postgres]'")
    # Not below pytest's own folder, which only its user may enter: the server runs as another one.
    folder = Path(tempfile.mkdtemp(prefix="carbon-postgres-"))
    folder.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = Server({**os.environ, "CARBON_POSTGRES_DIR": str(folder / "server"), "CARBON_POSTGRES_PORT": str(port)})
    try:
        started.run("start")
        started.url = started.run("url")
        yield started
    finally:
        subprocess.run([SCRIPT, "remove"], env=started.environment, capture_output=True, timeout=120, check=False)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(server: Server) -> Server:
    """Give the server, with nothing in it."""
    server.run("start")
    server.empty()
    return server


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the address of an empty database, of either sort."""
    if request.param == "postgres":
        address: str = request.getfixturevalue("postgres").url
        return address
    return f"sqlite:///{tmp_path}/carbon/ledger.db"


@pytest.fixture
def ledger(url: str) -> SqlLedger:
    """Give an empty ledger, of either sort."""
    return SqlLedger(url)


@pytest.fixture
def sqlite_ledger(tmp_path: Path) -> SqlLedger:
    """Give an empty ledger on SQLite, where the database makes no difference."""
    return SqlLedger(f"sqlite:///{tmp_path}/ledger.db")
