"""Faults of the machinery: a unit that dies, freezes, is cut off or has a wrong clock; a server that is away."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from distributed.clock import library, off_by
from distributed.fault import AWAY, Fault, Scene, once

if TYPE_CHECKING:
    from distributed.engine import Engine

FROZEN = 40.0
CUT_OFF = 45.0
POSTGRES_AWAY = 60.0
#: How wrong a clock is [s], and for how long.
WRONG, WRONG_FOR = 300, 45.0
SERVICES = ("triggerer", "worker", "scheduler", "api-server")

#: What a full disk says to whoever writes to the ledger.
_FULL = """
CREATE OR REPLACE FUNCTION carbon_disk_full() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$
"""
_LEDGER = ("carbon_decision", "carbon_wait")


def units_of(engine: Engine, service: str) -> list[str]:
    """Name the units of a service."""
    return [name for name in engine.supervisor.units if name.rstrip("-0123456789") == service]


def killed(service: str, number: signal.Signals) -> Fault:
    """Kill one unit of a service; the supervisor starts it again."""

    @once
    def kill(scene: Scene) -> None:
        scene.engine.supervisor.kill(scene.dice.choice(units_of(scene.engine, service)), number)

    return Fault(f"{number.name} of {'a' if service in ('triggerer', 'worker') else 'the'} {service}", kill)


@contextmanager
def _frozen_triggerer(scene: Scene) -> Iterator[None]:
    unit = scene.engine.supervisor.units[scene.dice.choice(units_of(scene.engine, "triggerer"))]
    unit.pause()
    try:
        yield
    finally:
        unit.resume()


def cut_off(service: str, *, also: Sequence[str] = ()) -> Fault:
    """Cut one unit of a service off from the api-server.

    :param also: servers from which it is cut off as well: ``postgres``, ``redis``.
    """

    @contextmanager
    def during(scene: Scene) -> Iterator[None]:
        engine = scene.engine
        network = engine.networks[
            scene.dice.choice([name for name in units_of(engine, service) if name in engine.networks])
        ]
        network.cut(engine.port, *(getattr(engine.servers, name).port for name in also))
        try:
            yield
        finally:
            network.mend()

    def unable(engine: Engine) -> str:
        return engine.why_no_networks if not engine.networks else ""

    named = {"postgres": "PostgreSQL", "redis": "Redis"}
    what = " and ".join(["the api-server", *(named[one] for one in also)])
    return Fault(f"a {service} cut off from {what} for {CUT_OFF:.0f} s", during, CUT_OFF, unable=unable)


def wrong_clock(service: str) -> Fault:
    """Let the clock of one unit of a service be wrong, ahead or behind."""

    @contextmanager
    def during(scene: Scene) -> Iterator[None]:
        supervisor = scene.engine.supervisor
        name = scene.dice.choice(units_of(scene.engine, service))
        _anew(scene.engine, name, off_by(scene.dice.choice([-WRONG, WRONG])))
        try:
            yield
        finally:
            _anew(scene.engine, name, {})
        assert supervisor.units[name].alive

    def unable(engine: Engine) -> str:
        return "" if library() else "datefudge is not installed; as root: apt-get install datefudge"

    return Fault(f"the clock of a {service} {WRONG // 60} min off", during, WRONG_FOR, honest=True, unable=unable)


def _anew(engine: Engine, name: str, more: dict[str, str]) -> None:
    engine.supervisor.kill(name, signal.SIGTERM, restart=False)
    engine.supervisor.units[name].more = more
    engine.supervisor.start_again(name)


@contextmanager
def _postgres_away(scene: Scene) -> Iterator[None]:
    scene.engine.servers.postgres.run("stop", "immediate")
    try:
        yield
    finally:
        scene.engine.servers.postgres.run("start")


@once
def _redis_flushed(scene: Scene) -> None:
    scene.engine.servers.redis.run("flush")


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


PARTS = [
    *(killed(service, number) for service in SERVICES for number in (signal.SIGTERM, signal.SIGKILL)),
    Fault(f"a triggerer frozen for {FROZEN:.0f} s", _frozen_triggerer, FROZEN),
    cut_off("triggerer"),
    cut_off("triggerer", also=["postgres"]),
    cut_off("worker"),
    wrong_clock("triggerer"),
    wrong_clock("worker"),
    Fault(f"PostgreSQL away for {POSTGRES_AWAY:.0f} s", _postgres_away, POSTGRES_AWAY, holds="postgres"),
    Fault("Redis flushed", _redis_flushed, holds="redis"),
    Fault(f"Redis away for {AWAY:.0f} s", _redis_away, AWAY, holds="redis"),
    Fault(f"the ledger's disk full for {AWAY:.0f} s", _ledger_full, AWAY, holds="postgres"),
]
