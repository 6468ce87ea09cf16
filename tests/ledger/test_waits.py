"""Waits in the ledger: what is remembered, what replaces what, and how they are found; on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from fakes.records import START, decision, emission
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from airflow_carbon.core.record import DecisionRecord, EmissionRecord
from airflow_carbon.core.record_wait import WaitRecord
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.ledger import schema
from airflow_carbon.ledger.base import Selection
from airflow_carbon.ledger.sql import SqlLedger

HOUR = timedelta(hours=1)
FORECAST = {"start": START.isoformat(), "step_seconds": 1800.0, "values": [300.0, 100.5]}


def wait(decision_id: str = "one", **changed: Any) -> WaitRecord:
    given: dict[str, Any] = {
        "decision_id": decision_id, "dag_id": "a_dag", "run_id": "a_run", "task_id": "wait", "location": "zone:GB",
        "zone": "GB", "ready_at": START, "earliest_start": START, "latest_start": START + 8 * HOUR,
        "duration_seconds": 3600.0, "start": START + 2 * HOUR, "end": START + 3 * HOUR, "updated_at": START,
    }  # fmt: skip
    return WaitRecord(**{**given, **changed})


def test_a_wait_comes_back_as_it_was_written(ledger: SqlLedger) -> None:
    moved = [{"at": START.isoformat(), "start": (START + HOUR).isoformat(), "reason": "cleaner"}]
    whole = wait(
        map_index=3, forecast=FORECAST, forecast_made_at=START, replans=moved, baseline_start=START, kind="forecast",
        baseline_end=START + HOUR, baseline_intensity_g_per_kwh=300.0, intensity_g_per_kwh=100.5, signal="marginal",
        promised_saving_percent=66.5, reason='a "quote", \\ and %s', source="played", source_url="https://x/y",
    )  # fmt: skip
    assert ledger.write([whole]) == 1
    assert ledger.waits() == [whole]
    assert list(ledger.read(WaitRecord)) == [whole]


def test_what_a_later_process_does_not_know_is_remembered(ledger: SqlLedger) -> None:
    ledger.write([wait(forecast=FORECAST, forecast_made_at=START, baseline_start=START, replans=[])])
    ledger.write([wait(state="started", started_at=START + 2 * HOUR, updated_at=START + 2 * HOUR)])
    (one,) = ledger.waits()
    assert (one.state, one.forecast, one.baseline_start, one.replans) == ("started", FORECAST, START, [])


def test_news_that_come_late_change_nothing_and_a_cleared_task_waits_again(ledger: SqlLedger) -> None:
    ledger.write([wait(state="released", updated_at=START + 2 * HOUR)])
    assert ledger.write([wait(updated_at=START + HOUR)]) == 0
    assert ledger.waits(waiting=True) == []
    ledger.write([wait(updated_at=START + 3 * HOUR)])
    assert [one.decision_id for one in ledger.waits(waiting=True)] == ["one"]


def test_a_trigger_that_comes_late_does_not_gainsay_the_worker_and_the_next_deferral_does(ledger: SqlLedger) -> None:
    ledger.write([wait(updated_at=START + HOUR, since=START)])
    # It ran on in a triggerer that was taken for dead, while another one let the task go on.
    over = wait(state="started", started_at=START + 2 * HOUR, updated_at=START + 2 * HOUR)
    assert ledger.write([over]) == 1
    late = START + 3 * HOUR
    assert ledger.write([wait(updated_at=late, since=START)]) == 0
    assert ledger.write([wait(state="started", started_at=late, updated_at=late, since=START)]) == 0
    assert ledger.waits() == [over]
    assert ledger.write([wait(updated_at=late, since=late)]) == 1
    assert [one.updated_at for one in ledger.waits(waiting=True)] == [late]


def test_two_news_of_one_wait_in_one_write_leave_the_later(ledger: SqlLedger) -> None:
    ledger.write([wait(forecast=FORECAST), wait(state="cancelled", updated_at=START + timedelta(microseconds=1))])
    (one,) = ledger.waits()
    assert (one.state, one.forecast) == ("cancelled", FORECAST)


def test_waits_are_found_by_what_is_asked(ledger: SqlLedger) -> None:
    ledger.write([
        wait("late", start=START + 5 * HOUR), wait("soon"), wait("unplanned", start=None, end=None),
        wait("over", state="started"), wait("other", dag_id="other", zone="DE", start=START + 9 * HOUR),
        wait("lost", latest_start=START - HOUR), wait("mapped", map_index=4, state="started"),
    ])  # fmt: skip

    def found(**which: Any) -> list[str]:
        return [one.decision_id for one in ledger.waits(**which)]

    assert found(waiting=True, at=START) == ["soon", "late", "other", "unplanned"]
    assert found(waiting=False, at=START) == ["lost", "mapped", "over"]
    assert found(dag_ids=["other"]) == found(zone="DE") == ["other"]
    assert found(dag_ids=[]) == []
    assert found(task_id="wait", map_index=4) == ["mapped"]
    assert found(waiting=True, at=START, limit=1) == ["soon"]
    assert found(decision_id="over") == ["over"]
    with pytest.raises(InvalidRequestError, match="limit: 0 must be 1 or larger"):
        ledger.waits(limit=0)
    assert len(list(ledger.read(WaitRecord, Selection(final=False)))) == 5


def test_forecasts_can_be_left_where_they_are(ledger: SqlLedger) -> None:
    ledger.write([wait(forecast=FORECAST)])
    assert [one.forecast for one in ledger.waits(forecasts=False)] == [None]


def test_a_filled_ledger_of_the_first_schema_gets_the_table_and_keeps_its_rows(url: str) -> None:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    ledger = SqlLedger(url)
    ledger.write([emission(), decision()])
    config = Config()
    config.set_main_option("script_location", str(schema.__file__).replace("schema.py", "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    with engine.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM carbon_ledger_version")).scalar() == "0001"
    again = SqlLedger(url)
    assert again.write([wait()]) == 1
    assert len(list(again.read(EmissionRecord))) == len(list(again.read(DecisionRecord))) == len(again.waits()) == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"state": "asleep"}, "state: 'asleep' must be one of waiting, started"),
        ({"updated_at": None}, "updated_at: missing"),
        ({"latest_start": "tomorrow"}, "latest_start: 'tomorrow' is not a moment"),
        ({"duration_seconds": -1.0}, "duration_seconds: -1.0 must be"),
    ],
)
def test_a_wrong_field_of_a_wait_is_named(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        wait(**fields)


def test_a_wait_of_the_second_schema_goes_on_under_the_third(url: str) -> None:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    SqlLedger(url).write([wait(updated_at=START + HOUR), wait("over", state="started", updated_at=START + HOUR)])
    config = Config()
    config.set_main_option("script_location", str(schema.__file__).replace("schema.py", "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
    again = SqlLedger(url)
    # A trigger that began before the upgrade goes on with news of its own.
    assert again.write([wait(start=START + 4 * HOUR, updated_at=START + 2 * HOUR, since=START)]) == 1
    assert {one.decision_id: one.start for one in again.waits()} == {"one": START + 4 * HOUR, "over": START + 2 * HOUR}
    assert [one.decision_id for one in again.waits(waiting=False)] == ["over"]
