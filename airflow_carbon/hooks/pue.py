"""The cloud that a location lies in, and the overhead of its data center."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_carbon.exceptions import UnknownZoneError

if TYPE_CHECKING:
    from airflow_carbon.core.location import Location


def cloud_and_pue(location: Location) -> tuple[str, float | None]:
    """Give the cloud of a location, empty for none, and its region's PUE [1] where the table knows it.

    A region that the table does not know has none; whoever asks for its intensity tells of a misspelt name.
    """
    if not location.is_region:
        return "", None
    from airflow_carbon.sources.regions import lookup

    try:
        return location.provider, lookup(location).pue
    except UnknownZoneError:
        return location.provider, None
