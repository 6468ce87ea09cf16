"""What came of the rounds, told line by line and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from distributed.settings import RECOVERY

if TYPE_CHECKING:
    from distributed.fault import Fault

#: So much of what was wrong is told.
LONGEST = 1500


@dataclass
class Outcome:
    """What came of one run under faults.

    :param waits: tasks that waited in it.
    :param late: its worst start against what was asked for; negative where it was in time.
    :param retried: tries that did not succeed.
    """

    faults: tuple[Fault, ...]
    waits: int
    late: timedelta | None = None
    retried: int = 0
    seconds: float = 0.0
    wrong: str = ""

    def __str__(self) -> str:
        names = " and ".join(one.name for one in self.faults)
        line = f"{names:<70} late {_signed(self.late):>7}  retried {self.retried:>3}  took {self.seconds:.0f} s"
        return f"{line}\n  WRONG: {self.wrong[:LONGEST]}" if self.wrong else line


def table(outcomes: Sequence[Outcome], faults: Sequence[Fault], *, seed: int) -> str:
    """Draw how often each fault was tried, alone and in pairs, and the worst that came of it.

    :param faults: in the order in which they are told.
    """
    settings = ", ".join(f"{name.rpartition('__')[2].lower()} {value} s" for name, value in RECOVERY.items())
    waits = sum(one.waits for one in outcomes)
    lines = [
        f"\nseed {seed}, {len(outcomes)} runs with {waits} waits; Airflow's times of recovery: {settings}",
        "| fault | runs | of them in pairs | waits | tries that failed | worst start | wrong |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for fault in faults:
        those = [one for one in outcomes if fault in one.faults]
        if those:
            late = max((one.late for one in those if one.late is not None), default=None)
            lines.append(
                f"| {fault.name} | {len(those)} | {sum(len(one.faults) > 1 for one in those)} "
                f"| {sum(one.waits for one in those)} | {sum(one.retried for one in those)} | {_signed(late)} "
                f"| {sum(bool(one.wrong) for one in those)} |"
            )
    return "\n".join(lines)


def _signed(late: timedelta | None) -> str:
    return "-" if late is None else f"{late.total_seconds():+.0f} s"
