"""The sums of the pages against those of the counter, and what is computed beside them, against brute force."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.many_records import records
from fakes.records import decision, impact
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.record_wait import WaitRecord
from airflow_carbon.exceptions import LedgerError
from airflow_carbon.hooks.counter import count
from airflow_carbon.ledger.sql import SqlLedger

pytestmark = pytest.mark.airflow

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def snapshot(ledger: SqlLedger, now: datetime = NOW) -> Any:
    from airflow_carbon.plugin.snapshot import Snapshot, rows_of

    return Snapshot(now, rows_of(ledger))


def test_the_sums_over_all_dags_are_those_of_the_counter(tmp_path: Any) -> None:
    ledger = SqlLedger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.write(records(NOW, rows=3000, waiting=0))
    # Of the last hour, of no grams, of the future, and one that governs nothing.
    for name, changed in (("hour", {}), ("bare", {"emitted_g": None, "baseline_g": None, "energy_kwh": None})):
        ledger.write([decision(name), impact(name, started_at=NOW - HOUR, ended_at=NOW, **changed)])
    ledger.write([decision("future"), impact("future", started_at=NOW, ended_at=NOW + HOUR)])
    ledger.write([decision("idle", governs=()), impact("idle", started_at=NOW - HOUR, ended_at=NOW)])
    told = snapshot(ledger)

    ours = [one.record() for one in told.periods(told.dag_ids)]
    counted = [one.record() for one in count(SimpleNamespace(ledger=ledger), NOW)]  # type: ignore[arg-type]

    def rounded(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: rounded(one) for name, one in value.items()}
        return [rounded(one) for one in value] if isinstance(value, list) else (
            pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
        )  # fmt: skip

    assert ours == rounded(counted)
    assert sum(one["decisions"] for one in counted[-1]["reductions"]) == 1002
    assert counted[0]["reductions"][0]["decisions"] >= 2


def test_sums_of_some_dags_add_up_to_those_of_all(tmp_path: Any) -> None:
    ledger = SqlLedger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.write(records(NOW, rows=3000, waiting=0))
    told = snapshot(ledger)
    dags = sorted(told.dag_ids)
    some = set(random.Random(3).sample(dags, 37))

    def grams(dag_ids: Any) -> dict[tuple[str, str], float]:
        return {(one.signal, one.accounting): one.reduction_g for one in told.periods(dag_ids)[-1].reductions}

    mine, others, every = grams(some), grams(set(dags) - some), grams(dags)
    assert {key: mine.get(key, 0.0) + others.get(key, 0.0) for key in every} == pytest.approx(every)
    assert told.periods([])[-1].reductions == []


def test_a_week_begins_on_monday_in_utc_and_weeks_of_two_signals_stay_apart(tmp_path: Any) -> None:
    ledger = SqlLedger(f"sqlite:///{tmp_path}/ledger.db")
    monday = datetime(2026, 11, 16, tzinfo=UTC)
    old, sunday = NOW - timedelta(weeks=40), monday - timedelta(seconds=1)
    for name, ended, signal in (("sunday", sunday, "average"), ("monday", monday, "average"),
                                ("other", monday, "marginal"), ("old", old, "average")):  # fmt: skip
        ledger.write([decision(name), impact(name, started_at=ended - HOUR, ended_at=ended, signal=signal)])
    told = snapshot(ledger)

    weeks = [(f"{one.week}", one.reduction.signal, one.reduction.reduction_g) for one in told.weeks(told.dag_ids)]

    assert weeks == [("2026-11-09", "average", 400.0), ("2026-11-16", "average", 400.0),
                     ("2026-11-16", "marginal", 400.0)]  # fmt: skip


def waited(values: list[float], hours: float, name: str = "one") -> WaitRecord:
    return WaitRecord(
        decision_id=name, dag_id="d", run_id="r", task_id="t", ready_at=NOW, earliest_start=NOW, latest_start=NOW,
        duration_seconds=3600.0 * hours, signal="average", updated_at=NOW, zone="GB",
        forecast={"start": NOW.isoformat(), "step_seconds": 3600.0, "values": values},
    )  # fmt: skip


@given(st.lists(st.lists(st.floats(1.0, 900.0), min_size=2, max_size=60), min_size=1, max_size=5), st.integers(1, 3))
def test_more_delay_never_brings_less_and_is_what_trying_every_start_brings(series: Any, hours: int) -> None:
    from airflow_carbon.plugin.flexibility import gained

    rows = gained([waited(values, hours, f"{at}") for at, values in enumerate(series)])

    savings = [one.saving_percent for one in rows]
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(savings))
    # On a grid of whole hours a run of whole hours is best at a whole hour.
    enough = [one for one in series if len(one) >= hours]
    reach = sorted((len(one) - hours for one in enough), reverse=True)
    able = [one for one in enough if len(one) - hours >= reach[(len(reach) - 1) // 2]] if reach else []
    for row in rows:
        delay = int(row.max_delay_seconds // 3600)
        brute = [
            100.0 * (1.0 - min(sum(one[at : at + hours]) for at in range(delay + 1)) / sum(one[:hours])) for one in able
        ]
        assert row.decisions == len(able)
        assert row.saving_percent == pytest.approx(sum(brute) / len(brute), abs=1e-6)


def test_a_kept_forecast_that_was_joined_is_laid_out_over_its_steps_again() -> None:
    from airflow_carbon.plugin.told import kept_forecast

    wait = waited([], 1.0)
    joined = {"start": NOW.isoformat(), "step_seconds": 1800.0, "values": [10.0, 20.0], "steps": [3, 1]}

    forecast = kept_forecast(_with(wait, joined))

    assert forecast is not None
    assert forecast.intensity.tolist() == [10.0, 10.0, 10.0, 20.0]
    damages = [{}, {"start": "x", "step_seconds": 1.0, "values": [1.0]}, {"start": NOW.isoformat()}]
    for damage in (
        *damages,
        *({**joined, **one} for one in ({"values": [1.0]}, {"step_seconds": "a"}, {"values": []})),
    ):
        assert kept_forecast(_with(wait, damage)) is None


def _with(wait: WaitRecord, forecast: dict[str, Any]) -> WaitRecord:
    from dataclasses import replace

    return replace(wait, forecast=forecast)


def test_while_one_reads_anew_the_others_take_what_was_known_and_a_failure_is_told_to_all() -> None:
    from airflow_carbon.plugin.books import FAILURE_SECONDS, Kept

    clock, loads, gate = [0.0], [0], threading.Event()

    def load() -> int:
        loads[0] += 1
        if loads[0] == 2:
            assert gate.wait(10.0)
        if loads[0] == 3:
            raise LedgerError("down")
        return loads[0]

    kept = Kept(load, 5.0, clock=lambda: clock[0])
    assert [kept.get(), kept.get()] == [1, 1]
    clock[0] = 6.0
    found: list[int] = []
    reader = threading.Thread(target=lambda: found.append(kept.get()))
    reader.start()
    while loads[0] < 2:
        pass
    assert kept.get() == 1
    gate.set()
    reader.join(10.0)
    assert (found, kept.get()) == ([2], 2)

    clock[0] = 12.0
    for _ in range(3):
        with pytest.raises(LedgerError, match="down"):
            kept.get()
    assert loads[0] == 3
    clock[0] = 12.0 + FAILURE_SECONDS
    assert kept.get() == 4
