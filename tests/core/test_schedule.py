from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_carbon.core import schedule_slots
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.power import PowerProfile
from airflow_carbon.core.schedule import best_schedule
from airflow_carbon.core.span import ROUNDING
from airflow_carbon.core.window import best_window
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)
TWO_VALLEYS = (100, 300, 300, 100, 400, 400)


def hourly(*intensity):
    return Forecast("DE", START, HOUR, intensity)


def hours(schedule):
    return [((chunk.start - START) / HOUR, (chunk.end - START) / HOUR) for chunk in schedule.chunks]


def emission(values, step, parts):
    """Add step by step, in fractions, what lies within each ``(start, end, watts)``."""
    total = Fraction(0)
    for start, end, watts in parts:
        for index, value in enumerate(values):
            inside = min(end, START + (index + 1) * step) - max(start, START + index * step)
            total += Fraction(value) * Fraction(watts) * max(inside // MICROSECOND, 0)
    return total


def drawn(schedule, power, resume_watts):
    """List what a schedule draws: ``(start, end, watts)`` of each overhead and of each phase of each chunk."""
    for chunk in schedule.chunks:
        begin = chunk.start + chunk.overhead
        yield chunk.start, begin, resume_watts
        at = timedelta(0)
        for length, watts in power.phases:
            left, right = max(at, chunk.work_begin), min(at + length, chunk.work_end)
            if left < right:
                yield begin + left - chunk.work_begin, begin + right - chunk.work_begin, watts
            at += length


def test_two_hours_of_work_go_to_the_two_clean_hours():
    found = best_schedule(hourly(*TWO_VALLEYS), duration=2 * HOUR, max_chunks=2)
    assert hours(found) == [(0, 1), (3, 4)]
    assert found.intensity_g_per_kwh == 100.0
    assert [(chunk.work_begin, chunk.work_end) for chunk in found.chunks] == [(0 * HOUR, HOUR), (HOUR, 2 * HOUR)]
    assert found.overhead == timedelta(0)
    assert (found.start, found.end) == (START, START + 4 * HOUR)


def test_a_resume_that_costs_less_than_the_cut_saves_is_paid_and_billed():
    # In one chunk (100 + 300) / 2 = 200. Cut, with half an hour of resume at 300: (100 + 0.5 x 300 + 100) / 2 = 175.
    found = best_schedule(hourly(*TWO_VALLEYS), duration=2 * HOUR, max_chunks=2, resume_overhead=30 * MINUTE)
    assert hours(found) == [(0, 1), (2.5, 4)]
    assert found.intensity_g_per_kwh == pytest.approx(175.0)
    assert found.relative_energy == pytest.approx(1.25)
    assert found.overhead == 30 * MINUTE
    # The second chunk draws 0.5 h at 300 and 1 h at 100: 250 / 1.5.
    assert [chunk.intensity_g_per_kwh for chunk in found.chunks] == pytest.approx([100.0, 500 / 3])
    assert [chunk.relative_energy for chunk in found.chunks] == pytest.approx([0.5, 0.75])


def test_a_resume_that_eats_the_saving_leaves_one_chunk():
    # An hour of resume at 300 makes (100 + 300 + 100) / 2 = 250 of what is 200 in one chunk.
    found = best_schedule(hourly(*TWO_VALLEYS), duration=2 * HOUR, max_chunks=4, resume_overhead=HOUR)
    assert hours(found) == [(0, 2)]
    assert found.intensity_g_per_kwh == pytest.approx(200.0)
    assert found.relative_energy == 1.0


def test_a_resume_that_saves_exactly_nothing_leaves_one_chunk():
    # 40 minutes at 300 cost the 200 that the cut saves.
    found = best_schedule(hourly(*TWO_VALLEYS), duration=2 * HOUR, max_chunks=2, resume_overhead=40 * MINUTE)
    assert hours(found) == [(0, 2)]


def test_the_least_chunk_keeps_work_together():
    valleys = hourly(100, 300, 300, 90, 110, 400)
    assert hours(best_schedule(valleys, duration=2 * HOUR, max_chunks=2)) == [(0, 1), (3, 4)]
    assert hours(best_schedule(valleys, duration=2 * HOUR, max_chunks=2, min_chunk=61 * MINUTE)) == [(3, 5)]


def test_a_run_shorter_than_the_least_chunk_is_one_chunk():
    found = best_schedule(hourly(*TWO_VALLEYS), duration=2 * HOUR, max_chunks=None, min_chunk=5 * HOUR)
    assert hours(found) == [(0, 2)]
    assert found.exact


def test_any_number_of_chunks_takes_the_cleanest_hours():
    found = best_schedule(hourly(5, 1, 9, 2, 8, 3, 7, 4), duration=4 * HOUR, max_chunks=None)
    assert hours(found) == [(1, 2), (3, 4), (5, 6), (7, 8)]
    assert found.intensity_g_per_kwh == pytest.approx(2.5)
    three = best_schedule(hourly(5, 1, 9, 2, 8, 3, 7, 4), duration=4 * HOUR, max_chunks=3)
    # Best of all threes: 5 + 1, 2 and 3.
    assert hours(three) == [(0, 2), (3, 4), (5, 6)]


def test_equal_plans_go_to_fewer_chunks_and_then_to_the_sooner_end():
    assert hours(best_schedule(hourly(*[0.1] * 9), duration=3 * HOUR, max_chunks=None)) == [(0, 3)]
    assert hours(best_schedule(hourly(*[0.1] * 9), duration=3 * HOUR, max_chunks=3)) == [(0, 3)]
    # Hours 1 and 2 with 5 are as clean as with 8, and no two hours of four are left without a cut.
    again = hourly(0.9, 0.1, 0.1, 0.9, 0.9, 0.1, 0.9, 0.9, 0.1)
    assert hours(best_schedule(again, duration=3 * HOUR, max_chunks=None)) == [(1, 3), (5, 6)]
    assert hours(best_schedule(again, duration=3 * HOUR, max_chunks=3)) == [(1, 3), (5, 6)]


def test_the_work_is_done_in_the_order_of_its_profile():
    power = PowerProfile.parse("1h@100W, 1h@1kW, 1h@100W")
    found = best_schedule(hourly(200, 200, 20, 300, 10, 300), power=power, max_chunks=3)
    # The heavy hour leaves the cleanest to the last phase: in it, 0.1 x 20 + 1 x 10 + 0.1 x 300 = 42 g.
    assert hours(found) == [(1, 3), (4, 5)]
    assert found.work_kwh == pytest.approx(1.2)
    assert found.emitted_g == pytest.approx(0.1 * 200 + 1.0 * 20 + 0.1 * 10)
    assert found.intensity_g_per_kwh == pytest.approx(41 / 1.2)
    assert found.energy_kwh == pytest.approx(1.2)


def test_a_resume_draws_the_mean_power_of_the_run_or_what_is_stated():
    power = PowerProfile.parse("1h@200W, 1h@300W")
    request = {"power": power, "max_chunks": 2, "resume_overhead": 30 * MINUTE}
    # In one chunk, 0.2 x 400 + 0.3 x 100 = 110 g; cut, 0.2 x 100 + 0.5 x 0.25 x 400 + 0.3 x 100 = 100 g.
    found = best_schedule(hourly(100, 400, 400, 100), **request)
    assert hours(found) == [(0, 1), (2.5, 4)]
    assert found.emitted_g == pytest.approx(100.0)
    assert found.energy_kwh == pytest.approx(0.625)
    cheap = best_schedule(hourly(100, 400, 400, 100), **request, resume_watts=20)
    assert cheap.emitted_g == pytest.approx(54.0)
    dear = best_schedule(hourly(100, 400, 400, 100), **request, resume_watts=3000)
    assert hours(dear) == [(2, 4)]
    assert dear.emitted_g == pytest.approx(110.0)


def test_a_phase_without_power_needs_no_chunk_of_its_own():
    power = PowerProfile.parse("1h@100W, 1h@0W, 1h@100W")
    through = best_schedule(hourly(10, 900, 10), power=power, max_chunks=3)
    assert hours(through) == [(0, 3)]
    assert through.chunks[0].intensity_g_per_kwh == 10.0
    apart = best_schedule(hourly(10, 700, 900, 900, 10), power=power, max_chunks=3, min_chunk=HOUR)
    assert len(apart.chunks) == 2
    assert apart.intensity_g_per_kwh == 10.0


def test_the_slot_is_the_longest_on_which_all_is_whole():
    request = {"max_chunks": 2, "min_chunk": 40 * MINUTE, "resume_overhead": 10 * MINUTE}
    found = best_schedule(hourly(*TWO_VALLEYS), duration=90 * MINUTE, **request)
    assert (found.slot, found.exact) == (10 * MINUTE, True)
    later = best_schedule(hourly(*TWO_VALLEYS), duration=90 * MINUTE, earliest_start=START + 4 * MINUTE, **request)
    assert (later.slot, later.exact) == (2 * MINUTE, True)


def test_lengths_that_share_no_slot_are_planned_on_a_short_one_and_billed_exactly():
    odd = timedelta(hours=1, minutes=59, seconds=58, microseconds=7)
    found = best_schedule(hourly(*TWO_VALLEYS), duration=odd, max_chunks=2, resume_overhead=7 * MINUTE)
    assert not found.exact
    assert found.chunks[-1].work_end == odd
    assert found.chunks[1].overhead == 7 * MINUTE
    parts = drawn(found, PowerProfile.flat(odd, 1), 1)
    assert found.intensity_g_per_kwh == pytest.approx(float(emission(TWO_VALLEYS, HOUR, parts) / (odd // MICROSECOND)))
    # On the grid of the whole numbers nearby: (100 + 7/60 x 300 + 100) / 2 = 117.5.
    assert found.intensity_g_per_kwh == pytest.approx(117.5, rel=0.01)


def days(rng, steps, step):
    """Give days of one pattern from any hour on, with noise that returns to it."""
    hours = np.arange(steps) * (step / HOUR)
    noise = np.convolve(rng.normal(0, 30, steps + 99), np.exp(-np.arange(100) * (step / HOUR) * 2), mode="valid")
    values = np.clip(300 + 80 * np.cos(2 * np.pi * (hours - rng.uniform(0, 24)) / 24) + noise, 5, None)
    return Forecast("DE", START, step, values)


@pytest.mark.parametrize(
    ("step", "steps", "request_"),
    [
        (5 * MINUTE, 288, {"duration": 150 * MINUTE, "max_chunks": 4, "resume_overhead": 2 * MINUTE}),
        (HOUR, 36, {"duration": 3 * HOUR, "max_chunks": 3, "min_chunk": 15 * MINUTE, "resume_overhead": MINUTE}),
        (HOUR / 2, 48, {"duration": 4 * HOUR, "max_chunks": None, "resume_overhead": 2 * MINUTE}),
        (
            HOUR / 2,
            48,
            {
                "power": PowerProfile.parse("7m@50W, 2h@300W, 13m@80W"),
                "max_chunks": 4,
                "min_chunk": 20 * MINUTE,
                "resume_overhead": 3 * MINUTE,
            },
        ),
    ],
)
def test_where_the_exact_grid_is_too_fine_the_plan_is_refined_to_what_that_grid_would_give(
    monkeypatch, step, steps, request_
):
    rng, cut = np.random.default_rng(11), 0
    for _ in range(6):
        plan = partial(best_schedule, days(rng, steps, step), **request_)
        exact = plan()
        assert exact.exact
        with monkeypatch.context() as small:
            small.setattr(schedule_slots, "MOST_STATES", 2**16)
            small.setattr(schedule_slots, "REFINED_STATES", 2**15)
            refined = plan()
        assert refined.slot > exact.slot
        assert not refined.exact
        # Another cut, far from the best one, can seem the best on the rough grid.
        assert refined.intensity_g_per_kwh <= exact.intensity_g_per_kwh * 1.002
        cut += len(exact.chunks) > 1
    assert cut >= 3


def test_a_resume_shorter_than_a_step_takes_up_no_more_than_itself():
    """Four days of five minutes and resumes of two: a grid of minutes would be of ten million states."""
    values = np.full(1152, 300.0)
    # Three hours each: two valleys of electricity as clean as can be, and a third that is nearly so.
    values[100:136], values[400:436], values[700:736] = 10.0, 10.0, 20.0
    forecast = Forecast("DE", START, 5 * MINUTE, values)
    found = best_schedule(forecast, duration=8 * HOUR, max_chunks=4, min_chunk=HOUR, resume_overhead=2 * MINUTE)
    assert not found.exact
    assert [chunk.end - chunk.start for chunk in found.chunks] == [3 * HOUR, 3 * HOUR, 2 * HOUR + 4 * MINUTE]
    # In the second valley 178 minutes are work, and 122 in the third.
    minutes = 180 * 10 + 180 * 10 + 124 * 20
    assert found.intensity_g_per_kwh == pytest.approx(minutes / 480, rel=1e-9)


def test_a_plan_from_a_moment_on_no_slot_is_as_clean_as_that_of_a_grid_which_holds_it(monkeypatch):
    rng, gaps = np.random.default_rng(5), []
    for _ in range(10):
        begin, end = (int(rng.integers(1, 30)) * timedelta(seconds=10) for _ in range(2))
        ends = {"earliest_start": START + begin, "deadline": START + 8 * HOUR + end}
        plan = partial(best_schedule, days(rng, 144, 5 * MINUTE), duration=100 * MINUTE, max_chunks=4, **ends)
        exact = plan()
        with monkeypatch.context() as small:
            small.setattr(schedule_slots, "MOST_STATES", 2**15)
            small.setattr(schedule_slots, "REFINED_STATES", 2**15)
            refined = plan()
        assert (exact.exact, refined.exact) == (True, False)
        assert ends["earliest_start"] <= refined.start < refined.end <= ends["deadline"]
        gaps.append(refined.intensity_g_per_kwh / exact.intensity_g_per_kwh - 1.0)
    assert max(gaps) < 1e-3


def test_a_run_may_begin_at_the_very_moment_it_is_asked_for():
    """Two hours: what is left of the first clean one to the microsecond, the other, and the rest at 300."""
    since = timedelta(minutes=20, microseconds=12345)
    found = best_schedule(hourly(*TWO_VALLEYS), duration=2 * HOUR, max_chunks=2, earliest_start=START + since)
    assert not found.exact
    assert found.start == START + since
    assert found.intensity_g_per_kwh == pytest.approx(100 + 200 * (since / (2 * HOUR)), rel=1e-12)


@pytest.mark.parametrize(
    ("step", "steps", "request_"),
    [
        (HOUR, 180, {"duration": 12 * HOUR, "resume_overhead": MINUTE, "max_chunks": None}),
        (5 * MINUTE, 864, {"duration": 8 * HOUR, "resume_overhead": 2 * MINUTE, "max_chunks": 4}),
    ],
)
def test_the_largest_searches_hold_no_more_than_they_say(step, steps, request_):
    forecast = days(np.random.default_rng(2), steps, step)
    tracemalloc.start()
    try:
        found = best_schedule(forecast, **request_)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.exact
    assert peak < schedule_slots.MOST_STATES * 8 + 4e6


def test_a_long_series_is_searched_on_slots_longer_than_its_steps_rather_than_never():
    minutes = Forecast("DE", START, MINUTE, [100 + (minute // 60 * 37) % 101 for minute in range(6000)])
    request = {"duration": 40 * HOUR, "resume_overhead": 10 * MINUTE}
    found = best_schedule(minutes, max_chunks=6, **request)
    assert not found.exact
    assert found.slot > MINUTE
    assert found.intensity_g_per_kwh < best_window(minutes, duration=40 * HOUR).intensity_g_per_kwh


def test_a_plan_that_the_horizon_cut_says_so():
    assert best_schedule(hourly(1, 2), duration=HOUR, max_chunks=2, deadline=START + 3 * HOUR).horizon_cut
    assert not best_schedule(hourly(1, 2), duration=HOUR, max_chunks=2, deadline=START + 2 * HOUR).horizon_cut


def test_a_record_is_plain_json_one_for_each_chunk():
    found = best_schedule(hourly(*TWO_VALLEYS), duration=2 * HOUR, max_chunks=2, resume_overhead=30 * MINUTE)
    records = json.loads(json.dumps(found.record()))
    assert records[1] == {
        "index": 1,
        "chunks": 2,
        "start": "2026-01-05T02:30:00+00:00",
        "end": "2026-01-05T04:00:00+00:00",
        "duration_seconds": 5400.0,
        "overhead_seconds": 1800.0,
        "work_begin_seconds": 3600.0,
        "work_end_seconds": 7200.0,
        "intensity_g_per_kwh": pytest.approx(500 / 3),
        "relative_energy": pytest.approx(0.75),
    }


@st.composite
def problems(draw):
    step = draw(st.sampled_from([5 * MINUTE, HOUR, timedelta(seconds=7, microseconds=3)])) // MICROSECOND
    values = draw(st.lists(st.integers(0, 40), min_size=1, max_size=12))
    horizon = len(values) * step
    # Lengths on steps, on tenths of steps or anywhere, so that every sort of grid comes about.
    grain = draw(st.sampled_from([step, step // 10, 1]))
    # The prefix integral gives up digits on what is much shorter than a step.
    shortest = max(step // grain // 100, 1)
    spans = st.integers(shortest, max(horizon // grain // 3, shortest))
    phases = draw(st.lists(st.tuples(spans, st.sampled_from([1, 50, 300])), min_size=1, max_size=3))
    phases = [(length * grain, watts) for length, watts in phases]
    while sum(length for length, _ in phases) > horizon:
        phases.pop()
    power = PowerProfile(tuple((length * MICROSECOND, watts) for length, watts in phases or [(horizon, 1)]))
    duration = power.duration // MICROSECOND
    earliest = draw(st.integers(0, (horizon - duration) // grain)) * grain
    deadline = draw(st.integers(earliest + duration, horizon))
    least = draw(st.integers(0, duration // grain // 2 + 1)) * grain
    overhead = draw(st.integers(0, step // grain)) * grain
    return (
        Forecast("DE", START, step * MICROSECOND, values),
        {
            "power": power,
            "earliest_start": START + earliest * MICROSECOND,
            "deadline": START + deadline * MICROSECOND,
            "min_chunk": least * MICROSECOND,
            "resume_overhead": overhead * MICROSECOND,
        },
    )


@given(problems(), st.sampled_from([1, 2, 3, 5, None]))
def test_whatever_the_lengths_a_plan_keeps_every_rule_and_its_numbers_add_up(problem, most):
    forecast, request = problem
    found = best_schedule(forecast, **request, max_chunks=most)
    power = request["power"]
    uninterrupted = best_window(
        forecast, power=power, earliest_start=request["earliest_start"], deadline=request["deadline"]
    )
    # Both are differences of the same prefix sums, and these round by that much.
    steps = power.duration / forecast.step
    heaviest = max(watts for _, watts in power.phases) * power.duration / timedelta(hours=1) / power.energy_kwh / 1000
    rounding = ROUNDING * (steps + 2) * forecast.cumulative.item(-1) / steps * heaviest
    assert found.intensity_g_per_kwh <= uninterrupted.intensity_g_per_kwh + rounding
    assert most is None or len(found.chunks) <= most
    assert request["earliest_start"] <= found.start
    assert found.end <= request["deadline"]
    work, free = timedelta(0), request["earliest_start"]
    for index, chunk in enumerate(found.chunks):
        assert chunk.start >= free
        # A cut without a pause would be none.
        assert chunk.start > free or not index or request["resume_overhead"]
        assert chunk.work_begin == work
        assert chunk.work_end - work >= min(request["min_chunk"], power.duration)
        assert chunk.overhead == (request["resume_overhead"] if index else timedelta(0))
        work, free = chunk.work_end, chunk.end
    assert work == power.duration
    energy = sum(length // MICROSECOND * Fraction(watts) for length, watts in power.phases)
    mean = energy / (power.duration // MICROSECOND)
    expected = emission(forecast.intensity.tolist(), forecast.step, drawn(found, power, mean)) / energy
    assert found.intensity_g_per_kwh == pytest.approx(float(expected), rel=1e-9, abs=1e-9)
    shares = sum(chunk.intensity_g_per_kwh * chunk.relative_energy for chunk in found.chunks)
    assert shares == pytest.approx(found.intensity_g_per_kwh, rel=1e-9, abs=1e-9)


def nearly_one_step(value, microseconds):
    """Give a run of six seconds that may end within a step of five minutes, and so much after it."""
    power = PowerProfile.parse("3s@1W, 3s@50W")
    ends = {"earliest_start": START, "deadline": START + 5 * MINUTE + microseconds * MICROSECOND}
    more = {"min_chunk": timedelta(0), "resume_overhead": timedelta(0)}
    return Forecast("DE", START, 5 * MINUTE, [value, 0]), {"power": power, **ends, **more}


@example(nearly_one_step(1, 100_003))
@example(nearly_one_step(40, 5_900_000))
@example(nearly_one_step(17, 5_899_993))
@given(problems())
def test_one_chunk_is_the_best_window(problem):
    forecast, request = problem
    found = best_schedule(forecast, **request, max_chunks=1)
    window = best_window(
        forecast, power=request["power"], earliest_start=request["earliest_start"], deadline=request["deadline"]
    )
    assert (found.start, found.end, len(found.chunks), found.exact) == (window.start, window.end, 1, True)
    # The same number too, not one that is summed in another order.
    assert found.intensity_g_per_kwh == found.chunks[0].intensity_g_per_kwh == window.intensity_g_per_kwh


@given(problems())
def test_more_chunks_are_never_worse_where_plans_are_exact(problem):
    forecast, request = problem
    found = [best_schedule(forecast, **request, max_chunks=most) for most in (1, 2, 3, 4, None)]
    if all(each.exact for each in found):
        for fewer, more in pairwise(found):
            assert more.intensity_g_per_kwh <= fewer.intensity_g_per_kwh * (1 + 1e-12) + 1e-12


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_chunks": 0}, "max_chunks: 0 must be a whole number, 1 or larger"),
        ({"max_chunks": 1.5}, "max_chunks: 1.5 must be"),
        ({"max_chunks": True}, "max_chunks: True must be"),
        ({"duration": -HOUR}, "duration: .* must be longer than zero"),
        ({"duration": None}, "duration: "),
        ({"power": PowerProfile.flat(2 * HOUR)}, "power: .*agree"),
        ({"min_chunk": -HOUR}, "min_chunk: .* must be zero or longer"),
        ({"resume_overhead": -HOUR}, "resume_overhead: .* must be zero or longer"),
        ({"resume_watts": 50.0}, "resume_watts: .*give `power` too"),
        ({"duration": None, "power": PowerProfile.flat(HOUR), "resume_watts": -1.0}, "resume_watts: -1.0 must be"),
        ({"earliest_start": START.replace(tzinfo=None)}, "earliest_start: .* has no timezone"),
        ({"deadline": START.replace(tzinfo=None)}, "deadline: .* has no timezone"),
    ],
)
def test_a_wrong_request_is_refused_by_the_name_of_its_field(wrong, message):
    with pytest.raises(InvalidRequestError, match=message):
        best_schedule(hourly(*TWO_VALLEYS), **{"duration": HOUR, "max_chunks": 2, **wrong})


def test_a_deadline_that_cannot_be_met_names_one_that_can():
    with pytest.raises(NoFeasibleWindowError, match="allow 2026-01-05T02:00:00"):
        best_schedule(hourly(*TWO_VALLEYS), duration=2 * HOUR, deadline=START + HOUR, max_chunks=2)
    with pytest.raises(NoFeasibleWindowError, match="does not fit into the series for DE"):
        best_schedule(hourly(*TWO_VALLEYS), duration=7 * HOUR, max_chunks=2)
