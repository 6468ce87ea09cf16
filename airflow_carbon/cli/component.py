"""One process of an Airflow, in a session of its own, with a log of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil

from airflow_carbon.exceptions import LocalAirflowError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# The api-server reads the log files of this machine itself: no log server, hence no fixed port to fight for.
_OPTIONS = {"scheduler": ["--skip-serve-logs"], "triggerer": ["--skip-serve-logs"]}


class Component:
    """A started process, for example the triggerer, and all that descends from it.

    :param name: a word of Airflow's command line: ``scheduler``, ``triggerer``, ``celery worker``.
    :param environment: of the process, and all of it.
    :param log: file to append what it says to.
    """

    def __init__(self, name: str, *, environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self.started = datetime.now(UTC)
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter, words of our own)
                [sys.executable, "-m", "airflow", *name.split(), *_OPTIONS.get(name, [])],
                env=environment,
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def __repr__(self) -> str:
        return f"Component({self.name!r}, pid={self.pid}, status={self.status})"

    @property
    def status(self) -> int | None:
        """Exit status; None while it runs."""
        return self._process.poll()

    def kill(self, number: signal.Signals, *, timeout: float) -> None:
        """Signal its process group and wait for its end; the tasks that a scheduler started live on, as in a crash.

        :param timeout: [s].
        :raises LocalAirflowError: if it outlives the signal.
        """
        with suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(self.pid, number)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LocalAirflowError(f"{self.name} outlived {number.name} by {timeout:g} s") from None

    def session(self) -> list[psutil.Process]:
        """List the living processes of its session: itself, its children, and orphans that it left."""
        return [process for process in psutil.process_iter() if _session_of(process) == self.pid]

    def last_words(self, lines: int = 30) -> str:
        """Give the end of its log."""
        return tail(self.log.read_text(errors="replace"), lines)


def end_all(processes: Iterable[psutil.Process], *, grace: float) -> None:
    """Ask processes to end, and kill those that have not.

    :param grace: time to end by themselves [s].
    """
    asked = list(processes)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in asked:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        _, asked = psutil.wait_procs(asked, timeout=grace)


def tail(text: str, lines: int = 30) -> str:
    """Give the last lines of a text."""
    return "\n".join(text.splitlines()[-lines:])


def _session_of(process: psutil.Process) -> int | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else os.getsid(process.pid)
    except (psutil.Error, OSError):
        return None
