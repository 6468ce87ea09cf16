"""What a fault is, and the scene that it breaks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fakes.grid_server import GridServer

    from distributed.engine import Engine

#: What Airflow itself may take, with the engine's settings, until a start that was lost is made again: a task on its
#: way to a worker that is gone (60 s and the search, 10 s), one that died at work (30 s and 5 s), a retry, the starts.
AIRFLOWS_OWN = timedelta(seconds=130)
#: How long what is taken away stays away [s].
AWAY = 25.0
#: A fault that lasts until the run is over.
TO_THE_END = float("inf")


@dataclass
class Scene:
    """What a fault is done to.

    :param dice: draws what the fault leaves open.
    :param file: that the source of the run reads, where it reads a file.
    :param grid: that the source of the run asks, where it asks a service.
    :param run: its id, once it has begun.
    :param touched: what a user did to tasks of the run, by task and map index.
    """

    engine: Engine
    dice: random.Random
    file: Path
    grid: GridServer
    run: str = ""
    touched: dict[tuple[str, int], str] = field(default_factory=dict)


def always(engine: Engine) -> str:
    """Say that nothing keeps a fault from being tried."""
    return ""


class Fault(NamedTuple):
    """One way to break something.

    :param during: breaks it on entry, and makes it whole again on exit.
    :param lasts: how long it stays so [s].
    :param source: what the run must read for it: ``file`` or ``service``; empty where that does not matter.
    :param holds: what must be there for it, or is away: of two faults of the same one would undo the other.
    :param early: must be broken before the run begins, since what is asked is asked then.
    :param own: breaks one run and nothing else: others may go on beside it, and no start may be late for it.
    :param honest: asks of the records only that they agree, since Airflow itself fails tasks under it.
    :param unable: says why it cannot be tried here; empty where it can.
    """

    name: str
    during: Callable[[Scene], AbstractContextManager[None]]
    lasts: float = 0.0
    source: str = ""
    holds: str = ""
    early: bool = False
    own: bool = False
    honest: bool = False
    unable: Callable[[Engine], str] = always

    @property
    def delay(self) -> timedelta:
        """How late a start may be for it."""
        away = 0.0 if self.lasts == TO_THE_END else self.lasts
        return timedelta(0) if self.own else AIRFLOWS_OWN + timedelta(seconds=away)


def once(do: Callable[[Scene], None]) -> Callable[[Scene], AbstractContextManager[None]]:
    """Make of a deed that is not undone what breaks on entry."""

    @contextmanager
    def during(scene: Scene) -> Iterator[None]:
        do(scene)
        yield

    return during


def goes_with(one: Fault, other: Fault) -> bool:
    """Tell whether two faults can be tried on one run."""
    return not (one.holds and one.holds == other.holds) and not (one.source and other.source)
