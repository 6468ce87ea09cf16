"""The hook of WattTime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_carbon.hooks.forms import WATTTIME
from airflow_carbon.hooks.live import LiveHook

if TYPE_CHECKING:
    from airflow_carbon.core.location import Location
    from airflow_carbon.sources.base import CarbonSource


class WattTimeHook(LiveHook):
    """Serve WattTime: marginal intensities with a forecast, or averages of past hours."""

    conn_type = WATTTIME.conn_type
    source_name = "watttime"
    hook_name = WATTTIME.title
    fields = WATTTIME.fields
    standard = WATTTIME.standard

    def source(self) -> CarbonSource:
        """Build the source; nobody logs in yet.

        :raises InvalidRequestError: naming the connection and the field that is wrong.
        """
        from airflow_carbon.sources.watttime import WattTime
        from airflow_carbon.sources.watttime_token import Token

        settings, http = self.settings(), self.http()
        token = Token(http, settings["user"], settings["password"], self.shelf())
        return WattTime(http, self.places(), token, signal_type=settings["signal_type"], refresh=self.refresh())

    def source_url(self, location: Location) -> str:
        """Give the map of WattTime's regions."""
        return "https://watttime.org/explorer/"
