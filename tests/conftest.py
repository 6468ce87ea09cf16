"""Give the tests an Airflow that is nobody's: set before its first import, which reads the environment once."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import hypothesis
import pytest

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
