"""Answers that are written already: how long they are given again, and how much is kept."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.location import Location
from airflow_carbon.plugin.webapi.kept import LONGEST, LONGEST_KEY, KeptAnswers
from airflow_carbon.plugin.webapi.place import listed, place
from airflow_carbon.plugin.webapi.problem import Problem
from airflow_carbon.plugin.webapi.wire import stamp, time_span
from airflow_carbon.plugin.webapi.written import Written

SECOND = 1_000_000


class Watch:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def plain(*parts: bytes) -> Written:
    """Make one that is not compressed, so that its size is that of its parts."""
    return Written(parts, ())


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=5), st.binary(max_size=40))
def test_a_packed_answer_is_one_gzip_member_of_the_plain_one(parts: list[bytes], between: bytes) -> None:
    written = Written.of(parts)
    assert written.plain(between) == between.join(parts)
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert unpacking.decompress(written.packed(between)) == between.join(parts)
    # Its end was reached, its checksum held, and nothing is left behind it.
    assert unpacking.eof
    assert unpacking.unused_data == b""
    assert gzip.decompress(written.packed(between)) == between.join(parts)


def test_an_answer_is_given_until_its_time_is_over_and_half_a_minute_at_most() -> None:
    watch = Watch()
    kept = KeptAnswers(clock=watch)
    kept.keep(b"short", plain(b"a", b"b"), 5.0)
    kept.keep(b"long", plain(b"c"), 3600.0)
    kept.keep(b"never", plain(b"d"), 0.0)
    assert kept.get(b"never") is None
    watch.seconds = 4.9
    assert kept.get(b"short") == plain(b"a", b"b")
    watch.seconds = 5.0
    assert kept.get(b"short") is None
    watch.seconds = LONGEST - 0.1
    assert kept.get(b"long") == plain(b"c")
    watch.seconds = LONGEST
    assert kept.get(b"long") is None
    assert kept.size == 0


def test_the_least_used_go_where_there_are_too_many() -> None:
    kept = KeptAnswers(most_bytes=30)
    for name in (b"1", b"2", b"3"):
        kept.keep(name, plain(b"x" * 8), 9.0)
    assert kept.get(b"1") is not None
    kept.keep(b"4", plain(b"x" * 8), 9.0)
    assert [kept.get(name) is not None for name in (b"1", b"2", b"3", b"4")] == [True, False, True, True]
    kept.keep(b"4", plain(b"y" * 3), 9.0)
    assert kept.size == 9 + 9 + 4


def test_what_is_larger_than_all_or_has_an_endless_question_is_not_kept() -> None:
    kept = KeptAnswers(most_bytes=10_000)
    kept.keep(b"large", plain(b"x" * 10_000), 9.0)
    kept.keep(b"q" * (LONGEST_KEY + 1), plain(b"x"), 9.0)
    assert kept.size == 0


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("swedencentral", "azure:swedencentral"),
        (" SwedenCentral ", "azure:swedencentral"),
        ("eu-north-1", "aws:eu-north-1"),
        ("europe-west3", "gcp:europe-west3"),
        ("aws:eu-north-1", "aws:eu-north-1"),
        ("DE", "zone:DE"),
        ("SE-SE3", "zone:SE-SE3"),
        ("zone:Home", "zone:Home"),
        ("51.5,-0.12", "51.5,-0.12"),
    ],
)
def test_a_name_means_a_region_then_a_zone(name: str, meant: str) -> None:
    assert place(name).location == Location.parse(meant)
    assert place(name).name == name


def test_every_listed_name_means_itself() -> None:
    assert len(listed()) == 152
    for name, document in listed().items():
        assert document["name"] == name
        assert place(name).location.is_region


@pytest.mark.parametrize("name", ["", "nowhere", "azure:", "azure:nowhere", "zone:", "1000,1000", "a b", "\ud800"])
def test_a_name_that_means_nothing_is_refused(name: str) -> None:
    with pytest.raises(Problem, match="Unknown Location"):
        place(name)


def test_moments_and_durations_are_written_as_dotnet_writes_them() -> None:
    assert stamp(0) == "1970-01-01T00:00:00+00:00"
    assert stamp(1_500_000) == "1970-01-01T00:00:01.5+00:00"
    assert stamp(1) == "1970-01-01T00:00:00.000001+00:00"
    assert time_span(300 * SECOND) == "00:05:00"
    assert time_span(86_400 * SECOND) == "1.00:00:00"
    assert time_span(SECOND // 2) == "00:00:00.5000000"
