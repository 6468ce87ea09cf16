"""Waiting for one window of a plan: what is deferred, what runs at once, and what the work downstream gets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes.sensors import deferral
from fakes.task_context import task_context

from airflow_carbon.exceptions import InvalidRequestError

pytestmark = pytest.mark.airflow

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def window(begins_in: timedelta, latest_in: timedelta | None = None, **more: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    latest = {} if latest_in is None else {"latest_start": (now + latest_in).isoformat()}
    return {"index": 1, "count": 3, "start": (now + begins_in).isoformat(), **latest, **more}


def sensor(given: Any, **changed: Any) -> Any:
    from airflow_carbon import PlannedWindowSensor

    return PlannedWindowSensor(task_id="wait", window=given, **changed)


def test_it_defers_to_the_planned_start_as_an_absolute_moment() -> None:
    planned = window(HOUR, 5 * HOUR)
    deferred = deferral(sensor(planned), task_context())
    assert deferred.trigger.moment == datetime.fromisoformat(planned["start"])
    assert deferred.method_name == "execute_complete"


def test_without_a_triggerer_the_wait_ends_soon_after_the_planned_start() -> None:
    deferred = deferral(sensor(window(HOUR, 5 * HOUR)), task_context())
    assert HOUR < deferred.timeout <= HOUR + MINUTE


def test_without_a_triggerer_the_wait_ends_by_the_latest_start_and_a_quarter_of_the_margin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__START_MARGIN", "8s")
    deferred = deferral(sensor(window(HOUR, HOUR)), task_context())
    assert HOUR < deferred.timeout <= HOUR + timedelta(seconds=2)


def test_it_never_waits_past_the_latest_start() -> None:
    planned = window(3 * HOUR, HOUR)
    assert deferral(sensor(planned), task_context()).trigger.moment == datetime.fromisoformat(planned["latest_start"])


def test_a_start_that_has_gone_by_runs_at_once_and_says_how_late_it_is() -> None:
    planned = window(-HOUR, HOUR)
    record = sensor(planned).execute(task_context())
    assert {name: record[name] for name in planned} == planned
    assert 3600 <= record["late_seconds"] < 3660
    assert record["in_time"] is True
    assert record["reason"] == "started 1 h late"


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_wake_up_some_seconds_after_the_start_is_the_start(deferrable: bool) -> None:
    """A rescheduled task comes back when the scheduler finds it, not on the second."""
    one = sensor(window(-timedelta(seconds=3), HOUR), deferrable=deferrable)
    assert one.execute(task_context())["reason"] == "started as planned"
    assert one.execute_complete(task_context())["reason"] == "started as planned"


@pytest.mark.parametrize(("late", "words"), [(5 * HOUR, "5 h"), (3 * MINUTE, "3 min"), (26 * HOUR, "1 d 2 h")])
def test_a_wake_up_long_after_the_start_says_how_late_it_is(late: timedelta, words: str) -> None:
    one = sensor(window(-late, HOUR))
    for record in (one.execute(task_context()), one.execute_complete(task_context())):
        assert record["reason"] == f"started {words} late"
        assert record["late_seconds"] >= late.total_seconds()


def test_a_start_is_missed_as_soon_as_that_of_any_other_wait() -> None:
    from airflow_carbon.core import wait
    from airflow_carbon.sensors import planned_window

    assert planned_window.MISSED == wait.MISSED


def test_a_latest_start_before_the_planned_one_is_kept_and_makes_nothing_late() -> None:
    record = sensor(window(3 * HOUR, -5 * MINUTE)).execute(task_context())
    assert record["late_seconds"] == 0.0
    assert record["reason"] == "started as planned"
    assert record["in_time"] is False


def test_a_start_after_the_limit_is_not_in_time() -> None:
    latest, limit = window(-HOUR, -2 * MINUTE), (datetime.now(UTC) - MINUTE).isoformat()
    assert sensor({**latest, "limit": limit}).execute(task_context())["in_time"] is False
    assert sensor(latest).execute(task_context())["in_time"] is False


def test_the_margin_before_the_limit_may_be_used_up() -> None:
    latest, limit = window(-HOUR, -2 * MINUTE), (datetime.now(UTC) + MINUTE).isoformat()
    assert sensor({**latest, "limit": limit}).execute(task_context())["in_time"] is True


def test_a_window_that_promises_nothing_is_neither_in_time_nor_late() -> None:
    assert sensor(window(-MINUTE)).execute(task_context())["in_time"] is None


def test_a_start_too_near_for_a_trigger_is_sat_out_and_not_taken_early() -> None:
    """A trigger that fires at once can meet a scheduler that has not noted the deferral yet."""
    planned = window(timedelta(seconds=1), HOUR)
    record = sensor(planned).execute(task_context())
    assert datetime.fromisoformat(record["started_at"]) >= datetime.fromisoformat(planned["start"])
    assert record["reason"] == "started as planned"


def test_the_least_life_of_a_trigger_is_the_deployments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__MIN_DEFER", "0s")
    deferral(sensor(window(timedelta(seconds=5), HOUR)), task_context())


def test_without_a_triggerer_by_choice_the_task_is_rescheduled_to_the_planned_start() -> None:
    from airflow.sdk.exceptions import AirflowRescheduleException

    planned = window(HOUR, 5 * HOUR)
    one = sensor(planned, deferrable=False)
    assert one.reschedule
    with pytest.raises(AirflowRescheduleException) as raised:
        one.execute(task_context())
    assert raised.value.reschedule_date == datetime.fromisoformat(planned["start"])


@pytest.mark.parametrize("mode", ["off", "shadow"])
def test_a_mode_that_delays_nothing_does_not_wait(mode: str) -> None:
    one = sensor(window(HOUR, 5 * HOUR))
    record = one.execute(task_context(conf={"carbon": mode}))
    assert mode in record["reason"]
    assert record["late_seconds"] == 0.0
    assert sensor(window(HOUR), carbon_mode=mode).execute(task_context())["in_time"] is None


def test_the_runs_word_counts_more_than_the_tasks() -> None:
    deferral(sensor(window(HOUR), carbon_mode="off"), task_context(conf={"carbon": {"mode": "enforce"}}))


def test_the_window_comes_back_when_its_start_has_come() -> None:
    planned = window(-timedelta(seconds=2), HOUR)
    record = sensor(planned).execute_complete(task_context(), planned["start"])
    assert record["index"] == 1
    assert record["in_time"] is True
    assert record["reason"] == "started as planned"
    assert json.loads(json.dumps(record)) == record


@pytest.mark.parametrize(
    ("error", "reason"), [("Trigger timeout", "no triggerer answered"), ("boom", "trigger failed")]
)
def test_a_trigger_that_fails_or_times_out_resumes_the_work(error: str, reason: str) -> None:
    record = sensor(window(-MINUTE, HOUR)).resume_execution("__fail__", {"error": error}, task_context())
    assert reason in record["reason"]
    assert record["late_seconds"] >= 60


def test_a_retry_waits_for_the_same_moment() -> None:
    planned = window(HOUR, 5 * HOUR)
    first, second = (deferral(sensor(planned), task_context()).trigger.moment for _ in range(2))
    assert first == second


def test_the_window_may_be_the_text_of_a_template() -> None:
    planned = window(HOUR, 5 * HOUR)
    assert deferral(sensor(json.dumps(planned)), task_context()).trigger.moment.isoformat()
    assert sensor(json.dumps(window(-HOUR))).execute(task_context())["index"] == 1


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({}, "window.*with a start"),
        ({"end": "2030-01-01T00:00:00+00:00"}, "window.*with a start"),
        ({"start": "2030-01-01T00:00:00"}, "window: start.*timezone"),
        ({"start": "soon"}, "window: start.*not a moment"),
        ({"start": "2030-01-01T00:00:00+00:00", "latest_start": "2030-01-01T00:00:00"}, "latest_start.*timezone"),
        ({"start": "2030-01-01T00:00:00+00:00", "limit": "late"}, "limit.*not a moment"),
        ("{{ ti.xcom_pull('plan') }}", "window.*JSON"),
        ([window(HOUR)], "window.*mapping"),
        (None, "window.*mapping"),
    ],
)
def test_bad_input_is_refused_before_anything_waits(given: Any, fault: str) -> None:
    for mode in ("enforce", "off"):
        with pytest.raises(InvalidRequestError, match=fault):
            sensor(given, carbon_mode=mode).execute(task_context())


def test_a_mode_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequestError, match=r"carbon_mode.*loud"):
        sensor(window(HOUR), carbon_mode="loud").execute(task_context())
    with pytest.raises(InvalidRequestError, match="unknown key 'mod'"):
        sensor(window(HOUR)).execute(task_context(conf={"carbon": {"mod": "off"}}))
