"""All that can break in the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distributed.broken_by_hand import HANDS
from distributed.broken_parts import PARTS
from distributed.broken_source import SOURCES

if TYPE_CHECKING:
    from distributed.fault import Fault

FAULTS: list[Fault] = [*PARTS, *SOURCES, *HANDS]
