"""A ledger as large as the pages are measured and tested on: decisions, what came of them, emissions, and waits."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from airflow_carbon.core.record import DecisionRecord, EmissionRecord, ImpactRecord, Record
from airflow_carbon.core.record_wait import WaitRecord
from airflow_carbon.ledger.sql import SqlLedger

#: Decisions, impacts and emissions; a third each.
ROWS = 100_000
DAGS, TASKS, OWNERS, DAYS, WAITING = 100, 4, 7, 365, 200
HOUR = timedelta(hours=1)


def records(now: datetime, rows: int = ROWS, waiting: int = WAITING) -> Iterator[Record]:
    """Make them up, the same each time; one DAG in ten knows marginal intensities."""
    rng = random.Random(1)
    for row in range(rows // 3):
        began = now - timedelta(days=rng.uniform(0.0, DAYS))
        dag, task = row % DAGS, row // DAGS % TASKS
        signal, accounting = ("marginal", "CO2") if dag % 10 == 0 else ("average", "direct, consumption, CO2e")
        baseline, came = rng.uniform(150.0, 500.0), rng.uniform(50.0, 300.0)
        energy = rng.uniform(0.1, 20.0)
        run = f"scheduled__{began.isoformat()}"
        ids = {"dag_id": f"dag_{dag}", "run_id": run, "task_id": f"wait_{task}"}
        known = {"signal": signal, "accounting": accounting, "zone": "GB"}
        yield DecisionRecord(
            decision_id=f"decision-{row}", sort="wait", decided_at=began - HOUR, ready_at=began - HOUR, start=began,
            action=rng.choice(("taken", "taken", "taken", "overridden", "shadow", "")), governs=("work",),
            owner=f"team_{dag % OWNERS}", location="azure:uksouth", promised_saving_percent=rng.uniform(-5.0, 60.0),
            recommended={"windows": [{"start": began.isoformat(), "end": (began + HOUR).isoformat(),
                                      "intensity_g_per_kwh": came}]},
            baseline_intensity_g_per_kwh=baseline, raw={"notes": ["x" * 400], "reason": "started as planned"},
            **ids, **known,
        )  # fmt: skip
        yield ImpactRecord(
            decision_id=f"decision-{row}", started_at=began, ended_at=began + HOUR, home_zone="GB", energy_kwh=energy,
            intensity_g_per_kwh=came, baseline_intensity_g_per_kwh=baseline, emitted_g=energy * came,
            baseline_g=energy * baseline, saving_percent=100.0 * (1.0 - came / baseline), measured=rng.random() < 0.8,
            promised_saving_percent=rng.uniform(0.0, 60.0), raw={"inputs": ["y" * 300]}, **known,
        )  # fmt: skip
        yield EmissionRecord(
            started_at=began, ended_at=began + HOUR, energy_kwh=energy, energy_how="measured", owner="team",
            intensity_g_per_kwh=came, kind="measured", location="azure:uksouth", embodied_g=1.0, final=True,
            functional_unit="order", functional_units=1000.0, raw={"meter": "codecarbon"},
            **{**ids, "task_id": f"work_{task}"}, **known,
        )  # fmt: skip
    values = [rng.uniform(50.0, 400.0) for _ in range(144)]
    for row in range(waiting):
        start = now + timedelta(minutes=rng.uniform(1.0, 700.0))
        yield WaitRecord(
            decision_id=f"wait-{row}", dag_id=f"dag_{row % DAGS}", run_id="now", task_id="wait_0", map_index=row,
            location="azure:uksouth", zone="GB", ready_at=now - HOUR, earliest_start=now - HOUR, start=start,
            latest_start=now + timedelta(hours=12), duration_seconds=3600.0, reason="waits for cleaner power",
            end=start + HOUR, intensity_g_per_kwh=90.0, baseline_intensity_g_per_kwh=210.0,
            promised_saving_percent=57.0, kind="forecast", signal="average", accounting="direct, consumption, CO2e",
            source="made up", updated_at=now,
            forecast={"start": now.isoformat(), "step_seconds": 1800.0, "values": values},
        )  # fmt: skip


def write(path: str, now: datetime, rows: int = ROWS, waiting: int = WAITING) -> None:
    """Make a SQLite ledger of them."""
    SqlLedger(f"sqlite:///{path}").write(records(now, rows, waiting))


if __name__ == "__main__":
    write(sys.argv[1], datetime.now(UTC))
