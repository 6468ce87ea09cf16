"""Names that would be SQL, formulas or lines of their own, kept as what they are."""

from __future__ import annotations

import csv
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes.records import START, decision, emission, impact
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_carbon.core.record import DecisionRecord, EmissionRecord
from airflow_carbon.ledger.base import Selection
from airflow_carbon.ledger.export import FORMULA, columns_of, export, rows_of
from airflow_carbon.ledger.totals import emission_totals

if TYPE_CHECKING:
    from airflow_carbon.ledger.sql import SqlLedger

NAMES = (
    "'; DROP TABLE carbon_emission; --",
    '"; DELETE FROM carbon_decision WHERE "1"="1',
    "' OR '1'='1",
    "a%_b",
    "%s %(dag_id)s :dag_id ?",
    "\\'; SELECT pg_sleep(60); --",
    "{{ conn.ledger.password }}",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_would_be_sql_is_a_name(ledger: SqlLedger, name: str) -> None:
    fields = {"dag_id": name, "run_id": name, "task_id": name, "owner": name, "location": name, "zone": name}
    mine, others = emission(**fields), emission(energy_kwh=1.0)
    chosen = decision(name, dag_id=name, run_id=name, task_id=name, owner=name, governs=(name,))
    ledger.write([mine, others, chosen, impact(name)])
    for which in ({"dag_id": name}, {"run_id": name}, {"task_id": name}):
        assert [(one.dag_id, one.owner) for one in ledger.read(EmissionRecord, Selection(**which))] == [(name, name)]
    assert [one.governs for one in ledger.read(DecisionRecord, Selection(decision_ids=(name,)))] == [(name,)]
    assert len(list(ledger.read(EmissionRecord, Selection()))) == 2
    assert ledger.waits(dag_id=name, run_id=name, task_id=name, decision_id=name, zone=name) == []
    (total,) = emission_totals(ledger, ("dag", "owner"), dag_id=name)
    assert name in (total.group if isinstance(total.group, tuple) else tuple(dict(total.group).values()))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    owner=st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20)
    | st.sampled_from(["=1+1", "+1+1", "-2+3+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "a\r=1", "=HYPERLINK(1)"])
)
def test_no_cell_of_an_export_is_a_formula(tmp_path: Path, owner: str) -> None:
    export(
        rows_of([emission(owner=owner, location="-33.9,18.4")]), columns_of(EmissionRecord), tmp_path / "x.csv", "csv"
    )
    with (tmp_path / "x.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    # What is told of a place or a number is no formula, whatever it begins with.
    assert row["location"] == "-33.9,18.4"
    for value in row.values():
        assert not value.startswith(FORMULA) or set(value) <= set("0123456789.,+-")
    kept = row["owner"].removeprefix("'") if owner.startswith(FORMULA) else row["owner"]
    assert kept == owner.replace("\r\n", "\n").replace("\r", "\n")


def test_a_negative_number_stays_a_number(tmp_path: Path) -> None:
    from airflow_carbon.core.record import ImpactRecord

    less = impact(emitted_g=600.0, baseline_g=200.0, ended_at=START + timedelta(hours=1))
    export(rows_of([less]), columns_of(ImpactRecord), tmp_path / "x.csv", "csv")
    with (tmp_path / "x.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["reduction_g"]) == -400.0
