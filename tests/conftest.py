"""Give the tests an Airflow that is nobody's: set before its first import, which reads the environment once."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

# Kept alive by this name; removed with it at the end of the process.
_HOME = tempfile.TemporaryDirectory(prefix="airflow-carbon-tests-", ignore_cleanup_errors=True)

for _name in [name for name in os.environ if name.lstrip("_").startswith("AIRFLOW")]:
    del os.environ[_name]
os.environ.update(
    {
        "AIRFLOW_HOME": _HOME.name,
        "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parent.parent / "example_dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_HOME.name}/airflow.db",
    }
)

# A busy machine is no failure: examples have no deadline of their own.
hypothesis.settings.register_profile("carbon", deadline=None)
hypothesis.settings.load_profile("carbon")


#: Files whose tests share something dear, or what two at once would spoil: an Airflow, a database, a folder.
TOGETHER = (
    "tests/e2e/",
    "tests/browser/",
    "tests/plugin/",
    "tests/ledger/",
    "tests/impact_framework/",
    "tests/cli/test_doctor.py",
)


class Together(LoadScopeScheduling):
    """Give a worker each test alone, but those of :data:`TOGETHER` to one worker each: two Airflows would starve.

    The groups of ``--dist loadgroup`` stand in a test's id, which pytest 9.2 lets no plugin change any more.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((begin for begin in TOGETHER if nodeid.startswith(begin)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together:
    """Say who runs which test, where ``-n`` asks for several workers."""
    return Together(config, log)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Tell where the repository lies."""
    return Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data(repository: Path) -> Path:
    """Tell where the real series lie, beside the repository; skip where they do not."""
    folder = repository.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real series are not here: no ../shared/data beside the repository")
    return folder
