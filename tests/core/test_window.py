from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import pendulum
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.units import Accounting, Signal
from airflow_carbon.core.window import best_window, spread_window, window_at
from airflow_carbon.core.windows import ForecastStack, best_windows
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)


def hourly(*intensity, zone="DE", **more):
    return Forecast(zone, START, HOUR, intensity, **more)


def exact_mean(values, step_us, begin, length):
    """Add step by step, in fractions, what lies within ``[begin, begin + length)`` [us]."""
    total = Fraction(0)
    for index, value in enumerate(values):
        overlap = min(begin + length, (index + 1) * step_us) - max(begin, index * step_us)
        total += Fraction(value) * max(overlap, 0)
    return total / length


def oracle(values, step_us, earliest, latest, length):
    """Try every bend and both ends, in fractions: the earliest start of least mean [us], and that mean."""
    count = len(values)
    bends = {earliest, latest}
    bends |= {index * step_us for index in range(count + 1)}
    bends |= {index * step_us - length for index in range(count + 1)}
    means = {start: exact_mean(values, step_us, start, length) for start in bends if earliest <= start <= latest}
    least = min(means.values())
    return min(start for start, mean in means.items() if mean == least), least


WHOLE_GRAMS = st.integers(0, 40)
NEAR_ZERO = st.sampled_from([0, 1e-9, 1e-5, 1, 2, 65, 66, 117, 600])


