"""docker-compose.yml, read as the one place that says which processes there are, and with which settings."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

#: A variable of the environment file, which must be there.
_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+):\?[^}]*\}")


class Service(NamedTuple):
    """One of Airflow's services that stays: a component of the engine.

    :param command: words of Airflow's command line.
    :param replicas: how many containers run it.
    :param environment: as it is written, with variables and names of hosts in it.
    """

    name: str
    command: str
    replicas: int
    environment: Mapping[str, str]

    @property
    def units(self) -> list[str]:
        """Name its containers."""
        return [self.name] if self.replicas == 1 else [f"{self.name}-{n}" for n in range(1, self.replicas + 1)]


class Composition:
    """The services of a Compose file, and their environments on other hosts.

    :param file: the Compose file.
    """

    def __init__(self, file: Path) -> None:
        self._document: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))

    @property
    def components(self) -> list[Service]:
        """List the services that run this project's image and stay."""
        image = self._document["x-airflow"]["image"]
        return [
            Service(
                name,
                one["command"],
                int(one.get("deploy", {}).get("replicas", 1)),
                {key: str(value) for key, value in one["environment"].items()},
            )
            for name, one in self._document["services"].items()
            if one.get("image") == image and one["restart"] != "no"
        ]

    @property
    def shared(self) -> dict[str, str]:
        """Give the settings that all components share, as they are written."""
        return {key: str(value) for key, value in self._document["x-environment"].items()}

    @property
    def secrets(self) -> set[str]:
        """Name the variables that the environment file must fill."""
        return set(_VARIABLE.findall("\n".join(self.shared.values())))

    def elsewhere(
        self, environment: Mapping[str, str], *, secrets: Mapping[str, str], hosts: Mapping[str, str], folder: Path
    ) -> dict[str, str]:
        """Give an environment of this file for processes on other hosts.

        :param secrets: what the environment file would say.
        :param hosts: service -> address (host and port) where it listens instead.
        :param folder: stands in the place of the image's ``/opt/airflow``.
        """
        # A service is named in an address: behind its scheme or its password, before its port or its path.
        named = re.compile(rf"(?<=[/@])({'|'.join(map(re.escape, hosts))})(:\d+)?(?=/)")
        return {
            key: named.sub(lambda found: hosts[found[1]], _VARIABLE.sub(lambda found: secrets[found[1]], value))
            .replace("/opt/airflow", str(folder))
            .replace("$$", "$")
            for key, value in environment.items()
        }


def drawn(variable: str) -> str:
    """Draw a secret for a variable of the environment file."""
    # A Fernet key has a form of its own, as in `make env`.
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return key if "FERNET" in variable else secrets.token_hex(32)
