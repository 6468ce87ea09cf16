"""PostgreSQL and Redis of the engine's own, in a folder of their own, through the scripts in ``tools``."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from airflow_carbon.exceptions import LocalAirflowError

TOOLS = Path(__file__).parents[2] / "tools"
#: Of each command of a script [s]; an installation may fetch a package.
TIMEOUT = 300.0


class Server:
    """One server behind one script of ``tools``.

    :param name: of the script, and of the service in docker-compose.yml.
    :param folder: what it keeps; its owner may be another user.
    """

    def __init__(self, name: str, folder: Path, **more: str) -> None:
        self.name = name
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        own = f"CARBON_{name.upper()}"
        self._environment = {**os.environ, f"{own}_DIR": str(folder / name), f"{own}_PORT": str(self.port), **more}

    def run(self, *words: str) -> str:
        """Run a command of its script and give what it printed.

        :raises LocalAirflowError: with what the script said, if it fails.
        """
        done = subprocess.run(
            [TOOLS / f"{self.name}.sh", *words],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        if done.returncode:
            raise LocalAirflowError(f"tools/{self.name}.sh {' '.join(words)}: {done.stderr.strip() or done.returncode}")
        return done.stdout.strip()


class Servers:
    """Both servers, in one folder that any user may enter."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="airflow-carbon-engine-"))
        # Where root starts PostgreSQL, it runs as another user.
        self._folder.chmod(0o755)
        self.postgres = Server("postgres", self._folder, CARBON_POSTGRES_CONNECTIONS="200")
        self.redis = Server("redis", self._folder)
        self.both = (self.postgres, self.redis)

    def start(self) -> None:
        """Install them where they are absent, and start them.

        :raises LocalAirflowError: if that is not possible here.
        """
        for server in self.both:
            # One after the other: there is one package manager.
            server.run("install")
        with ThreadPoolExecutor() as together:
            list(together.map(lambda server: server.run("start"), self.both))

    def remove(self) -> None:
        """Stop them and remove all that they kept."""
        for server in self.both:
            # Where it was never installed, there is nothing to remove.
            with suppress(LocalAirflowError):
                server.run("remove")
        shutil.rmtree(self._folder, ignore_errors=True)


def free_port() -> int:
    """Find a port on 127.0.0.1 that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
