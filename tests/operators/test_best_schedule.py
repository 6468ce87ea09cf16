"""Planning a run in chunks, as a task does it: what it pins, asks, gives and records."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.task_context import StateStore, task_context

from airflow_carbon.exceptions import (
    InvalidForecastError,
    InvalidRequestError,
    NoFeasibleWindowError,
    SourceUnavailableError,
    UnknownZoneError,
)

pytestmark = pytest.mark.airflow

HOUR, MARGIN = timedelta(hours=1), timedelta(minutes=5)
#: From the hour that has begun: clean ones lie apart, three to five and eight to nine hours from now.
VALLEYS = [400, 400, 400, 100, 100, 400, 400, 400, 50, 400, 400, 400, 400, 400, 400, 400]


@pytest.fixture
def hour() -> datetime:
    """Give the begin of the hour that has begun."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hour: datetime) -> None:
    """Connect a series with valleys, one that is flat, one that is absent, and one that says nothing of the future."""
    series = {"valleys": VALLEYS, "flat": [300] * 16, "short": [300, 300], "comb": [400, 100] * 8}
    for name, values in series.items():
        rows = [f"{(hour + index * HOUR).isoformat()},{value}" for index, value in enumerate(values)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["timestamp,intensity", *rows]))
    for name in (*series, "gone"):
        extra = {"path": str(tmp_path / f"{name}.csv")}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "state"))


def operator(**changed: Any) -> Any:
    from airflow_carbon import BestScheduleOperator

    asked = {"location": "zone:DE", "duration": "3h", "max_delay": "11h", "carbon_conn_id": "valleys"}
    return BestScheduleOperator(task_id="plan", **{**asked, **changed})


