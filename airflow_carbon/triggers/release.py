"""What ends a wait before its time: someone said so, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_carbon.exceptions import printable

#: Key in ``task_state_store`` under which a rescheduled task finds that it was released.
RELEASE = "carbon_release"
#: Longer ones are cut.
LONGEST = 1000


class Release(NamedTuple):
    """Hold who released a task, and why.

    :param by: the user's name.
    :param reason: as they wrote it.
    """

    by: str
    reason: str

    @classmethod
    def of(cls, value: Any) -> Release:
        """Read what came with an event or from the state of a task; what is missing there is said to be."""
        given = value if isinstance(value, Mapping) else {}
        by, reason = (printable(given.get(name) or "").strip()[:LONGEST] for name in cls._fields)
        return cls(by or "someone", reason or "no reason given")

    @property
    def reason_in_words(self) -> str:
        """Say it in one sentence."""
        return f"released by {self.by}: {self.reason}"

    def document(self) -> dict[str, str]:
        """Give it as plain JSON."""
        return {"by": self.by, "reason": self.reason}
