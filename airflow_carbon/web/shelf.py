"""A folder in which all processes of a host keep what one connection's source answered."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import random
import re
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from airflow_carbon.web.private_folder import private_folder

#: What nobody has written for so long [s] serves nobody any more: no forecast reaches so far.
KEPT_SECONDS = 40 * 86_400.0
#: One write in so many looks for what is too old.
SWEEP_ONE_IN = 200
#: Where nothing may be awaited, no lock is waited for longer [s]: a process that was stopped may hold it.
BRIEFLY = 0.25


class Shelf:
    """Keep small JSON documents by name, and let one process at a time work on a name.

    Losing a document only means to ask again, so nothing here raises: a full disk must not fail a DAG.

    :param folder: made when the first document is written, for this user alone.
    :param briefly: how long a lock is waited for where nothing may be awaited [s].
    """

    def __init__(self, folder: Path, *, briefly: float = BRIEFLY) -> None:
        self.folder = folder
        self._briefly = briefly

    def read(self, name: str) -> dict[str, Any] | None:
        """Give a document, None where there is none that can be read."""
        try:
            document = json.loads(self._file(name).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        """Keep a document in place of an earlier one of its name."""
        text = json.dumps(document)
        with suppress(OSError):
            self._made()
            handle, draft = tempfile.mkstemp(dir=self.folder, prefix="draft-")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                # Renamed in one step: another process reads the old or the new one, never half of it.
                Path(draft).replace(self._file(name))
            except OSError:
                # On a full disk drafts would pile up.
                Path(draft).unlink(missing_ok=True)
                return
            if random.randrange(SWEEP_ONE_IN) == 0:  # noqa: S311 - spreads work, guards nothing
                self.sweep()

    def remove(self, name: str) -> None:
        """Forget a document."""
        with suppress(OSError):
            self._file(name).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Forget what has served nobody for long; writing does so now and then."""
        oldest = time.time() - KEPT_SECONDS
        with suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                # Another process may sweep too.
                with suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < oldest:
                        Path(entry.path).unlink()

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        """Wait until no other process of this host works on a name; a process that dies lets go of it."""
        handle = self._opened(name)
        try:
            # No event tells of a lock that another process lets go.
            while handle is not None and not _locked(handle):  # noqa: ASYNC110
                await asyncio.sleep(random.uniform(0.01, 0.05))  # noqa: S311 - spreads load, guards nothing
            yield
        finally:
            if handle is not None:
                os.close(handle)

    @contextmanager
    def alone_briefly(self, name: str) -> Iterator[None]:
        """Do the same without an event loop, for work of microseconds; it goes on after a moment in any case."""
        handle = self._opened(name)
        try:
            give_up = time.monotonic() + self._briefly
            while handle is not None and not _locked(handle) and time.monotonic() < give_up:
                time.sleep(0.001)
            yield
        finally:
            if handle is not None:
                os.close(handle)

    def _made(self) -> None:
        private_folder(self.folder)

    def _file(self, name: str) -> Path:
        # Readable for people, distinct for machines, and never a path of somebody else's choice.
        # A service may answer with half of a surrogate pair.
        digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:12]
        return self.folder / f"{re.sub(r'[^A-Za-z0-9.]+', '-', name)[:60]}-{digest}.json"

    def _opened(self, name: str) -> int | None:
        lock = self._file(name).with_suffix(".lock")
        try:
            self._made()
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            # Where nothing can be locked, a request too many is made, and none is lost.
            return None
        with suppress(OSError):
            os.utime(handle)
        return handle


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without locks.
        return True
    return True
