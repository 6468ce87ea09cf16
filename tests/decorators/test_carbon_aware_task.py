"""A task made carbon-aware in one line: it waits once, then does its own work, whatever becomes of the wait."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.sensors import moments
from fakes.task_context import StateStore, TaskInstance, task_context

from airflow_carbon.exceptions import InvalidRequestError, SourceUnavailableError

pytestmark = pytest.mark.airflow

HOUR, MARGIN = timedelta(hours=1), timedelta(minutes=5)
RESUME = "carbon_wait_complete"


@pytest.fixture(autouse=True)
def ledger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keep a ledger of the test's own."""
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path))
    return tmp_path / "ledger.db"


def at_try(number: int, store: StateStore, **run: Any) -> dict[str, Any]:
    """Give the context of one try; a try begins without XComs, and with what the store kept."""
    ti: Any = TaskInstance()
    ti.try_number = number
    return task_context(ti=ti, store=store, **run)


def test_it_defers_before_any_work_with_the_same_trigger_as_the_sensor() -> None:
    from fakes.aware import deferral, worker

    from airflow_carbon.triggers.carbon_window import CarbonWindowTrigger

    one = worker()
    deferred = deferral(one, at_try(1, StateStore()))
    pinned = moments(deferred.trigger)
    assert isinstance(deferred.trigger, CarbonWindowTrigger)
    assert pinned["latest_start"] == pinned["ready_at"] + 8 * HOUR - MARGIN
    assert deferred.method_name == RESUME
    assert one.done == []


def test_it_does_its_own_work_when_the_trigger_says_so_and_gives_its_own_result() -> None:
    from fakes.aware import deferral, event, process, worker

    store, one = StateStore(), worker(said="hello")
    context = at_try(1, store)
    deferral(one, context)
    assert process(one, context, RESUME, event()) == "worked: hello"
    record = context["ti"].xcoms["carbon_decision"]
    assert record["reason"] == "started as planned"
    assert record["governs"] == ["a_task"]
    assert record["in_time"]
    assert json.loads(json.dumps(record)) == record


def test_the_decision_is_in_the_ledger_and_governs_the_task_itself(ledger: Path) -> None:
    from fakes.aware import deferral, event, process, worker

    from airflow_carbon.core.record import DecisionRecord
    from airflow_carbon.hooks.ledger import LedgerHook

    one, context = worker(), at_try(1, StateStore())
    deferral(one, context)
    process(one, context, RESUME, event())
    [kept] = LedgerHook().read(DecisionRecord)
    assert (kept.task_id, kept.governs, kept.action, kept.sort) == ("a_task", ("a_task",), "taken", "wait")
    assert kept.decision_id == context["ti"].xcoms["carbon_decision"]["decision_id"]


def test_a_retry_does_not_wait_again_and_tells_the_decision_again() -> None:
    from fakes.aware import deferral, event, process, worker

    store, one = StateStore(), worker(failures=1)
    first, second = at_try(1, store), at_try(2, store)
    deferral(one, first)
    with pytest.raises(RuntimeError, match="the work failed"):
        process(one, first, RESUME, event())
    assert process(one, second).startswith("worked")
    assert second["ti"].xcoms == first["ti"].xcoms
    assert one.carbon_source_url == "https://grid.example/GB"


def test_a_retry_waits_again_where_that_is_asked_and_never_past_the_first_promise() -> None:
    from fakes.aware import deferral, event, process, worker

    store, one = StateStore(), worker(failures=1, wait_on_retry=True)
    first = at_try(1, store)
    pinned = moments(deferral(one, first).trigger)
    with pytest.raises(RuntimeError):
        process(one, first, RESUME, event())
    again = at_try(2, store)
    assert moments(deferral(one, again).trigger)["latest_start"] == pinned["latest_start"]
    assert process(one, again, RESUME, event()).startswith("worked")
    # Its own process may come back within a try: a sensor that pokes again, for one.
    assert process(one, again).startswith("worked")


