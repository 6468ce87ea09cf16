"""Measuring the body of a task: what is recorded, whatever becomes of the body."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.task_context import TaskInstance, task_context

from airflow_carbon.exceptions import InvalidRequestError

pytestmark = pytest.mark.airflow

HOUR = timedelta(hours=1)
#: Four years of a server, in hours.
LIFE_HOURS = 35_040


@pytest.fixture
def context() -> dict[str, Any]:
    """Give the context of one try."""
    return task_context(ti=TaskInstance(run_id=f"run-{time.monotonic_ns()}"))


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Connect a series of 100 g/kWh that turns to 300 in this hour, and one that ended a year ago."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    series = {
        "steps": [(hour + index * HOUR, 100 if index < 0 else 300) for index in range(-30, 30)],
        "old": [(hour - 365 * 24 * HOUR + index * HOUR, 100) for index in range(10)],
    }
    for name, rows in series.items():
        lines = [f"{stamp.isoformat()},{value}" for stamp, value in rows]
        (tmp_path / f"{name}.csv").write_text("\n".join(["timestamp,intensity", *lines]))
        extra = {"path": str(tmp_path / f"{name}.csv")}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "state"))


def measure(context: dict[str, Any] | None, conn_id: str | None = "steps", **asked: Any) -> Any:
    from airflow_carbon import SciHook

    return SciHook(conn_id).measure(**{"location": "zone:DE", "context": context, **asked})


def emission(context: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = context["ti"].xcoms["carbon_emission"]
    assert json.loads(json.dumps(record)) == record
    return record


def in_ledger(context: dict[str, Any]) -> list[Any]:
    from airflow_carbon.core.record import EmissionRecord
    from airflow_carbon.hooks.ledger import LedgerHook

    return list(LedgerHook().read(EmissionRecord, run_id=context["ti"].run_id))


def seconds(record: dict[str, Any]) -> float:
    return (datetime.fromisoformat(record["ended_at"]) - datetime.fromisoformat(record["started_at"])).total_seconds()


def test_a_piece_of_work_worked_by_hand(context: dict[str, Any]) -> None:
    """2 kWh at 216 g/kWh is 432 g; the default server for t seconds emits 1e6 t / 126,144,000 g; over 4 rows."""
    with measure(
        context, energy="2 kWh", embodied="default server", functional_unit="row", intensity_g_per_kwh=216.0
    ) as work:
        time.sleep(0.05)
        work.count(3)
        work.count()
    record = emission(context)
    assert record["operational_g"] == 432.0
    assert record["embodied_g"] == pytest.approx(1e6 * seconds(record) / 126_144_000, rel=1e-9)
    assert record["sci_g_per_unit"] == pytest.approx((432.0 + record["embodied_g"]) / 4, rel=1e-12)
    assert (record["functional_unit"], record["functional_units"]) == ("row", 4.0)
    assert (record["energy_how"], record["energy_note"]) == ("declared", "declared: 2 kWh")
    assert (record["intensity_source"], record["final"], record["state"]) == ("given", True, "success")
    assert work.record == record


def test_the_time_is_what_the_body_spent_on_the_worker(context: dict[str, Any]) -> None:
    """3.6 MW for t seconds is t kWh."""
    with measure(context, energy="3.6 MW", intensity_g_per_kwh=1.0):
        time.sleep(0.2)
    record = emission(context)
    assert 0.2 <= seconds(record) < 5.0
    assert record["energy_kwh"] == pytest.approx(seconds(record), rel=1e-6)


def test_the_intensity_is_the_sources_own_of_those_hours(context: dict[str, Any]) -> None:
    with measure(context, energy="0.5 kWh"):
        pass
    record = emission(context)
    assert (record["intensity_g_per_kwh"], record["operational_g"]) == (300.0, 150.0)
    assert (record["kind"], record["signal"], record["intensity_source"]) == ("measured", "average", "history")
    assert record["final"] is True


def test_what_only_a_profile_knows_is_not_final(context: dict[str, Any]) -> None:
    with measure(context, None, location="zone:GB", energy="0.5 kWh"):
        pass
    record = emission(context)
    assert (record["kind"], record["final"]) == ("typical", False)
    assert record["operational_g"] == pytest.approx(0.5 * record["intensity_g_per_kwh"])


def test_the_record_reaches_the_ledger_once(context: dict[str, Any]) -> None:
    with measure(context, energy="0.5 kWh", functional_unit="row", functional_units=10):
        pass
    (kept,) = in_ledger(context)
    assert (kept.task_id, kept.operational_g, kept.functional_units, kept.final) == ("a_task", 150.0, 10.0, True)


def test_without_an_energy_there_are_never_grams(context: dict[str, Any]) -> None:
    ready_at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - 5 * HOUR
    with measure(context, embodied="default server", ready_at=ready_at):
        pass
    record = emission(context)
    assert record["intensity_g_per_kwh"] == 300.0
    # 300 g/kWh instead of 100: three times as much.
    assert record["cleaner_percent"] == pytest.approx(-200.0)
    assert record["energy_how"] == "none"
    grams = [key for key in record if key.endswith("_g") or key == "sci_g_per_unit"]
    assert len(grams) >= 4
    assert [record[key] for key in grams] == [None] * len(grams)


def test_a_time_of_readiness_that_nobody_knows_takes_nothing_else_away(context: dict[str, Any]) -> None:
    with measure(context, energy="1 kWh", location="zone:XX", ready_at="2019-01-01T00:00:00+00:00"):
        pass
    record = emission(context)
    assert (record["operational_g"], record["cleaner_percent"], record["final"]) == (300.0, None, True)
    assert "covers" in record["raw"]["no_intensity"]


def test_a_body_that_fails_is_counted_and_its_error_goes_on(context: dict[str, Any]) -> None:
    def body() -> None:
        with measure(context, energy="1 kWh", functional_unit="row") as work:
            work.count(2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        body()
    record = emission(context)
    assert (record["state"], record["operational_g"], record["functional_units"]) == ("failed", 300.0, 2.0)
    (kept,) = in_ledger(context)
    assert kept.state == "failed"


def test_a_task_that_skips_did_not_fail(context: dict[str, Any]) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    with pytest.raises(AirflowSkipException), measure(context, energy="1 kWh"):
        raise AirflowSkipException("nothing new")
    assert emission(context)["state"] == "success"


def test_a_task_that_is_ended_asks_nobody_on_its_way_out(context: dict[str, Any]) -> None:
    from airflow.sdk.exceptions import AirflowTaskTerminated

    with pytest.raises(AirflowTaskTerminated), measure(context, energy="1 kWh"):
        raise AirflowTaskTerminated("marked failed")
    record = emission(context)
    assert (record["state"], record["energy_kwh"], record["intensity_g_per_kwh"]) == ("failed", 1.0, None)
    assert record["final"] is False


def test_nobody_is_asked_where_the_intensity_may_come_later(context: dict[str, Any]) -> None:
    with measure(context, "no_such_connection", energy="1 kWh", ask_now=False):
        pass
    record = emission(context)
    assert (record["energy_kwh"], record["intensity_g_per_kwh"], record["final"]) == (1.0, None, False)


def test_a_series_that_does_not_cover_the_run_leaves_the_intensity_for_later(context: dict[str, Any]) -> None:
    with measure(context, "old", energy="1 kWh", location="zone:XX"):
        pass
    record = emission(context)
    assert (record["energy_kwh"], record["operational_g"], record["final"]) == (1.0, None, False)
    assert "covers" in record["raw"]["no_intensity"]


def test_nothing_counted_keeps_the_carbon_and_says_that_there_is_no_sci(context: dict[str, Any]) -> None:
    with measure(context, energy="1 kWh", functional_unit="row"):
        pass
    record = emission(context)
    assert (record["total_g"], record["functional_units"], record["sci_g_per_unit"]) == (300.0, 0.0, None)
    assert "R is 0" in record["no_sci"]


def test_hardware_reserved_during_a_wait_is_billed_by_the_hours_of_the_wait(context: dict[str, Any]) -> None:
    """0.1 kWh at work at 300 g/kWh; 0.2 kW x 3 h, reserved until the hour began, mostly at 100 g/kWh."""
    began = datetime.now(UTC)
    energy = {"kwh": 0.1, "idle_watts": 200}
    with measure(context, energy=energy, embodied="default server", reserved_while_waiting="3h"):
        pass
    record = emission(context)
    in_this_hour = (began - began.replace(minute=0, second=0, microsecond=0)) / HOUR
    mean_waiting = (100.0 * (3.0 - in_this_hour) + 300.0 * in_this_hour) / 3.0
    assert record["energy_kwh"] == pytest.approx(0.7)
    assert record["operational_g"] == pytest.approx(0.1 * 300.0 + 0.6 * mean_waiting, rel=1e-3)
    assert record["embodied_g"] == pytest.approx(3e6 / LIFE_HOURS, rel=1e-3)
    assert (record["raw"]["waiting_kwh"], record["raw"]["waited_seconds"]) == (pytest.approx(0.6), 10_800.0)


def test_on_always_on_hardware_only_the_dynamic_part_is_reducible(context: dict[str, Any]) -> None:
    with measure(context, energy={"watts": 3.6e6, "idle_watts": 0.9e6}, always_on=True):
        time.sleep(0.05)
    record = emission(context)
    assert record["raw"]["reducible_kwh"] == pytest.approx(0.75 * record["energy_kwh"], rel=1e-9)


def test_the_energy_may_be_known_only_at_the_end(context: dict[str, Any]) -> None:
    with measure(context) as work:
        work.energy = {"kwh": 0.25}
    assert emission(context)["operational_g"] == 75.0


def test_an_energy_found_wrong_at_the_end_is_an_error_that_keeps_the_inputs(context: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match=r"kwh.*zero or larger"), measure(context) as work:
        work.energy = {"kwh": -0.25}
    record = emission(context)
    assert "zero or larger" in record["fault"]
    assert (record["raw"]["energy"], record["energy_kwh"]) == ({"kwh": -0.25}, None)
    assert seconds(record) == pytest.approx(record["raw"]["worked_seconds"], abs=1e-5)
    (kept,) = in_ledger(context)
    assert kept.fault == record["fault"]


def test_a_count_that_is_text_is_an_error_that_keeps_the_inputs(context: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match="'many' is text"), measure(context, energy="1 kWh") as work:
        work.count("many")
    record = emission(context)
    assert (record["state"], record["raw"]["miscounted"]) == ("failed", "many")


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"energy": "-1 kWh"}, "zero or larger"),
        ({"energy": 3}, "has no unit"),
        ({"functional_units": "lots"}, "'lots' is text"),
        ({"functional_unit": ""}, "names nothing"),
        ({"embodied": "a laptop"}, "embodied"),
        ({"location": "DE"}, "did you mean 'zone:DE'"),
        ({"intensity_g_per_kwh": -5.0}, "intensity_g_per_kwh"),
        ({"energy": "95 W", "reserved_while_waiting": "1h"}, "idle_watts"),
        ({"ready_at": "yesterday"}, "ready_at"),
        ({"reserved_while_waiting": "2999-01-01T00:00:00+00:00"}, "reserved_while_waiting"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_any_work(
    context: dict[str, Any], asked: dict[str, Any], fault: str
) -> None:
    worked = False
    with pytest.raises(InvalidRequestError, match=fault), measure(context, **asked):
        worked = True
    assert not worked
    record = emission(context)
    assert record["fault"]
    assert seconds(record) == 0.0
    name, value = next(iter(asked.items()))
    assert record["raw"][name] == value


def test_a_connection_that_is_not_defined_is_refused_before_any_work(context: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match="'no_such' is not defined"), measure(context, "no_such"):
        pytest.fail("the body ran")
    assert "no_such" in emission(context)["fault"]


def test_a_try_is_measured_once(context: dict[str, Any]) -> None:
    with measure(context, energy="1 kWh"):
        pass
    with pytest.raises(InvalidRequestError, match="a_task was measured before in this try"), measure(context):
        pass
    (kept,) = in_ledger(context)
    assert (kept.energy_kwh, kept.fault) == (1.0, "")


def test_outside_of_a_task_the_record_stays_with_who_asked() -> None:
    with measure(None, energy="1 kWh", intensity_g_per_kwh=10.0) as work:
        pass
    assert work.record["operational_g"] == 10.0


def test_an_asynchronous_body_is_measured_too(context: dict[str, Any]) -> None:
    async def body() -> None:
        with measure(context, energy="1 kWh"):
            await asyncio.sleep(0.01)

    asyncio.run(body())
    assert emission(context)["operational_g"] == 300.0


def test_codecarbon_measures_offline(context: dict[str, Any]) -> None:
    pytest.importorskip("codecarbon")
    with measure(context, energy="codecarbon", functional_unit="step", functional_units=1):
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            sum(range(1000))
    record = emission(context)
    assert record["energy_how"] == "measured"
    assert record["energy_note"].startswith("codecarbon ")
    # Between nothing and a kilowatt.
    assert 0.0 < record["energy_kwh"] < 1.0 * seconds(record) / 3600.0
    assert record["operational_g"] == pytest.approx(300.0 * record["energy_kwh"])


def test_the_meter_reaches_no_network_whatever_its_own_configuration_says(tmp_path: Path) -> None:
    pytest.importorskip("codecarbon")
    code = """
