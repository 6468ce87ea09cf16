from __future__ import annotations

from pathlib import Path

import pytest

from airflow_carbon.core.location import Location
from airflow_carbon.sources.places import KEPT_SECONDS, Places
from airflow_carbon.web.shelf import Shelf

SWEDEN, LONDON = Location.parse("azure:swedencentral"), Location.parse("51.5,-0.12")


class Clock:
    def __init__(self) -> None:
        self.now = 1_787_400_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["in memory", "on a shelf", "on a shelf that keeps nothing"])
def places(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Places:
    shelf = {"on a shelf": Shelf(tmp_path), "on a shelf that keeps nothing": Shelf(Path("/dev/null/cache"))}
    return Places(shelf.get(request.param), clock)


def test_a_place_is_known_once_it_was_learned(places: Places) -> None:
    assert places.zone_of(SWEDEN) is None
    places.learn(SWEDEN, "SE-SE3")
    places.learn(LONDON, "GB")
    assert (places.zone_of(SWEDEN), places.zone_of(LONDON)) == ("SE-SE3", "GB")
    assert places.zone_of(Location.parse("zone:swedencentral")) is None


def test_a_place_that_moved_is_learned_anew(places: Places) -> None:
    places.learn(SWEDEN, "SE")
    places.learn(SWEDEN, "SE-SE3")
    assert places.zone_of(SWEDEN) == "SE-SE3"


def test_a_place_is_asked_for_again_after_a_month(places: Places, clock: Clock) -> None:
    places.learn(SWEDEN, "SE-SE3")
    clock.now += KEPT_SECONDS - 1
    assert places.zone_of(SWEDEN) == "SE-SE3"
    # Hearing the same again while it is known does not make it younger.
    places.learn(SWEDEN, "SE-SE3")
    clock.now += 1
    assert places.zone_of(SWEDEN) is None
    places.learn(SWEDEN, "SE-SE3")
    assert places.zone_of(SWEDEN) == "SE-SE3"


def test_a_clock_that_was_set_back_only_means_to_ask_again(places: Places, clock: Clock) -> None:
    places.learn(SWEDEN, "SE-SE3")
    clock.now -= 100
    assert places.zone_of(SWEDEN) is None
    places.learn(SWEDEN, "SE-SE3")
    assert places.zone_of(SWEDEN) == "SE-SE3"


def test_what_one_process_learned_the_next_one_knows(tmp_path: Path, clock: Clock) -> None:
    Places(Shelf(tmp_path), clock).learn(SWEDEN, "SE-SE3")
    clock.now += 60
    later = Places(Shelf(tmp_path), clock)
    assert later.zone_of(SWEDEN) == "SE-SE3"
    # Its age is that of the answer, not of the reading.
    clock.now += KEPT_SECONDS - 60
    assert later.zone_of(SWEDEN) is None


@pytest.mark.parametrize(
    "document",
    [{}, {"zone": "SE"}, {"zone": 7, "at": 1.0}, {"zone": "SE", "at": "noon"}, {"zone": "", "at": 1_787_399_999.0},
     {"zone": "SE", "at": 10**400}, {"zone": "SE", "at": float("nan")}, {"zone": "SE", "at": None},
     {"zone": ["SE"], "at": 1_787_399_999.0}],
)  # fmt: skip
def test_a_damaged_memory_is_none(tmp_path: Path, clock: Clock, document: dict[str, object]) -> None:
    shelf = Shelf(tmp_path)
    shelf.write("place azure:swedencentral", {"zone": "SE", "at": clock.now - 1})
    assert Places(shelf, clock).zone_of(SWEDEN) == "SE"
    shelf.write("place azure:swedencentral", document)
    assert Places(shelf, clock).zone_of(SWEDEN) is None
