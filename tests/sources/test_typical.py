from __future__ import annotations

import asyncio
import csv
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from airflow_carbon.core.location import Location
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import InvalidRequestError, UnknownZoneError
from airflow_carbon.sources.typical import Typical

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast

SERIES = Path(__file__).resolve().parents[3] / "shared" / "data" / "neso_GB_2020_2022_60min.csv"
LONDON = ZoneInfo("Europe/London")
HOUR = timedelta(hours=1)


def ask(text: str, now: datetime, hours: int = 24, *, averages_only: bool = False) -> Forecast:
    source = Typical(averages_only=averages_only)
    return asyncio.run(source.forecast(Location.parse(text), now=now, until=now + hours * HOUR))


def at(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)


@pytest.mark.skipif(
    not SERIES.exists(), reason="the series that the profile is derived from is not beside the repository"
)
def test_each_number_of_the_profile_is_the_mean_of_its_hours_in_the_raw_series() -> None:
    raw: dict[tuple[int, bool, int], list[float]] = defaultdict(list)
    with SERIES.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            local = datetime.fromisoformat(row["timestamp"]).astimezone(LONDON)
            raw[local.month, local.weekday() >= 5, local.hour].append(float(row["gCO2_per_kwh"]))
    year = ask("zone:GB", at(2026, 1, 1), hours=365 * 24)
    seen = set()
    for hour, value in enumerate(year.intensity):
        local = (year.start + hour * HOUR).astimezone(LONDON)
        cell = (local.month, local.weekday() >= 5, local.hour)
        assert value == pytest.approx(sum(raw[cell]) / len(raw[cell]), abs=0.0501)
        seen.add(cell)
    assert len(seen) == 576


def test_a_winter_evening_and_the_night_after_it_have_the_numbers_of_the_table() -> None:
    # Thursday 2026-01-08, 17:00 London is 17:00 UTC; row "1,no", columns h17 to h19.
    answer = ask("azure:uksouth", at(2026, 1, 8, 17, 42), hours=2)
    assert answer.start == at(2026, 1, 8, 17)
    assert answer.intensity.tolist() == [236.2, 235.8, 234.3]


def test_in_summer_the_profile_follows_the_clock_of_london() -> None:
    winter = ask("zone:GB", at(2026, 1, 8), hours=24)
    summer = ask("zone:GB", at(2026, 7, 9), hours=24)
    july = ask("zone:GB", at(2026, 7, 8, 23), hours=24)
    assert winter.intensity[0] == 165.1
    assert july.intensity[1:].tolist() == summer.intensity[:-1].tolist()


def test_the_day_of_23_hours_leaves_out_the_local_hour_that_does_not_exist() -> None:
    # Sunday 2026-03-29: London goes from 01:00 GMT to 02:00 BST.
    profile = {hour: ask("zone:GB", at(2026, 3, 22, hour), hours=1).intensity[0] for hour in range(24)}
    day = ask("zone:GB", at(2026, 3, 29), hours=23)
    assert day.intensity.tolist() == [profile[hour] for hour in (0, *range(2, 24))]


def test_the_day_of_25_hours_has_one_local_hour_twice() -> None:
    # Sunday 2026-10-25: London goes from 02:00 BST back to 01:00 GMT; 00:00 BST is 23:00 UTC of the day before.
    sunday = [ask("zone:GB", at(2026, 10, 10, 23) + hour * HOUR, hours=1).intensity[0] for hour in range(24)]
    day = ask("zone:GB", at(2026, 10, 24, 23), hours=25)
    assert day.intensity.tolist() == [sunday[hour] for hour in (0, 1, *range(1, 24))]


def test_the_weekend_begins_at_local_midnight() -> None:
    # Friday 2026-07-10, 22:00 and 23:00 UTC are 23:00 Friday and 00:00 Saturday in London.
    answer = ask("zone:GB", at(2026, 7, 10, 22), hours=2)
    friday = ask("zone:GB", at(2026, 7, 9, 22), hours=2)
    saturday = ask("zone:GB", at(2026, 7, 11, 23), hours=1)
    assert answer.intensity.tolist() == [friday.intensity[0], saturday.intensity[0]]


def test_great_britain_is_typical_and_says_what_its_numbers_mean() -> None:
    answer = ask("gcp:europe-west2", at(2026, 11, 22))
    assert (answer.zone, answer.kind, answer.signal, answer.source) == ("GB", Kind.TYPICAL, Signal.AVERAGE, "typical")
    assert answer.accounting == Accounting("direct", "consumption", "CO2")


