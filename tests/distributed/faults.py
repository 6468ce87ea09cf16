"""What can break in the engine, each as one thing that is done to it, and undone."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from distributed.evening import series

if TYPE_CHECKING:
    from distributed.engine import Engine

#: How long what is taken away stays away [s]; a PostgreSQL as long as the issue of a minute is.
AWAY = 25.0
FROZEN = 40.0
POSTGRES_AWAY = 60.0

#: What a full disk says to whoever writes to the ledger.
_FULL = """
CREATE OR REPLACE FUNCTION carbon_disk_full() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$
"""
_LEDGER = ("carbon_decision", "carbon_wait")


class Scene(NamedTuple):
    """What a fault is done to.

    :param dice: draws what the fault leaves open.
    :param file: that the source of the run reads.
    """

    engine: Engine
    dice: random.Random
    file: Path


class Fault(NamedTuple):
    """One way to break something.

    :param during: breaks it on entry, and makes it whole again on exit.
    :param lasts: how long it stays so [s].
    """

    name: str
    during: Callable[[Scene], AbstractContextManager[None]]
    lasts: float = 0.0


def killed(service: str, number: signal.Signals) -> Fault:
    """Kill one unit of a service; the supervisor starts it again."""

    @contextmanager
    def during(scene: Scene) -> Iterator[None]:
        supervisor = scene.engine.supervisor
        names = [name for name in supervisor.units if name.rstrip("-0123456789") == service]
        supervisor.kill(scene.dice.choice(names), number)
        yield

    return Fault(f"{number.name} of {'a' if service in ('triggerer', 'worker') else 'the'} {service}", during)


@contextmanager
def _frozen_triggerer(scene: Scene) -> Iterator[None]:
    unit = scene.engine.supervisor.units[scene.dice.choice(["triggerer-1", "triggerer-2"])]
    unit.pause()
    try:
        yield
    finally:
        unit.resume()


@contextmanager
def _postgres_away(scene: Scene) -> Iterator[None]:
    scene.engine.servers.postgres.run("stop", "immediate")
    try:
        yield
    finally:
        scene.engine.servers.postgres.run("start")


@contextmanager
def _redis_flushed(scene: Scene) -> Iterator[None]:
    scene.engine.servers.redis.run("flush")
    yield


@contextmanager
def _redis_away(scene: Scene) -> Iterator[None]:
    scene.engine.servers.redis.run("stop", "immediate")
    try:
        yield
    finally:
        scene.engine.servers.redis.run("start")


@contextmanager
def _ledger_full(scene: Scene) -> Iterator[None]:
    database = scene.engine.database
    database.do(_FULL)
    for table in _LEDGER:
        database.do(f"CREATE TRIGGER full_disk BEFORE INSERT ON {table} EXECUTE FUNCTION carbon_disk_full()")
    try:
        yield
    finally:
        for table in _LEDGER:
            database.do(f"DROP TRIGGER full_disk ON {table}")


def _lies(name: str, told: Callable[[str, random.Random], str]) -> Fault:
    """Let the source's file say something else for a while."""

    @contextmanager
    def during(scene: Scene) -> Iterator[None]:
        before = scene.file.read_text()
        _put(scene.file, told(before, scene.dice))
        try:
            yield
        finally:
            _put(scene.file, before)

    return Fault(f"the source {name}", during, AWAY)


def _put(file: Path, text: str) -> None:
    # In one step, as whoever writes such a file must.
    draft = file.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(file)


def _each_value(text: str, change: Callable[[str], str]) -> str:
    head, *rows = text.splitlines()
    return "\n".join([head, *(f"{at},{change(value)}" for at, value in (row.split(",") for row in rows))]) + "\n"


def _backwards(text: str) -> str:
    head, *rows = text.splitlines()
    return "\n".join([head, *reversed(rows)]) + "\n"


@contextmanager
def _dag_file_changed(scene: Scene) -> Iterator[None]:
    file = scene.engine.shared / "dags" / "crowd.py"
    text = file.read_text()
    # Another version of the DAG: what waits belongs to the one before.
    changed = text.replace('"""Many waits', f'"""At {time.time():.0f}: many waits').replace(
        "SOON = timedelta(seconds=5)", f"SOON = timedelta(seconds={scene.dice.choice([4, 6])})"
    )
    _put(file, changed)
    yield


FAULTS = [
    *(killed(service, number)
      for service in ("triggerer", "worker", "scheduler", "api-server")
      for number in (signal.SIGTERM, signal.SIGKILL)),
    Fault("a triggerer frozen for 40 s", _frozen_triggerer, FROZEN),
    Fault("PostgreSQL away for 60 s", _postgres_away, POSTGRES_AWAY),
    Fault("Redis flushed", _redis_flushed),
    Fault("Redis away for 25 s", _redis_away, AWAY),
    Fault("the ledger's disk full for 25 s", _ledger_full, AWAY),
    _lies("is empty", lambda text, dice: ""),
    _lies("says NaN", lambda text, dice: _each_value(text, lambda value: "nan")),
    _lies("says negative values", lambda text, dice: _each_value(text, lambda value: f"-{value}")),
    _lies("runs backwards", lambda text, dice: _backwards(text)),
    _lies("is another evening", lambda text, dice: series(dice.randrange(1000))),
    Fault("the DAG file changed", _dag_file_changed),
]  # fmt: skip
