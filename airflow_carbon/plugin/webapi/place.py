"""From the SDK's location names to locations, and back to the list that ``/locations`` gives."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from airflow_carbon.core.location import Location
from airflow_carbon.exceptions import InvalidRequestError, UnknownZoneError
from airflow_carbon.plugin.webapi.problem import unknown_location
from airflow_carbon.sources.regions import Region, all_regions, country_of, lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

#: No name is longer [characters].
LONGEST_NAME = 100
#: Whose regions a bare name means first; the SDK's own table is Azure's.
PREFERRED = "azure"


@dataclass(frozen=True, slots=True)
class Place:
    """Hold a location with the name that it was asked by, which its answer repeats."""

    name: str
    location: Location


def place(name: str) -> Place:
    """Read ``swedencentral``, ``DE``, ``azure:swedencentral``, ``zone:DE`` or ``51.5,-0.12``.

    A bare name is a cloud's region: Azure's, else that of the one other cloud that has it; else a grid zone of the
    table.

    :raises Problem: 400, if it is none of them, or a region of several clouds.
    """
    text = name.strip()
    if len(text) > LONGEST_NAME:
        raise unknown_location(text)
    found = _by_bare_name().get(text.lower(), ())
    if len(found) > 1:
        both = " or ".join(str(region) for region in found)
        raise unknown_location(text, f" without its cloud: write {both}")
    if found:
        return Place(name, Location.parse(str(found[0])))
    try:
        location = Location.parse(text)
    except InvalidRequestError:
        return Place(name, _zone(text))
    if location.is_region:
        try:
            lookup(location)
        except UnknownZoneError as error:
            # The table's own words: they name the nearest regions.
            raise unknown_location(text, f" ({error})") from None
    return Place(name, location)


def _zone(text: str) -> Location:
    try:
        location = Location.parse(f"zone:{text}")
        country_of(location)
    except (InvalidRequestError, UnknownZoneError):
        hint = "; write a region such as swedencentral, azure:swedencentral, zone:DE or 51.5,-0.12"
        raise unknown_location(text, hint) from None
    return location


@cache
def _by_bare_name() -> Mapping[str, tuple[Region, ...]]:
    """List who may be meant by a bare name: more than one only where none is preferred."""
    named: dict[str, list[Region]] = defaultdict(list)
    for region in all_regions():
        named[region.name.lower()].append(region)
    return {
        name: tuple(region for region in regions if region.provider == PREFERRED) or tuple(regions)
        for name, regions in named.items()
    }


@cache
def listed() -> Mapping[str, Mapping[str, str]]:
    """Give all regions by the shortest name that means them, with coordinates as texts [deg], as the SDK does."""
    documents = {}
    for region in all_regions():
        bare = _by_bare_name()[region.name.lower()]
        name = region.name if bare == (region,) else str(region)
        documents[name] = {"latitude": str(region.latitude), "longitude": str(region.longitude), "name": name}
    return documents
