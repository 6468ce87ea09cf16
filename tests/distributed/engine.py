"""Airflow's distributed engine on this machine: the components of docker-compose.yml, each as a process of its own."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from airflow_carbon.cli.airflow_api import AirflowApi, poll
from airflow_carbon.cli.airflow_environment import keep_passwords, surroundings
from airflow_carbon.cli.component import end_all, tail
from airflow_carbon.exceptions import LocalAirflowError
from distributed.composition import Composition, drawn
from distributed.database import Database
from distributed.hostname import HOST
from distributed.migration import migrate
from distributed.network import networks
from distributed.servers import Servers, free_port
from distributed.settings import RECOVERY, REPLACED, SHORT_WAITS
from distributed.supervisor import Supervisor
from distributed.traces import TRACES
from distributed.unit import GRACE, Unit

REPOSITORY = Path(__file__).parents[2]
MARK = "CARBON_ENGINE"
USERS = {"admin": "admin"}


class Engine:
    """The whole of docker-compose.yml under a supervisor, with a PostgreSQL and a Redis of its own.

    :param home: folder for all that it writes, but the data of its servers; is made where absent.
    :param dags: DAG files and folders with some, which are copied into the one folder that all units read.
    :param environment: more settings for all units; they win over all others.
    :param apart: units that get a network of their own, where this machine lets us make one; they can be cut off.
    :param slots: tasks that each worker runs at a time; by default as docker-compose.yml says.
    """

    def __init__(
        self,
        home: Path,
        *,
        dags: Sequence[Path],
        environment: Mapping[str, str] | None = None,
        apart: Sequence[str] = (),
        slots: int | None = None,
    ) -> None:
        self.home = home.resolve()
        self.shared = self.home / "shared"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.servers = Servers()
        self.composition = Composition(REPOSITORY / "docker-compose.yml")
        self.seconds: dict[str, float] = {}
        self._mark = secrets.token_hex(8)
        self._more = dict(environment or {})
        self._slots = slots
        self.networks, self.why_no_networks = networks(apart)
        for name in ("dags", "logs", "carbon", "traces"):
            (self.shared / name).mkdir(parents=True, exist_ok=True)
        for one in dags:
            if one.is_dir():
                shutil.copytree(one, self.shared / "dags", dirs_exist_ok=True)
            else:
                shutil.copy(one, self.shared / "dags")
        self.passwords = keep_passwords(self.home, USERS, {})
        self._secrets = {name: drawn(name) for name in self.composition.secrets}

    @property
    def traces(self) -> Path:
        """The folder in which tasks of the tests note what they did."""
        return self.shared / "traces"

    @cached_property
    def supervisor(self) -> Supervisor:
        """What keeps the units alive, the api-server first."""
        found = [(name, one.command) for one in self.composition.components for name in one.units]
        found.sort(key=lambda one: one[1] != "api-server")
        return Supervisor(self._unit(name, command) for name, command in found)

    @cached_property
    def api(self) -> AirflowApi:
        """Its REST API, as admin."""
        return AirflowApi(self.url, "admin", self.passwords["admin"])

    @cached_property
    def database(self) -> Database:
        """Its metadata database, in which the ledger lives too."""
        return Database(
            f"postgresql://airflow:{self._secrets['POSTGRES_PASSWORD']}@{self.servers.postgres.address}/airflow"
        )

    def environment(self, unit: str) -> dict[str, str]:
        """Give the environment of a unit: that of its Compose service, and what this machine asks for.

        :param unit: its name, for example ``worker-2``.
        """
        [service] = [one for one in self.composition.components if unit in one.units]
        return {
            **surroundings(),
            **self.settings(service.environment),
            HOST: unit,
            # Two containers would not meet on it.
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(free_port()),
        }

    def settings(self, written: Mapping[str, str]) -> dict[str, str]:
        """Give what a part of docker-compose.yml says, on the hosts of this engine, and what it runs with besides."""
        hosts = {
            "postgres": self.servers.postgres.address,
            "redis": self.servers.redis.address,
            "api-server": f"127.0.0.1:{self.port}",
        }
        said = self.composition.elsewhere(written, secrets=self._secrets, hosts=hosts, folder=self.shared)
        return {
            **{name: value for name, value in said.items() if name not in REPLACED},
            **RECOVERY,
            **SHORT_WAITS,
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.shared / "dags"),
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "distributed.hostname.own",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.home / "passwords.json"),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.shared / "logs"),
            "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
            "PYTHONPATH": str(REPOSITORY / "tests"),
            TRACES: str(self.traces),
            MARK: self._mark,
            **self._more,
        }

    # -- as a whole --------------------------------------------------------------------------------------------------

    def __enter__(self) -> Engine:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the servers, make the tables, start all units, and wait until they are well.

        :raises LocalAirflowError: if a part of it fails, with its own words.
        """
        begin = time.monotonic()
        self.servers.start()
        # The server's script drew one.
        self._secrets["REDIS_PASSWORD"] = str(urlsplit(self.servers.redis.run("url")).password)
        Database(self.servers.postgres.run("url")).make("airflow", self._secrets["POSTGRES_PASSWORD"])
        self.seconds["servers"] = time.monotonic() - begin
        for network in self.networks.values():
            for port in (self.port, *(server.port for server in self.servers.both)):
                network.offer(port)
        begin = time.monotonic()
        with ThreadPoolExecutor() as together:
            migrated = together.submit(migrate, self.home / "hosts" / "init", self.environment("api-server"))
            # They begin with half a minute of imports, and ask for no table.
            self.supervisor.start_first(*(name for name in self.supervisor.units if name.startswith("worker")))
            migrated.result()
        self.seconds["migrate"] = time.monotonic() - begin
        begin = time.monotonic()
        self.supervisor.start()
        self.wait_healthy()
        self.seconds["healthy"] = time.monotonic() - begin

    def stop(self) -> None:
        """Stop all units, whatever they have left, and the servers; bounded in time."""
        try:
            self.supervisor.stop()
            end_all(self.processes(), grace=GRACE)
        finally:
            # An impatient signal may cut the above short; servers in the background would outlive everything.
            self.servers.remove()
            for network in self.networks.values():
                network.close()

    def wait_healthy(self, timeout: float = 150.0) -> None:
        """Wait until every unit that is not held down does its work.

        :param timeout: [s].
        :raises TimeoutError: naming those that do not.
        """
        try:
            poll(lambda: None if self.unwell() else True, what="a healthy engine", timeout=timeout)
        except TimeoutError as error:
            sick = self.unwell()
            words = "\n".join(f"-- {one}\n{tail(self.supervisor.units[one].said(), 15)}" for one in sick)
            raise TimeoutError(f"{error}: {', '.join(sick)}\n{words}") from None

    def unwell(self) -> list[str]:
        """Name the units that do not do their work, other than those that are held down."""
        beats = self.database.beating()
        return [
            name
            for name, unit in self.supervisor.units.items()
            if not unit.held and not (unit.alive and self._works(unit, beats))
        ]

    def processes(self) -> list[psutil.Process]:
        """List what descends from this engine, by a mark in its environment."""
        return [one for one in psutil.process_iter() if _marked(one, self._mark)]

    # -- within ------------------------------------------------------------------------------------------------------

    def _works(self, unit: Unit, beats: Mapping[str, datetime]) -> bool:
        if unit.name == "api-server":
            try:
                return "metadatabase" in self.api.health()
            except (OSError, LocalAirflowError):
                return False
        if unit.name.startswith("worker"):
            return f"celery@{unit.name} ready" in unit.said()
        # A job of a start that is over may look alive still.
        return unit.name in beats and beats[unit.name] >= unit.started

    def _unit(self, name: str, command: str) -> Unit:
        if self._slots is not None:
            command = re.sub(r"--concurrency \d+", f"--concurrency {self._slots}", command)
        unit = Unit(name, command, environment=self.environment(name), folder=self.home / "hosts" / name)
        unit.network = self.networks.get(name)
        return unit


def _marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark
    except (psutil.Error, OSError):
        return False
