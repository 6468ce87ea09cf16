from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.location import Location
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import InvalidRequestError, SourceUnavailableError
from airflow_carbon.sources.history import History
from airflow_carbon.sources.played import Played
from airflow_carbon.sources.typical import Typical

HOUR = timedelta(hours=1)
GB = Location.parse("zone:GB")
ANCHOR = datetime(2026, 11, 22, 9, 30, 15, 123457, tzinfo=UTC)
PLAYED = datetime(2021, 1, 4, 6, 0, tzinfo=UTC)


def test_at_speed_60_an_hour_passes_in_a_minute() -> None:
    played = Played(Typical(), anchor=ANCHOR, plays_from=PLAYED, speed=60)
    answer = asyncio.run(played.forecast(GB, now=ANCHOR, until=ANCHOR + timedelta(minutes=4)))
    own = asyncio.run(Typical().forecast(GB, now=PLAYED, until=PLAYED + 4 * HOUR))
    assert answer.intensity.tolist() == own.intensity.tolist()
    assert (answer.start, answer.step) == (ANCHOR, timedelta(minutes=1))
    assert (answer.kind, answer.source, played.name) == (Kind.TYPICAL, "typical, played x60", "typical")
    assert played.refresh == timedelta(minutes=1)


def test_ten_minutes_later_the_tenth_hour_comes_first() -> None:
    played = Played(Typical(), anchor=ANCHOR, plays_from=PLAYED, speed=60)
    now = ANCHOR + timedelta(minutes=10, seconds=30)
    answer = asyncio.run(played.forecast(GB, now=now, until=now + timedelta(minutes=2)))
    own = asyncio.run(Typical().forecast(GB, now=PLAYED + 10 * HOUR, until=PLAYED + 13 * HOUR))
    assert answer.start == ANCHOR + timedelta(minutes=10)
    assert answer.intensity.tolist() == own.intensity.tolist()


def test_a_series_of_long_ago_is_replayed_as_if_it_began_now(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("time,intensity\n2020-01-01T00:00Z,1\n2020-01-01T00:30Z,2\n2020-01-01T01:00Z,3\n", encoding="utf-8")
    history = History(file)
    begin, _ = asyncio.run(history.covered())
    played = Played(history, anchor=ANCHOR, plays_from=begin)
    now = ANCHOR + timedelta(minutes=45)
    answer = asyncio.run(played.forecast(GB, now=now, until=now + HOUR))
    assert answer.start == ANCHOR + timedelta(minutes=30)
    assert answer.intensity.tolist() == [2.0, 3.0]
    assert answer.kind is Kind.FORECAST
    with pytest.raises(SourceUnavailableError, match="covers 2020-01-01"):
        asyncio.run(played.forecast(GB, now=ANCHOR + 2 * HOUR, until=ANCHOR + 3 * HOUR))


def test_the_past_is_played_too(tmp_path: Path) -> None:
    played = Played(Typical(), anchor=ANCHOR, plays_from=PLAYED, speed=60)
    start, end = ANCHOR - timedelta(minutes=3), ANCHOR
    answer = asyncio.run(played.history(GB, start=start, end=end))
    assert (answer.start, answer.end, len(answer)) == (start, end, 3)


@given(
    speed=st.sampled_from([0.1, 0.5, 1, 1.5, 2, 10, 60, 144, 360, 3600]),
    anchor=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    plays_from=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    later=st.timedeltas(timedelta(0), timedelta(days=2)),
)
def test_each_moment_of_the_wall_has_the_intensity_of_its_played_moment(
    speed: float, anchor: datetime, plays_from: datetime, later: timedelta
) -> None:
    played = Played(Typical(), anchor=anchor, plays_from=plays_from, speed=speed)
    now = anchor + later
    answer = asyncio.run(played.forecast(GB, now=now, until=now + HOUR))
    assert answer.start <= now < answer.start + answer.step
    assert answer.step == HOUR / speed
    assert answer.end >= now + HOUR
    # The played moment, by the rule in words; it may be up to `speed` microseconds earlier.
    moment = plays_from + later * speed
    slack = timedelta(microseconds=2 * max(1.0, speed) + 1)
    edge = moment.replace(minute=0, second=0, microsecond=0)
    if edge + slack < moment < edge + HOUR - slack:
        assert answer.intensity[0] == asyncio.run(Typical().forecast(GB, now=moment, until=moment)).intensity[0]


def test_the_last_microsecond_of_a_step_belongs_to_it() -> None:
    played = Played(Typical(), anchor=ANCHOR, plays_from=PLAYED + timedelta(microseconds=1), speed=60)
    now = ANCHOR + timedelta(minutes=1) - timedelta(microseconds=1)
    answer = asyncio.run(played.forecast(GB, now=now, until=now))
    assert answer.start <= now < answer.start + answer.step


def test_a_deadline_just_after_a_steps_edge_is_reached_in_slow_motion() -> None:
    played = Played(Typical(), anchor=ANCHOR, plays_from=PLAYED, speed=0.1)
    until = ANCHOR + timedelta(hours=20, microseconds=1)
    assert asyncio.run(played.forecast(GB, now=ANCHOR, until=until)).end >= until


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf"), 1e-9, 1e9])
def test_a_speed_that_cannot_be_meant_is_refused(speed: float) -> None:
    with pytest.raises(InvalidRequestError, match=r"speed: .* must lie between 0.001 and 1e\+06"):
        Played(Typical(), anchor=ANCHOR, plays_from=PLAYED, speed=speed)


def test_a_speed_that_does_not_divide_the_step_is_refused() -> None:
    played = Played(Typical(), anchor=ANCHOR, plays_from=PLAYED, speed=7)
    with pytest.raises(InvalidRequestError, match="speed: 7 makes a step of 1:00:00 a fraction of a microsecond"):
        asyncio.run(played.forecast(GB, now=ANCHOR, until=ANCHOR + HOUR))


def test_moments_without_a_timezone_are_refused_by_name() -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    with pytest.raises(InvalidRequestError, match="anchor: "):
        Played(Typical(), anchor=naive, plays_from=PLAYED)
    with pytest.raises(InvalidRequestError, match="plays_from: "):
        Played(Typical(), anchor=ANCHOR, plays_from=naive)


def test_time_that_is_played_beyond_the_calendar_is_unavailable() -> None:
    played = Played(Typical(), anchor=ANCHOR, plays_from=PLAYED, speed=1_000_000)
    late = ANCHOR + timedelta(days=10)
    with pytest.raises(SourceUnavailableError, match="leaves the calendar"):
        asyncio.run(played.forecast(GB, now=late, until=late + HOUR))


def test_the_refresh_is_never_shorter_than_a_second() -> None:
    assert Played(Typical(), anchor=ANCHOR, plays_from=PLAYED, speed=36_000).refresh == timedelta(seconds=1)
