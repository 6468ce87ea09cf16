"""One process of the engine, in the place of one container: it dies as a whole, and starts anew."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from airflow_carbon.cli.component import Component, end_all

if TYPE_CHECKING:
    from distributed.network import Network

#: As a container manager waits, before it kills [s].
GRACE = 10.0


class Unit:
    """A component on a host of its own: its name, its command, its folder, its log.

    :param name: of the host, for example ``triggerer-2``.
    :param command: words of Airflow's command line.
    :param environment: of the process, and all of it.
    :param folder: its AIRFLOW_HOME; is made where absent.
    """

    def __init__(self, name: str, command: str, *, environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.starts = 0
        #: A unit that is held down is not started again when it dies.
        self.held = False
        #: More of its environment, from its next start on.
        self.more: dict[str, str] = {}
        #: Where it lives; None for the network of this machine.
        self.network: Network | None = None
        self._environment = {**environment, "AIRFLOW_HOME": str(folder)}
        # A container has a host name, by which Celery knows its worker; and a log server, where all units here write to
        # one folder. For the other components that is left out elsewhere.
        own = f" --celery-hostname {name} --skip-serve-logs" if command.startswith("celery ") else ""
        self.command = command + own
        self._component: Component | None = None
        self._read_from = 0
        folder.mkdir(parents=True, exist_ok=True)

    def __repr__(self) -> str:
        return f"Unit({self.name!r}, {self._component!r}, starts={self.starts}, held={self.held})"

    @property
    def log(self) -> Path:
        """The file that it writes to, over all its starts."""
        return self.folder / "output.log"

    @property
    def pid(self) -> int:
        """Process id of its main process; 0 before the first start."""
        return self._component.pid if self._component else 0

    @property
    def started(self) -> datetime:
        """When it was started last."""
        return self._component.started if self._component else datetime.max.replace(tzinfo=UTC)

    @property
    def alive(self) -> bool:
        """Tell whether its main process runs."""
        return self._component is not None and self._component.status is None

    def start(self) -> None:
        """Start it; what its last start left is killed first, as the end of a container kills all in it."""
        self.clear()
        self._read_from = self.log.stat().st_size if self.log.exists() else 0
        environment = {**self._environment, **self.more}
        within: Callable[[Callable[[], Component]], Component] = (
            self.network.inside if self.network else lambda do: do()
        )
        self._component = within(lambda: Component(self.command, environment=environment, log=self.log))
        self.starts += 1

    def said(self) -> str:
        """Give what it has written since its last start."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(self._read_from)
            return file.read().decode(errors="replace")

    def kill(self, number: signal.Signals, *, grace: float = GRACE) -> None:
        """Send it a signal and wait for its end; whoever outlives it by ``grace`` seconds is killed."""
        if self._component is None:
            return
        if number == signal.SIGKILL:
            self.clear()
        else:
            # A worker passes the signal on by itself, as its Compose service asks for; the others' children get it too.
            send = os.kill if "celery" in self.command else os.killpg
            with suppress(ProcessLookupError):
                send(self._component.pid, number)
            psutil.wait_procs([one for one in self.processes() if one.pid == self._component.pid], timeout=grace)
            self.clear()

    def pause(self) -> None:
        """Freeze all its processes."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let its processes go on."""
        self._send(signal.SIGCONT)

    def clear(self) -> None:
        """Kill all that is left of it, its tasks too, and collect its end."""
        for one in self.processes():
            with suppress(psutil.NoSuchProcess):
                one.kill()
        if self._component is not None:
            self._component.kill(signal.SIGKILL, timeout=GRACE)

    def end(self, grace: float) -> None:
        """Ask all its processes to end, and kill those that have not."""
        end_all(self.processes(), grace=grace)
        self.clear()

    def processes(self) -> list[psutil.Process]:
        """List its processes, and those of tasks which began a session of their own."""
        if self._component is None:
            return []
        found = {one.pid: one for one in self._component.session()}
        for one in list(found.values()):
            with suppress(psutil.Error):
                found |= {child.pid: child for child in one.children(recursive=True)}
        return list(found.values())

    def _send(self, number: signal.Signals) -> None:
        for one in self.processes():
            with suppress(psutil.NoSuchProcess):
                one.send_signal(number)