@pytest.mark.parametrize(
    ("error", "said"), [("Trigger timeout", "no triggerer answered"), ("Trigger failure", "the trigger failed")]
)
def test_a_wait_whose_trigger_fails_or_is_never_taken_up_runs_the_work(error: str, said: str) -> None:
    from fakes.aware import deferral, worker

    one, context = worker(), at_try(1, StateStore())
    deferral(one, context)
    done = one.resume_execution("__fail__", {"error": error, "traceback": ["boom"]}, context)
    assert done.startswith("worked")
    assert said in context["ti"].xcoms["carbon_decision"]["reason"]


def test_a_trigger_of_the_operators_own_that_fails_is_the_operators_own_matter() -> None:
    from airflow.sdk.exceptions import TaskDeferralTimeout
    from fakes.aware import WAIT, TwoSteps, deferral, event

    from airflow_carbon import carbon_aware

    one, context = carbon_aware(TwoSteps(task_id="a_task"), **WAIT), at_try(1, StateStore())
    deferral(one, context)
    deferral(one, context, RESUME, event())
    with pytest.raises(TaskDeferralTimeout):
        one.resume_execution("__fail__", {"error": "Trigger timeout"}, context)


def test_an_operator_with_deferrals_of_its_own_goes_through_its_own_methods() -> None:
    from fakes.aware import WAIT, TwoSteps, deferral, event, process

    from airflow_carbon import carbon_aware

    one, context = carbon_aware(TwoSteps(task_id="a_task"), **WAIT), at_try(1, StateStore())
    assert deferral(one, context).method_name == RESUME
    first = deferral(one, context, RESUME, event())
    assert (first.method_name, first.kwargs) == ("second_step", {"from_step": 1})
    one.carbon_source_url = ""
    assert deferral(one, context, "second_step", "fired").method_name == "third_step"
    # Each is a process of its own, and the last of them tells Airflow the link.
    assert one.carbon_source_url == "https://grid.example/GB"
    assert process(one, context, "third_step", "fired") == "third step"


def test_an_operator_that_resumes_at_execute_is_given_its_event_and_waits_no_second_time() -> None:
    from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
    from airflow.sdk import BaseOperator
    from fakes.aware import WAIT, deferral, event, process

    from airflow_carbon import carbon_aware

    class Again(BaseOperator):
        def execute(self, context: Any, event: Any = None) -> Any:
            if event is None:
                self.defer(trigger=TimeDeltaTrigger(HOUR), method_name="execute")
            return event

    one, context = carbon_aware(Again(task_id="a_task"), **WAIT), at_try(1, StateStore())
    deferral(one, context)
    assert deferral(one, context, RESUME, event()).method_name == "execute"
    assert process(one, context, "execute", "fired") == "fired"


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_a_sensor_waits_once_however_often_it_pokes(mode: str) -> None:
    from airflow.sdk import BaseSensorOperator
    from airflow.sdk.exceptions import AirflowRescheduleException
    from fakes.aware import WAIT, deferral, event, process

    from airflow_carbon import carbon_aware

    answers = iter([False, False, True])

    class Poking(BaseSensorOperator):
        def poke(self, context: Any) -> bool:
            return next(answers)

    ti: Any = TaskInstance()
    ti.try_number, ti.get_first_reschedule_date = 1, lambda context: None
    one, context = Poking(task_id="a_task", mode=mode, poke_interval=0), task_context(ti=ti)
    carbon_aware(one, **WAIT)
    deferral(one, context)
    if mode == "poke":
        process(one, context, RESUME, event())
    else:
        for next_method in (RESUME, ""):
            with pytest.raises(AirflowRescheduleException):
                process(one, context, next_method, event() if next_method else None)
        process(one, context)
    assert next(answers, None) is None


def test_a_soft_failing_sensor_still_works_when_no_triggerer_answers() -> None:
    from airflow.sdk import BaseSensorOperator
    from fakes.aware import WAIT, deferral

    from airflow_carbon import carbon_aware

    class Ready(BaseSensorOperator):
        def poke(self, context: Any) -> bool:
            return True

    one, context = carbon_aware(Ready(task_id="a_task", soft_fail=True), **WAIT), at_try(1, StateStore())
    deferral(one, context)
    one.resume_execution("__fail__", {"error": "Trigger timeout"}, context)
    assert "no triggerer answered" in context["ti"].xcoms["carbon_decision"]["reason"]


