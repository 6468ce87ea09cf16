"""Faults of the data source: it hangs, refuses, or lies; a file that is read, or a service that is asked."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fakes.answers import ANSWERS
from fakes.answers.common import Answer
from fakes.grid_faults import with_rows, with_values

from distributed.evening import series
from distributed.fault import AWAY, TO_THE_END, Fault, Scene

if TYPE_CHECKING:
    from fakes.answers.common import Ask
    from fakes.grid_server import GridServer

#: The service that runs ask here.
VENDOR = "em"
HOUR = 3600

# -- a file ----------------------------------------------------------------------------------------------------------


def lies(name: str, told: Callable[[str, random.Random], str]) -> Fault:
    """Let the source's file say something else for a while."""

    @contextmanager
    def during(scene: Scene) -> Iterator[None]:
        before = scene.file.read_text()
        put(scene.file, told(before, scene.dice))
        try:
            yield
        finally:
            put(scene.file, before)

    return Fault(f"the file {name}", during, AWAY, source="file", own=True)


@contextmanager
def _hangs(scene: Scene) -> Iterator[None]:
    before, pipe = scene.file.read_text(), scene.file.with_suffix(".pipe")
    os.mkfifo(pipe)
    # Whoever reads waits for what is never written, as on a network drive that is gone.
    writer = os.open(pipe, os.O_RDWR)
    try:
        pipe.replace(scene.file)
        yield
    finally:
        put(scene.file, before)
        # To whoever reads still it ends here; whoever reads anew finds the true one.
        os.close(writer)


def put(file: Path, text: str) -> None:
    """Change a file in one step, as whoever writes such a file must."""
    draft = file.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(file)


def _each_value(text: str, change: Callable[[str], str]) -> str:
    head, *rows = text.splitlines()
    return "\n".join([head, *(f"{at},{change(value)}" for at, value in (row.split(",") for row in rows))]) + "\n"


def _backwards(text: str) -> str:
    head, *rows = text.splitlines()
    return "\n".join([head, *reversed(rows)]) + "\n"


# -- a service -------------------------------------------------------------------------------------------------------

Answering = Callable[["GridServer", "Ask"], Answer]
Change = Callable[["GridServer", "Ask", Answering], Answer]
_TRUE: Answering = ANSWERS[VENDOR]
#: What is changed, by the id of the service that answers so: runs go on beside each other.
_CHANGES: dict[int, Change] = {}


def _told(grid: GridServer, ask: Ask) -> Answer:
    change = _CHANGES.get(id(grid))
    return _TRUE(grid, ask) if change is None else change(grid, ask, _TRUE)


def fails(name: str, fault: str, **options: Any) -> Fault:
    """Let the service fail in one of the ways that the fake of it knows, until the run is over."""

    @contextmanager
    def during(scene: Scene) -> Iterator[None]:
        scene.grid.fail(VENDOR, fault, **options)
        try:
            yield
        finally:
            scene.grid.heal(VENDOR)

    return Fault(f"the service {name}", during, TO_THE_END, source="service", early=True, own=True)


def answers(name: str, change: Change) -> Fault:
    """Let the service answer otherwise, until the run is over; the answers to other runs stay as they are."""

    @contextmanager
    def during(scene: Scene) -> Iterator[None]:
        ANSWERS[VENDOR] = _told
        _CHANGES[id(scene.grid)] = change
        try:
            yield
        finally:
            del _CHANGES[id(scene.grid)]

    return Fault(f"the service {name}", during, TO_THE_END, source="service", early=True, own=True)


def _nan(grid: GridServer, ask: Ask, true: Answering) -> Answer:
    answer = true(grid, ask)
    return replace(answer, body=with_values(answer.body, lambda value: float("nan")))


def _of_another_zone(grid: GridServer, ask: Ask, true: Answering) -> Answer:
    return true(grid, replace(ask, query={**ask.query, "zone": ["FR"]}) if "zone" in ask.query else ask)


def _reversed(grid: GridServer, ask: Ask, true: Answering) -> Answer:
    answer = true(grid, ask)
    return replace(answer, body=with_rows(answer.body, lambda rows: rows[::-1]))


SOURCES = [
    Fault(f"the file hangs for {AWAY:.0f} s, then reads as empty", _hangs, AWAY, source="file", own=True),
    lies("is empty", lambda text, dice: ""),
    lies("says NaN", lambda text, dice: _each_value(text, lambda value: "nan")),
    lies("says negative values", lambda text, dice: _each_value(text, lambda value: f"-{value}")),
    lies("runs backwards", lambda text, dice: _backwards(text)),
    lies("is another evening", lambda text, dice: series(dice.randrange(1000))),
    fails("hangs", "hang"),
    fails("answers 429, for an hour", "429", retry_after=HOUR),
    fails("says negative values", "negative"),
    fails("has a clock an hour off", "skew", seconds=-HOUR),
    answers("says NaN", _nan),
    answers("answers of another zone", _of_another_zone),
    answers("runs backwards", _reversed),
]
