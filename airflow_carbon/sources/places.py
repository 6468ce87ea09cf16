"""Which grid zone a service said that a place lies in."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_carbon.core.location import Location
    from airflow_carbon.web.shelf import Shelf

#: Borders of grid zones are redrawn now and then: ask again after a month [s].
KEPT_SECONDS = 30 * 86_400.0


class Places:
    """Remember the zone of each place for all processes of a host, so that a service is asked once.

    :param shelf: where it is kept; None remembers in this process alone.
    :param clock: gives the seconds since the epoch [s].
    """

    def __init__(self, shelf: Shelf | None = None, clock: Callable[[], float] = time) -> None:
        self._shelf = shelf
        self._clock = clock
        self._known: dict[Location, tuple[str, float]] = {}

    def zone_of(self, location: Location) -> str | None:
        """Give the zone as the service named it, None where it was not asked yet."""
        known = self._known.get(location) or self._kept(location)
        if known is None or not 0.0 <= self._clock() - known[1] < KEPT_SECONDS:
            return None
        self._known[location] = known
        return known[0]

    def learn(self, location: Location, zone: str) -> None:
        """Keep what the service said."""
        if self.zone_of(location) == zone:
            return
        self._known[location] = zone, self._clock()
        if self._shelf is not None:
            self._shelf.write(_name(location), {"zone": zone, "at": self._clock()})

    def _kept(self, location: Location) -> tuple[str, float] | None:
        document = self._shelf.read(_name(location)) if self._shelf is not None else None
        if document is None:
            return None
        zone, at = document.get("zone"), document.get("at")
        # Damaged, it only means to ask again.
        if isinstance(zone, str) and zone and isinstance(at, (int, float)) and 0 <= at <= self._clock():
            return zone, float(at)
        return None


def _name(location: Location) -> str:
    return f"place {location}"