@st.composite
def problems(draw, intensity=WHOLE_GRAMS):
    step = draw(st.sampled_from([5 * MINUTE, 30 * MINUTE, HOUR, timedelta(seconds=7, microseconds=3)])) // MICROSECOND
    values = draw(st.lists(intensity, min_size=1, max_size=14))
    horizon = len(values) * step
    on_grid = st.sampled_from([edge * step for edge in range(1, len(values) + 1)])
    length = draw(on_grid | st.integers(max(step // 1000, 1), horizon))
    earliest = draw(st.integers(0, horizon - length) | st.just(0))
    latest = draw(st.integers(earliest, horizon - length) | st.just(horizon - length))
    return values, step, earliest, latest, length


def asked(problem):
    values, step, earliest, latest, length = problem
    forecast = Forecast("DE", START, timedelta(microseconds=step), values)
    request = {
        "duration": timedelta(microseconds=length),
        "earliest_start": START + timedelta(microseconds=earliest),
        "deadline": START + timedelta(microseconds=latest + length),
    }
    return forecast, request


def offset(window):
    return (window.start - START) // MICROSECOND


def test_a_run_of_one_step_takes_the_least_step():
    window = best_window(hourly(300, 100, 200), duration=HOUR)
    assert (window.start, window.end) == (START + HOUR, START + 2 * HOUR)
    assert window.intensity_g_per_kwh == 100
    assert not window.horizon_cut


def test_a_run_longer_than_a_step_leans_to_the_cheaper_side():
    # 90 minutes around the hour at 100: half an hour at 150 after it costs less than half an hour at 200 before it.
    window = best_window(hourly(200, 100, 150, 300), duration=90 * MINUTE)
    assert window.start == START + HOUR
    assert window.intensity_g_per_kwh == pytest.approx((100 + 0.5 * 150) / 1.5)
    window = best_window(hourly(300, 150, 100, 200), duration=90 * MINUTE)
    assert window.start == START + 90 * MINUTE
    assert window.intensity_g_per_kwh == pytest.approx((0.5 * 150 + 100) / 1.5)


def test_a_run_shorter_than_a_step_starts_with_the_least_step():
    window = best_window(hourly(300, 100, 200), duration=timedelta(minutes=7, microseconds=1))
    assert window.start == START + HOUR
    assert window.intensity_g_per_kwh == pytest.approx(100, rel=1e-9)


def test_a_run_that_ends_at_the_deadline_is_allowed():
    deadline = START + 2 * HOUR + 20 * MINUTE
    window = best_window(hourly(300, 200, 100), duration=HOUR, deadline=deadline)
    assert window.end == deadline
    assert window.intensity_g_per_kwh == pytest.approx((200 * 40 + 100 * 20) / 60)


def test_a_run_that_has_no_choice_starts_at_once():
    earliest = START + 17 * MINUTE
    window = best_window(hourly(300, 200, 100), duration=HOUR, earliest_start=earliest, deadline=earliest + HOUR)
    assert window.start == earliest


def test_equal_windows_go_to_the_earliest():
    assert best_window(hourly(5, 1, 5, 1, 5), duration=HOUR).start == START + HOUR
    assert best_window(hourly(7, 7, 7, 7), duration=90 * MINUTE).start == START


@given(st.floats(0.1, 900), st.integers(1, 400), st.integers(1, 90))
def test_equal_windows_go_to_the_earliest_whatever_rounding_says(level, minutes, begin):
    # Prefix sums of a number such as 0.1 are not exact, and their differences not equal.
    forecast = Forecast("DE", START, 5 * MINUTE, [level * 2] * begin + [level] * 200)
    assert best_window(forecast, duration=minutes * MINUTE).start == START + begin * 5 * MINUTE
    assert best_windows([forecast], duration=minutes * MINUTE)[0].start == START + begin * 5 * MINUTE


def test_a_start_before_the_forecast_is_cut_to_it():
    assert best_window(hourly(1, 2), duration=HOUR, earliest_start=START - 5 * HOUR).start == START


def test_a_forecast_that_ends_before_the_deadline_says_that_it_was_cut():
    window = best_window(hourly(2, 1), duration=HOUR, deadline=START + 3 * HOUR)
    assert window.horizon_cut
    assert window.end == START + 2 * HOUR
    assert not best_window(hourly(2, 1), duration=HOUR, deadline=START + 2 * HOUR).horizon_cut


def test_a_run_longer_than_the_forecast_is_refused_with_how_far_it_would_have_to_reach():
    with pytest.raises(NoFeasibleWindowError, match=r"duration: .*3 h.* DE, which ends at 2026-01-05T02:00.*reaches"):
        best_window(hourly(1, 2), duration=3 * HOUR)
    with pytest.raises(NoFeasibleWindowError, match="reaches 2026-01-05T03:30:00"):
        best_window(hourly(1, 2), duration=HOUR, earliest_start=START + 150 * MINUTE, deadline=START + 9 * HOUR)


def test_a_deadline_that_cannot_be_met_is_refused_with_one_that_can():
    with pytest.raises(NoFeasibleWindowError, match=r"deadline: .* allow 2026-01-05T02:00:00\+00:00 or later"):
        best_window(hourly(1, 2, 3), duration=HOUR, earliest_start=START + HOUR, deadline=START + 90 * MINUTE)
    with pytest.raises(NoFeasibleWindowError, match="deadline"):
        best_window(hourly(1, 2, 3), duration=HOUR, deadline=START - HOUR)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"duration": timedelta(0)}, "duration"),
        ({"duration": -HOUR}, "duration"),
        ({"duration": 45}, "duration"),
        ({"duration": HOUR, "earliest_start": datetime(2026, 1, 5)}, "earliest_start"),  # noqa: DTZ001
        ({"duration": HOUR, "deadline": datetime(2026, 1, 6)}, "deadline"),  # noqa: DTZ001
    ],
)
def test_a_wrong_request_is_refused_by_the_name_of_its_field(request_, field):
    for search in (
        lambda: best_window(hourly(1, 2), **request_),
        lambda: best_windows([hourly(1, 2)], **request_),
        lambda: spread_window(hourly(1, 2), **request_, tolerance=0.1, place=0.5),
    ):
        with pytest.raises(InvalidRequestError, match=f"^{field}: "):
            search()


def test_pendulum_moments_are_understood_and_plain_ones_given_back():
    earliest = pendulum.datetime(2026, 1, 5, 2, tz="Europe/Berlin")
    window = best_window(hourly(1, 3, 2), duration=pendulum.duration(hours=1), earliest_start=earliest)
    assert window.start == START + 2 * HOUR
    assert type(window.start) is datetime


@given(problems())
def test_the_best_window_is_that_of_exact_arithmetic(problem):
    forecast, request = asked(problem)
    start, mean = oracle(*problem)
    window = best_window(forecast, **request)
    assert offset(window) == start
    assert window.intensity_g_per_kwh == pytest.approx(float(mean), rel=1e-9, abs=1e-9)
    assert request["earliest_start"] <= window.start
    assert window.end == window.start + request["duration"] <= request["deadline"]


