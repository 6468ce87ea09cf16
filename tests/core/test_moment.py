from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.moment import (
    aware,
    in_words,
    interval,
    microseconds,
    moment_at,
    parse_duration,
    parse_moment,
    parse_moment_after,
    stated,
)
from airflow_carbon.exceptions import InvalidRequestError

MOMENTS = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1))  # noqa: DTZ001

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_a_moment_survives_the_way_through_microseconds_from_any_timezone(naive, offset):
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=offset)))
    assert moment_at(microseconds(moment)) == moment


@given(MOMENTS)
def test_a_pendulum_moment_counts_as_many_microseconds_as_a_plain_one(naive):
    assert microseconds(pendulum.instance(naive, tz="UTC")) == microseconds(naive.replace(tzinfo=UTC))


def test_a_pendulum_moment_becomes_a_plain_one_in_utc():
    moment = aware(pendulum.datetime(2026, 7, 1, 12, tz="Europe/Berlin"), "start")
    assert type(moment) is datetime
    assert moment.isoformat() == "2026-07-01T10:00:00+00:00"


def test_a_pendulum_duration_becomes_a_plain_one():
    duration = parse_duration(pendulum.duration(hours=1, microseconds=7), "duration")
    assert type(duration) is timedelta
    assert duration == timedelta(hours=1, microseconds=7)
    assert duration // timedelta(minutes=1) == 60


def test_a_naive_moment_is_refused_by_the_name_of_its_field():
    with pytest.raises(InvalidRequestError, match=r"deadline: 2026-01-01T00:00:00 has no timezone"):
        aware(datetime(2026, 1, 1), "deadline")  # noqa: DTZ001
    with pytest.raises(InvalidRequestError, match="deadline"):
        parse_moment("2026-01-01T00:00:00", "deadline")


def test_a_moment_is_read_from_its_text():
    assert parse_moment(" 2026-11-22T18:00:00+02:00 ", "start") == datetime(2026, 11, 22, 16, tzinfo=UTC)


@pytest.mark.parametrize("value", ["tomorrow", "", None, 1_700_000_000])
def test_what_is_no_moment_is_refused(value):
    with pytest.raises(InvalidRequestError, match=r"start: .* is not a moment"):
        parse_moment(value, "start")


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90m", 90), ("90min", 90), ("1h30m", 90), ("2d", 2880), ("1.5h", 90), ("PT1H30M", 90), ("P1DT30M", 1470),
     ("1:30:00", 90), ("1 day, 0:30:00", 1470), ("45s", 0.75)],
)  # fmt: skip
def test_a_duration_is_read_from_its_text(text, minutes):
    assert parse_duration(text, "duration") == timedelta(minutes=minutes)


@given(st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=30)))
def test_a_duration_reads_back_from_what_python_prints(duration):
    assert abs(parse_duration(str(duration), "duration") - duration) <= timedelta(microseconds=1)


@pytest.mark.parametrize("value", ["", "90", "h", "-1h", "1h 30 apples", "P", "PT", 90, None, "9" * 40 + "d"])
def test_what_is_no_duration_is_refused_by_the_name_of_its_field(value):
    with pytest.raises(InvalidRequestError, match=r"max_delay: .* is no duration"):
        parse_duration(value, "max_delay")


def test_zero_is_a_duration_only_where_it_may_be():
    assert parse_duration("0s", "max_delay", zero_allowed=True) == timedelta(0)
    with pytest.raises(InvalidRequestError, match="longer than zero"):
        parse_duration(timedelta(0), "duration")
    with pytest.raises(InvalidRequestError, match="zero or longer"):
        parse_duration(timedelta(seconds=-1), "max_delay", zero_allowed=True)


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(seconds=45), "45 s"),
        (timedelta(seconds=0), "0 s"),
        (timedelta(minutes=90), "1 h 30 min"),
        (timedelta(hours=8), "8 h"),
        (timedelta(days=2, hours=3, minutes=10), "2 d 3 h"),
        (timedelta(minutes=-90), "-1 h 30 min"),
        (timedelta(minutes=59, seconds=50), "1 h"),
    ],
)
def test_a_duration_is_said_as_people_do(duration, words):
    assert in_words(duration) == words


@pytest.mark.parametrize(("text", "minutes"), [("1440m", 1440), ("3600s", 60), ("8760h", 8760 * 60), ("0010m", 10)])
def test_a_duration_of_four_digits_is_not_taken_for_a_year(text, minutes):
    assert parse_moment_after(text, NOON, "deadline") == NOON + timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["2026-11-23T06:00:00+00:00", "20261123T060000+0000", " 2026-11-23 06:00+00:00"])
def test_a_moment_is_told_from_a_duration_by_its_date(text):
    assert parse_moment_after(text, NOON, "deadline") == datetime(2026, 11, 23, 6, tzinfo=UTC)


def test_a_duration_beyond_the_calendar_is_refused_by_name():
    with pytest.raises(InvalidRequestError, match=r"max_delay.*hundred years"):
        parse_duration("9999999d", "max_delay")


def test_a_bare_zero_needs_no_unit():
    assert parse_duration("0", "[carbon] start_margin", zero_allowed=True) == timedelta(0)
    with pytest.raises(InvalidRequestError, match="longer than zero"):
        parse_duration("0", "duration")


@pytest.mark.parametrize("empty", [None, "", " ", "None"])
def test_what_a_template_leaves_empty_is_not_given(empty):
    assert stated(empty) is None
    assert stated("8h") == "8h"


def test_an_interval_is_given_in_utc():
    berlin = timezone(timedelta(hours=2))
    start, end = interval(NOON.astimezone(berlin), NOON + timedelta(hours=1))
    assert (start, end, start.tzinfo) == (NOON, NOON + timedelta(hours=1), UTC)


@pytest.mark.parametrize("end", [NOON, NOON - timedelta(seconds=1)])
def test_an_interval_ends_after_it_starts(end):
    with pytest.raises(InvalidRequestError, match=r"^end: .* must be later than the start"):
        interval(NOON, end)


def test_an_interval_needs_timezones():
    with pytest.raises(InvalidRequestError, match=r"^end: "):
        interval(NOON, NOON.replace(tzinfo=None) + timedelta(hours=1))
