"""What the environment of a local Airflow holds: its settings and secrets, and nothing of the Airflow around it."""

from __future__ import annotations

import base64
import json
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"
_PASSWORDS = "passwords.json"


def surroundings() -> dict[str, str]:
    """Give this process's environment without any Airflow's settings, and with no proxy before this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.lstrip("_").startswith("AIRFLOW")}
    # The tasks' own client would send its heartbeats through a proxy.
    direct = ",".join([*filter(None, [kept.get("NO_PROXY") or kept.get("no_proxy")]), "127.0.0.1", "localhost"])
    return kept | {"NO_PROXY": direct, "no_proxy": direct, "PYTHONUNBUFFERED": "1"}


def settings(
    home: Path, *, port: int, dags: Sequence[Path], users: Mapping[str, str], database_url: str | None = None
) -> dict[str, str]:
    """Give the variables that make an Airflow of a folder, its secrets among them.

    :param home: AIRFLOW_HOME.
    :param port: of the api-server on 127.0.0.1.
    :param dags: folders with DAG files, each becomes a bundle.
    :param users: name -> role.
    :param database_url: of the metadata database; SQLite in ``home`` by default.
    """
    url = f"http://127.0.0.1:{port}"
    folders = [folder.resolve() for folder in dags]
    # Numbered, because names must differ and Airflow keeps "example_dags" for itself.
    bundles = [
        {"name": f"{folder.name}-{number}", "classpath": _BUNDLE, "kwargs": {"path": str(folder)}}
        for number, folder in enumerate(folders, start=1)
    ]
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folders[0] if folders else home / "dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__FERNET_KEY": _keep(home / "fernet.key", _fernet_key()),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / _PASSWORDS),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in users.items()),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url or f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
    }


def keep_passwords(home: Path, users: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Give each user the password that was given, else the folder's, else a random one, and leave it in the folder."""
    kept = json.loads(_keep(home / _PASSWORDS, "{}"))
    passwords = {name: given.get(name) or kept.get(name) or secrets.token_urlsafe(12) for name in users}
    (home / _PASSWORDS).write_text(json.dumps(passwords))
    return passwords


def _keep(file: Path, fresh: str) -> str:
    """Give what a file holds that only its owner reads; where it is absent, put something fresh there first."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(fresh)
    return file.read_text()


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