def test_another_country_is_flat_at_its_annual_average_and_says_so() -> None:
    answer = ask("aws:eu-central-1", at(2026, 11, 22, 5, 30), hours=3)
    assert (answer.zone, answer.kind, answer.step) == ("DE", Kind.ANNUAL_AVERAGE, HOUR)
    assert answer.intensity.tolist() == [380.95] * 4
    assert answer.source == "typical, average of DE in 2023"
    assert answer.accounting == Accounting("life-cycle", "production", "CO2e")


@pytest.mark.parametrize(
    ("asked", "zone", "intensity"),
    [
        ("zone:US-CAL-CISO", "US-CAL-CISO", 369.473),
        ("azure:westus", "US-CAL-CISO", 369.473),
        ("azure:westus2", "US", 369.473),
        ("zone:GB-NIR", "GB-NIR", 237.589),
        ("zone:de", "DE", 380.95),
        ("48.85,2.35", "FR", 56.039),
    ],
)
def test_a_zone_keeps_its_name_beside_the_average_of_its_country(asked: str, zone: str, intensity: float) -> None:
    answer = ask(asked, at(2026, 11, 22))
    assert answer.zone == zone
    assert answer.intensity[0] == intensity
    assert asyncio.run(Typical().zone(Location.parse(asked))) == zone


def test_the_united_kingdom_and_a_point_in_london_are_great_britain() -> None:
    for text in ("zone:UK", "zone:gb", "51.5,-0.12"):
        answer = ask(text, at(2026, 11, 22))
        assert (answer.zone, answer.kind) == ("GB", Kind.TYPICAL)


def test_averages_alone_let_great_britain_be_ranked_with_the_others() -> None:
    britain, sweden = (ask(text, at(2026, 11, 22), averages_only=True) for text in ("zone:GB", "zone:SE"))
    assert britain.comparable_with(sweden)
    assert (britain.intensity[0], sweden.intensity[0]) == (237.589, 40.695)
    assert not ask("zone:GB", at(2026, 11, 22)).comparable_with(sweden)


@pytest.mark.parametrize(
    ("asked", "note"),
    [
        ("zone:GB", ""),
        ("zone:DE", "no daily shape known for DE here, connect a source: 381 g/kWh is its average of 2023"),
        (
            "aws:ca-west-1",
            "no daily shape known for CA-AB here, connect a source: "
            "170 g/kWh is the average of CA in 2023, and CA-AB may lie far from it",
        ),
    ],
)
def test_what_an_answer_lacks_is_said_in_one_sentence(asked: str, note: str) -> None:
    assert Typical().note(Location.parse(asked)) == note


def test_a_deadline_on_the_hour_needs_no_further_hour() -> None:
    assert len(ask("zone:GB", at(2026, 11, 22, 5), hours=3)) == 3


def test_a_deadline_that_has_passed_still_gets_the_hour_that_holds_now() -> None:
    now = at(2026, 11, 22, 5, 59)
    answer = asyncio.run(Typical().forecast(Location.parse("zone:GB"), now=now, until=now - HOUR))
    assert answer.start == at(2026, 11, 22, 5)
    assert answer.end > now


def test_the_answer_looks_a_year_ahead_and_no_farther() -> None:
    now = at(2026, 11, 22)
    answer = asyncio.run(Typical().forecast(Location.parse("zone:GB"), now=now, until=at(9000, 1, 1)))
    assert answer.end == now + timedelta(days=366)


def test_the_past_is_typical_too_and_covers_what_was_asked() -> None:
    start, end = at(2020, 3, 28, 22, 10), at(2020, 3, 29, 3, 50)
    answer = asyncio.run(Typical().history(Location.parse("zone:GB"), start=start, end=end))
    assert answer.kind is Kind.TYPICAL
    assert answer.covers(start, end)
    assert len(answer) == 6


def test_moments_without_a_timezone_and_a_past_that_ends_first_are_refused() -> None:
    naive, source, place = datetime(2026, 11, 22), Typical(), Location.parse("zone:GB")  # noqa: DTZ001
    with pytest.raises(InvalidRequestError, match=r"now: .* has no timezone"):
        asyncio.run(source.forecast(place, now=naive, until=at(2026, 11, 23)))
    with pytest.raises(InvalidRequestError, match=r"end: .* must be later than the start"):
        asyncio.run(source.history(place, start=at(2026, 11, 22), end=at(2026, 11, 22)))


@pytest.mark.parametrize("asked", ["zone:XX", "zone:GBR", "azure:mars", "0.0,-30.0"])
def test_a_place_that_is_nowhere_is_refused(asked: str) -> None:
    with pytest.raises(UnknownZoneError):
        asyncio.run(Typical().zone(Location.parse(asked)))
