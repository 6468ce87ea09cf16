"""Speak to a user's own api-server, with the secret that the environment holds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from airflow_carbon.cli.airflow_api import AirflowApi
from airflow_carbon.exceptions import InvalidRequestError, LocalAirflowError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

PASSWORD, TOKEN = "AIRFLOW_CARBON_PASSWORD", "AIRFLOW_CARBON_TOKEN"


class _WithToken(AirflowApi):
    """Use a token that the user was given, where :class:`AirflowApi` logs in for one."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(url, "", "")
        self._given = token

    def request(self, method: str, *path: str, body: object = None, query: Mapping[str, object] | None = None) -> Any:
        try:
            return super().request(method, *path, body=body, query=query)
        except LocalAirflowError as error:
            if ": 401 " in str(error):
                raise LocalAirflowError(f"{TOKEN}: {self.url} does not accept it; has it expired?") from None
            raise

    def _log_in(self) -> str:
        return self._given


def connected(args: Namespace) -> AirflowApi:
    """Speak to the api-server that the arguments and the environment name.

    :raises InvalidRequestError: if no URL, or no secret for it, is given.
    """
    url: str | None = args.url
    if not url:
        raise InvalidRequestError("--url: --dag needs the address of the api-server, for example http://localhost:8080")
    if not url.startswith(("http://", "https://")):
        raise InvalidRequestError(f"--url: {url!r} is no address; write for example http://localhost:8080")
    if token := os.environ.get(TOKEN):
        return _WithToken(url, token)
    password = os.environ.get(PASSWORD)
    if args.user and password:
        return AirflowApi(url, args.user, password)
    raise InvalidRequestError(
        f"--user: to read runs, put a token into the environment variable {TOKEN}, or name a user and put the password "
        f"into {PASSWORD}"
    )
