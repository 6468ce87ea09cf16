"""A real Airflow of its own in a folder, started and stopped as a whole: for demos and end-to-end tests."""

from __future__ import annotations

import atexit
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import psutil

from airflow_carbon.cli.airflow_api import AirflowApi, poll
from airflow_carbon.cli.airflow_environment import keep_passwords, settings, surroundings
from airflow_carbon.cli.component import Component, end_all, tail
from airflow_carbon.exceptions import LocalAirflowError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import FrameType, TracebackType

COMPONENTS = ("scheduler", "dag-processor", "triggerer", "api-server")
_MARK = "AIRFLOW_CARBON_LOCAL"


class LocalAirflow:
    """One Airflow on this machine, with its own folder, database, users and port.

    Nothing of the surrounding Airflow leaks in: every ``AIRFLOW*`` variable of the environment is dropped.

    :param home: AIRFLOW_HOME; is made where absent.
    :param dags: folders with DAG files, each becomes a bundle.
    :param database_url: of the metadata database, in SQLAlchemy's words; SQLite in ``home`` by default.
    :param port: of the api-server on 127.0.0.1; a free one by default.
    :param users: name -> role (``admin``, ``op``, ``user``, ``viewer``).
    :param passwords: name -> password; a random one for each user by default.
    :param environment: more variables, for example ``AIRFLOW_CONN_*``; they win over all others.
    :param components: what to start, each a word of Airflow's command line.
    """

    def __init__(
        self,
        home: Path,
        *,
        dags: Sequence[Path],
        database_url: str | None = None,
        port: int | None = None,
        users: Mapping[str, str] | None = None,
        passwords: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        components: Sequence[str] = COMPONENTS,
    ) -> None:
        self.home = home.resolve()
        self.home.mkdir(parents=True, exist_ok=True)
        self.port = port or _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.seconds: dict[str, float] = {}
        self._users = dict(users or {"admin": "admin"})
        self._wanted = components
        self._components: dict[str, Component] = {}
        self._ended: list[Component] = []
        self._mark = secrets.token_hex(8)
        self._restore_sigterm: Callable[[], None] = lambda: None
        self.passwords = keep_passwords(self.home, self._users, passwords or {})
        self.environment = {
            **surroundings(),
            **settings(self.home, port=self.port, dags=dags, users=self._users, database_url=database_url),
            _MARK: self._mark,
            **(environment or {}),
        }

    def __repr__(self) -> str:
        return f"LocalAirflow({str(self.home)!r}, {self.url!r}, running={sorted(self._components)})"

    # -- as a whole --------------------------------------------------------------------------------------------------

    def __enter__(self) -> LocalAirflow:
        try:
            self.migrate()
            self.start()
            self.wait_healthy()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def migrate(self) -> None:
        """Make the tables of the metadata database.

        :raises LocalAirflowError: quoting Airflow, if it fails.
        """
        begin = time.monotonic()
        self.airflow("db", "migrate", timeout=300)
        self.seconds["migrate"] = time.monotonic() - begin

    def start(self) -> None:
        """Start the components, all at once; from here on the exit of this process stops them too."""
        atexit.register(self.stop)
        self._exit_on_sigterm()
        for component in self._wanted:
            self.start_component(component)

    def wait_healthy(self, timeout: float = 180.0) -> None:
        """Wait until the api-server says of every component that was started that it is well.

        :param timeout: [s].
        :raises LocalAirflowError: with the end of its log, as soon as a component has died.
        :raises TimeoutError: if they are not all well in time.
        """
        begin = time.monotonic()
        poll(self._healthy, what=f"a healthy Airflow in {self.home}", timeout=timeout)
        self.seconds["healthy"] = time.monotonic() - begin

    def stop(self, grace: float = 10.0) -> None:
        """Stop all that this object started, and what that started; does nothing where nothing runs.

        :param grace: time to end by themselves [s], before they are killed.
        """
        # A task that is asked to end tells the api-server, and asks on and on where nobody listens: that one goes last.
        server = self._components.get("api-server")
        spared = {process.pid for process in server.session()} if server else set()
        end_all([process for process in self.processes() if process.pid not in spared], grace=grace)
        end_all(self.processes(), grace=grace)
        for component in self._components.values():
            component.kill(signal.SIGKILL, timeout=grace)
        self._components.clear()
        self._ended.clear()
        atexit.unregister(self.stop)
        self._restore_sigterm()

    # -- one component -----------------------------------------------------------------------------------------------

    def start_component(self, component: str) -> int:
        """Start one component in a session of its own, writing to its log, and give its process id.

        :param component: a word of Airflow's command line, for example ``triggerer``.
        :raises LocalAirflowError: if it runs already.
        """
        running = self._components.get(component)
        if running is not None and running.status is None:
            raise LocalAirflowError(f"{component} runs already, as process {running.pid}")
        if running is not None:
            self._ended.append(running)
        log = self.home / f"{component.replace(' ', '-')}.log"
        self._components[component] = Component(component, environment=self.environment, log=log)
        return self._components[component].pid

    def kill(self, component: str, number: signal.Signals = signal.SIGKILL, *, timeout: float = 30.0) -> None:
        """Send a signal to one component's process group and wait for its end.

        :param number: of the signal; tasks that a scheduler started live on, as in a crash.
        :param timeout: [s].
        :raises LocalAirflowError: if it does not run, or outlives the signal.
        """
        if component not in self._components:
            raise LocalAirflowError(f"{component} does not run; running: {', '.join(self._components) or 'nothing'}")
        self._components[component].kill(number, timeout=timeout)
        self._ended.append(self._components.pop(component))

    # -- its people --------------------------------------------------------------------------------------------------

    @cached_property
    def api(self) -> AirflowApi:
        """Its REST API, as the first user."""
        return self.api_as(next(iter(self._users)))

    def api_as(self, username: str) -> AirflowApi:
        """Give its REST API, as one of its users."""
        return AirflowApi(self.url, username, self.passwords[username])

    def airflow(self, *words: str, timeout: float = 120.0) -> str:
        """Run an ``airflow`` command in this Airflow and give what it printed.

        :param timeout: [s].
        :raises LocalAirflowError: with the end of what it said, if it fails.
        """
        done = subprocess.run(  # noqa: S603 (our own interpreter)
            [sys.executable, "-m", "airflow", *words],
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise LocalAirflowError(
                f"airflow {' '.join(words)}: exit {done.returncode}\n{tail(done.stdout + done.stderr)}"
            )
        return done.stdout

    def processes(self) -> list[psutil.Process]:
        """List what descends from this Airflow: by session, and by a mark for commands that began a session anew."""
        mine = {
            process.pid: process for process in psutil.process_iter() if _environment(process).get(_MARK) == self._mark
        }
        for component in [*self._components.values(), *self._ended]:
            mine |= {process.pid: process for process in component.session()}
        return list(mine.values())

    # -- within ------------------------------------------------------------------------------------------------------

    def _healthy(self) -> bool | None:
        for component in self._components.values():
            if component.status is not None:
                raise LocalAirflowError(
                    f"{component.name} ended with {component.status}; its log ends:\n{component.last_words()}"
                )
        if "api-server" not in self._components:
            return True
        try:
            health = self.api.health()
        except OSError:
            return None
        return all(_is_well(health, component) for component in self._components.values()) or None

    def _exit_on_sigterm(self) -> None:
        # Python dies of SIGTERM without unwinding; signals can be handled in the main thread alone.
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
        ):
            return

        def leave(number: int, frame: FrameType | None) -> None:
            sys.exit(128 + number)

        signal.signal(signal.SIGTERM, leave)

        def restore() -> None:
            if signal.getsignal(signal.SIGTERM) is leave and threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, signal.SIG_DFL)

        self._restore_sigterm = restore


def _is_well(health: dict[str, Any], component: Component) -> bool:
    name = component.name.replace("-", "_")
    if name not in health:
        return True
    beat = health[name].get(f"latest_{name}_heartbeat")
    # The last sign of life of one that was killed looks healthy for half a minute more.
    return health[name]["status"] == "healthy" and datetime.fromisoformat(beat) >= component.started


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return dict(process.environ())
    except (psutil.Error, OSError):
        return {}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
