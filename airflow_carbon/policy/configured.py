"""Whether this deployment has a policy file; every task process asks, so nothing is imported to find out."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk.configuration import conf

if TYPE_CHECKING:
    from airflow_carbon.policy.file import PolicyFile


def policy_file() -> Path | None:
    """Read ``[carbon] policy_file``; a relative path is counted from AIRFLOW_HOME, None where none is set."""
    given = conf.get("carbon", "policy_file", fallback="").strip()
    if not given:
        return None
    return Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / Path(given).expanduser()


@cache
def configured() -> PolicyFile | None:
    """Give the deployment's policy file, None where none is set; the configuration is asked once per process."""
    path = policy_file()
    if path is None:
        return None
    from airflow_carbon.policy.file import PolicyFile

    return PolicyFile(path)
