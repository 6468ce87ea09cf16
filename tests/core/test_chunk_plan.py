"""Whether to cut, to wait in one piece, or to run at once: numbers worked by hand, and what holds for any series."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.chunk_plan import plan_chunks
from airflow_carbon.core.chunks import ChunkPlan, Cuts
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.forecast_error import ForecastError
from airflow_carbon.core.power import PowerProfile
from airflow_carbon.core.request import WaitRequest
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import InvalidRequestError

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
#: Two clean hours that lie apart, at 14:00 and at 17:00.
TWO_VALLEYS = [300.0, 300.0, 100.0, 300.0, 300.0, 100.0, 300.0, 300.0]


def forecast(values, at=0.0, **more):
    start = NOON + at * HOUR
    return Forecast("GB", start, HOUR, values, **{"issued_at": start, **more})


def request(duration=2.0, latest=6.0, **more):
    return WaitRequest.checked(
        **{"duration": duration * HOUR, "ready_at": NOON, "latest_start": NOON + latest * HOUR, **more}
    )


def hours(plan):
    return [((chunk.start - NOON) / HOUR, (chunk.end - NOON) / HOUR) for chunk in plan.chunks]


def test_two_clean_hours_apart_get_a_chunk_each():
    plan = plan_chunks(request(), Cuts(), forecast(TWO_VALLEYS), now=NOON)
    assert hours(plan) == [(2, 3), (5, 6)]
    assert plan.intensity_g_per_kwh == 100.0
    assert plan.promised_saving_percent == pytest.approx(200 / 3)
    assert plan.reason == (
        "2 chunks from 2026-11-22 14:00 UTC to 2026-11-22 18:00 UTC are 67 % cleaner than now "
        "(100 instead of 300 g/kWh); in one window it would be 33 %, and the cut gains 50.0 % on it"
    )
    record = plan.record()
    assert record["baseline_intensity_g_per_kwh"] == record["run_now_intensity_g_per_kwh"] == 300.0
    assert record["one_window"]["intensity_g_per_kwh"] == 200.0
    assert record["one_window"]["promised_saving_percent"] == pytest.approx(33.333)
    assert json.loads(json.dumps(record)) == record


def test_each_chunk_has_the_latest_start_that_leaves_time_for_what_follows():
    """Until 20:00: the last hour of work may start at 19:00, the first at 18:00, and five minutes of margin later."""
    plan = plan_chunks(request(), Cuts(), forecast(TWO_VALLEYS), now=NOON)
    first, last = plan.windows(margin=5 * MINUTE)
    assert first["latest_start"] == (NOON + 6 * HOUR).isoformat()
    assert last["latest_start"] == (NOON + 7 * HOUR).isoformat()
    assert last["limit"] == (NOON + 7 * HOUR + 5 * MINUTE).isoformat()
    assert (first["index"], first["count"], last["index"]) == (0, 2, 1)
    assert (first["work_begin_seconds"], first["work_end_seconds"]) == (0.0, 3600.0)
    assert (last["work_begin_fraction"], last["work_end_fraction"]) == (0.5, 1.0)
    assert first["intensity_g_per_kwh"] == 100.0


def test_the_cost_of_a_resume_counts_against_the_plan():
    """Two and a half hours of power, two of them in the valleys: (100 + 100 + 300 / 2) / 2 = 175 g/kWh of work."""
    profile = forecast(TWO_VALLEYS, kind=Kind.TYPICAL)
    plan = plan_chunks(request(), Cuts(resume_overhead=30 * MINUTE), profile, now=NOON)
    assert len(plan.chunks) == 2
    assert plan.intensity_g_per_kwh == pytest.approx(175.0)
    assert plan.record()["overhead_seconds"] == 1800.0
    assert plan.record()["relative_energy"] == 1.25
    assert plan.promised_saving_percent == pytest.approx(100 * (1 - 175 / 300))


def test_a_resume_that_costs_more_than_it_saves_leaves_the_run_in_one_window():
    """A whole hour of loading would make it 250 g/kWh; one window makes it 200."""
    plan = plan_chunks(request(), Cuts(resume_overhead=HOUR), forecast(TWO_VALLEYS), now=NOON)
    assert hours(plan) == [(1, 3)]
    assert plan.reason.startswith("one window at 2026-11-22 13:00 UTC is 33 % cleaner than now")


#: Of one window alone two thirds are saved; a cut gains a hundredth of a percent on it, and costs a resume.
NEARLY_ONE_WINDOW = [300.0, 299.9, 100.0, 300.0, 300.0, 300.0, 300.0, 100.0, 300.0, 300.0]


@pytest.mark.parametrize("kind", [Kind.FORECAST, Kind.TYPICAL])
def test_a_cut_that_gains_next_to_nothing_leaves_one_window(kind):
    asks, cuts = request(latest=8.0), Cuts(resume_overhead=timedelta(minutes=39, seconds=59))
    plan = plan_chunks(asks, cuts, forecast(NEARLY_ONE_WINDOW, kind=kind), now=NOON)
    assert plan.schedule is not None
    assert len(plan.schedule.chunks) == 2
    assert hours(plan) == [(1, 3)]
    assert plan.relative_energy == 1.0
    assert plan.intensity_g_per_kwh == pytest.approx(199.95)
    assert plan.reason == (
        "one window at 2026-11-22 13:00 UTC is 33 % cleaner than now (200 instead of 300 g/kWh), and a cut gains 0.0 % "
        "on it, less than the 2 % that make it worth it"
    )


def test_where_one_window_does_not_save_enough_the_cut_may():
    """In one window 200 of 300 g/kWh, a third: less than the 40 % asked for. Cut, with half an hour of resume, 175."""
    cuts = Cuts(resume_overhead=30 * MINUTE)
    plan = plan_chunks(request(min_saving_percent=40.0), cuts, forecast(TWO_VALLEYS), now=NOON)
    assert len(plan.chunks) == 2
    assert plan.reason.endswith("in one window it would be 33 %, and the cut gains 12.5 % on it")


def test_a_cut_that_gains_too_little_on_a_run_at_once_leaves_it_at_once():
    series = forecast([100.0, 101.0, 100.0, *[300.0] * 5], kind=Kind.TYPICAL)
    plan = plan_chunks(request(min_saving_percent=0.0), Cuts(), series, now=NOON)
    assert hours(plan) == [(0, 2)]
    assert plan.reason.startswith("starts now: no later start is cleaner, and a cut gains 0.5 % on it, less than")


def test_the_record_tells_power_energy_and_emission_where_they_are_known():
    power = PowerProfile.flat(2 * HOUR, 300.0)
    cuts = Cuts(power=power, resume_overhead=30 * MINUTE)
    record = plan_chunks(request(), cuts, forecast(TWO_VALLEYS, kind=Kind.TYPICAL), now=NOON).record()
    # 0.6 kWh of work and a quarter more for the resume; 0.6 kWh at 175 g/kWh of work.
    assert PowerProfile.parse(record["power"]) == power
    assert record["energy_kwh"] == 0.75
    assert record["emitted_g"] == 105.0
    unknown = plan_chunks(request(), Cuts(), forecast(TWO_VALLEYS), now=NOON).record()
    assert [unknown[name] for name in ("power", "energy_kwh", "emitted_g")] == [None] * 3
    blind = plan_chunks(request(), cuts, forecast([300.0]), now=NOON).record()
    assert (blind["energy_kwh"], blind["emitted_g"]) == (0.6, None)


def test_against_a_baseline_of_zero_no_saving_is_promised():
    """Ready at noon, when electricity is clean; decided two hours later, when it is not."""
    series = forecast([0.0, 0.0, *[300.0] * 8])
    record = plan_chunks(request(), Cuts(), series, now=NOON + 2 * HOUR).record()
    assert record["baseline_intensity_g_per_kwh"] == 0.0
    assert record["intensity_g_per_kwh"] == 300.0
    assert record["promised_saving_percent"] is None
    clean = plan_chunks(request(), Cuts(), forecast([0.0] * 8), now=NOON).record()
    assert clean["promised_saving_percent"] == 0.0


def test_a_saving_of_nothing_has_no_sign():
    plan = plan_chunks(request(), Cuts(), forecast([0.1, *[0.3] * 9]), now=NOON + 7 * MINUTE)
    assert plan.baseline is not None
    dirtier = replace(plan.baseline, intensity_g_per_kwh=plan.intensity_g_per_kwh * (1 - 1e-9))
    saving = replace(plan, baseline=dirtier).record()["promised_saving_percent"]
    assert math.copysign(1.0, saving) == 1.0
    assert saving == 0.0


def test_less_than_the_saving_asked_for_runs_in_one_chunk_now():
    plan = plan_chunks(request(min_saving_percent=70.0), Cuts(), forecast(TWO_VALLEYS), now=NOON)
    assert hours(plan) == [(0, 2)]
    assert plan.intensity_g_per_kwh == 300.0
    assert plan.promised_saving_percent == 0.0
    assert plan.reason == "starts now: waiting promises 33.3 %, and cutting 66.7 %, less than the 70 % asked for"


def test_a_cut_plan_that_begins_now_and_saves_too_little_lends_the_whole_run_no_number():
    """Cut, it would be 250 g/kWh; the whole run now is 300."""
    series = forecast([200.0, 400.0, 400.0, 300.0, *[400.0] * 4])
    plan = plan_chunks(request(min_saving_percent=30.0), Cuts(), series, now=NOON)
    assert hours(plan) == [(0, 2)]
    assert plan.intensity_g_per_kwh == 300.0
    assert "cutting 16.7 %" in plan.reason


def test_where_nothing_is_cleaner_it_runs_now_even_if_no_saving_is_asked_for():
    plan = plan_chunks(request(min_saving_percent=0.0), Cuts(), forecast([100.0] * 8), now=NOON)
    assert hours(plan) == [(0, 2)]
    assert plan.reason == "starts now: neither a later start nor a cut is cleaner"


def test_a_plan_that_begins_now_and_is_cut_later_is_a_plan():
    plan = plan_chunks(request(), Cuts(), forecast([100.0, 300.0, 300.0, 100.0, *[300.0] * 4]), now=NOON)
    assert hours(plan) == [(0, 1), (3, 4)]


def test_no_chunk_begins_before_the_earliest_start():
    late = request(earliest_start=NOON + 4 * HOUR)
    plan = plan_chunks(late, Cuts(), forecast(TWO_VALLEYS), now=NOON)
    assert hours(plan)[0][0] >= 4
    flat = plan_chunks(late, Cuts(), forecast([100.0] * 8), now=NOON)
    assert hours(flat) == [(4, 6)]
    assert flat.reason.startswith("starts at the earliest start, 2026-11-22 16:00 UTC")


def test_the_power_of_the_run_counts():
    """An hour at 900 W and one at 100 W: the first goes to the clean hour, the second may follow on a dirty one."""
    power = PowerProfile.parse("1h@900W, 1h@100W")
    series = forecast([300.0, 100.0, 300.0, 300.0, 300.0, 300.0, 250.0, 300.0], kind=Kind.TYPICAL)
    plan = plan_chunks(request(), Cuts(power=power), series, now=NOON)
    assert hours(plan) == [(1, 2), (6, 7)]
    assert plan.intensity_g_per_kwh == pytest.approx(0.9 * 100 + 0.1 * 250)


def test_the_baseline_is_the_run_at_the_moment_the_task_was_first_ready():
    plan = plan_chunks(request(), Cuts(), forecast([600.0, *TWO_VALLEYS[1:]]), now=NOON + HOUR)
    assert plan.record()["baseline_start"] == NOON.isoformat()
    assert plan.record()["baseline_intensity_g_per_kwh"] == 450.0
    assert plan.record()["run_now_intensity_g_per_kwh"] == 200.0
    unknown = plan_chunks(request(), Cuts(), forecast(TWO_VALLEYS[1:], at=1), now=NOON + HOUR)
    assert unknown.record()["baseline_start"] == (NOON + HOUR).isoformat()


def test_at_the_latest_start_it_runs_whatever_the_forecast_promises():
    for late in (0, 1, 30):
        now = NOON + 6 * HOUR + late * MINUTE
        plan = plan_chunks(request(), Cuts(), forecast([900.0] * 8 + [10.0] * 8), now=now)
        assert hours(plan) == [(6 + late / 60, 8 + late / 60)]
        assert "latest start, 2026-11-22 18:00 UTC, is reached" in plan.reason
        assert plan.windows()[0]["latest_start"] == (NOON + 6 * HOUR).isoformat()


def test_a_forecast_too_short_for_the_run_lets_it_run_now_with_no_number():
    plan = plan_chunks(request(), Cuts(), forecast([300.0]), now=NOON)
    assert hours(plan) == [(0, 2)]
    assert math.isnan(plan.intensity_g_per_kwh)
    assert plan.windows()[0]["intensity_g_per_kwh"] is None
    assert plan.record()["promised_saving_percent"] is None
    assert "no whole run from then" in plan.reason
    assert json.loads(json.dumps(plan.record())) == plan.record()


def test_a_forecast_that_ends_before_the_deadline_is_told():
    plan = plan_chunks(request(latest=20.0), Cuts(), forecast(TWO_VALLEYS), now=NOON)
    assert plan.record()["horizon_cut"]
    assert plan.reason.endswith("; known only until 2026-11-22 20:00 UTC")


def test_an_annual_average_holds_nothing_to_wait_for():
    plan = plan_chunks(request(), Cuts(), forecast([300.0] * 8, kind=Kind.ANNUAL_AVERAGE), now=NOON)
    assert hours(plan) == [(0, 2)]
    assert "only an annual average is known for GB" in plan.reason


def test_what_past_issues_taught_shrinks_the_promise():
    """Three issues said 300 g/kWh all along; the fourth promises valleys, and is believed in part."""
    error = ForecastError()
    for earlier in (-9, -6, -3):
        error = error.observed(forecast([300.0] * 20, at=earlier))
    plan = plan_chunks(request(), Cuts(), forecast(TWO_VALLEYS), now=NOON, error=error)
    assert 0.0 < plan.promised_saving_percent < 200 / 3


def test_a_naive_now_is_refused():
    with pytest.raises(InvalidRequestError, match="now"):
        plan_chunks(request(), Cuts(), forecast(TWO_VALLEYS), now=NOON.replace(tzinfo=None))


def test_a_whole_run_may_be_planned_without_any_forecast():
    plan = ChunkPlan.whole_at(request(), NOON + HOUR, "because")
    assert hours(plan) == [(1, 3)]
    assert plan.record()["one_window"] is None
    assert plan.record()["exact"] is None


@given(
    values=st.lists(st.integers(0, 900), min_size=2, max_size=30),
    minutes=st.integers(20, 400),
    wait=st.integers(0, 1500),
    now=st.integers(0, 90),
    most=st.integers(1, 5),
    least=st.integers(0, 60),
    overhead=st.integers(0, 20),
    asked=st.sampled_from([0.0, 10.0, 40.0]),
)
def test_any_plan_does_all_the_work_in_order_in_time_and_for_the_saving_asked(
    values, minutes, wait, now, most, least, overhead, asked
):
    asks = request(minutes / 60, wait / 60, min_saving_percent=asked)
    cuts = Cuts(max_chunks=most, min_chunk=least * MINUTE, resume_overhead=overhead * MINUTE)
    plan = plan_chunks(asks, cuts, forecast(values), now=NOON + now * MINUTE)
    windows = plan.windows()
    assert [one["index"] for one in windows] == list(range(len(windows)))
    assert len(windows) <= most
    assert windows[0]["work_begin_fraction"] == 0.0
    assert windows[-1]["work_end_fraction"] == 1.0
    assert all(one["work_end_seconds"] == other["work_begin_seconds"] for one, other in pairwise(windows))
    assert all(one.end <= other.start for one, other in pairwise(plan.chunks))
    starts = [datetime.fromisoformat(one["start"]) for one in windows]
    latest = [datetime.fromisoformat(one["latest_start"]) for one in windows]
    soonest = NOON + now * MINUTE
    assert starts[0] >= soonest
    if soonest <= asks.latest_start:
        assert plan.chunks[-1].end <= asks.latest_start + asks.duration
        assert all(start <= late for start, late in zip(starts, latest, strict=True))
    # Who starts at the latest start of a chunk reaches the next one's in time.
    lengths = [chunk.duration for chunk in plan.chunks]
    assert all(one + length == other for (one, other), length in zip(pairwise(latest), lengths, strict=False))
    assert latest[-1] + lengths[-1] == asks.latest_start + asks.duration
    if len(windows) > 1 or starts[0] > soonest:
        assert plan.run_now is not None
        assert plan.intensity_g_per_kwh <= plan.run_now.intensity_g_per_kwh * (1 - asked / 100) + 1e-6
