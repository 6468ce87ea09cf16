"""Every example loads offline, as the dag-processor loads it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import NoReturn

import pytest

pytestmark = pytest.mark.airflow


@pytest.fixture
def blocked_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection: an example that needs the network would not be offline."""

    class Blocked(socket.socket):
        def connect(self, address: object) -> NoReturn:
            raise OSError(f"an example tried to reach {address!r}")

        connect_ex = connect  # type: ignore[assignment]

    monkeypatch.setattr(socket, "socket", Blocked)


@pytest.mark.usefixtures("blocked_sockets")
def test_every_example_loads_with_sockets_blocked(repository: Path) -> None:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(repository / "example_dags"))
    assert bag.import_errors == {}
    assert set(bag.dags) == {path.stem for path in (repository / "example_dags").glob("*.py")}
    assert all(dag.doc_md and "###" in dag.doc_md for dag in bag.dags.values())


def test_the_block_on_sockets_would_be_noticed(blocked_sockets: None) -> None:
    with pytest.raises(OSError, match="tried to reach"):
        socket.create_connection(("127.0.0.1", 9))


def test_every_example_survives_serialization(repository: Path) -> None:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    bag = DagBag(str(repository / "example_dags"))
    for dag in bag.dags.values():
        restored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
        assert set(restored.task_dict) == set(dag.task_dict)
