"""The sensor for a limit: what it asks, what it defers with, and what follows where the latest start comes first."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.sensors import deferral, moments
from fakes.task_context import task_context

from airflow_carbon.exceptions import InvalidRequestError

pytestmark = pytest.mark.airflow

HOUR = timedelta(hours=1)
MARGIN = timedelta(minutes=5)


def sensor(**changed: Any) -> Any:
    from airflow_carbon import CarbonIntensitySensor

    asked: dict[str, Any] = {"location": "zone:GB", "max_delay": "8h"}
    if not {"below_g_per_kwh", "lowest_percent"} & set(changed):
        asked["below_g_per_kwh"] = 200
    return CarbonIntensitySensor(task_id="wait", **{**asked, **changed})


@pytest.fixture
def series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connect a series that is 300 g/kWh now and for hours; ``carbon_default`` reads it from a file."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows = [f"{(now + hour * HOUR).isoformat()},300" for hour in range(-3, 48)]
    (tmp_path / "series.csv").write_text("\n".join(["timestamp,intensity", *rows]))
    extra = {"path": str(tmp_path / "series.csv")}
    connection = json.dumps({"conn_type": "carbon_history", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_DEFAULT", connection)
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "state"))


def fired(trigger: Any) -> dict[str, Any]:
    async def first() -> dict[str, Any]:
        async for event in trigger.run():
            return dict(event.payload)
        raise AssertionError("the trigger ended without an event")

    return asyncio.run(first())


def test_it_defers_with_its_limit_and_absolute_moments() -> None:
    deferred = deferral(sensor(), task_context())
    pinned = moments(deferred.trigger)
    assert pinned["latest_start"] == pinned["ready_at"] + 8 * HOUR - MARGIN
    assert pinned["not_before"] == pinned["ready_at"] + timedelta(seconds=30)
    arguments = deferred.trigger.serialize()[1]
    assert arguments["threshold"] == {"below_g_per_kwh": 200.0}
    assert (arguments["spread"], arguments["min_saving_percent"]) == (None, 0.0)
    share = deferral(sensor(lowest_percent="20", horizon="12h"), task_context()).trigger.serialize()[1]
    assert share["threshold"] == {"lowest_percent": 20.0, "horizon_seconds": 43_200.0}


def test_a_trigger_that_is_restored_from_its_arguments_is_the_same() -> None:
    trigger = deferral(sensor(lowest_percent=20), task_context()).trigger
    arguments = json.loads(json.dumps(trigger.serialize()[1]))
    assert type(trigger)(**arguments).serialize() == trigger.serialize()


def test_the_deadline_is_the_latest_finish() -> None:
    run_after = datetime.now(UTC)
    one = sensor(max_delay=None, deadline="6h", duration="2h")
    assert moments(deferral(one, task_context(run_after=run_after)).trigger)["latest_start"] == (
        run_after + 4 * HOUR - MARGIN
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"below_g_per_kwh": None}, "give one of them"),
        ({"below_g_per_kwh": 1, "lowest_percent": 1}, "not both"),
        ({"below_g_per_kwh": "low"}, "below_g_per_kwh: 'low' must be a number"),
        ({"lowest_percent": 0}, "lowest_percent"),
        ({"lowest_percent": 5, "horizon": "soon"}, "horizon: 'soon' is no duration"),
        ({"on_deadline": "panic"}, "on_deadline: 'panic' must be one of run, skip, fail"),
        ({"max_delay": None}, "deadline, max_delay"),
    ],
)
def test_a_mistake_is_refused_before_anything_waits(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        sensor(**changed).execute(task_context())


@pytest.mark.usefixtures("series")
def test_clean_power_ends_the_wait_in_the_triggerer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__MIN_DEFER", "1s")
    context = task_context()
    one = sensor(below_g_per_kwh=301, on_deadline="fail")
    record = one.execute_complete(context, fired(deferral(one, context).trigger))
    assert (record["reached"], record["condition"], record["limit_g_per_kwh"]) == (True, "under 301 g/kWh", 301.0)
    assert record["reason"] == "starts now: 300 g/kWh is under 301 g/kWh"
    assert record["on_deadline"] == "fail"


@pytest.mark.usefixtures("series")
@pytest.mark.parametrize("deferrable", [True, False])
def test_the_latest_start_ends_the_wait_and_on_deadline_says_what_follows(
    deferrable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

    monkeypatch.setenv("AIRFLOW__CARBON__START_MARGIN", "0s")
    monkeypatch.setenv("AIRFLOW__CARBON__MIN_DEFER", "1s" if deferrable else "30s")

    def waited(on_deadline: str) -> tuple[Any, dict[str, Any]]:
        context = task_context()
        one = sensor(max_delay="4s", on_deadline=on_deadline, deferrable=deferrable)

        def end() -> Any:
            if not deferrable:
                return one.execute(context)
            return one.execute_complete(context, fired(deferral(one, context).trigger))

        if on_deadline == "run":
            return None, end()
        with pytest.raises((AirflowSkipException, AirflowFailException)) as raised:
            end()
        return raised.value, context["ti"].xcoms["return_value"]

    for on_deadline, kind in (("run", type(None)), ("skip", AirflowSkipException), ("fail", AirflowFailException)):
        error, record = waited(on_deadline)
        assert type(error) is kind
        assert (record["reached"], record["on_deadline"]) == (False, on_deadline)
        assert record["reason"].startswith("the latest start was reached: 300 g/kWh is not under 200 g/kWh")


@pytest.mark.usefixtures("series")
def test_too_short_a_wait_for_a_trigger_is_looked_at_all_the_same() -> None:
    # Five minutes are kept free, and the delay is no longer.
    assert sensor(below_g_per_kwh=301, max_delay="5m").execute(task_context())["in_time"]
    assert sensor(below_g_per_kwh=299, max_delay="5m").execute(task_context())["reached"] is False


@pytest.mark.usefixtures("series")
def test_without_a_triggerer_it_is_rescheduled_until_the_hour_comes() -> None:
    from airflow.sdk.exceptions import AirflowRescheduleException

    context = task_context()
    with pytest.raises(AirflowRescheduleException):
        sensor(deferrable=False).execute(context)
    kept = context["task_state_store"].values["carbon_plan"]
    assert kept["threshold"] == "under 200 g/kWh"
    assert kept["origin"]["reached"] is False


def test_no_triggerer_at_all_is_a_limit_that_was_not_met() -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    context = task_context()
    one = sensor(on_deadline="skip", max_delay="6m")
    deferral(one, context)
    # The wait was given up in time: nobody can tell, and the work goes on.
    timeout = {"error": "Trigger timeout"}
    assert one.resume_execution("__fail__", timeout, context)["reached"] is None
    kept = context["task_state_store"].values["carbon_wait"]
    for name in ("ready_at", "earliest_start", "latest_start", "limit"):
        kept[name] = (datetime.fromisoformat(kept[name]) - timedelta(minutes=7)).isoformat()
    with pytest.raises(AirflowSkipException, match="was not reached in time"):
        one.resume_execution("__fail__", timeout, context)


@pytest.mark.parametrize("mode", ["off", "shadow"])
@pytest.mark.usefixtures("series")
def test_what_is_only_watched_is_never_skipped(mode: str) -> None:
    record = sensor(on_deadline="skip", carbon_mode=mode).execute(task_context())
    assert record["mode"] == mode
    assert record["condition"] == "under 200 g/kWh"


def test_a_broken_wait_runs_the_work_and_knows_nothing_of_the_limit() -> None:
    context = task_context()
    one = sensor(on_deadline="fail")
    deferral(one, context)
    assert one.execute_complete(context, {"broken": "x"})["reached"] is None
