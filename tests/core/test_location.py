from __future__ import annotations

import pytest

from airflow_carbon.core.location import Location
from airflow_carbon.exceptions import InvalidRequestError


def test_a_cloud_region_is_read_in_lower_case():
    location = Location.parse("Azure:SwedenCentral")
    assert (location.provider, location.name) == ("azure", "swedencentral")
    assert location.is_region
    assert not location.is_zone
    assert location.point is None


def test_a_zone_keeps_its_case():
    location = Location.parse("zone:US-CAL-CISO")
    assert (location.provider, location.name) == ("", "US-CAL-CISO")
    assert location.is_zone
    assert not location.is_region


@pytest.mark.parametrize("text", ["51.5,-0.12", " 51.5 , -0.12 ", "+51.5,-0.12"])
def test_a_point_is_latitude_before_longitude(text):
    location = Location.parse(text)
    assert location.point == (51.5, -0.12)
    assert not location.is_zone
    assert not location.is_region


@pytest.mark.parametrize("text", ["azure:swedencentral", "zone:DE", "51.5,-0.12", "51.507351234,-0.127758", "0.0,0.0"])
def test_a_location_prints_as_it_is_read(text):
    assert str(Location.parse(text)) == text
    assert Location.parse(str(Location.parse(text))) == Location.parse(text)


def test_a_location_passes_through_as_it_is():
    location = Location.parse("zone:DE")
    assert Location.parse(location) is location


@pytest.mark.parametrize("text", ["", "  ", None, 7, "zone:", ":DE", "a b:c", "azure swedencentral", "51.5;0.1"])
def test_what_is_no_location_is_refused_with_what_would_be_one(text):
    with pytest.raises(InvalidRequestError, match=r"home: .*'zone:DE' \(a grid zone\)"):
        Location.parse(text, "home")


def test_a_bare_name_is_answered_with_the_likely_meaning():
    with pytest.raises(InvalidRequestError, match="did you mean 'zone:DE'"):
        Location.parse("DE")


@pytest.mark.parametrize("text", ["91,0", "0,181", "-90.5,0"])
def test_a_point_off_the_globe_is_refused(text):
    with pytest.raises(InvalidRequestError, match="not on the globe"):
        Location.parse(text)
