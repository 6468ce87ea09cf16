"""The hook of Energy-Charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_carbon.exceptions import UnknownZoneError
from airflow_carbon.hooks.forms import ENERGY_CHARTS
from airflow_carbon.hooks.live import LiveHook

if TYPE_CHECKING:
    from airflow_carbon.core.location import Location
    from airflow_carbon.sources.base import CarbonSource


class EnergyChartsHook(LiveHook):
    """Serve the intensity of European countries, ahead to the end of tomorrow at most; needs no key."""

    conn_type = ENERGY_CHARTS.conn_type
    source_name = "energy_charts"
    hook_name = ENERGY_CHARTS.title
    fields = ENERGY_CHARTS.fields
    standard = ENERGY_CHARTS.standard

    def source(self) -> CarbonSource:
        """Build the source; nothing is asked yet.

        :raises InvalidRequestError: naming the connection and the field that is wrong.
        """
        from airflow_carbon.sources.energy_charts import EnergyCharts

        return EnergyCharts(self.http(), refresh=self.refresh())

    def source_url(self, location: Location) -> str:
        """Give the chart of the country's emissions; the service's own page where no country is known."""
        from airflow_carbon.sources.regions import country_of

        try:
            chosen = f"charts/co2_emissions/chart.htm?l=en&c={country_of(location)}"
        except UnknownZoneError:
            chosen = ""
        return f"https://www.energy-charts.info/{chosen}"
