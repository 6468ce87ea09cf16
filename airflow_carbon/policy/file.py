"""The policy file on disk, read again when it changes."""

from __future__ import annotations

from pathlib import Path

from airflow_carbon.exceptions import PolicyFileError
from airflow_carbon.policy.rules import Check, Rules


class PolicyFile:
    """Keep the rules of one file as long as it does not change.

    :param path: where it lies; it may be missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: object = None
        self._rules = Rules()

    def rules(self) -> tuple[Rules, bool]:
        """Give the rules as the file has them now, and whether they were read anew just now."""
        try:
            stat = self.path.stat()
            seen: object = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except OSError as error:
            seen = error.errno
        if seen == self._seen:
            return self._rules, False
        self._seen, self._rules = seen, read(self.path)
        return self._rules, True


def read(path: Path, also: Check | None = None) -> Rules:
    """Read a file; one that cannot be read is a fault like any other.

    :param also: one more look at each value; see :meth:`~airflow_carbon.policy.rules.Rules.read`.
    """
    try:
        return Rules.read(path.read_text(encoding="utf-8"), also)
    except OSError as error:
        return Rules(faults=(PolicyFileError(f"cannot be read: {error.strerror or error}"),))
    except UnicodeDecodeError as error:
        return Rules(faults=(PolicyFileError(f"is no text in UTF-8: {error.reason} at byte {error.start}"),))
