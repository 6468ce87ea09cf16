"""The name that each process of the engine has in the place of a container's host name."""

from __future__ import annotations

import os

#: The variable that holds it.
HOST = "CARBON_ENGINE_HOST"


def own() -> str:
    """Give the name of the host that this process stands for; Airflow asks by ``[core] hostname_callable``."""
    return os.environ[HOST]