@given(problems(), st.floats(0, 1))
def test_no_other_start_is_cleaner(problem, share):
    forecast, request = asked(problem)
    slack = request["deadline"] - request["duration"] - request["earliest_start"]
    other = window_at(forecast, start=request["earliest_start"] + share * slack, duration=request["duration"])
    assert best_window(forecast, **request).intensity_g_per_kwh <= other.intensity_g_per_kwh * (1 + 1e-9) + 1e-9


@given(problems(), st.floats(0.01, 100))
def test_a_scaled_series_has_the_same_best_start(problem, factor):
    forecast, request = asked(problem)
    scaled = Forecast("DE", START, forecast.step, forecast.intensity * factor)
    assert best_window(scaled, **request).start == best_window(forecast, **request).start


@given(problems(), st.floats(0, 1000))
def test_a_raised_series_has_the_same_best_start(problem, level):
    forecast, request = asked(problem)
    raised = Forecast("DE", START, forecast.step, forecast.intensity + level)
    before, after = best_window(forecast, **request), best_window(raised, **request)
    assert after.start == before.start
    assert after.intensity_g_per_kwh == pytest.approx(before.intensity_g_per_kwh + level, rel=1e-9, abs=1e-6)


@given(problems(), st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)))
def test_a_series_moved_in_time_moves_its_best_start(problem, shift):
    forecast, request = asked(problem)
    moved = Forecast("DE", START + shift, forecast.step, forecast.intensity)
    later = {**request, "earliest_start": request["earliest_start"] + shift, "deadline": request["deadline"] + shift}
    assert best_window(moved, **later).start == best_window(forecast, **request).start + shift


def test_a_stated_start_gives_its_own_mean():
    window = window_at(hourly(100, 200), start=START + 45 * MINUTE, duration=HOUR)
    assert window.intensity_g_per_kwh == pytest.approx((100 * 15 + 200 * 45) / 60)
    assert window.end == START + 105 * MINUTE


@pytest.mark.parametrize("minutes", [-1, 61])
def test_a_stated_start_outside_the_series_is_refused(minutes):
    with pytest.raises(NoFeasibleWindowError, match=r"start: .* outside the series for DE, which covers"):
        window_at(hourly(100, 200), start=START + minutes * MINUTE, duration=HOUR)


def test_a_spread_over_a_plateau_takes_its_share_of_it():
    forecast = hourly(9, 1, 1, 1, 9)
    for place, minutes in [(0, 60), (0.25, 90), (0.5, 120), (0.75, 150)]:
        window = spread_window(forecast, duration=HOUR, tolerance=0, place=place)
        assert window.start == START + minutes * MINUTE


def test_a_spread_over_a_valley_stays_below_its_limit():
    # From 100 the mean rises by 100 an hour to both sides; 10 % above it are 6 minutes to each.
    forecast = hourly(200, 100, 200)
    for place, minutes in [(0, 54), (0.5, 60), (0.75, 63)]:
        window = spread_window(forecast, duration=HOUR, tolerance=0.1, place=place)
        assert abs(window.start - (START + minutes * MINUTE)) <= timedelta(milliseconds=1)


def test_a_spread_over_two_valleys_skips_the_hill_between():
    forecast = hourly(1, 9, 1, 9)
    places = [spread_window(forecast, duration=HOUR, tolerance=0.8, place=place / 10).start for place in range(10)]
    # Starts within 6 minutes after the first valley, or within 6 minutes to either side of the second.
    allowed = [(START, START + 6 * MINUTE), (START + 114 * MINUTE, START + 126 * MINUTE)]
    assert all(any(first <= place <= last for first, last in allowed) for place in places)
    assert sum(place < START + HOUR for place in places) == 4
    assert places == sorted(places)


