"""What each source's past issues taught about its error, kept on disk beyond the process."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_carbon.core.forecast import issuer
from airflow_carbon.core.forecast_error import ForecastError
from airflow_carbon.exceptions import CarbonError
from airflow_carbon.sources.last_good import is_last_good
from airflow_carbon.web.private_folder import private_folder

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast


class LearnedErrors:
    """Keep one :class:`~airflow_carbon.core.forecast_error.ForecastError` for each source and zone, a small file each.

    Losing a file only means to learn anew, so nothing here raises: a plan must not fail for a full disk.

    :param folder: where the files lie; made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, ForecastError] = {}

    def observe(self, issue: Forecast, *, asked: Sequence[str]) -> ForecastError:
        """Learn from an issue and keep what is known after it; one that was seen before changes nothing.

        :param asked: ids of the connections that were asked: two of them may have sources of one name.
        """
        name = _name(issue, asked)
        known = self._known.get(name)
        if known is None:
            known = self._read(name)
        # What is repeated from earlier is no news of the source, and no proof of its accuracy.
        learned = known if is_last_good(issue) else known.observed(issue)
        self._known[name] = learned
        if learned != known:
            self._write(name, learned)
        return learned

    def _read(self, name: str) -> ForecastError:
        try:
            return ForecastError.from_dict(json.loads((self._folder / name).read_text(encoding="utf-8")))
        except (OSError, ValueError, CarbonError):
            return ForecastError()

    def _write(self, name: str, error: ForecastError) -> None:
        with suppress(OSError):
            handle, draft = tempfile.mkstemp(dir=private_folder(self._folder), prefix=name)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(error.to_dict(), file)
            # Renamed in one step: another process reads the old or the new one, never half of it.
            Path(draft).replace(self._folder / name)


def _name(issue: Forecast, asked: Sequence[str]) -> str:
    named = json.dumps([*asked, issuer(issue.source), issue.zone])
    return f"error-{hashlib.sha256(named.encode()).hexdigest()[:16]}.json"
