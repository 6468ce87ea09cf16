"""Emphasis on a terminal; plain text everywhere else."""

from __future__ import annotations

import os
import sys

from airflow_carbon.cli.sparkline import ASCII, BLOCKS


def bold(text: str) -> str:
    """Set a line in bold."""
    return _set(text, "1")


def dim(text: str) -> str:
    """Set a line back."""
    return _set(text, "2")


def green(text: str) -> str:
    """Set a line in green."""
    return _set(text, "32")


def yellow(text: str) -> str:
    """Set a line in yellow."""
    return _set(text, "33")


def red(text: str) -> str:
    """Set a line in red."""
    return _set(text, "31")


def levels() -> str:
    """Give the characters of a sparkline, from low to high, that stdout can show."""
    return BLOCKS if (sys.stdout.encoding or "").lower().startswith("utf") else ASCII


def _set(text: str, code: str) -> str:
    # https://no-color.org
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and sys.stdout.isatty()
    return f"\x1b[{code}m{text}\x1b[0m" if wanted else text
