"""The hook of a Carbon Aware SDK WebApi."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_carbon.core.units import Signal
from airflow_carbon.hooks.forms import CARBON_AWARE_SDK
from airflow_carbon.hooks.live import LiveHook

if TYPE_CHECKING:
    from airflow_carbon.core.location import Location
    from airflow_carbon.sources.base import CarbonSource


class CarbonAwareSdkHook(LiveHook):
    """Serve what a Carbon Aware SDK server answers; it holds the keys of its own data source."""

    conn_type = CARBON_AWARE_SDK.conn_type
    source_name = "carbon_aware_sdk"
    hook_name = CARBON_AWARE_SDK.title
    fields = CARBON_AWARE_SDK.fields
    standard = CARBON_AWARE_SDK.standard

    def source(self) -> CarbonSource:
        """Build the source; nothing is asked yet.

        :raises InvalidRequestError: naming the connection and the field that is wrong.
        """
        from airflow_carbon.sources.carbon_aware_sdk import CarbonAwareSdk

        return CarbonAwareSdk(self.http(), signal=Signal(self.settings()["signal"]), refresh=self.refresh())

    def source_url(self, location: Location) -> str:
        """Give the page that tells what such a server's numbers are; the server itself may not be public."""
        return "https://carbon-aware-sdk.greensoftware.foundation/"