def planned(context: dict[str, Any] | None = None, **changed: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    context = context or task_context()
    chunks = operator(**changed).execute(context)
    return chunks, context["ti"].xcoms["carbon_decision"]


def at(chunk: dict[str, Any], name: str = "start") -> datetime:
    return datetime.fromisoformat(chunk[name])


def test_the_chunks_lie_in_the_clean_hours_and_are_plain_json(hour: datetime) -> None:
    chunks, record = planned()
    assert [(at(one), at(one, "end")) for one in chunks] == [
        (hour + 3 * HOUR, hour + 5 * HOUR),
        (hour + 8 * HOUR, hour + 9 * HOUR),
    ]
    assert [one["intensity_g_per_kwh"] for one in chunks] == [100.0, 50.0]
    assert [(one["work_begin_seconds"], one["work_end_seconds"]) for one in chunks] == [(0, 7200), (7200, 10800)]
    assert [one["index"] for one in chunks] == [0, 1]
    assert {one["count"] for one in chunks} == {2}
    assert json.loads(json.dumps(chunks)) == chunks
    assert json.loads(json.dumps(record)) == record
    assert record["plan"] == chunks


def test_the_record_tells_baseline_promise_alternative_and_reason() -> None:
    _, record = planned()
    assert record["intensity_g_per_kwh"] == pytest.approx(250 / 3, abs=0.01)
    assert record["baseline_intensity_g_per_kwh"] > 300
    assert record["promised_saving_percent"] > 70
    assert record["one_window"]["intensity_g_per_kwh"] == pytest.approx(200.0)
    assert record["reason"].startswith("2 chunks from ")
    assert (record["mode"], record["signal"], record["kind"]) == ("enforce", "average", "forecast")
    assert record["source"].startswith("history")
    assert record["in_time"] is True


def test_the_plan_ends_by_the_deadline_less_the_margin() -> None:
    run_after = datetime.now(UTC)
    chunks, record = planned(task_context(run_after=run_after), max_delay=None, deadline="9h")
    last = chunks[-1]
    finish = run_after + 9 * HOUR
    assert at(last, "end") <= finish - MARGIN
    assert at(last, "latest_start") + (at(last, "end") - at(last)) == finish - MARGIN
    assert at(last, "limit") - at(last, "latest_start") == MARGIN
    assert record["deadline"] == finish.isoformat()


def test_the_tail_of_the_dag_is_kept_off_its_deadline() -> None:
    run_after = datetime.now(UTC)
    asked = {"max_delay": None, "deadline": "14h", "tail": "2h"}
    _, record = planned(task_context(run_after=run_after), **asked)
    assert at(record, "latest_start") == run_after + 9 * HOUR - MARGIN


def test_a_retry_does_not_extend_the_deadline() -> None:
    store = StateStore()
    _, first = planned(task_context(store=store))
    _, second = planned(task_context(store=store), max_delay="20h")
    assert second["latest_start"] == first["latest_start"]
    assert second["ready_at"] == first["ready_at"]
    assert second["decision_id"] == first["decision_id"]


def test_a_retry_after_the_latest_start_gives_one_chunk_now_and_asks_nobody() -> None:
    store = StateStore()
    planned(task_context(store=store))
    kept = store.values["carbon_wait"]
    for name in ("ready_at", "earliest_start", "latest_start", "limit"):
        kept[name] = (datetime.fromisoformat(kept[name]) - 20 * HOUR).isoformat()
    (chunk,), record = planned(task_context(store=store), carbon_conn_id="gone", on_outage="fail")
    assert at(chunk) > at(chunk, "latest_start")
    assert "is reached" in record["reason"]
    assert record["in_time"] is False


def test_no_more_chunks_than_asked_and_none_shorter() -> None:
    assert len(planned(max_chunks=1)[0]) == 1
    assert len(planned(min_chunk="2h")[0]) == 1
    assert len(planned(min_chunk="1h")[0]) == 2


def test_a_resume_is_given_time_and_billed() -> None:
    chunks, record = planned(resume_overhead="30m")
    lengths = [at(one, "end") - at(one) for one in chunks]
    assert sum(lengths, timedelta(0)) == 3 * HOUR + timedelta(minutes=30)
    assert record["overhead_seconds"] == 1800
    assert record["relative_energy"] == pytest.approx(3.5 / 3)
    assert record["intensity_g_per_kwh"] > 250 / 3 + 10


def test_the_power_of_the_run_tells_its_duration_and_what_is_dear(hour: datetime) -> None:
    """An hour at 900 W fits into the cleanest hour only as the last part of the run."""
    chunks, record = planned(duration=None, power="2h@100W, 1h@900W", resume_watts="50", resume_overhead="0")
    assert at(chunks[-1]) <= hour + 8 * HOUR
    assert at(chunks[-1], "end") == hour + 9 * HOUR
    assert record["duration_seconds"] == 10800
    assert record["intensity_g_per_kwh"] == pytest.approx((200 * 100 + 900 * 50) / 1100, abs=0.01)


def test_fields_may_be_texts_as_params_and_templates_give_them() -> None:
    texts = {
        "max_chunks": "2",
        "min_chunk": "10m",
        "resume_overhead": "0",
        "resume_watts": "None",
        "min_saving_percent": "5",
        "power": "",
        "deadline": "None",
        "tail": "",
        "earliest_start": "",
        "carbon_mode": "None",
    }
    assert len(planned(**texts)[0]) == 2
    fields = set(operator().template_fields)
    assert set(texts) | {"location", "duration", "max_delay", "carbon_conn_id", "on_outage"} == fields


def test_a_profile_from_dag_params_is_what_it_is_in_the_dag() -> None:
    """A template that is not rendered as a native object makes a text of the list."""
    from airflow.sdk import DAG

    from airflow_carbon import BestScheduleOperator

    with DAG("a_dag", schedule=None):
        one = BestScheduleOperator(
            task_id="plan",
            location="zone:DE",
            power="{{ params.power }}",
            max_delay="{{ params.max_delay }}",
            carbon_conn_id="valleys",
        )
    context = task_context()
    one.render_template_fields({**context, "params": {"power": [["1h", 50], ["2h", 300]], "max_delay": "11h"}})
    assert isinstance(one.power, str)
    assert len(one.execute(context)) == 2
    assert context["ti"].xcoms["carbon_decision"]["power"] == "3600s@50.0W, 7200s@300.0W"


@pytest.mark.parametrize("empty", ["", "None", None])
def test_what_is_left_empty_is_as_if_left_out(empty: str | None) -> None:
    names = ("min_chunk", "resume_overhead", "min_saving_percent")
    assert len(planned(**dict.fromkeys(names, empty))[0]) == 2
    # The least chunk is then a quarter of an hour: a shorter run is not cut.
    valleys_of_ten_minutes = {"duration": "25m", "max_chunks": 2, "min_saving_percent": 0}
    assert len(planned(**valleys_of_ten_minutes, min_chunk=empty)[0]) == 1
    (chunk,), record = planned(carbon_conn_id="flat", min_saving_percent=empty)
    assert chunk["count"] == 1
    assert record["overhead_seconds"] == 0.0


@pytest.mark.parametrize("empty", ["", "None", None])
def test_no_number_of_chunks_is_any_number(empty: str | None) -> None:
    asked = {"carbon_conn_id": "comb", "duration": "6h", "max_delay": "9h"}
    assert len(planned(**asked)[0]) == 4
    assert len(planned(**asked, max_chunks=empty)[0]) >= 6


@pytest.mark.parametrize("conn", ["valleys", "short", "gone"])
@pytest.mark.parametrize("mode", ["enforce", "off"])
@pytest.mark.parametrize("watts", [-1, "-0.5", "nan", "inf", True])
def test_an_impossible_power_of_the_resume_is_refused_whatever_is_known(conn: str, mode: str, watts: Any) -> None:
    with pytest.raises(InvalidRequestError, match="resume_watts"):
        planned(duration=None, power="3h@300W", resume_watts=watts, carbon_conn_id=conn, carbon_mode=mode)


def test_the_record_tells_the_power_of_an_even_run_too() -> None:
    _, record = planned(duration=None, power="3h@300W", resume_overhead="30m")
    assert record["power"] == "10800s@300.0W"
    assert record["energy_kwh"] == pytest.approx(1.05)
    assert record["emitted_g"] == pytest.approx(0.9 * record["intensity_g_per_kwh"], abs=0.01)
    _, off = planned(duration=None, power="3h@300W", carbon_mode="off")
    assert (off["power"], off["energy_kwh"], off["emitted_g"]) == ("10800s@300.0W", 0.9, None)
    _, unknown = planned()
    assert [unknown[name] for name in ("power", "energy_kwh", "emitted_g")] == [None] * 3


def test_the_record_of_a_plan_tells_of_no_start_of_work() -> None:
    """That comes with the first chunk, and the wait before it tells of it."""
    for mode in ("enforce", "shadow", "off"):
        _, record = planned(carbon_mode=mode)
        assert not {"started_at", "start_overrun_seconds"} & set(record)


@pytest.mark.parametrize(
    "damage", [{"duration_seconds": 1e300}, {"duration_seconds": "long"}, {"margin_seconds": 1e99}]
)
def test_a_damaged_promise_is_made_anew(damage: dict[str, Any]) -> None:
    store = StateStore()
    _, first = planned(task_context(store=store))
    store.values["carbon_wait"].update(damage)
    chunks, second = planned(task_context(store=store))
    assert len(chunks) == 2
    assert second["decision_id"] != first["decision_id"]


def test_a_source_that_hangs_is_not_waited_for_past_the_latest_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__START_MARGIN", "0s")
    # It takes up connections, and says nothing.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"http://127.0.0.1:{silent.getsockname()[1]}"
        silence = {"conn_type": "carbon_aware_sdk", "host": host, "extra": {"signal": "average"}}
        monkeypatch.setenv("AIRFLOW_CONN_SILENT", json.dumps(silence))
        (chunk,), record = planned(location="azure:uksouth", carbon_conn_id="silent", max_delay="3s")
    assert chunk["count"] == 1
    assert re.search(r"no answer within [123] s", record["reason"])


OFF = """
import json
from fakes.task_context import task_context
from airflow_carbon import BestScheduleOperator

context = task_context()
plan = BestScheduleOperator(task_id="plan", location="zone:DE", power="1h@5W, 2h@9W", max_delay="8h", carbon_mode="off")
assert len(plan.execute(context)) == 1
print(json.dumps(sorted({"numpy", "httpx"} & set(sys.modules) - before)))
"""


def test_a_run_that_may_not_be_delayed_imports_neither_numpy_nor_httpx(repository: Path) -> None:
    """Each costs as much CPU as the start of the task itself; what Airflow's own runner loads is not counted."""
    code = "import sys, airflow.sdk.execution_time.task_runner; before = set(sys.modules)\n" + OFF
    environment = {**os.environ, "PYTHONPATH": str(repository / "tests")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, cwd=repository
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_too_little_saving_gives_one_chunk_now() -> None:
    before = datetime.now(UTC)
    (chunk,), record = planned(min_saving_percent=99)
    assert before <= at(chunk) <= datetime.now(UTC)
    assert (chunk["work_begin_fraction"], chunk["work_end_fraction"]) == (0.0, 1.0)
    assert "less than the 99 % asked for" in record["reason"]
    (chunk,), record = planned(carbon_conn_id="flat")
    assert chunk["intensity_g_per_kwh"] == 300.0
    assert record["promised_saving_percent"] == 0.0


def test_a_forecast_too_short_gives_one_chunk_now() -> None:
    (chunk,), record = planned(carbon_conn_id="short")
    assert chunk["intensity_g_per_kwh"] is None
    assert "no whole run from then" in record["reason"]


@pytest.mark.parametrize("location", ["zone:DE", "zone:FR"])
def test_an_outage_gives_one_chunk_now_at_the_latest_start_or_fails(location: str) -> None:
    before = datetime.now(UTC)
    (now,), record = planned(carbon_conn_id="gone", location=location)
    assert before <= at(now) <= datetime.now(UTC)
    assert "no source answered" in record["reason"]
    assert record["intensity_g_per_kwh"] is None
    (latest,), record = planned(carbon_conn_id="gone", location=location, on_outage="latest_start")
    assert at(latest) == at(latest, "latest_start") == at(record, "latest_start")
    with pytest.raises(SourceUnavailableError, match="on_outage is 'fail'"):
        planned(carbon_conn_id="gone", location=location, on_outage="fail")


def test_where_a_profile_stands_in_the_plan_is_made_on_it_unless_that_must_fail() -> None:
    _, record = planned(carbon_conn_id="gone", location="zone:GB")
    assert record["kind"] == "typical"
    with pytest.raises(SourceUnavailableError, match="only a typical profile is left"):
        planned(carbon_conn_id="gone", location="zone:GB", on_outage="fail")


def test_an_outage_keeps_the_earliest_start() -> None:
    run_after = datetime.now(UTC)
    (chunk,), _ = planned(task_context(run_after=run_after), carbon_conn_id="gone", earliest_start="4h")
    assert at(chunk) == run_after + 4 * HOUR


def test_a_shadow_runs_now_and_records_what_would_have_been() -> None:
    before = datetime.now(UTC)
    context = task_context(conf={"carbon": "shadow"})
    (chunk,), record = planned(context)
    assert before <= at(chunk) <= datetime.now(UTC)
    assert chunk["intensity_g_per_kwh"] == record["run_now_intensity_g_per_kwh"]
    assert record["mode"] == "shadow"
    assert len(record["plan"]) == 2
    assert record["promised_saving_percent"] > 70
    assert record["reason"].startswith("shadow, not delayed: 2 chunks")


def test_a_shadow_never_fails_for_what_it_asks() -> None:
    (chunk,), record = planned(carbon_mode="shadow", carbon_conn_id="nowhere", on_outage="fail")
    assert chunk["count"] == 1
    assert "'nowhere' is not defined" in record["reason"]


def test_the_mode_off_asks_nobody() -> None:
    (chunk,), record = planned(carbon_mode="off", carbon_conn_id="nowhere")
    assert chunk["count"] == 1
    assert "the carbon mode is off" in record["reason"]


def test_a_backfill_is_not_planned_unless_asked() -> None:
    chunks, record = planned(task_context(run_type="backfill"))
    assert len(chunks) == 1
    assert "backfill" in record["reason"]
    assert len(planned(task_context(run_type="backfill"), wait_in_backfill=True)[0]) == 2


def test_the_record_has_the_same_keys_whatever_happened() -> None:
    _, full = planned()
    for changed in ({"carbon_mode": "shadow"}, {"carbon_mode": "off"}, {"carbon_conn_id": "gone"}, {"max_delay": "0"}):
        assert set(planned(**changed)[1]) == set(full)


def test_the_task_links_to_the_data_of_its_plan() -> None:
    one = operator(location="azure:uksouth", carbon_conn_id=None)
    one.execute(task_context())
    assert one.operator_extra_links[0].get_link(one, ti_key=None).startswith("https://www.neso.energy/")


def test_retries_are_two_unless_the_dag_says_otherwise() -> None:
    assert operator().retries == 2


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"location": "azure:uksuth"}, "did you mean azure:uksouth"),
        ({"location": "DE"}, "zone:DE"),
        ({"duration": "0h"}, "duration"),
        ({"duration": None}, "duration"),
        ({"power": "1h@300W"}, "power.*duration"),
        ({"duration": None, "power": "1h"}, "power: phase 1"),
        ({"max_delay": None}, "deadline, max_delay"),
        ({"deadline": "30m"}, r"deadline.*cannot be met"),
        ({"deadline": "5h", "tail": "2h1m"}, r"deadline.*a run of 3 h .*with a tail of 2 h 1 min behind it"),
        ({"deadline": "2026-11-23T06:00:00"}, r"deadline.*timezone"),
        ({"earliest_start": "20h"}, "earliest_start"),
        ({"max_chunks": 0}, "max_chunks: 0 must be 1 or larger"),
        ({"max_chunks": "many"}, "max_chunks.*whole number"),
        ({"max_chunks": 2.5}, "max_chunks.*whole number"),
        ({"max_chunks": True}, "max_chunks: True must be a whole number"),
        ({"min_chunk": "-5m"}, "min_chunk"),
        ({"resume_overhead": "soon"}, "resume_overhead"),
        ({"resume_watts": 100}, "resume_watts"),
        ({"duration": None, "power": "3h@300W", "resume_watts": "much"}, "resume_watts.*number"),
        ({"duration": None, "power": "3h@300W", "resume_watts": -1}, "resume_watts"),
        ({"min_saving_percent": 120}, "min_saving_percent"),
        ({"on_outage": "panic"}, "on_outage.*latest_start"),
        ({"carbon_mode": "loud"}, "carbon_mode"),
        ({"carbon_conn_id": []}, "carbon_conn_id"),
        ({"carbon_conn_id": "nowhere"}, "'nowhere' is not defined"),
    ],
)
def test_bad_input_is_refused_by_name_at_every_try(changed: dict[str, Any], fault: str) -> None:
    context = task_context()
    for _ in range(2):
        with pytest.raises((InvalidRequestError, NoFeasibleWindowError, UnknownZoneError), match=fault):
            planned(context, **changed)


