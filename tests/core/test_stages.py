from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import combinations_with_replacement, pairwise

import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.power import PowerProfile
from airflow_carbon.core.stages import Stage, latest_start, latest_starts, plan_stages, tails
from airflow_carbon.core.units import Signal
from airflow_carbon.core.window import best_window
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)


def hourly(*intensity, zone="DE", **more):
    return Forecast(zone, START, HOUR, intensity, **more)


def hours(windows):
    return [((window.start - START) / HOUR, (window.end - START) / HOUR) for window in windows]


def emitted_g(stages, windows):
    return sum(
        stage.profile.energy_kwh * window.intensity_g_per_kwh for stage, window in zip(stages, windows, strict=True)
    )


def chain(forecast, *, gap=timedelta(0)):
    return [
        Stage("map", HOUR, forecast, watts=100.0),
        Stage("reduce", 2 * HOUR, forecast, watts=1000.0, gap=gap),
        Stage("load", HOUR, forecast, watts=100.0),
    ]


def test_the_tail_behind_a_run_brings_its_latest_start_forward():
    deadline = START + 12 * HOUR
    assert latest_start(deadline=deadline, duration=2 * HOUR) == START + 10 * HOUR
    assert latest_start(deadline=deadline, duration=2 * HOUR, tail=3 * HOUR) == START + 7 * HOUR


def test_each_stage_leaves_time_for_the_gaps_and_stages_behind_it():
    stages = chain(None, gap=30 * MINUTE)
    assert tails(stages) == (3 * HOUR + 30 * MINUTE, HOUR, timedelta(0))
    starts = latest_starts(stages, deadline=START + 12 * HOUR)
    assert starts == (START + 7.5 * HOUR, START + 9 * HOUR, START + 11 * HOUR)


def test_the_plan_leaves_the_good_hours_to_the_stage_that_needs_them_most_where_waits_on_their_own_eat_them():
    forecast = hourly(200, 200, 200, 200, 100, 100, 300, 300)
    stages, deadline = chain(forecast), START + 8 * HOUR
    free, greedy = START, []
    for stage, tail in zip(stages, tails(stages), strict=True):
        greedy.append(best_window(forecast, duration=stage.length, earliest_start=free, deadline=deadline - tail))
        free = greedy[-1].end
    # The light first stage waits for the first clean hour, and the heavy one is left with the second and a dirty one.
    assert hours(greedy) == [(4, 5), (5, 7), (7, 8)]
    assert emitted_g(stages, greedy) == pytest.approx(0.1 * 100 + 1.0 * (100 + 300) + 0.1 * 300)
    planned = plan_stages(stages, earliest_start=START, deadline=deadline)
    assert hours(planned) == [(0, 1), (4, 6), (6, 7)]
    assert emitted_g(stages, planned) == pytest.approx(0.1 * 200 + 1.0 * (100 + 100) + 0.1 * 300)


def test_a_gap_is_kept_between_stages():
    forecast = hourly(9, 1, 1, 1, 1, 9)
    free = plan_stages([Stage("map", HOUR, forecast), Stage("reduce", 2 * HOUR, forecast)])
    assert hours(free) == [(1, 2), (2, 4)]
    apart = plan_stages([Stage("map", HOUR, forecast), Stage("reduce", 2 * HOUR, forecast, gap=30 * MINUTE)])
    assert hours(apart) == [(1, 2), (2.5, 4.5)]


def test_stages_may_run_on_grids_of_their_own():
    near = hourly(300, 100, 300, 300, zone="DE")
    far = Forecast("SE", START + 30 * MINUTE, 30 * MINUTE, [50, 50, 50, 50, 10, 10])
    windows = plan_stages([Stage("map", HOUR, near), Stage("reduce", HOUR, far)], deadline=START + 4 * HOUR)
    assert hours(windows) == [(1, 2), (2.5, 3.5)]
    assert [window.intensity_g_per_kwh for window in windows] == pytest.approx([100.0, 10.0])
    assert [window.horizon_cut for window in windows] == [False, True]


def test_of_equal_plans_the_earliest_is_taken():
    stages = [Stage("map", HOUR, hourly(*[0.1] * 9)), Stage("reduce", 2 * HOUR, hourly(*[0.1] * 9))]
    assert hours(plan_stages(stages)) == [(0, 1), (1, 3)]