import socket, warnings
def refuse(*args, **kwargs): raise SystemExit(f"the meter tried to reach {args}")
socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = refuse
warnings.simplefilter("error")
from airflow_carbon.hooks.codecarbon_meter import CodecarbonMeter
meter = CodecarbonMeter("machine")
meter.start()
print(meter.stop()[0] >= 0.0)
"""
    service = {"emissions_endpoint": "http://127.0.0.1:9", "electricitymaps_api_token": "t", "save_to_api": "true"}
    home = {"HOME": str(tmp_path), **{f"CODECARBON_{name.upper()}": value for name, value in service.items()}}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, **home},
    )
    assert (done.returncode, done.stdout.strip()) == (0, "True"), done.stderr
    assert list(tmp_path.glob("emissions*")) == []


def test_where_codecarbon_is_not_installed_the_next_way_counts_or_the_error_says_so() -> None:
    code = """
import sys
sys.modules["codecarbon"] = None
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "codecarbon" else find(name, *rest)
from airflow_carbon import SciHook
given = {"location": "zone:DE", "intensity_g_per_kwh": 10.0}
with SciHook().measure(energy=["codecarbon", "2 kWh"], **given) as work:
    pass
print(work.record["energy_how"], work.record["operational_g"])
try:
    SciHook().measure(energy="codecarbon", **given).__enter__()
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()[-2:]
    assert first == "declared 20.0"
    assert "install airflow-provider-carbon[measure]" in second


