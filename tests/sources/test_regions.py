from __future__ import annotations

import csv
import math
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_carbon.core.location import Location
from airflow_carbon.exceptions import UnknownZoneError
from airflow_carbon.sources import regions

FACTS = Path(__file__).resolve().parents[3] / "shared" / "facts" / "cloud_regions.csv"


def location(text: str) -> Location:
    return Location.parse(text)


def test_a_region_is_found_with_all_that_the_table_knows() -> None:
    region = regions.lookup(location("azure:swedencentral"))
    assert str(region) == "azure:swedencentral"
    assert (region.display_name, region.country, region.zone, region.zone_confirmed) == (
        "Sweden Central",
        "SE",
        "SE",
        True,
    )
    assert (region.latitude, region.longitude) == (60.6749, 17.1413)
    assert (region.country_avg_g_per_kwh, region.country_avg_year) == (40.695, 2023)
    assert (region.pue, region.pue_year) == (1.16, 2023)


def test_what_the_table_does_not_know_is_none_or_empty() -> None:
    region = regions.lookup(location("gcp:us-east2"))
    assert region.zone == ""
    assert not region.zone_confirmed
    assert region.watttime_region == ""
    assert region.pue is None
    assert region.pue_year is None


def test_a_zone_that_geography_alone_suggests_is_not_confirmed() -> None:
    assert not regions.lookup(location("aws:ca-west-1")).zone_confirmed
    assert regions.lookup(location("gcp:northamerica-northeast2")).zone_confirmed


@pytest.mark.skipif(not FACTS.exists(), reason="the facts that the table is derived from are not beside the repository")
def test_the_table_says_what_its_facts_say() -> None:
    with FACTS.open(encoding="utf-8") as file:
        facts = list(csv.DictReader(file))
    assert len(facts) == len(regions.all_regions())
    for fact, region in zip(facts, regions.all_regions(), strict=True):
        assert (fact["provider"], fact["region"], fact["country"]) == (region.provider, region.name, region.country)
        assert (float(fact["latitude"]), float(fact["longitude"])) == (region.latitude, region.longitude)
        assert (fact["zone"], fact["watttime_region"]) == (region.zone, region.watttime_region)
        assert float(fact["country_avg_gco2_kwh"]) == region.country_avg_g_per_kwh
        assert (float(fact["pue"]) if fact["pue"] else None) == region.pue


def test_names_are_unique_and_every_number_is_possible() -> None:
    table = regions.all_regions()
    assert len({(region.provider, region.name) for region in table}) == len(table)
    for region in table:
        assert len(region.country) == 2
        assert region.country.isupper()
        assert not region.zone or region.zone[:2] == region.country
        assert abs(region.latitude) <= 90
        assert abs(region.longitude) <= 180
        assert region.pue is None or 1.0 <= region.pue < 2.0


def test_a_country_has_one_average_whichever_region_tells_it() -> None:
    averages: dict[str, set[tuple[float | None, int | None]]] = {}
    for region in regions.all_regions():
        averages.setdefault(region.country, set()).add((region.country_avg_g_per_kwh, region.country_avg_year))
    assert all(len(values) == 1 for values in averages.values())
    assert set(averages) == set(regions.country_averages())


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("azure:swedencentrall", "azure:swedencentral"),
        ("azure:sweden-central", "azure:swedencentral"),
        ("aws:eu-wset-1", "aws:eu-west-1"),
        ("azure:eu-west-1", "aws:eu-west-1"),
        ("azzure:swedencentral", "azure:swedencentral"),
    ],
)
def test_a_misspelt_region_is_refused_with_the_nearest_names(asked: str, hint: str) -> None:
    with pytest.raises(UnknownZoneError, match=f"did you mean .*{hint}"):
        regions.lookup(location(asked))


def test_a_wrong_provider_is_refused_with_the_providers() -> None:
    with pytest.raises(UnknownZoneError, match="'ibm' is no provider in the embedded table, aws, azure, gcp are"):
        regions.lookup(location("ibm:qqqqqq"))


