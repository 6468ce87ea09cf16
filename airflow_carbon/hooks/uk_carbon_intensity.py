"""The hook of UK Carbon Intensity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_carbon.hooks.forms import UK_CARBON_INTENSITY
from airflow_carbon.hooks.live import LiveHook

if TYPE_CHECKING:
    from airflow_carbon.core.location import Location
    from airflow_carbon.sources.base import CarbonSource


class UkCarbonIntensityHook(LiveHook):
    """Serve Great Britain's intensity and its forecast of two days; needs no key."""

    conn_type = UK_CARBON_INTENSITY.conn_type
    source_name = "uk_carbon_intensity"
    hook_name = UK_CARBON_INTENSITY.title
    fields = UK_CARBON_INTENSITY.fields
    standard = UK_CARBON_INTENSITY.standard

    def source(self) -> CarbonSource:
        """Build the source; nothing is asked yet.

        :raises InvalidRequestError: naming the connection and the field that is wrong.
        """
        from airflow_carbon.sources.uk_carbon_intensity import UkCarbonIntensity

        return UkCarbonIntensity(self.http(), region=self.settings()["region"], refresh=self.refresh())

    def source_url(self, location: Location) -> str:
        """Give the page that shows the service's data of today."""
        return "https://carbonintensity.org.uk/"
