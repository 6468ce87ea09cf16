"""The hook of the embedded source."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_carbon.hooks.carbon import CarbonHook
from airflow_carbon.hooks.forms import TYPICAL

if TYPE_CHECKING:
    from airflow_carbon.core.location import Location
    from airflow_carbon.sources.base import CarbonSource

#: Every process must play from the same moment without asking another one, so the default is a constant.
PLAYED_SINCE = datetime(2026, 1, 1, tzinfo=UTC)


class TypicalHook(CarbonHook):
    """Serve typical daily profiles and annual averages that ship with the package; needs no connection."""

    conn_type = "carbon_typical"
    source_name = "typical"
    hook_name = TYPICAL.title
    fields = TYPICAL.fields

    def source(self) -> CarbonSource:
        """Build the embedded source, played faster where the connection says so."""
        return self._played(averages_only=False)

    def ranking_source(self) -> CarbonSource:
        """Build it on annual averages alone: a profile and an average of different accounting do not compare."""
        return self._played(averages_only=True)

    def _played(self, *, averages_only: bool) -> CarbonSource:
        from airflow_carbon.sources.played import Played
        from airflow_carbon.sources.typical import Typical

        settings, typical = self.settings(), Typical(averages_only=averages_only)
        anchor = settings["played_since"] or PLAYED_SINCE
        plays_from = settings["plays_from"] or anchor
        if settings["speed"] == 1.0 and plays_from == anchor:
            return typical
        return Played(typical, anchor=anchor, plays_from=plays_from, speed=settings["speed"])

    def shelf(self) -> None:
        """Share nothing: the profiles lie on every host."""

    def source_url(self, location: Location) -> str:
        """Give the page of the data behind the profiles."""
        return "https://www.neso.energy/data-portal/historic-generation-mix"
