"""The hook of Electricity Maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_carbon.exceptions import UnknownZoneError
from airflow_carbon.hooks.forms import ELECTRICITY_MAPS
from airflow_carbon.hooks.live import LiveHook

if TYPE_CHECKING:
    from airflow_carbon.core.location import Location
    from airflow_carbon.sources.base import CarbonSource


class ElectricityMapsHook(LiveHook):
    """Serve average intensities and forecasts of Electricity Maps; its connection holds the token."""

    conn_type = ELECTRICITY_MAPS.conn_type
    source_name = "electricity_maps"
    hook_name = ELECTRICITY_MAPS.title
    fields = ELECTRICITY_MAPS.fields
    standard = ELECTRICITY_MAPS.standard

    def source(self) -> CarbonSource:
        """Build the source; nothing is asked yet.

        :raises InvalidRequestError: naming the connection and the field that is wrong.
        """
        from airflow_carbon.sources.electricity_maps import ElectricityMaps

        settings = self.settings()
        return ElectricityMaps(
            self.http({"auth-token": settings["token"]}),
            self.places(),
            version=settings["version"],
            emission_factor_type=settings["emission_factor_type"],
            temporal_granularity=settings["temporal_granularity"],
            refresh=self.refresh(),
        )

    def source_url(self, location: Location) -> str:
        """Give the zone's page on the public map; the whole map where the zone is not known here."""
        from airflow_carbon.sources.regions import lookup

        try:
            zone = lookup(location).zone if location.is_region else location.name.upper()
        except UnknownZoneError:
            zone = ""
        return f"https://app.electricitymaps.com/{f'zone/{zone}' if zone else 'map'}"
