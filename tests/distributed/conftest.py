"""The distributed engine that all tests of this room share."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from distributed.account import Account
from distributed.engine import Engine
from distributed.evening import play
from distributed.settings import MARGIN
from distributed.warmth import warm

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "example_dags" / "pick_region_and_branch.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies here."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.distributed)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Give the engine, started; whoever breaks a part of it leaves it whole."""

    def leave(number: int, frame: object) -> None:
        # Of a SIGTERM Python would die at once, and all units live on.
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, leave)
    try:
        with Engine(tmp_path_factory.mktemp("engine"), dags=[HERE / "dags", EXAMPLE]) as running:
            for dag_id in ("crowd", "one_line_each", "waits_for_somebody", "pick_region_and_branch"):
                running.api.wait_for_dag(dag_id, timeout=90)
            warm(running)
            print("\nengine:", ", ".join(f"{name} {seconds:.0f} s" for name, seconds in running.seconds.items()))
            yield running
            # From here on everything is being stopped already.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def account(engine: Engine) -> Callable[..., Account]:
    """Give the account of a run of the DAG ``crowd``, or of another one whose waits are named."""

    def of(dag_id: str, run_id: str, waits: dict[str, str] | None = None) -> Account:
        return Account(engine, dag_id, run_id, waits=waits or {"one.wait": "return_value"}, margin=MARGIN)

    return of


@pytest.fixture
def evening(engine: Engine, request: pytest.FixtureRequest) -> str:
    """Let a short evening begin now, and give its connection."""
    conn_id = str(request.node.name)[-40:]
    play(engine.api, engine.shared, conn_id, seed=8, dirty=3)
    return conn_id
