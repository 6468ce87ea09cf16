"""The carbon-aware cron ticks as Airflow's own does: the same runs, dates and intervals, whatever the clocks do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_carbon.exceptions import InvalidRequestError

pytestmark = pytest.mark.airflow

MINUTE = timedelta(minutes=1)
CRONS = ["0 2 * * *", "30 2 * * *", "@daily", "15 * * * *", "*/20 * * * *", "0 */6 * * 1-5", "0 0 1 * *", "5 1 * * 0"]
#: Two with summer time, one on the southern half, one that never changes, one with half an hour's shift.
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe"]
#: Around all changes of the clocks in two years.
BEGINS = st.integers(0, 23 * 30 * 24 * 60).map(lambda minutes: datetime(2025, 1, 1, tzinfo=UTC) + minutes * MINUTE)
WAIT = {"location": "azure:uksouth", "max_delay": "6h", "duration": "1h"}


def pairs(cron: str, zone: str) -> list[tuple[Any, Any]]:
    """Give both carbon-aware timetables, each beside Airflow's own, read back from their serialized form."""
    from airflow.serialization.decoders import decode_timetable
    from airflow.serialization.encoders import encode_timetable

    from airflow_carbon.timetables.carbon_cron import TIMETABLES

    made = [kind(cron, timezone=zone, wait=WAIT, attached=True) for kind in TIMETABLES]
    return [(decode_timetable(encode_timetable(one)), type(one).plain(cron, timezone=zone)) for one in made]


def dates(info: Any) -> Any:
    return (
        None if info is None else (info.logical_date, info.run_after, info.data_interval.start, info.data_interval.end)
    )


def runs(timetable: Any, restriction: Any, count: int) -> list[Any]:
    """Give the next runs as a scheduler would make them, one after the other."""
    found, last = [], None
    for _ in range(count):
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        if info is None:
            break
        found.append(dates(info))
        last = info.data_interval
    return found


@given(
    cron=st.sampled_from(CRONS),
    zone=st.sampled_from(ZONES),
    begin=BEGINS,
    days=st.none() | st.integers(0, 400),
)
@settings(max_examples=60, deadline=None)
def test_catchup_makes_the_same_runs_as_plain_cron(cron: str, zone: str, begin: datetime, days: int | None) -> None:
    from airflow.timetables.base import TimeRestriction

    start = pendulum.instance(begin)
    end = None if days is None else start.add(days=days)
    for ours, plain in pairs(cron, zone):
        restriction = TimeRestriction(earliest=start, latest=end, catchup=True)
        assert runs(ours, restriction, 12) == runs(plain, restriction, 12)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "30 * * * *", "0 2 * * *"])