def test_a_series_that_is_malformed_is_refused_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hour: datetime
) -> None:
    (tmp_path / "bad.csv").write_text(f"timestamp,intensity\n{hour.isoformat()},300\n{hour.isoformat()},x\n")
    extra = {"path": str(tmp_path / "bad.csv")}
    monkeypatch.setenv("AIRFLOW_CONN_BAD", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    with pytest.raises(InvalidForecastError, match="line 3"):
        planned(carbon_conn_id="bad")


def test_each_chunk_is_what_the_sensor_waits_for(hour: datetime) -> None:
    from airflow.sdk.exceptions import TaskDeferred

    from airflow_carbon import PlannedWindowSensor

    chunks, _ = planned()
    for index, chunk in enumerate(chunks):
        with pytest.raises(TaskDeferred) as raised:
            PlannedWindowSensor(task_id="wait", window=chunk).execute(task_context())
        deferred: Any = raised.value
        assert deferred.trigger.moment == hour + (3, 8)[index] * HOUR
    (now,), _ = planned(carbon_mode="off")
    record = PlannedWindowSensor(task_id="wait", window=now).execute(task_context())
    assert record["in_time"] is True


@pytest.fixture
def example(repository: Path) -> Callable[[str], Any]:
    """Give the functions of the example that trains in chunks."""
    import runpy

    names = runpy.run_path(str(repository / "example_dags" / "train_in_chunks.py"))
    return names.__getitem__


@pytest.mark.parametrize("ends", [(40,), (13, 40), (1, 2, 39, 40), (0, 40)])
def test_a_model_trained_in_chunks_is_the_model_trained_in_one(
    example: Callable[[str], Any], tmp_path: Path, ends: tuple[int, ...]
) -> None:
    fit = example("fit")
    whole = example("fresh")()
    for _ in range(40):
        example("fit_epoch")(whole, *example("data")())
    for end in ends:
        chunked = fit(tmp_path / "a run" / "checkpoint.npz", end)
    assert chunked["epoch"] == 40
    assert (chunked["inner"] == whole["inner"]).all()
    assert (chunked["outer"] == whole["outer"]).all()
    assert chunked["rng"].bit_generator.state == whole["rng"].bit_generator.state


def test_a_chunk_that_dies_goes_on_from_its_last_checkpoint_and_does_nothing_twice(
    example: Callable[[str], Any], tmp_path: Path
) -> None:
    file = tmp_path / "checkpoint.npz"
    samples, labels = example("data")()
    state = example("fit")(file, 20)
    for _ in range(5):
        example("fit_epoch")(state, samples, labels)
    # It dies here, five epochs beyond its checkpoint; what it left half written is nobody's checkpoint.
    file.with_suffix(".1.new").write_bytes(b"half a file")
    assert example("load")(file)["epoch"] == 20
    again, once = example("fit")(file, 40), example("fit")(tmp_path / "other.npz", 40)
    assert (again["inner"] == once["inner"]).all()
    written = file.stat().st_mtime_ns
    assert example("fit")(file, 40)["epoch"] == 40
    assert example("fit")(file, 10)["epoch"] == 40
    assert file.stat().st_mtime_ns == written


def test_a_run_that_is_cleared_after_its_end_trains_nothing_and_the_examples_page_says_so(
    example: Callable[[str], Any], tmp_path: Path
) -> None:
    again = [example("checkpoint")({"folder": str(tmp_path)}, "a_run") for _ in range(2)]
    example("fit")(again[0], 20)
    written = again[0].stat().st_mtime_ns
    assert example("fit")(again[1], 20)["epoch"] == 20
    assert again[1].stat().st_mtime_ns == written
    page = " ".join(example("__doc__").split())
    assert "Clearing a run that has ended trains nothing" in page
    assert "It is a demonstration; do not copy it" in page


def test_checkpoints_of_two_runs_do_not_meet(example: Callable[[str], Any], tmp_path: Path) -> None:
    name = example("checkpoint")
    folder = {"folder": str(tmp_path)}
    one, other = name(folder, "manual__2026-11-22T06:00:00+00:00"), name(folder, "a/../b")
    assert one.parent.parent == other.parent.parent == tmp_path
    assert one != other