@pytest.mark.parametrize("broken", ["start", "stop"])
def test_a_meter_that_breaks_leaves_the_energy_unknown_and_the_work_alone(tmp_path: Path, broken: str) -> None:
    (tmp_path / "codecarbon").mkdir()
    (tmp_path / "codecarbon-9.0.dist-info").mkdir()
    (tmp_path / "codecarbon-9.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: codecarbon\nVersion: 9\n"
    )
    tracker = f"""
class OfflineEmissionsTracker:
    def __init__(self, **kwargs): pass
    def start(self): pass
    def stop(self): pass
    def {broken}(self): raise OSError("the counter is gone")
"""
    (tmp_path / "codecarbon" / "__init__.py").write_text(tracker)
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from airflow_carbon import SciHook
with SciHook().measure(location="zone:DE", energy="codecarbon", intensity_g_per_kwh=10.0) as work:
    pass
record = work.record
print(record["state"], record["energy_kwh"], record["intensity_g_per_kwh"], record["raw"]["no_energy"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = {"start": "the meter did not start: OSError", "stop": "the meter broke: OSError"}[broken]
    assert done.stdout.splitlines()[-1] == f"success None 10.0 {told}"


def test_entering_imports_nothing_heavy() -> None:
    code = """
import sys
from airflow.sdk import BaseHook
before = set(sys.modules)
from airflow_carbon import SciHook
with SciHook().measure(location="azure:uksouth", energy="1 kWh", ask_now=False) as work:
    new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(new & {"numpy", "httpx", "codecarbon", "sqlalchemy", "pandas"}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
