"""Where a cloud's region lies: country, coordinates, grid zone, average intensity and PUE, from an embedded table."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from airflow_carbon.core.value import value
from airflow_carbon.exceptions import UnknownZoneError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_carbon.core.location import Location

#: Mean radius of the Earth [km] (IUGG, R1).
EARTH_RADIUS_KM = 6371.0088
#: A point is taken for the nearest cloud region up to this distance [km].
NEAR_KM = 300.0

#: ``DE`` or ``US-CAL-CISO``: a zone whose name starts with its country. Compiled where it is used: each task's process
#: pays for what is compiled above.
_COUNTRY_ZONE = r"([A-Z]{2})(?:-[A-Z0-9_\-]+)?"
#: Reserved in ISO 3166-1 for a country that is listed under other letters.
_SAME_COUNTRY = {"UK": "GB"}


@value
class Region:
    """Hold one row of the table; what is not known is empty or None.

    :param provider: ``azure``, ``aws`` or ``gcp``.
    :param name: the region as its cloud spells it.
    :param display_name: the region as its cloud shows it.
    :param country: ISO 3166-1 alpha-2.
    :param latitude: degrees north [deg], +-50 km.
    :param longitude: degrees east [deg], +-50 km.
    :param zone: grid zone in Electricity Maps' naming.
    :param zone_confirmed: False where geography alone suggests the zone.
    :param watttime_region: grid region in WattTime's naming.
    :param country_avg_g_per_kwh: the country's average intensity of one year [gCO2eq/kWh].
    :param country_avg_year: that year.
    :param pue: power usage effectiveness, total over IT energy [1].
    :param pue_year: year of the PUE.
    """

    provider: str
    name: str
    display_name: str
    country: str
    latitude: float
    longitude: float
    zone: str
    zone_confirmed: bool
    watttime_region: str
    country_avg_g_per_kwh: float | None
    country_avg_year: int | None
    pue: float | None
    pue_year: int | None

    def __str__(self) -> str:
        return f"{self.provider}:{self.name}"


def lookup(location: Location) -> Region:
    """Find the region that a location names, or the one nearest to its coordinates.

    :raises UnknownZoneError: naming the nearest regions, or the providers, for a name that is not in the table, a grid
        zone, or a point that is far from all.
    """
    if location.point is not None:
        return nearest(*location.point)
    if location.is_zone:
        raise UnknownZoneError(f"{location} is a grid zone, not a cloud region{_listed(by_zone(location.name))}")
    region = _named(location.provider, location.name)
    if region is None:
        raise UnknownZoneError(_unknown(location))
    return region


@lru_cache(maxsize=4096)
def nearest(latitude: float, longitude: float, *, within_km: float = NEAR_KM) -> Region:
    """Find the region nearest to a point by great-circle distance; a tie goes to the first in the table.

    :param latitude: degrees north [deg].
    :param longitude: degrees east [deg].
    :param within_km: how far away a region may lie [km].
    :raises UnknownZoneError: naming the nearest region and its distance, if all lie farther away.
    """
    region = min(all_regions(), key=lambda one: _distance_km(latitude, longitude, one.latitude, one.longitude))
    distance = _distance_km(latitude, longitude, region.latitude, region.longitude)
    if distance > within_km:
        raise UnknownZoneError(
            f"{latitude},{longitude}: no cloud region within {within_km:.0f} km; the nearest is {region} "
            f"({region.display_name}), {distance:.0f} km away; name a region or a grid zone instead"
        )
    return region


def by_zone(zone: str) -> tuple[Region, ...]:
    """List the regions in a grid zone, by its name in Electricity Maps' naming; none for an unknown zone."""
    return tuple(region for region in all_regions() if region.zone and region.zone == zone.upper())


