"""A wait on disk, so that a triggerer that restarts goes on with the plan and not only with the promise."""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_carbon.web.private_folder import private_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A file that nobody has written for so long [s] belongs to no wait any more.
KEPT_SECONDS = 30 * 86_400.0
#: A plan that stands is written anew once its intensity has moved by this share: each forecast moves it by a little,
#: and a process that takes the wait over gives no plan up for so little.
DRIFT = 0.01
#: What a decision id may look like; it names a file.
_ID = r"[0-9a-f\-]{1,64}"


class KeptWait:
    """Keep the state of one wait in a small file of this host.

    Losing it means to plan anew, within the same promise; so nothing here raises.

    :param folder: where the files lie; made when the first is written.
    :param decision_id: identity of the wait; one that is none keeps nothing.
    """

    def __init__(self, folder: Path, decision_id: str) -> None:
        self._file = folder / f"wait-{decision_id}.json" if re.fullmatch(_ID, decision_id) else None
        self._written: dict[str, Any] | None = None

    def read(self) -> dict[str, Any] | None:
        """Give the state that was kept, None where there is none."""
        if self._file is None:
            return None
        try:
            state = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return state if isinstance(state, dict) else None

    def write(self, state: dict[str, Any]) -> None:
        """Keep a state, where its plan differs from the one that was kept last."""
        if self._file is None or (self._written is not None and _stands(state, self._written)):
            return
        # Copied, since a wait goes on writing into its notes.
        self._written = {key: copy(state.get(key)) for key in ("standing", "baseline", "replans", "notes")}
        text = json.dumps(state)
        with suppress(OSError):
            # Under a name that nobody can foresee: whoever else may write there could have laid a link in its place.
            handle, draft = tempfile.mkstemp(dir=private_folder(self._file.parent), prefix="wait-")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                # Renamed in one step: a process that starts now reads the old or the new one, never half of it.
                Path(draft).replace(self._file)
            except OSError:
                # On a full disk drafts would pile up.
                Path(draft).unlink(missing_ok=True)

    @staticmethod
    def sweep(folder: Path) -> None:
        """Remove what cancelled waits have left behind."""
        with suppress(OSError):
            for file in folder.glob("wait-*"):
                if time.time() - file.stat().st_mtime > KEPT_SECONDS:
                    file.unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove the file; the wait is over."""
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)


def _stands(state: Mapping[str, Any], written: Mapping[str, Any]) -> bool:
    """Tell whether nothing has changed that a later process would miss."""
    if any(state.get(key) != written[key] for key in ("baseline", "replans", "notes")):
        return False
    plan, before = state.get("standing"), written["standing"]
    if not plan or not before or None in (plan[2], before[2]):
        return bool(plan == before)
    return bool(plan[:2] == before[:2] and abs(plan[2] - before[2]) <= DRIFT * before[2])
