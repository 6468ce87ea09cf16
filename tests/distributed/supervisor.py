"""The supervisor: it starts the units, starts again what dies, and stops them all."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from airflow_carbon.exceptions import LocalAirflowError
from distributed.unit import GRACE, Unit

#: Pause between two looks at the units [s].
LOOK = 0.5
#: A unit that dies more often than this is broken, and is left down.
MOST_STARTS = 60
#: From the death of a unit to its next start [s], as a container manager takes.
PAUSE = 1.0


class Supervisor:
    """Keeps units alive, as ``restart: unless-stopped`` does, until it is told otherwise.

    :param units: in the order of their starts; the first is stopped last.
    """

    def __init__(self, units: Iterable[Unit]) -> None:
        self.units = {one.name: one for one in units}
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._watch = threading.Thread(target=self._look, name="supervisor", daemon=True)

    def __repr__(self) -> str:
        return f"Supervisor({list(self.units.values())})"

    def start_first(self, *names: str) -> None:
        """Start some units before the others; nobody watches them yet.

        :raises LocalAirflowError: if there is no such unit.
        """
        for name in names:
            self._unit(name).start()

    def start(self) -> None:
        """Start all units that do not run yet, and watch them all from now on."""
        for unit in self.units.values():
            if not unit.alive:
                unit.start()
        self._watch.start()

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL, *, restart: bool = True) -> None:
        """Send a signal to a unit, and wait for its end.

        :param restart: start it again, as after any other death; else it is held down until :meth:`start_again`.
        :raises LocalAirflowError: if there is no such unit.
        """
        unit = self._unit(name)
        with self._lock:
            unit.held = not restart
            unit.kill(number)

    def start_again(self, name: str) -> None:
        """Start a unit that was held down.

        :raises LocalAirflowError: if there is no such unit.
        """
        unit = self._unit(name)
        with self._lock:
            unit.held = False
            if not unit.alive:
                unit.start()

    @contextmanager
    def held_down(self, name: str, number: signal.Signals = signal.SIGKILL) -> Iterator[None]:
        """Keep a unit down for a while."""
        self.kill(name, number, restart=False)
        try:
            yield
        finally:
            self.start_again(name)

    def stop(self, grace: float = GRACE) -> None:
        """Stop all units, the first one last, since the others report to it; bounded by twice the grace [s]."""
        self._stopped.set()
        with self._lock:
            first, *others = list(self.units.values())
            with ThreadPoolExecutor(max_workers=max(1, len(others))) as together:
                list(together.map(lambda one: one.end(grace), others))
            first.end(grace)

    def _unit(self, name: str) -> Unit:
        if name not in self.units:
            raise LocalAirflowError(f"there is no unit {name!r}; there are {', '.join(self.units)}")
        return self.units[name]

    def _look(self) -> None:
        died: dict[str, float] = {}
        while not self._stopped.wait(LOOK):
            with self._lock:
                for unit in self.units.values():
                    if unit.alive or unit.held or self._stopped.is_set():
                        died.pop(unit.name, None)
                    elif (
                        unit.starts < MOST_STARTS
                        and time.monotonic() - died.setdefault(unit.name, time.monotonic()) >= PAUSE
                    ):
                        # What cannot be cleared away now is tried again at the next look.
                        with suppress(LocalAirflowError):
                            unit.start()