def test_a_spread_without_room_is_the_best_window():
    forecast = hourly(3, 1, 2)
    assert spread_window(forecast, duration=HOUR, tolerance=0, place=0.9) == best_window(forecast, duration=HOUR)
    tight = {"duration": HOUR, "earliest_start": START + HOUR, "deadline": START + 2 * HOUR}
    assert spread_window(forecast, **tight, tolerance=1, place=0.9) == best_window(forecast, **tight)


def test_a_spread_counts_each_start_once_where_the_first_edge_follows_at_once():
    # All of the first ten minutes is clean, and nothing after them, up to a run that begins just before.
    forecast = Forecast("DE", START, 5 * MINUTE, [10, 10, 26])
    request = {"duration": timedelta(seconds=0.3), "earliest_start": START + MICROSECOND}
    window = spread_window(forecast, **request, tolerance=0, place=0.75)
    assert abs(window.start - (START + 0.75 * timedelta(seconds=599.7))) <= timedelta(milliseconds=1)
    assert window.intensity_g_per_kwh == pytest.approx(10)


@example(problem=([10, 10, 26], 300_000_000, 1, 899_700_000, 300_000), tolerance=1.5, place=0.75, further=0.0)
@given(
    problem=problems(),
    tolerance=st.floats(0, 2),
    place=st.floats(0, 1, exclude_max=True),
    further=st.floats(0, 1, exclude_max=True),
)
def test_a_spread_is_about_as_clean_in_time_and_in_order(problem, tolerance, place, further):
    forecast, request = asked(problem)
    window = spread_window(forecast, **request, tolerance=tolerance, place=place)
    assert request["earliest_start"] <= window.start
    assert window.end == window.start + request["duration"] <= request["deadline"]
    best = best_window(forecast, **request)
    # A start is a whole microsecond: one of them may cost this much.
    grain = float(forecast.intensity.max()) / (request["duration"] // MICROSECOND)
    assert window.intensity_g_per_kwh <= (1 + tolerance) * best.intensity_g_per_kwh * (1 + 1e-9) + 2 * grain + 1e-9
    other = spread_window(forecast, **request, tolerance=tolerance, place=max(place, further))
    assert other.start >= window.start


HOUR_US = HOUR // MICROSECOND


@example(
    problem=(
        [65, 1e-5, 117, 117, 66, 66, 2, 1, 600, 65, 65],
        HOUR_US,
        25 * HOUR_US // 4,
        33 * HOUR_US // 4,
        9900 * 10**6,
    ),
    tolerance=0.02,
    place=0.0,
)
@given(problem=problems(NEAR_ZERO), tolerance=st.floats(0, 0.5), place=st.floats(0, 1, exclude_max=True))
def test_a_spread_beside_hours_of_almost_no_carbon_stays_within_its_tolerance(problem, tolerance, place):
    values, step, earliest, latest, length = problem
    forecast, request = asked(problem)
    window = spread_window(forecast, **request, tolerance=tolerance, place=place)
    assert earliest <= offset(window) <= latest
    _, least = oracle(*problem)
    grain = Fraction(max(values)) / length
    mean = exact_mean(values, step, offset(window), length)
    assert mean <= Fraction(1 + tolerance) * least + 2 * grain + Fraction(1, 10**9)


def test_a_spread_fills_its_starts_evenly():
    rng = np.random.default_rng(3)
    values = rng.integers(50, 70, 24).tolist()
    forecast = Forecast("DE", START, HOUR, values)
    duration, tolerance = 150 * MINUTE, 0.05
    best = best_window(forecast, duration=duration)
    seconds = range(0, int((forecast.end - START - duration).total_seconds()) + 1, 60)
    clean = [
        second
        for second in seconds
        if exact_mean(values, 3600, second, 9000) <= Fraction(1 + tolerance) * Fraction(best.intensity_g_per_kwh)
    ]
    for place in (0.1, 0.35, 0.6, 0.95):
        found = spread_window(forecast, duration=duration, tolerance=tolerance, place=place)
        wanted = START + timedelta(seconds=clean[int(place * len(clean))])
        assert abs(found.start - wanted) <= timedelta(minutes=5)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"tolerance": -0.1}, "tolerance"), ({"tolerance": float("nan")}, "tolerance"), ({"place": 1.0}, "place")],
)
def test_a_spread_outside_its_range_is_refused(change, field):
    with pytest.raises(InvalidRequestError, match=f"^{field}: "):
        spread_window(hourly(1, 2), duration=HOUR, **{"tolerance": 0.1, "place": 0.5, **change})


