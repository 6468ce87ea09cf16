"""The tables of Airflow's database, made as the service ``init`` of docker-compose.yml makes them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from airflow_carbon.cli.component import tail
from airflow_carbon.exceptions import LocalAirflowError

TIMEOUT = 300.0


def migrate(home: Path, environment: Mapping[str, str]) -> None:
    """Make the tables.

    :param home: AIRFLOW_HOME of whoever makes them; is made where absent.
    :param environment: of one of the engine's units.
    :raises LocalAirflowError: if that fails, with Airflow's own words.
    """
    home.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env={**environment, "AIRFLOW_HOME": str(home)},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise LocalAirflowError(f"airflow db migrate: {done.returncode}\n{tail(done.stdout + done.stderr)}")
