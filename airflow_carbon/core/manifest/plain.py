"""Plain values: dicts, lists, and what cannot be changed."""

from __future__ import annotations

from typing import Any


def copied(value: Any) -> Any:
    """Copy a tree of dicts and lists, so that neither shares a part with the other."""
    # copy.deepcopy does the same, and takes longer than all plugins together.
    if isinstance(value, dict):
        return {key: copied(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [copied(one) for one in value]
    return value