@given(problems(), st.lists(st.lists(st.integers(0, 40), min_size=14, max_size=14), max_size=4))
def test_many_zones_at_once_are_as_one_by_one(problem, more):
    forecast, request = asked(problem)
    count = len(forecast)
    others = [Forecast(f"Z{n}", START, forecast.step, values[:count]) for n, values in enumerate(more)]
    forecasts = [forecast, *others]
    assert list(best_windows(forecasts, **request)) == [best_window(each, **request) for each in forecasts]


@given(st.integers(1, 600), st.integers(0, 400), st.integers(0, 2**32))
def test_zones_on_different_grids_are_as_one_by_one_and_in_order(minutes, wait, seed):
    rng = np.random.default_rng(seed)
    steps = [5, 30, 60, 30, 60, 5]
    forecasts = [
        Forecast(f"Z{n}", START, step * MINUTE, rng.integers(0, 500, 24 * 60 // step) / 10)
        for n, step in enumerate(steps)
    ]
    request = {"duration": minutes * MINUTE, "earliest_start": START + wait * MINUTE, "deadline": START + 30 * HOUR}
    found = best_windows(forecasts, **request)
    assert list(found) == [best_window(each, **request) for each in forecasts]
    assert found.horizon_cut.all()


def test_a_deadline_hides_the_cleaner_steps_behind_it_from_every_zone():
    values = [[100 + n] * 20 + [50] * 180 for n in range(3)]
    forecasts = [Forecast(f"Z{n}", START, HOUR, row) for n, row in enumerate(values)]
    for minutes in (60, 150):
        found = best_windows(forecasts, duration=minutes * MINUTE, deadline=START + 19 * HOUR)
        assert found.intensity_g_per_kwh == pytest.approx([100, 101, 102])
        assert set(found.starts_us.tolist()) == {forecasts[0].start_us}


def test_many_zones_give_arrays_and_windows():
    stack = ForecastStack([hourly(3, 1, 2), hourly(1, 2, 3, zone="FR")])
    found = best_windows(stack, duration=HOUR)
    assert found.starts.tolist() == [datetime(2026, 1, 5, 1), datetime(2026, 1, 5, 0)]  # noqa: DTZ001 - numpy's are UTC
    assert found.intensity_g_per_kwh.tolist() == [1, 1]
    assert len(found) == 2
    assert found[-1] == best_window(hourly(1, 2, 3), duration=HOUR)
    assert list(found[1:]) == [found[1]]
    assert list(best_windows(stack, duration=2 * HOUR)) == list(best_windows(stack, duration=2 * HOUR))


def test_many_threads_search_one_stack_as_each_would_alone():
    rng = np.random.default_rng(5)
    stack = ForecastStack([Forecast(f"Z{n}", START, 5 * MINUTE, rng.integers(50, 500, 1152)) for n in range(20)])
    durations = [minutes * MINUTE for minutes in (45, 47.5, 120, 333, 480, 481)] * 20
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda duration: list(best_windows(stack, duration=duration)), durations))
    assert together == [list(best_windows(stack, duration=duration)) for duration in durations]


def test_a_zone_without_a_feasible_window_is_named():
    with pytest.raises(NoFeasibleWindowError, match="the series for FR"):
        best_windows([hourly(1, 2), hourly(1, zone="FR")], duration=2 * HOUR)


def test_zones_of_different_signal_or_accounting_are_refused_unless_asked_for():
    for other in (hourly(1, zone="FR", signal=Signal.MARGINAL), hourly(1, zone="FR", accounting=Accounting(gas="CO2"))):
        with pytest.raises(InvalidRequestError, match=r"DE is average .* FR is .* allow_mixed"):
            best_windows([hourly(1), other], duration=HOUR)
        assert len(best_windows([hourly(1), other], duration=HOUR, allow_mixed=True)) == 2


def test_no_zone_at_all_is_refused():
    with pytest.raises(InvalidRequestError, match="forecasts: there is none"):
        best_windows([], duration=HOUR)
