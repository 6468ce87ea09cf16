"""One running Airflow for all end-to-end tests, and a way to have another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_carbon.cli.local_airflow import LocalAirflow

if TYPE_CHECKING:
    from airflow_carbon.cli.airflow_api import AirflowApi

HERE = Path(__file__).parent
DAGS = [HERE.parent.parent / "example_dags", HERE / "dags"]
#: Waits of the tests last a minute where real ones last hours.
SHORT_WAITS = {
    "AIRFLOW__CARBON__START_MARGIN": "40s",
    "AIRFLOW__CARBON__MIN_DEFER": "15s",
    "AIRFLOW__CARBON__POOLS": "narrow=2",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies here."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    """Give the Airflow that all tests share; whoever kills a part of it starts that part again."""
    with LocalAirflow(tmp_path_factory.mktemp("airflow"), dags=DAGS, environment=SHORT_WAITS) as running:
        yield running


@pytest.fixture(scope="session")
def api(airflow: LocalAirflow) -> AirflowApi:
    """Give the REST API of the shared Airflow, as admin."""
    return airflow.api


@pytest.fixture
def another_airflow(tmp_path: Path) -> Iterator[Callable[..., LocalAirflow]]:
    """Start Airflows of a test's own, for example one without a triggerer; each is stopped after the test.

    They take what :class:`LocalAirflow` takes, for example ``components`` and ``environment``.
    """
    with ExitStack() as stack:

        def start(**options: Any) -> LocalAirflow:
            home = tmp_path / f"airflow-{len(list(tmp_path.iterdir()))}"
            return stack.enter_context(LocalAirflow(home, **{"dags": DAGS, **options}))

        yield start
