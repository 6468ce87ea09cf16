"""One wait, from its first decision to its start."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.policy import Action
from airflow_carbon.core.request import OnOutage, WaitRequest
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.core.wait import MAX_NOTES, Wait
from airflow_carbon.exceptions import SourceUnavailableError

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def request() -> WaitRequest:
    return WaitRequest.checked(duration=HOUR, ready_at=NOON, latest_start=NOON + 8 * HOUR)


def profile(at: int, intensity: list[float]) -> Forecast:
    return Forecast("GB", NOON + at * HOUR, HOUR, intensity, kind=Kind.TYPICAL, source="typical")


DIP = [200.0, 180.0, 160.0, 100.0, 160.0, *[200.0] * 10]


def test_the_record_keeps_the_baseline_of_the_first_decision() -> None:
    wait = Wait(request())
    wait.decide(profile(0, DIP), NOON)
    wait.decide(profile(2, DIP[2:]), NOON + 2 * HOUR)
    record = wait.record()
    assert record["baseline_intensity_g_per_kwh"] == 200.0
    assert record["promised_saving_percent"] == 50.0
    assert (record["decisions"], record["replans"]) == (2, 0)
    assert record["start"] == (NOON + 3 * HOUR).isoformat()


def test_a_plan_that_moves_is_counted_and_noted() -> None:
    wait = Wait(request())
    wait.decide(profile(0, DIP), NOON)
    wait.decide(profile(1, [200.0, 200.0, 400.0, 160.0, 60.0, *[200.0] * 10]), NOON + HOUR)
    assert wait.replans == 1
    assert wait.standing is not None
    assert wait.standing.start == NOON + 5 * HOUR
    assert "given up" in wait.notes[0]


def test_a_start_as_planned_says_what_it_brought() -> None:
    wait = Wait(request())
    wait.decide(profile(0, DIP), NOON)
    wait.decide(profile(3, DIP[3:]), NOON + 3 * HOUR)
    assert wait.action is Action.RUN
    assert wait.reason == "started as planned: 50 % cleaner than at once (100 instead of 200 g/kWh)"


def test_a_later_process_takes_the_plan_up_where_it_was_left() -> None:
    first = Wait(request())
    first.decide(profile(0, DIP), NOON)
    state = json.loads(json.dumps(first.state()))
    second = Wait(request()).resume(state)
    second.decide(profile(3, DIP[3:]), NOON + 3 * HOUR)
    assert second.record()["promised_saving_percent"] == 50.0
    assert second.record()["decisions"] == 2


@pytest.mark.parametrize(
    "damage",
    [
        {"standing": [1, 2]},
        {"standing": ["x", "y", 1]},
        {"standing": ["2026-01-15T15:00:00", "2026-01-15T16:00:00", 1.0]},
        {"baseline": "much"},
        {"decisions": None},
        {"notes": 3},
        {"replans": math.inf},
        {"standing": ["2026-01-15T15:00:00+00:00", "9999-12-31T23:59:59-14:00", 1.0]},
    ],
)
def test_a_damaged_state_means_to_plan_anew(damage: dict[str, object]) -> None:
    before = Wait(request())
    before.decide(profile(0, [300.0, *DIP[1:]]), NOON)
    wait = Wait(request()).resume({**before.state(), **damage})
    assert wait.standing is None
    assert wait.baseline_intensity_g_per_kwh is None
    wait.decide(profile(0, DIP), NOON)
    assert wait.standing is not None
    assert wait.standing.start == NOON + 3 * HOUR


@pytest.mark.parametrize("state", [5, "a plan", ["standing"], True])
def test_what_is_no_state_at_all_means_to_plan_anew(state: Any) -> None:
    assert Wait(request()).resume(state).standing is None


@pytest.mark.parametrize("on_outage", list(OnOutage))
def test_a_standing_plan_outlives_an_outage_whatever_was_asked(on_outage: OnOutage) -> None:
    wait = Wait(request())
    wait.decide(profile(0, DIP), NOON)
    wait.outage("it is down", NOON + HOUR, on_outage)
    assert wait.action is Action.WAIT
    assert wait.next_look(NOON + HOUR, 5 * HOUR) == NOON + 3 * HOUR
    wait.outage("it is down", NOON + 3 * HOUR, on_outage)
    assert wait.action is Action.RUN
    assert wait.reason.startswith("started as planned")
    assert "it is down" in wait.notes[-1]


def test_without_a_plan_an_outage_does_what_was_asked() -> None:
    wait = Wait(request())
    wait.outage("it is down", NOON, OnOutage.LATEST_START)
    assert wait.action is Action.WAIT
    assert wait.next_look(NOON, 99 * HOUR) == NOON + 8 * HOUR
    wait.outage("it is down", NOON + 8 * HOUR, OnOutage.LATEST_START)
    assert wait.action is Action.RUN
    wait = Wait(request())
    wait.outage("it is down", NOON, OnOutage.RUN)
    assert wait.action is Action.RUN
    with pytest.raises(SourceUnavailableError, match="it is down"):
        Wait(request()).outage("it is down", NOON, OnOutage.FAIL)


def test_a_source_that_fails_for_days_does_not_fill_the_record() -> None:
    wait = Wait(request())
    for minute in range(200):
        wait.outage(f"down {minute}", NOON + timedelta(minutes=minute), OnOutage.LATEST_START)
    assert len(wait.record()["notes"]) == MAX_NOTES


def test_the_record_of_a_wait_without_any_number_is_still_json() -> None:
    wait = Wait(request())
    wait.decide(profile(0, [100.0]), NOON + 0.5 * HOUR)
    record = json.loads(json.dumps(wait.record(), allow_nan=False))
    assert record["intensity_g_per_kwh"] is None
    assert json.dumps(wait.state(), allow_nan=False)


def test_a_start_that_has_come_asks_nobody_again() -> None:
    wait = Wait(request())
    wait.decide(profile(0, DIP), NOON)
    assert not wait.due(NOON + 2.9 * HOUR)
    assert wait.due(NOON + 3 * HOUR)
    assert wait.reason == "started as planned: 50 % cleaner than at once (100 instead of 200 g/kWh)"


def test_the_latest_start_ends_a_wait_that_has_no_plan() -> None:
    wait = Wait(request())
    wait.outage("it is down", NOON, OnOutage.LATEST_START)
    assert not wait.due(NOON + 7 * HOUR)
    assert wait.due(NOON + 8 * HOUR)
    assert wait.reason == "the latest start was reached: no source had answered (it is down)"


def test_a_plan_made_blind_tells_at_its_start_why_it_was() -> None:
    late = WaitRequest.checked(
        duration=HOUR, ready_at=NOON, earliest_start=NOON + 2 * HOUR, latest_start=NOON + 8 * HOUR
    )
    wait = Wait(late)
    wait.outage("it is down", NOON, OnOutage.RUN)
    assert wait.action is Action.WAIT
    assert wait.due(NOON + 2 * HOUR)
    assert "it is down" in wait.reason


def test_a_start_that_nobody_kept_is_not_recorded_as_kept() -> None:
    """A triggerer that was down over the planned start comes back: what was promised for then is gone."""
    wait = Wait(request())
    wait.decide(profile(0, DIP), NOON)
    late = NOON + 4 * HOUR
    assert not wait.due(late)
    assert wait.standing is None
    assert "was missed" in wait.notes[-1]
    wait.decide(profile(4, [160.0, 200.0, 90.0, *[200.0] * 10]), late)
    assert wait.standing is not None
    assert wait.standing.start == NOON + 6 * HOUR
    assert wait.baseline_intensity_g_per_kwh == 200.0


def test_long_after_the_latest_start_nothing_of_a_missed_plan_is_claimed() -> None:
    wait = Wait(request())
    wait.decide(profile(0, DIP), NOON)
    assert wait.due(NOON + 20 * HOUR)
    assert wait.record()["intensity_g_per_kwh"] is None
    assert wait.record()["promised_saving_percent"] is None
    assert "was missed" in wait.reason


def test_a_plan_for_another_place_or_another_duration_is_not_taken_up() -> None:
    first = Wait(request(), "zone:GB")
    first.decide(profile(0, DIP), NOON)
    longer = WaitRequest.checked(duration=2 * HOUR, ready_at=NOON, latest_start=NOON + 8 * HOUR)
    assert Wait(request(), "zone:DE").resume(first.state()).standing is None
    assert Wait(longer, "zone:GB").resume(first.state()).standing is None
    assert Wait(request(), "zone:GB").resume(first.state()).standing == first.standing


def issue(at: int, intensity: list[float], source: str, signal: Signal, accounting: Accounting) -> Forecast:
    start = NOON + at * HOUR
    return Forecast("GB", start, HOUR, intensity, signal, accounting=accounting, source=source, issued_at=start)


STACK = Accounting("direct", "", "CO2")
LIFE = Accounting("life-cycle", "consumption", "CO2e")


def test_a_marginal_plan_is_not_compared_with_an_average_one() -> None:
    wait = Wait(request())
    wait.decide(issue(0, [800.0, 700.0, 100.0, *[800.0] * 10], "watttime", Signal.MARGINAL, STACK), NOON)
    assert wait.standing is not None
    assert wait.standing.start == NOON + 2 * HOUR
    after = "electricity_maps (after watttime: no answer)"
    # Lower than all that was planned before, and yet no saving: these grams are others.
    wait.decide(issue(1, [90.0, 80.0, 70.0, 40.0, *[90.0] * 10], after, Signal.AVERAGE, LIFE), NOON + HOUR)
    record = wait.record()
    assert record["start"] == (NOON + 4 * HOUR).isoformat()
    assert record["baseline_intensity_g_per_kwh"] == 90.0
    assert record["promised_saving_percent"] == pytest.approx(100.0 * (1 - 40 / 90), abs=0.001)
    assert record["replans"] == 1
    assert (record["signal"], record["accounting"]) == ("average", "life-cycle, consumption, CO2e")
    [earlier] = record["earlier_sources"]
    assert (earlier["source"], earlier["signal"], earlier["accounting"]) == ("watttime", "marginal", "direct, CO2")
    assert earlier["until"] == (NOON + HOUR).isoformat()
    assert "planned from scratch" in record["notes"][0]
    assert "watttime: no answer" in record["notes"][0]


def test_a_source_that_means_the_same_keeps_plan_and_baseline_and_is_noted() -> None:
    wait = Wait(request())
    wait.decide(issue(0, DIP, "one", Signal.AVERAGE, LIFE), NOON)
    wait.decide(issue(1, DIP[1:], "other (after one: no answer)", Signal.AVERAGE, LIFE), NOON + HOUR)
    record = wait.record()
    assert record["baseline_intensity_g_per_kwh"] == 200.0
    assert record["start"] == (NOON + 3 * HOUR).isoformat()
    assert (record["replans"], len(record["earlier_sources"])) == (0, 1)
    assert record["notes"][0].endswith("one gave way to other (after one: no answer)")


def test_details_of_one_source_are_no_change_of_source() -> None:
    wait = Wait(request())
    wait.decide(issue(0, DIP, "one, partly estimated", Signal.AVERAGE, LIFE), NOON)
    wait.decide(
        issue(1, DIP[1:], "one, last good forecast, 1 h old (after one: gone)", Signal.AVERAGE, LIFE), NOON + HOUR
    )
    assert wait.record()["earlier_sources"] == []


def test_earlier_sources_outlive_the_process_and_are_bounded() -> None:
    first = Wait(request())
    for hour in range(7):
        for minute, name in enumerate(("one", "other")):
            now = NOON + hour * HOUR + timedelta(minutes=20 * minute)
            first.decide(issue(hour, [200.0] * 6 + [50.0] * 5, name, Signal.AVERAGE, LIFE), now)
    second = Wait(request()).resume(json.loads(json.dumps(first.state())))
    assert second.record()["earlier_sources"] == first.record()["earlier_sources"]
    assert len(second.record()["earlier_sources"]) == 10
