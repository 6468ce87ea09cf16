from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import SourceResponseError, SourceUnavailableError
from airflow_carbon.sources.series import MOST_G_PER_KWH, Meaning, Series, moment

NOON = datetime(2026, 8, 22, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
QUARTER = 15 * MINUTE
MEANING = Meaning("fake")


def at(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


def series(*rows: tuple[Any, Any], **more: Any) -> Series:
    return Series("DE", rows, MEANING, **more)


def quarters(*values: float | None, **more: Any) -> Series:
    return series(*((at(15 * row), value) for row, value in enumerate(values)), **more)


def test_rows_in_order_become_one_forecast_with_all_that_it_means() -> None:
    meaning = Meaning("fake", Signal.MARGINAL, Accounting("direct", "consumption", "CO2"), Kind.MEASURED, NOON)
    answer = Series("DE", [("2026-08-22T12:00Z", 1), ("2026-08-22T12:15:00+00:00", 2.5)], meaning).holding(NOON)
    assert (answer.zone, answer.start, answer.step) == ("DE", NOON, QUARTER)
    assert answer.intensity.tolist() == [1.0, 2.5]
    assert (answer.signal, answer.kind, answer.source, answer.issued_at) == (
        Signal.MARGINAL, Kind.MEASURED, "fake", NOON,
    )  # fmt: skip
    assert answer.accounting == Accounting("direct", "consumption", "CO2")


def test_rows_are_ordered_by_the_moment_they_name_in_whatever_timezone() -> None:
    answer = series(("2026-08-22T14:30+02:00", 3), ("2026-08-22T12:00Z", 1), ("2026-08-22T07:15-05:00", 2)).holding(
        NOON
    )
    assert answer.start == NOON
    assert answer.start.tzinfo is UTC
    assert answer.intensity.tolist() == [1.0, 2.0, 3.0]


def test_of_two_rows_for_one_step_the_first_with_a_value_counts() -> None:
    rows = [(at(15), None), (at(15), 2), (at(0), 1), (at(15), 9), (at(0), 8)]
    assert series(*rows).holding(NOON).intensity.tolist() == [1.0, 2.0]


def test_the_step_that_holds_now_comes_first() -> None:
    known = quarters(1, 2, 3)
    assert known.holding(at(0)).intensity.tolist() == [1.0, 2.0, 3.0]
    assert known.holding(at(14.99)).start == at(0)
    assert known.holding(at(15)).intensity.tolist() == [2.0, 3.0]
    assert known.holding(at(44.99)).intensity.tolist() == [3.0]


def test_the_answer_ends_where_a_step_is_missing() -> None:
    known = quarters(1, 2, None, 4, 5)
    assert known.holding(at(0)).intensity.tolist() == [1.0, 2.0]
    assert known.holding(at(50)).intensity.tolist() == [4.0, 5.0]
    said = "fake: the answer for DE, 2026-08-22T12:00:00+00:00 to 2026-08-22T13:15:00+00:00 with 1 gaps, does not hold "
    with pytest.raises(SourceUnavailableError) as raised:
        known.holding(at(31))
    assert str(raised.value) == said + "2026-08-22T12:31:00+00:00"


@pytest.mark.parametrize("minutes", [-1, 45, 1_000_000])
def test_a_moment_outside_all_rows_is_not_held(minutes: float) -> None:
    with pytest.raises(SourceUnavailableError, match="does not hold"):
        quarters(1, 2, 3).holding(at(minutes))


def test_every_other_value_missing_does_not_make_the_steps_twice_as_long() -> None:
    known = quarters(1, None, 3, None, 5)
    assert known.step == QUARTER
    assert known.holding(at(5)).end == at(15)
    with pytest.raises(SourceUnavailableError):
        known.holding(at(20))


def test_one_value_among_empty_rows_has_their_step() -> None:
    answer = quarters(None, 2, None).holding(at(20))
    assert (answer.start, answer.step, answer.intensity.tolist()) == (at(15), QUARTER, [2.0])


def test_one_value_alone_has_the_step_that_is_stated() -> None:
    assert series((NOON, 7), step=HOUR).holding(at(59)).end == at(60)
    with pytest.raises(SourceResponseError, match=r"^fake: one row alone for DE does not tell its step$"):
        series((NOON, 7))
    with pytest.raises(SourceResponseError, match=r"^fake: one row alone"):
        series((NOON, 7), (NOON, 7))


def test_a_stated_step_makes_a_gap_of_what_is_farther_apart() -> None:
    known = series((at(0), 1), (at(60), 2), step=QUARTER)
    assert known.holding(at(0)).end == at(15)


@pytest.mark.parametrize("rows", [[], [(NOON, None)], [(at(0), None), (at(15), None)]])
def test_an_answer_without_a_value_is_unavailable(rows: list[tuple[Any, Any]]) -> None:
    with pytest.raises(SourceUnavailableError, match=r"^fake: no data for DE$"):
        series(*rows)


@pytest.mark.parametrize(("minutes", "apart"), [(40, "0:25:00"), (22.5, "0:07:30")])
def test_a_row_off_the_grid_is_refused(minutes: float, apart: str) -> None:
    with pytest.raises(
        SourceResponseError, match=rf"comes {apart} after the row before it, in a series of steps of 0:15"
    ):
        series((at(0), 1), (at(15), 2), (at(minutes), 3), step=QUARTER)
    with pytest.raises(SourceResponseError, match="comes 0:15:00 after"):
        series((at(0), 1), (at(10), 2), (at(25), 3))


@pytest.mark.parametrize("step", [timedelta(0), timedelta(milliseconds=999), -HOUR])
def test_steps_of_less_than_a_second_are_refused(step: timedelta) -> None:
    with pytest.raises(SourceResponseError, match=r"^fake: DE comes in steps of"):
        series((at(0), 1), (at(15), 2), step=step)
    with pytest.raises(SourceResponseError, match=r"^fake: DE comes in steps of 0:00:00\.001"):
        series((NOON, 1), (NOON + timedelta(milliseconds=1), 2))


@pytest.mark.parametrize(
    "value",
    [-1, -0.001, True, False, "12", "", [], {}, float("nan"), float("-inf"), -(10**400),
     pytest.param(-(10**5_000), id="endless"), 1j],
)  # fmt: skip
def test_what_is_no_intensity_is_refused_by_its_row(value: object) -> None:
    with pytest.raises(SourceResponseError, match=r"^fake: row 1: .* is no carbon intensity$"):
        series((at(0), 1), (at(15), value))


@pytest.mark.parametrize(
    "value", [MOST_G_PER_KWH + 0.1, 400_000, 1e300, float("inf"), 10**400, pytest.param(10**5_000, id="endless")]
)
def test_a_number_beyond_any_grid_is_another_unit(value: float) -> None:
    with pytest.raises(SourceResponseError, match=r"^fake: row 1: \S+ g/kWh is more than any grid emits; is its unit"):
        series((at(0), MOST_G_PER_KWH), (at(15), value))


NAIVE = NOON.replace(tzinfo=None)
NO_MOMENTS = ["", "noon", "2026-08-22", "2026-08-22T12:00", "2026-08-22T12:00:00", 1_787_400_000, None, [], NAIVE,
              "0001-01-01T00:00+05:00", b"2026", pytest.param(10**5_000, id="endless")]  # fmt: skip


@pytest.mark.parametrize("stamp", NO_MOMENTS)
def test_what_is_no_moment_is_refused_by_its_row(stamp: object) -> None:
    for value in (2, None):
        with pytest.raises(SourceResponseError, match=r"^fake: row 1: .* is no moment with a timezone$"):
            series((at(0), 1), (stamp, value))
    with pytest.raises(SourceResponseError, match=r"^fake: updatedAt: .* is no moment with a timezone$"):
        moment(stamp, "fake: updatedAt")


def test_a_moment_is_given_in_utc() -> None:
    assert moment("2026-08-22T14:00:00.5+02:00", "") == NOON + timedelta(seconds=0.5)
    assert moment(NOON.astimezone(timezone(timedelta(hours=9))), "").tzinfo is UTC


def test_what_a_service_wrote_is_quoted_short_and_on_one_line() -> None:
    with pytest.raises(SourceResponseError) as raised:
        series((NOON, "\x1b[31m\nforged" + "x" * 5_000))
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 120


def test_the_stretch_that_covers_most_is_given_and_the_first_of_equal_ones() -> None:
    known = quarters(1, 2, None, 4, 5, 6, None, 8, 9)
    assert known.overlapping(at(0), at(135)).intensity.tolist() == [4.0, 5.0, 6.0]
    assert known.overlapping(at(0), at(75)).intensity.tolist() == [1.0, 2.0]
    assert known.overlapping(at(16), at(46)).intensity.tolist() == [2.0]
    assert known.overlapping(at(29), at(48)).intensity.tolist() == [4.0]
    for start, end in ((31, 44), (-20, 0), (135, 200), (60, 60), (60, 50)):
        with pytest.raises(SourceUnavailableError, match="has nothing between"):
            known.overlapping(at(start), at(end))


Rows = list[tuple[int, int | None]]
rows_on_a_grid = st.lists(
    st.tuples(st.integers(0, 30), st.one_of(st.none(), st.integers(0, 5_000))), min_size=1, max_size=40
)


def _known(rows: Rows) -> dict[int, int]:
    """Give the values by step, the plain way: of two rows the first one with a value counts."""
    known: dict[int, int] = {}
    for step, value in rows:
        if value is not None and step not in known:
            known[step] = value
    return known


@given(rows_on_a_grid, st.integers(-60, 60 * 32))
def test_holding_agrees_with_a_search_step_by_step(rows: Rows, minute: int) -> None:
    known, step = _known(rows), minute // 15
    expected = []
    while step in known:
        expected.append(known[step])
        step += 1
    try:
        answer = Series("DE", [(at(15 * one), value) for one, value in rows], MEANING, step=QUARTER).holding(at(minute))
    except SourceUnavailableError:
        assert expected == []
    else:
        assert answer.start == at(minute // 15 * 15)
        assert answer.intensity.tolist() == expected


@given(rows_on_a_grid, st.integers(-60, 60 * 10), st.integers(-30, 60 * 10))
def test_overlapping_agrees_with_a_search_minute_by_minute(rows: Rows, first: int, minutes: int) -> None:
    known = _known(rows)
    stretches: list[list[int]] = []
    for step in sorted(known):
        if stretches and stretches[-1][-1] == step - 1:
            stretches[-1].append(step)
        else:
            stretches.append([step])
    asked = range(first, first + minutes)
    covered = [sum(minute // 15 in stretch for minute in asked) for stretch in stretches]
    try:
        known_rows = [(at(15 * one), value) for one, value in rows]
        answer = Series("DE", known_rows, MEANING, step=QUARTER).overlapping(at(first), at(first + minutes))
    except SourceUnavailableError:
        assert max(covered, default=0) == 0
    else:
        best = stretches[covered.index(max(covered))]
        touched = [step for step in best if any(minute // 15 == step for minute in asked)]
        assert answer.start == at(15 * touched[0])
        assert answer.intensity.tolist() == [known[step] for step in touched]


@given(rows_on_a_grid)
def test_the_step_is_the_least_distance_of_all_rows_empty_ones_too(rows: Rows) -> None:
    steps = sorted({step for step, _ in rows})
    least = min((later - earlier for earlier, later in pairwise(steps)), default=None)
    valued = sorted(_known(rows))

    def made() -> Series:
        return Series("DE", [(at(15 * step), value) for step, value in rows], MEANING)

    if not valued:
        with pytest.raises(SourceUnavailableError):
            made()
    elif least is None or any((step - valued[0]) % least for step in valued):
        with pytest.raises(SourceResponseError):
            made()
    else:
        assert made().step == least * QUARTER


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes() | st.sampled_from(
        ["2026-08-22T12:00Z", "2026-08-22T12:15Z", "2026-08-22T12:30Z", NOON, 100, 99.5]
    ),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)  # fmt: skip


@given(st.lists(st.tuples(anything, anything), max_size=6), st.sampled_from([None, QUARTER, HOUR]))
def test_whatever_a_service_sends_becomes_an_answer_or_a_known_error(
    rows: list[tuple[Any, Any]], step: timedelta | None
) -> None:
    try:
        answer = Series("DE", rows, MEANING, step=step).holding(NOON)
    except (SourceResponseError, SourceUnavailableError):
        return
    assert answer.start <= NOON < answer.start + answer.step
    assert all(0 <= value <= MOST_G_PER_KWH for value in answer.intensity)


def test_an_answer_that_begins_a_little_late_lets_its_first_step_stand_for_the_one_before() -> None:
    begin = datetime(2026, 11, 22, 12, tzinfo=UTC)
    five = timedelta(minutes=5)
    series = Series("DE", [(begin, 100.0), (begin + five, 200.0)], Meaning("service"))
    for _ in range(2):
        answer = series.holding(begin - timedelta(minutes=2), late=five)
        assert (answer.start, answer.intensity.tolist()) == (begin - five, [100.0, 100.0, 200.0])
    for now, late in ((begin - timedelta(minutes=2), timedelta(0)), (begin - timedelta(minutes=6), 12 * five)):
        with pytest.raises(SourceUnavailableError):
            series.holding(now, late=late)


def test_a_step_that_would_end_beyond_the_calendar_is_refused() -> None:
    end = datetime(9999, 12, 31, 23, tzinfo=UTC)
    with pytest.raises(SourceResponseError, match="no moment to plan for"):
        Series("DE", [(end - timedelta(hours=1), 1.0), (end, 1.0)], Meaning("service"))
