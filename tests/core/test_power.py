from __future__ import annotations

from datetime import timedelta

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.power import MOST_PHASES, PowerProfile, run_of
from airflow_carbon.exceptions import InvalidRequestError

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
TRAINING = PowerProfile.parse("10m@50W, 2h@300W, 15m@80W")


def test_a_profile_is_written_as_text_as_pairs_or_as_mappings():
    pairs = PowerProfile.parse([["10m", 50], [2 * HOUR, 300.0], ("15m", "80")])
    named = PowerProfile.parse(
        [{"duration": "10m", "watts": 50}, {"duration": "2h", "watts": 300}, {"watts": 80, "duration": "PT15M"}]
    )
    assert TRAINING == pairs == named == PowerProfile.parse(TRAINING)
    assert PowerProfile.parse("1h @ 1.2 kW").phases == ((HOUR, 1200.0),)


@pytest.mark.parametrize(
    "text",
    [
        "[['10m', 50], ['2h', 300], ['15m', 80]]",
        '[["10m", 50], ["2h", 300], ["15m", 80]]',
        " [('10m', 50.0), ('2h', '300'), ('15m', 80)] ",
        "[{'duration': '10m', 'watts': 50}, {'duration': '2h', 'watts': 300}, {'duration': '15m', 'watts': 80}]",
    ],
)
def test_a_list_may_come_as_the_text_that_a_template_makes_of_it(text):
    assert PowerProfile.parse(text) == TRAINING


def test_lengths_of_pendulum_are_read_as_plain_ones():
    assert PowerProfile.flat(pendulum.duration(hours=2), 300).energy_kwh == pytest.approx(0.6)
    assert type(PowerProfile(((pendulum.duration(hours=2), 1.0),)).phases[0][0]) is timedelta
    longer = PowerProfile.parse("1h@5W, 1h@6W").stretched(pendulum.duration(hours=3))
    assert longer.phases == ((1.5 * HOUR, 5.0), (1.5 * HOUR, 6.0))
    part = TRAINING.part(pendulum.duration(minutes=5), pendulum.duration(minutes=40))
    assert part.phases == ((5 * MINUTE, 50.0), (30 * MINUTE, 300.0))


def test_the_energy_of_a_run_is_that_of_its_phases():
    # 50 W x 1/6 h + 300 W x 2 h + 80 W x 1/4 h = 8.33 + 600 + 20 Wh.
    assert TRAINING.energy_kwh == pytest.approx(0.628333333)
    assert TRAINING.duration == timedelta(hours=2, minutes=25)


def test_each_edge_of_a_profile_has_the_power_that_ends_less_the_one_that_begins():
    minutes = [(edge / 60e6, watts) for edge, watts in TRAINING.bends]
    assert minutes == [(0, -50.0), (10, -250.0), (130, 220.0), (145, 80.0)]


def test_neighbours_of_equal_power_are_one_phase():
    assert PowerProfile.parse("1h@5W,30m@5W,1h@6W").phases == ((1.5 * HOUR, 5.0), (HOUR, 6.0))


def test_a_part_of_a_profile_is_what_is_drawn_between_two_moments_of_the_run():
    assert TRAINING.part(5 * MINUTE, 40 * MINUTE).phases == ((5 * MINUTE, 50.0), (30 * MINUTE, 300.0))


@given(
    st.lists(st.tuples(st.integers(1, 90), st.integers(0, 900)), min_size=1, max_size=6).filter(
        lambda p: any(w for _, w in p)
    )
)
def test_a_profile_is_read_back_from_its_text(phases):
    profile = PowerProfile(tuple((minutes * MINUTE, float(watts)) for minutes, watts in phases))
    assert PowerProfile.parse(str(profile)) == profile


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2h", "phase 1: '2h' is none; write for example '10m@50W"),
        ("10m@50W, 2h@300V", "phase 2: '2h@300V' is none"),
        ("10m@5..0W", "phase 1: '5..0' is no power"),
        ("1h@0W", "no phase draws any"),
        ([["10m", -1]], "phase 1 draws -1.0 W"),
        ([["10m", float("nan")]], "phase 1 draws nan W"),
        ([["0m", 5]], "phase 1: 0:00:00 must be longer than zero"),
        ([["10m", 5, 6]], "phase 1: ['10m', 5, 6] is none"),
        ([{"duration": "10m", "watt": 5}], "it must have duration and watts"),
        (["10m"], "phase 1: '10m' is none"),
        (7, "7 is no power profile"),
        ("[['10m', 50]", "is neither JSON nor a Python literal"),
        ("[{[]: 1}]", "is neither JSON nor a Python literal"),
        ("[" * 5000, "is neither JSON nor a Python literal"),
        ("[['10m']]", "phase 1: ['10m'] is none"),
        ([[f"{i + 1}m", i] for i in range(MOST_PHASES + 1)], "101 phases are more than the 100"),
    ],
)
def test_what_is_no_profile_is_refused_with_the_phase_and_an_example(value, said):
    with pytest.raises(InvalidRequestError) as refused:
        PowerProfile.parse(value)
    assert said in str(refused.value)


def test_a_duration_that_is_not_that_of_the_profile_is_refused():
    with pytest.raises(InvalidRequestError, match="the phases last 2 h 25 min together, but duration is 2 h"):
        run_of(2 * HOUR, TRAINING)
    with pytest.raises(InvalidRequestError, match="say how long the run takes"):
        run_of(None, None)
    assert run_of(None, TRAINING) == (TRAINING.duration, TRAINING)
    assert run_of(HOUR, PowerProfile.flat(HOUR)) == (HOUR, None)