def country_of(location: Location) -> str:
    """Name the country (ISO 3166-1 alpha-2) that a location lies in; a zone's is the two letters that it starts with.

    :raises UnknownZoneError: if the location is not known, or its zone does not start with a country of the table.
    """
    if not location.is_zone:
        return lookup(location).country
    match = re.fullmatch(_COUNTRY_ZONE, location.name.upper())
    country = _SAME_COUNTRY.get(match[1], match[1]) if match is not None else ""
    if country not in country_averages():
        zones = {region.zone for region in all_regions() if region.zone}
        raise UnknownZoneError(
            f"{location}: no country of the embedded table starts this zone's name"
            + _meant(f"zone:{name}" for name in _close(location.name.upper(), zones | set(country_averages())))
        )
    return country


def country_and_pue(location: Location) -> tuple[str, float | None]:
    """Give a location's country, empty where the table does not tell, and the PUE of a cloud region that states one.

    A grid zone or a point has no data centre of its own, hence no PUE.
    """
    try:
        return country_of(location), lookup(location).pue if location.is_region else None
    except UnknownZoneError:
        return "", None


@cache
def country_averages() -> Mapping[str, tuple[float, int]]:
    """Average intensity of each country's electricity [gCO2eq/kWh] and its year, by ISO 3166-1 alpha-2."""
    return {
        region.country: (region.country_avg_g_per_kwh, region.country_avg_year)
        for region in all_regions()
        if region.country_avg_g_per_kwh is not None and region.country_avg_year is not None
    }


@cache
def all_regions() -> tuple[Region, ...]:
    """List every region of the table."""
    return tuple(map(_region, _rows()))


@cache
def _rows() -> list[dict[str, str]]:
    # Both cost more to import than this module, and a worker that never looks a region up pays for neither.
    import csv
    from importlib.resources import files

    with (files("airflow_carbon.sources") / "data" / "regions.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _region(row: Mapping[str, str]) -> Region:
    return Region(
        provider=row["provider"],
        name=row["region"],
        display_name=row["display_name"],
        country=row["country"],
        latitude=float(row["latitude"]),
        longitude=float(row["longitude"]),
        zone=row["zone"],
        zone_confirmed=row["zone_confirmed"] == "yes",
        watttime_region=row["watttime_region"],
        country_avg_g_per_kwh=float(row["country_avg_g_per_kwh"]) if row["country_avg_g_per_kwh"] else None,
        country_avg_year=int(row["country_avg_year"]) if row["country_avg_year"] else None,
        pue=float(row["pue"]) if row["pue"] else None,
        pue_year=int(row["pue_year"]) if row["pue_year"] else None,
    )


@lru_cache(maxsize=4096)
def _named(provider: str, name: str) -> Region | None:
    # A worker looks up one region, and makes one row of the table.
    return next((_region(row) for row in _rows() if (row["provider"], row["region"]) == (provider, name)), None)


def _distance_km(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Great-circle distance [km] by the haversine formula (R. W. Sinnott, Sky and Telescope 68, 1984)."""
    north, other_north = math.radians(latitude), math.radians(other_latitude)
    east = math.radians(other_longitude - longitude)
    chord = math.sin((other_north - north) / 2) ** 2 + math.cos(north) * math.cos(other_north) * math.sin(east / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(chord)))


def _unknown(location: Location) -> str:
    names: dict[str, list[str]] = defaultdict(list)
    for region in all_regions():
        names[region.provider].append(region.name)
    own = names.pop(location.provider, [])
    close = [f"{location.provider}:{name}" for name in _close(location.name, own)]
    # Another cloud's region is meant only where its name is (nearly) the same.
    for provider, others in names.items():
        close += [f"{provider}:{name}" for name in _close(location.name, others, at_least=0.6 if not own else 0.9)]
    fault = (
        f"{location}: {location.provider} has no region {location.name!r} in the embedded table"
        if own
        else f"{location}: {location.provider!r} is no provider in the embedded table, {', '.join(sorted(names))} are"
    )
    return fault + _meant(close)


def _close(name: str, known: Iterable[str], at_least: float = 0.6) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(name, sorted(known), n=3, cutoff=at_least)


def _meant(names: Iterable[str]) -> str:
    texts = list(names)
    return f"; did you mean {' or '.join(texts)}?" if texts else ""


def _listed(regions: tuple[Region, ...]) -> str:
    return f"; in it lie {', '.join(str(region) for region in regions)}" if regions else ""
