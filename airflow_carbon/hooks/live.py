"""What the hooks of all live services have in common: an address, a quota, and a shelf on this host."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, cast

from airflow_carbon.hooks.carbon import CarbonHook

if TYPE_CHECKING:
    from airflow_carbon.sources.base import CarbonSource
    from airflow_carbon.sources.places import Places
    from airflow_carbon.web.http import Http


class _Accessible(Protocol):
    async def access(self) -> str: ...


class LiveHook(CarbonHook):
    """Serve a service on the network; its connection has the fields ``host``, ``refresh`` and ``requests_per_hour``."""

    def http(self, headers: Mapping[str, str] | None = None) -> Http:
        """Make what asks the service at the connection's address, within its quota.

        :param headers: sent with each request.
        """
        from airflow_carbon.web.http import Http
        from airflow_carbon.web.quota import Quota

        settings = self.settings()
        quota = Quota(settings["requests_per_hour"], self.shelf())
        return Http(self.source_name, settings["host"], headers=headers, quota=quota)

    def places(self) -> Places:
        """Make the memory of which zone a place lies in."""
        from airflow_carbon.sources.places import Places

        return Places(self.shelf())

    def refresh(self) -> timedelta | None:
        """Give how often to ask; None for the service's own rhythm."""
        return cast("timedelta | None", self.settings()["refresh"])

    async def probed(self, source: CarbonSource) -> str:
        """Ask the cheapest endpoint that proves access to forecasts."""
        return await cast("_Accessible", source).access()