def test_a_grid_zone_is_no_cloud_region_and_the_error_lists_the_regions_in_it() -> None:
    with pytest.raises(UnknownZoneError, match="in it lie azure:northeurope, aws:eu-west-1"):
        regions.lookup(location("zone:IE"))


def test_a_point_is_taken_for_the_nearest_region() -> None:
    # Uppsala: 70 km from Stockholm, 94 km from Gavle, where Azure's region lies.
    assert str(regions.lookup(location("59.86,17.64"))) in {"aws:eu-north-1", "gcp:europe-north2"}


def test_the_nearest_region_is_the_one_that_the_law_of_cosines_gives_too() -> None:
    def distance(latitude: float, longitude: float, region: regions.Region) -> float:
        north, other = math.radians(latitude), math.radians(region.latitude)
        east = math.radians(region.longitude - longitude)
        cosine = math.sin(north) * math.sin(other) + math.cos(north) * math.cos(other) * math.cos(east)
        return 6371.0088 * math.acos(max(-1.0, min(1.0, cosine)))

    for latitude in range(-85, 90, 17):
        for longitude in range(-180, 181, 23):
            found = regions.nearest(latitude, longitude, within_km=20_100)
            least = min(distance(latitude, longitude, region) for region in regions.all_regions())
            assert distance(latitude, longitude, found) == pytest.approx(least, abs=1e-3)


def test_a_point_far_from_all_is_refused_with_the_nearest_and_its_distance() -> None:
    # The Azores; Lisbon has no region, Madrid is the nearest.
    with pytest.raises(UnknownZoneError, match=r"no cloud region within 300 km; the nearest is .*, \d+ km away"):
        regions.nearest(37.74, -25.67)


def test_the_edge_of_the_map_does_not_part_neighbours() -> None:
    # Auckland from the other side of the date line: 9.6 degrees of longitude at 37 degrees south, about 850 km.
    assert regions.nearest(-36.8, -175.6, within_km=900).country == "NZ"


def test_regions_in_a_zone_are_listed() -> None:
    assert [str(region) for region in regions.by_zone("DK-DK2")] == ["azure:denmarkeast"]
    assert {region.provider for region in regions.by_zone("gb")} == {"azure", "aws", "gcp"}
    assert regions.by_zone("") == ()
    assert regions.by_zone("XX") == ()


@pytest.mark.parametrize(
    ("asked", "country"),
    [("aws:eu-central-1", "DE"), ("zone:DE", "DE"), ("zone:us-cal-ciso", "US"), ("zone:UK", "GB"), ("48.1,11.6", "CH")],
)
def test_the_country_of_a_location_is_known(asked: str, country: str) -> None:
    assert regions.country_of(location(asked)) == country


@pytest.mark.parametrize(
    "asked", ["zone:XX", "zone:CAISO_NORTH", "zone:DEU", "zone:D", "zone:1", "azure:nowhere", "0.0,-30.0"]
)
def test_a_location_without_a_known_country_is_refused(asked: str) -> None:
    with pytest.raises(UnknownZoneError, match=asked):
        regions.country_of(location(asked))


def test_a_misspelt_zone_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(UnknownZoneError, match="did you mean zone:US-TEX-ERCO"):
        regions.country_of(location("zone:XUS-TEX-ERCOT"))


def test_country_and_pue_of_a_placement_never_fail() -> None:
    assert regions.country_and_pue(location("azure:swedencentral")) == ("SE", 1.16)
    assert regions.country_and_pue(location("azure:germanynorth")) == ("DE", None)
    assert regions.country_and_pue(location("zone:GB")) == ("GB", None)
    assert regions.country_and_pue(location("51.5,-0.12")) == ("GB", None)
    assert regions.country_and_pue(location("zone:XX")) == ("", None)
    assert regions.country_and_pue(location("azure:nowhere")) == ("", None)


def test_looking_up_a_region_imports_neither_numpy_nor_airflow() -> None:
    script = (
        "import sys\n"
        "from airflow_carbon.core.location import Location\n"
        "from airflow_carbon.sources import regions\n"
        "regions.lookup(Location.parse('gcp:europe-west1'))\n"
        "print([name for name in ('numpy', 'airflow', 'httpx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