@pytest.mark.parametrize("day", ["2026-03-07", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31"])
def test_the_nights_on_which_clocks_change_are_those_of_plain_cron(day: str, cron: str, zone: str) -> None:
    from airflow.timetables.base import TimeRestriction

    start = pendulum.parse(day)
    for ours, plain in pairs(cron, zone):
        restriction = TimeRestriction(earliest=start, latest=start.add(days=3), catchup=True)
        made = runs(ours, restriction, 100)
        assert made == runs(plain, restriction, 100)
        assert len(set(made)) == len(made) > 1


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cron", ["0 2 * * *", "0 */6 * * 1-5", "0 0 1 * *"])
def test_without_catchup_the_latest_tick_alone_is_made_up_for_as_with_plain_cron(cron: str, zone: str) -> None:
    from airflow.timetables.base import DataInterval, TimeRestriction

    long_ago = pendulum.datetime(2020, 1, 1)
    for ours, plain in pairs(cron, zone):
        for earliest in (None, long_ago):
            restriction = TimeRestriction(earliest=earliest, latest=None, catchup=False)
            for last in (None, DataInterval.exact(long_ago)):
                asked: dict[str, Any] = {"last_automated_data_interval": last, "restriction": restriction}
                assert dates(ours.next_dagrun_info(**asked)) == dates(plain.next_dagrun_info(**asked))


@given(cron=st.sampled_from(CRONS), zone=st.sampled_from(ZONES), begin=BEGINS)
@settings(max_examples=60, deadline=None)
def test_manual_runs_get_the_same_interval_as_with_plain_cron(cron: str, zone: str, begin: datetime) -> None:
    start = pendulum.instance(begin)
    for ours, plain in pairs(cron, zone):
        assert ours.infer_manual_data_interval(run_after=start) == plain.infer_manual_data_interval(run_after=start)


@given(cron=st.sampled_from(CRONS), zone=st.sampled_from(ZONES), begin=BEGINS)
@settings(max_examples=20, deadline=None)
def test_a_backfill_makes_the_same_runs_as_with_plain_cron(cron: str, zone: str, begin: datetime) -> None:
    from airflow.sdk import DAG
    from airflow.serialization.serialized_objects import DagSerialization

    def backfilled(timetable: Any) -> list[Any]:
        dag = DagSerialization.from_dict(DagSerialization.to_dict(DAG("d", schedule=timetable)))
        start = pendulum.instance(begin)
        return [dates(info) for info in dag.iter_dagrun_infos_between(start, start.add(days=3))]

    for ours, plain in pairs(cron, zone):
        assert backfilled(ours) == backfilled(plain)


@pytest.mark.parametrize("zone", [*ZONES, pendulum.FixedTimezone(3600)])
def test_what_is_serialized_is_json_and_comes_back_equal(zone: Any) -> None:
    from airflow.serialization.decoders import decode_timetable
    from airflow.serialization.encoders import encode_timetable

    from airflow_carbon.timetables.carbon_cron import TIMETABLES

    for kind in TIMETABLES:
        made = kind("0 2 * * *", timezone=zone, wait=WAIT, attached=True)
        encoded = encode_timetable(made)
        again = decode_timetable(json.loads(json.dumps(encoded)))
        assert again == made
        assert encode_timetable(again) == encoded
        assert again != kind("0 3 * * *", timezone=zone, wait=WAIT, attached=True)
        assert again != kind("0 2 * * *", timezone=zone, wait={**WAIT, "max_delay": "7h"}, attached=True)
        assert len({made, again}) == 1


def test_the_list_of_dags_shows_cron_and_delay() -> None:
    for ours, plain in pairs("0 2 * * *", "UTC"):
        assert ours.summary == "0 2 * * * (+ up to 6 h)"
        assert ours.description == f"{plain.description}, then up to 6 h for clean power at azure:uksouth"


def test_seconds_are_a_sixth_field_as_airflow_reads_them() -> None:
    from airflow.timetables.base import TimeRestriction

    start = pendulum.datetime(2026, 1, 5)
    restriction = TimeRestriction(earliest=start, latest=None, catchup=True)
    for ours, plain in pairs("* * * * * */3", "UTC"):
        ours.validate()
        made = runs(ours, restriction, 30)
        assert made == runs(plain, restriction, 30)
        assert [one[1] - made[0][1] for one in made] == [timedelta(seconds=3 * i) for i in range(30)]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cron": "@once"}, "cron: '@once' must be a cron expression"),
        ({"cron": ""}, "cron"),
        ({"location": "somewhere"}, "somewhere"),
        ({"max_delay": "soon"}, "max_delay: 'soon' is no duration"),
        ({"max_delay": timedelta(0)}, "max_delay"),
        ({"duration": "long"}, "duration: 'long' is no duration"),
        ({"duration": None}, "duration"),
        ({"on_outage": "panic"}, "on_outage: 'panic' must be one of run"),
        ({"min_saving_percent": 101.0}, "min_saving_percent"),
    ],
)
def test_a_mistake_in_the_schedule_line_is_an_error_of_the_dag_file(changed: dict[str, Any], said: str) -> None:
    from airflow_carbon import carbon_schedule

    asked: dict[str, Any] = {"cron": "0 2 * * *", **WAIT, **changed}
    with pytest.raises(InvalidRequestError, match=said):
        carbon_schedule(asked.pop("cron"), **asked)


def test_an_expression_that_is_no_cron_is_refused_as_airflow_refuses_it() -> None:
    from airflow.exceptions import AirflowTimetableInvalid

    from airflow_carbon import carbon_schedule

    with pytest.raises(AirflowTimetableInvalid):
        carbon_schedule("every night", **WAIT).validate()


@pytest.mark.parametrize("intervals", ["False", "True"])
def test_the_dates_follow_the_deployments_reading_of_cron(intervals: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk import DAG
    from airflow.serialization.encoders import coerce_to_core_timetable

    from airflow_carbon import carbon_schedule

    monkeypatch.setenv("AIRFLOW__SCHEDULER__CREATE_CRON_DATA_INTERVALS", intervals)
    plain = coerce_to_core_timetable(DAG("plain", schedule="0 2 * * *").timetable)
    assert isinstance(carbon_schedule("0 2 * * *", **WAIT), type(plain))
