"""Folders in which nobody else of a host reads or writes."""

from __future__ import annotations

from pathlib import Path


def private_folder(folder: Path) -> Path:
    """Make a folder, and all that is missing above it, for this user alone; one that is there stays as it is.

    :raises OSError: if it cannot be made.
    """
    if not folder.is_dir():
        # Not by ``parents=True``, which makes those above for everybody.
        private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder
