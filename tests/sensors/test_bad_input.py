"""What the sensor refuses before anything waits, by the name of the field."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from fakes.sensors import deferral, moments, sensor
from fakes.task_context import task_context

from airflow_carbon.exceptions import (
    InvalidRequestError,
    NoFeasibleWindowError,
    UnknownZoneError,
)

pytestmark = pytest.mark.airflow

HOUR = timedelta(hours=1)
MARGIN = timedelta(minutes=5)


def test_optional_fields_that_a_template_leaves_empty_are_not_given() -> None:
    empty = {"deadline": "None", "earliest_start": "", "carbon_mode": "None", "carbon_conn_id": ""}
    empty |= {"min_saving_percent": "", "tail": "None", "power": ""}
    assert moments(deferral(sensor(**empty), task_context()).trigger)["latest_start"]


def test_a_series_that_is_malformed_fails_the_task_with_its_line() -> None:
    with pytest.raises(InvalidRequestError, match="line 4"):
        sensor().execute_complete(task_context(), {"refused": "own.csv: line 4: ..."})


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"location": "azure:uksuth"}, "did you mean azure:uksouth"),
        ({"location": "DE"}, "zone:DE"),
        ({"duration": "0h"}, "duration"),
        ({"duration": "-1h"}, "duration"),
        ({"duration": timedelta(hours=-1)}, "duration"),
        ({"duration": 3600}, "duration"),
        ({"duration": None}, "duration: say how long"),
        ({"power": "30m@5W"}, "power: the phases last 30 min together, but duration is 1 h"),
        ({"power": "30m@5V"}, "power: phase 1: '30m@5V' is none"),
        ({"tail": "1h"}, "tail: it is kept off the deadline, and there is none"),
        ({"tail": "long", "deadline": "20h"}, "tail: 'long' is no duration"),
        ({"tail": "20h", "deadline": "20h"}, "deadline.*cannot be met"),
        (
            {"tail": "1h30m", "deadline": "2h"},
            "a run of 1 h that starts at .*, with a tail of 1 h 30 min behind it, ends at .* or a shorter tail",
        ),
        (
            {"deadline": "30m"},
            "a run of 1 h that starts at [^ ]* ends at [^ ]* allow a later deadline or a shorter dur",
        ),
        ({"max_delay": None}, "deadline, max_delay"),
        ({"max_delay": "soon"}, "max_delay"),
        ({"deadline": "2026-11-23T06:00:00"}, "deadline.*timezone"),
        ({"deadline": datetime(2030, 1, 1)}, "deadline.*timezone"),  # noqa: DTZ001
        ({"deadline": "2026-01-01T00:00:00+00:00"}, "deadline.*cannot be met"),
        ({"deadline": "30m"}, "deadline.*cannot be met"),
        ({"earliest_start": "12h"}, "earliest_start"),
        ({"min_saving_percent": "many"}, "min_saving_percent"),
        ({"min_saving_percent": 120}, "min_saving_percent"),
        ({"on_outage": "panic"}, "on_outage"),
        ({"carbon_mode": "loud"}, "carbon_mode"),
        ({"carbon_conn_id": []}, "carbon_conn_id"),
        ({"carbon_conn_id": "nowhere"}, "'nowhere' is not defined"),
    ],
)
def test_bad_input_is_refused_before_anything_waits(changed: dict[str, Any], fault: str) -> None:
    with pytest.raises((InvalidRequestError, NoFeasibleWindowError, UnknownZoneError), match=fault):
        sensor(**changed).execute(task_context())


def test_a_typo_in_a_connections_field_is_refused_before_anything_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "carbon_typical", "extra": {"sped": 60}}))
    with pytest.raises(InvalidRequestError, match="did you mean 'speed'"):
        sensor(carbon_conn_id="mine").execute(task_context())


def test_a_typo_in_a_connections_type_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "carbon_histroy"}))
    with pytest.raises(InvalidRequestError, match="did you mean 'carbon_history'"):
        sensor(carbon_conn_id="mine").execute(task_context())


def test_retries_are_two_unless_the_dag_says_otherwise() -> None:
    from airflow.sdk import DAG

    assert sensor().retries == 2
    with DAG("a_dag", default_args={"retries": 0}, schedule=None):
        assert sensor().retries == 0


def test_a_retry_refuses_what_the_first_try_refused() -> None:
    context = task_context()
    for _ in range(3):
        with pytest.raises(InvalidRequestError, match="'nowhere' is not defined"):
            sensor(carbon_conn_id="nowhere").execute(context)


def test_a_shadow_only_tells_of_a_connection_that_is_missing() -> None:
    record = sensor(carbon_conn_id="nowhere", carbon_mode="shadow").execute(task_context())
    assert "'nowhere' is not defined" in record["reason"]
