"""The hook of a user's own series."""

from __future__ import annotations

import hashlib
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_carbon.hooks.carbon import CarbonHook
from airflow_carbon.hooks.forms import HISTORY
from airflow_carbon.hooks.settings import state_dir
from airflow_carbon.hooks.stored_file import StoredFile
from airflow_carbon.web.private_folder import private_folder

if TYPE_CHECKING:
    from airflow_carbon.sources.base import CarbonSource
    from airflow_carbon.sources.history import TextFile
    from airflow_carbon.web.shelf import Shelf

#: A moment this near to the clock's is meant as now.
NOW = timedelta(minutes=1)


class HistoryHook(CarbonHook):
    """Serve a CSV file of timestamp and intensity, as stamped or replayed; on this host or in object storage."""

    conn_type = "carbon_history"
    source_name = "history"
    hook_name = HISTORY.title
    fields = HISTORY.fields

    def source(self) -> CarbonSource:
        """Build the source over the file; nothing is read yet.

        :raises InvalidRequestError: naming the field that is wrong, or the package that the path's scheme needs.
        """
        from airflow_carbon.sources.history import History
        from airflow_carbon.sources.replayed import Replayed

        settings = self.settings()
        history = History(
            self._file(settings),
            zone=settings["zone"],
            column=settings["column"],
            timezone=settings["timezone"],
            gaps=settings["gaps"],
        )
        if settings["replay"] is None:
            return history
        replay = settings["replay"]
        return Replayed(
            history,
            lambda asked: self._first_asked(settings, asked) if replay == "now" else replay,
            settings["speed"],
        )

    def shelf(self) -> Shelf | None:
        """Share what was read of an object store; a file of this host is read again as soon as it changes."""
        return super().shelf() if "://" in self.settings()["path"] and self.settings()["replay"] is None else None

    def _file(self, settings: dict[str, Any]) -> TextFile:
        path = settings["path"]
        if "://" not in path:
            return Path(path).expanduser()
        where = f"connection {self.carbon_conn_id!r}: field 'path'"
        return StoredFile(path, settings["storage_conn_id"] or None, where)

    def _first_asked(self, settings: dict[str, Any], asked: datetime) -> datetime:
        """Keep the moment first asked about, so that every process of this host replays the same."""
        name = hashlib.sha256(f"{self.carbon_conn_id}|{settings['path']}".encode()).hexdigest()[:16]
        kept = state_dir() / f"replay-{name}"
        # A question about another time must not move the replay there; one about now comes a moment after it was put.
        now = datetime.now(UTC)
        handle, draft = tempfile.mkstemp(dir=private_folder(kept.parent), prefix=f"{kept.name}.")
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write((asked if abs(now - asked) < NOW else now).isoformat())
            # A hard link appears whole or not at all: no process reads half a moment.
            os.link(draft, kept)
        except FileExistsError:
            pass
        finally:
            Path(draft).unlink()
        return datetime.fromisoformat(kept.read_text(encoding="ascii"))
