"""What one check of the doctor found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How a check went; a warning names something that works less well than it could."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold what one check found.

    :param check: what was looked at, in a word or two.
    :param health: how it went.
    :param said: what was found, in words.
    :param remedy: what to do about it; empty where nothing is to be done.
    """

    check: str
    health: Health
    said: str
    remedy: str = ""