def test_one_stage_is_the_best_window():
    forecast = hourly(5, 1, 4, 2, 2)
    power = PowerProfile.parse("40m@100W, 50m@300W")
    (window,) = plan_stages([Stage("map", forecast=forecast, power=power)], earliest_start=START + 7 * MINUTE)
    assert window == best_window(forecast, power=power, earliest_start=START + 7 * MINUTE)


@st.composite
def problems(draw):
    """Draw three stages on slots of half an hour, on a forecast of whole or half hours each, and both ends."""
    stages, count = [], draw(st.integers(8, 10))
    for name in ("map", "reduce", "load"):
        per_step = draw(st.sampled_from([1, 2]))
        size = -(-count // per_step)
        values = draw(st.lists(st.integers(0, 20), min_size=size, max_size=size))
        forecast = Forecast(name, START, per_step * 30 * MINUTE, values)
        phases = draw(st.lists(st.tuples(st.just(30 * MINUTE), st.integers(1, 3)), min_size=1, max_size=2))
        gap = draw(st.integers(0, 1)) * 30 * MINUTE
        stages.append(Stage(name, forecast=forecast, power=PowerProfile(tuple(phases)), gap=gap))
    least = sum((stage.length for stage in stages), timedelta(0)) + stages[1].gap + stages[2].gap
    spare = count - least // (30 * MINUTE)
    begin = draw(st.integers(0, spare))
    return stages, begin, draw(st.integers(0, spare - begin)), least


def exact_emission(stage, start):
    """Add phase by phase and step by step, in fractions."""
    total, at = Fraction(0), start
    for length, watts in stage.profile.phases:
        for index, value in enumerate(stage.forecast.intensity.tolist()):
            left = stage.forecast.start + index * stage.forecast.step
            inside = min(at + length, left + stage.forecast.step) - max(at, left)
            total += Fraction(value) * Fraction(watts) * max(inside // MICROSECOND, 0)
        at += length
    return total


@settings(max_examples=60)
@given(problems())
def test_no_three_starts_on_quarters_of_an_hour_emit_less(problem):
    stages, begin, spare, least = problem
    earliest, deadline = START + begin * 30 * MINUTE, START + begin * 30 * MINUTE + least + spare * 30 * MINUTE
    planned = plan_stages(stages, earliest_start=earliest, deadline=deadline)
    assert planned[0].start >= earliest
    assert planned[-1].end <= deadline
    for stage, (before, after) in zip(stages[1:], pairwise(planned), strict=True):
        assert after.start >= before.end + stage.gap
    before = [timedelta(0), stages[0].length + stages[1].gap]
    before.append(before[1] + stages[1].length + stages[2].gap)
    costs = [
        [exact_emission(stage, earliest + passed + at * 15 * MINUTE) for at in range(2 * spare + 1)]
        for stage, passed in zip(stages, before, strict=True)
    ]
    brute = min(
        sum(cost[at] for cost, at in zip(costs, slacks, strict=True))
        for slacks in combinations_with_replacement(range(2 * spare + 1), 3)
    )
    found = sum(exact_emission(stage, window.start) for stage, window in zip(stages, planned, strict=True))
    assert float(found) == pytest.approx(float(brute), rel=1e-9, abs=1e-6)
    shares = emitted_g(stages, planned)
    assert shares == pytest.approx(float(found) / 3.6e9 / 1000, rel=1e-9, abs=1e-12)


@given(
    st.lists(st.integers(0, 20), min_size=6, max_size=9),
    st.lists(st.integers(1_000_000, 4_000_000_000), min_size=3, max_size=3),
    st.lists(st.floats(0, 1), min_size=3, max_size=3),
)
def test_no_plan_off_every_grid_emits_less(values, lengths, places):
    stages = [Stage(str(length), length * MICROSECOND, hourly(*values)) for length in lengths]
    planned = plan_stages(stages)
    spare = len(values) * HOUR - sum(lengths) * MICROSECOND
    at, other = START, Fraction(0)
    for stage, place in zip(stages, pairwise([0.0, *sorted(places)]), strict=True):
        at += (place[1] - place[0]) * spare
        other += exact_emission(stage, at)
        at += stage.length
    found = sum(exact_emission(stage, window.start) for stage, window in zip(stages, planned, strict=True))
    assert float(found) <= float(other) * (1 + 1e-9) + 1e-6


def test_forecasts_that_do_not_compare_are_refused():
    stages = [Stage("map", HOUR, hourly(1, 2)), Stage("reduce", HOUR, hourly(1, 2, signal=Signal.MARGINAL))]
    with pytest.raises(InvalidRequestError, match=r"map is average .* but reduce is marginal"):
        plan_stages(stages)


def test_a_chain_that_does_not_fit_names_when_it_would():
    with pytest.raises(NoFeasibleWindowError, match=r"deadline: a chain of 4 h .* allow 2026-01-05T04:00:00"):
        plan_stages(chain(hourly(1, 2, 3, 4, 5)), deadline=START + 3 * HOUR)


def test_a_stage_that_its_forecast_does_not_cover_is_named():
    stages = [Stage("map", 2 * HOUR, hourly(1, 2)), Stage("reduce", HOUR, hourly(1, 2))]
    with pytest.raises(NoFeasibleWindowError, match=r"stage reduce: .*reaches 2026-01-05T03:00:00"):
        plan_stages(stages, deadline=START + 9 * HOUR)
    late = Forecast("SE", START + 5 * HOUR, HOUR, [1, 1, 1])
    stages = [Stage("map", HOUR, hourly(1, 2)), Stage("reduce", HOUR, late)]
    with pytest.raises(NoFeasibleWindowError, match="stage reduce: its series, for SE, begins at 2026-01-05T05:00"):
        plan_stages(stages, deadline=START + 3 * HOUR)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "stage map: duration: "),
        ({"duration": -HOUR}, "stage map: duration: .* longer than zero"),
        ({"duration": HOUR, "gap": -HOUR}, "stage map: gap: .* zero or longer"),
        ({"duration": HOUR, "watts": -1.0}, "stage map: power: "),
        ({"duration": HOUR, "watts": "much"}, "stage map: power: .*'much' is no power"),
        ({"duration": HOUR, "gap": "soon"}, "stage map: gap: 'soon' is no duration"),
        ({"power": PowerProfile.flat(HOUR), "watts": 5.0}, "stage map: watts: leave it out"),
        ({"duration": 2 * HOUR, "power": PowerProfile.flat(HOUR)}, "stage map: power: .*agree"),
    ],
)
def test_a_stage_that_cannot_be_meant_is_refused_by_name_and_field(wrong, message):
    with pytest.raises(InvalidRequestError, match=message):
        Stage("map", **wrong)


