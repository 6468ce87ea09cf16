"""The same load at other times and places, and the best start that was possible."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.counterfactual import at_other_times, counterfactuals, in_other_places
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.hindsight import best_start
from airflow_carbon.core.load import Arrangement, Load, Piece
from airflow_carbon.core.units import Kind, Signal
from airflow_carbon.exceptions import InvalidRequestError

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def series(*intensity: float, zone: str = "DE", step: timedelta = HOUR, **more):
    return Forecast(zone, START, step, intensity, kind=Kind.MEASURED, **more)


def load(*pieces: tuple[float, float, float | None], location: str = "") -> Load:
    """Take hours from START and kilowatt-hours: (begin, end, energy)."""
    return Load(tuple(Piece(START + begin * HOUR, START + end * HOUR, kwh, location) for begin, end, kwh in pieces))


def test_other_starts_are_told_for_a_run_of_even_power():
    rows = counterfactuals(
        series(300, 200, 100, 50),
        start=START,
        end=START + HOUR,
        energy_kwh=2,
        shifts=[HOUR, 1.5 * HOUR, 3 * HOUR, 4 * HOUR, -HOUR],
    )
    assert [row.emitted_g for row in rows] == [400, 300, 100, None, None]
    assert [row.words for row in rows] == ["+1 h", "+1 h 30 min", "+3 h", "+4 h", "-1 h"]
    assert rows[0].start == START + HOUR
    assert rows[0].intensity_g_per_kwh == 200
    assert rows[-1].fault == "the series does not reach those hours"


def test_other_starts_are_three_to_fifteen_hours_later_unless_said_otherwise():
    rows = counterfactuals(series(*range(20)), start=START, end=START + HOUR)
    assert [row.shift // HOUR for row in rows] == [3, 6, 9, 12, 15]
    assert [row.intensity_g_per_kwh for row in rows] == [3, 6, 9, 12, 15]
    assert {row.emitted_g for row in rows} == {None}


def test_a_measured_series_of_energy_meets_each_step_with_what_was_drawn_in_it():
    # 1 kWh at 100 and 3 kWh at 300 as it ran: 1000 g; an hour later 1 x 300 + 3 x 50 = 450 g.
    one = load((0, 1, 1.0), (1, 2, 3.0))
    where = series(100, 300, 50)
    assert one.mean_g_per_kwh(where) * one.energy_kwh == pytest.approx(1000)
    (later,) = at_other_times(one, where, [HOUR])
    assert later.emitted_g == pytest.approx(450)


def test_a_row_of_energy_that_spans_two_steps_is_shared_by_time():
    # From 00:30 to 01:30: half at 100, half at 300.
    assert load((0.5, 1.5, 2.0)).mean_g_per_kwh(series(100, 300)) == 200


def test_other_places_are_told_for_the_same_hours():
    places = {"zone:FR": series(40, 60, zone="FR"), "zone:PL": series(700, 700, zone="PL")}
    rows = in_other_places(load((0, 2, 2.0)), places, like=series(1, 1))
    assert [(row.words, row.emitted_g) for row in rows] == [("in zone:FR", 100), ("in zone:PL", 1400)]


def test_a_place_of_another_signal_is_not_compared():
    (row,) = in_other_places(load((0, 1, 2.0)), {"zone:US": series(1, signal=Signal.MARGINAL)}, like=series(1))
    assert row.emitted_g is None
    assert "does not compare" in row.fault


def test_without_an_energy_pieces_count_by_their_time():
    one = load((0, 1, None), (1, 4, None))
    assert one.energy_kwh is None
    assert one.mean_g_per_kwh(series(100, 300, 300, 300)) == 250


def test_one_unknown_energy_makes_the_whole_unknown():
    assert load((0, 1, 5.0), (1, 2, None)).energy_kwh is None


@pytest.mark.parametrize(
    ("arrangement", "begins"),
    [(Arrangement.AS_IT_RAN, [0, 3]), (Arrangement.END_TO_END, [0, 1]), (Arrangement.AT_ONCE, [0, 0])],
)
def test_a_load_starts_again_with_the_same_durations(arrangement, begins):
    one = load((5, 6, 1.0), (8, 10, 2.0)).started(START, arrangement)
    assert [(piece.start - START) / HOUR for piece in one.pieces] == begins
    assert sorted(piece.duration / HOUR for piece in one.pieces) == [1, 2]
    assert one.energy_kwh == 3.0


def test_pieces_in_several_places_each_meet_their_own_grid():
    pieces = load((0, 1, 1.0), location="a").pieces + load((0, 1, 3.0), location="b").pieces
    assert Load(pieces).mean_g_per_kwh({"a": series(400), "b": series(0)}) == 100
    with pytest.raises(InvalidRequestError, match="no series for 'b'"):
        Load(pieces).mean_g_per_kwh({"a": series(400)})


@pytest.mark.parametrize(
    ("piece", "fault"),
    [
        ({"end": START}, "end: "),
        ({"energy_kwh": -1.0}, "energy_kwh: "),
        ({"energy_kwh": float("nan")}, "energy_kwh: "),
        ({"start": datetime(2026, 1, 5)}, "start: "),  # noqa: DTZ001
    ],
)
def test_a_wrong_piece_is_refused_by_its_field(piece, fault):
    with pytest.raises(InvalidRequestError, match=f"^{fault}"):
        Piece(**{"start": START, "end": START + HOUR, "energy_kwh": 1.0, **piece})
    with pytest.raises(InvalidRequestError, match=r"^pieces: "):
        Load(())


def test_the_best_start_may_lie_between_two_edges():
    # A run of 90 minutes that must start by 02:15: best from 01:30 to 03:00 (50 and 10, at 1:2).
    best = best_start(
        load((0, 1.5, 3.0)), series(300, 50, 10, 400), earliest_start=START, latest_start=START + 2 * HOUR
    )
    assert best == (START + 1.5 * HOUR, pytest.approx((0.5 * 50 + 10) / 1.5))


def test_of_equal_starts_the_earliest_is_the_best():
    best = best_start(load((0, 1, 1.0)), series(7, 5, 5, 5), earliest_start=START, latest_start=START + 3 * HOUR)
    assert best == (START + HOUR, 5)


def test_no_best_start_is_told_where_not_all_that_was_allowed_is_measured():
    one = load((0, 1, 1.0))
    assert best_start(one, series(3, 2, 1), earliest_start=START, latest_start=START + 3 * HOUR) is None
    with pytest.raises(InvalidRequestError, match="latest_start"):
        best_start(one, series(3, 2), earliest_start=START + HOUR, latest_start=START)


@given(st.data())
def test_the_best_start_is_that_of_a_brute_force_over_every_minute(data):
    """Pieces and steps on whole minutes: an optimum lies on a minute, and no minute is better."""
    values = data.draw(st.lists(st.integers(0, 500), min_size=6, max_size=10))
    step = data.draw(st.sampled_from([15, 30]))
    horizon = step * len(values)
    pieces = data.draw(
        st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30), st.integers(0, 5)), min_size=1, max_size=4)
    )
    made = [Piece(START + at * MINUTE, START + (at + long) * MINUTE, float(kwh)) for at, long, kwh in pieces]
    one = Load(tuple(made))
    length = one.duration // MINUTE
    low = data.draw(st.integers(0, horizon - length))
    high = data.draw(st.integers(low, horizon - length))
    by_minute = [value for value in values for _ in range(step)]
    first = min(at for at, _, _ in pieces)
    energy = sum(kwh for _, _, kwh in pieces)

    def mean(start: int) -> float:
        total = whole = 0.0
        for at, long, kwh in pieces:
            weight = kwh if energy else long
            begin = start + at - first
            total += weight * sum(by_minute[begin : begin + long]) / long
            whole += weight
        return total / whole

    brute = min(mean(start) for start in range(low, high + 1))
    best = best_start(
        one,
        series(*values, step=step * MINUTE),
        earliest_start=START + low * MINUTE,
        latest_start=START + high * MINUTE,
    )
    assert best is not None
    assert best[1] == pytest.approx(brute, abs=1e-7)
    assert START + low * MINUTE <= best[0] <= START + high * MINUTE
    assert one.started(best[0]).mean_g_per_kwh(series(*values, step=step * MINUTE)) == pytest.approx(best[1], abs=1e-7)