def test_without_a_triggerer_it_reschedules_and_then_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from airflow.sdk.exceptions import AirflowRescheduleException
    from fakes.aware import process, worker

    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows = [f"{(now + hour * HOUR).isoformat()},{10 if hour == 5 else 100}" for hour in range(24)]
    (tmp_path / "own.csv").write_text("\n".join(["timestamp,intensity", *rows]))
    extra = {"conn_type": "carbon_history", "extra": {"path": str(tmp_path / "own.csv")}}
    monkeypatch.setenv("AIRFLOW_CONN_OWN", json.dumps(extra))
    one, store = worker(carbon_conn_id="own", deferrable=False, location="zone:DE"), StateStore()
    with pytest.raises(AirflowRescheduleException):
        process(one, at_try(1, store))
    store.values["carbon_wait"]["latest_start"] = datetime.now(UTC).isoformat()
    store.values["carbon_wait"]["ready_at"] = store.values["carbon_wait"]["earliest_start"] = now.isoformat()
    assert process(one, at_try(1, store)).startswith("worked")


@pytest.mark.parametrize(("asked", "said"), [("off", "the carbon mode is off"), ("shadow", "shadow, not delayed")])
def test_a_mode_that_delays_nothing_works_at_once_and_says_so(asked: str, said: str) -> None:
    from fakes.aware import process, worker

    context = at_try(1, StateStore())
    assert process(worker(carbon_mode=asked), context).startswith("worked")
    assert said in context["ti"].xcoms["carbon_decision"]["reason"]


def test_what_shows_as_wrong_only_when_it_runs_fails_before_anything_waits_and_at_each_try() -> None:
    from fakes.aware import process, worker

    store, one = StateStore(), worker(location="azure:uksuth")
    for number in (1, 2):
        with pytest.raises(Exception, match="did you mean azure:uksouth"):
            process(one, at_try(number, store))
    assert one.done == []


def test_what_is_wrong_runs_a_lenient_task_at_once_with_the_reason() -> None:
    from fakes.aware import process, worker

    context = at_try(1, StateStore())
    assert process(worker(location="azure:uksuth", lenient=True), context).startswith("worked")
    record = context["ti"].xcoms["carbon_decision"]
    assert "did you mean azure:uksouth" in record["reason"]
    assert record["governs"] == ["a_task"]


def test_an_outage_that_must_fail_does_and_the_retry_waits_again() -> None:
    from fakes.aware import deferral, process, worker

    store, one = StateStore(), worker(on_outage="fail")
    context = at_try(1, store)
    deferral(one, context)
    with pytest.raises(SourceUnavailableError, match="no answer"):
        process(one, context, RESUME, {"failed": "no answer"})
    assert one.done == []
    deferral(one, at_try(2, store))


def test_a_first_look_that_refuses_fails_the_task() -> None:
    from fakes.aware import deferral, process, worker

    one, context = worker(), at_try(1, StateStore())
    deferral(one, context)
    with pytest.raises(InvalidRequestError, match="no such zone"):
        process(one, context, RESUME, {"refused": "no such zone"})


@pytest.mark.parametrize("broken", [("set",), ("get", "set", "delete")])
def test_a_store_that_is_down_never_keeps_the_work_from_running(
    broken: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fakes.aware import WAIT, TwoSteps, deferral, process, worker

    from airflow_carbon import carbon_aware

    def down(*_: Any, **__: Any) -> None:
        raise RuntimeError("the store is down")

    for name in broken:
        monkeypatch.setattr(StateStore, name, down)
    context = at_try(1, StateStore())
    assert process(worker(), context).startswith("worked")
    assert "the store is down" in context["ti"].xcoms["carbon_decision"]["reason"]
    two = carbon_aware(TwoSteps(task_id="a_task"), **WAIT)
    assert deferral(two, context, "second_step", "fired").method_name == "third_step"


def test_an_event_that_tells_of_a_broken_wait_runs_the_work() -> None:
    from fakes.aware import deferral, process, worker

    one, context = worker(), at_try(1, StateStore())
    deferral(one, context)
    assert process(one, context, RESUME, {"broken": "ValueError: boom"}).startswith("worked")
    assert "boom" in context["ti"].xcoms["carbon_decision"]["reason"]


def test_killing_it_is_the_operators_own_matter() -> None:
    from fakes.aware import worker

    one = worker()
    one.on_kill()
    assert one.done == ["killed"]