def test_a_stage_reads_texts_and_durations_of_pendulum():
    forecast = hourly(5, 1, 4, 2, 2, 7, 1, 9)
    plain = [
        Stage("map", HOUR, forecast, watts=300.0),
        Stage("reduce", HOUR, forecast, gap=30 * MINUTE, power=PowerProfile.parse("30m@50W, 30m@90W")),
    ]
    texts = [
        Stage("map", "1h", forecast, watts="300"),
        Stage("reduce", "PT1H", forecast, gap="30m", power="30m@50W, 30m@90W"),
    ]
    lengths = pendulum.duration(hours=1), pendulum.duration(minutes=30)
    spans = [
        Stage("map", lengths[0], forecast, watts=300.0),
        Stage("reduce", None, forecast, gap=lengths[1], power=plain[1].power),
    ]
    assert texts == plain
    assert plan_stages(plain) == plan_stages(texts) == plan_stages(spans)
    assert tails(texts) == tails(spans) == (90 * MINUTE, timedelta(0))
    assert {type(stage.gap) for stage in spans} == {timedelta}


def test_a_chain_needs_stages_with_forecasts_and_moments_with_timezones():
    with pytest.raises(InvalidRequestError, match="stages: there is none"):
        plan_stages([])
    with pytest.raises(InvalidRequestError, match="stages: there is none"):
        tails([])
    with pytest.raises(InvalidRequestError, match="stage map: forecast: there is none"):
        plan_stages([Stage("map", HOUR)])
    with pytest.raises(InvalidRequestError, match=r"earliest_start: .* no timezone"):
        plan_stages([Stage("map", HOUR, hourly(1, 2))], earliest_start=START.replace(tzinfo=None))
    with pytest.raises(InvalidRequestError, match=r"tail: .* zero or longer"):
        latest_start(deadline=START, duration=HOUR, tail=-HOUR)
