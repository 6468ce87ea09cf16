"""Sums over records, against sums in plain Python and numbers worked by hand."""

from __future__ import annotations

import math
import tempfile
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
from fakes.records import START, decision, emission, impact
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_carbon.core.record import EmissionRecord
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.ledger.ghg import NO_ACCOUNT, ghg_view
from airflow_carbon.ledger.reductions import reduction_totals
from airflow_carbon.ledger.sql import SqlLedger
from airflow_carbon.ledger.totals import emission_totals
from airflow_carbon.ledger.uptake import uptake

DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
NO_ENERGY = {"energy_kwh": None, "energy_how": "none"}

emissions = st.builds(
    lambda number, dag, month, signal, grams, tags, owner, final: emission(
        run_id=f"r{number}", dag_id=dag, started_at=datetime(2026, month, 1, tzinfo=UTC), signal=signal, tags=tags,
        owner=owner, final=final, operational_g=grams, embodied_g=1.5,
    ),
    number=st.integers(0, 10**9),
    dag=st.sampled_from("ab"),
    month=st.integers(1, 3),
    signal=st.sampled_from(["average", "marginal", ""]),
    grams=st.floats(0, 1e9),
    tags=st.sets(st.sampled_from(["x", "y", "z"])).map(tuple),
    owner=st.sampled_from(["", "ann", "bob"]),
    final=st.booleans(),
)  # fmt: skip


def keys(record: EmissionRecord, by: tuple[str, ...]) -> list[tuple[str, ...]]:
    plain = {"dag": record.dag_id, "owner": record.owner, "month": f"{record.started_at:%Y-%m}"}
    tags = record.tags or ("",)
    return [
        (*(tag if word == "tag" else plain[word] for word in by), record.signal)
        for tag in (tags if "tag" in by else tags[:1])
    ]


@settings(max_examples=25)
@given(
    records=st.lists(emissions, max_size=30, unique_by=lambda one: (one.dag_id, one.run_id)),
    by=st.sampled_from([(), ("dag", "month"), ("tag",), ("owner", "tag"), ("month",)]),
)
def test_totals_are_what_plain_sums_are(records: list[EmissionRecord], by: tuple[str, ...]) -> None:
    expected: dict[tuple[str, ...], list[EmissionRecord]] = defaultdict(list)
    for record in records:
        for key in keys(record, by):
            expected[key].append(record)
    with tempfile.TemporaryDirectory() as folder:
        ledger = SqlLedger(f"sqlite:///{folder}/ledger.db")
        ledger.write(records)
        found = {(*(one.group[word] for word in by), one.signal): one for one in emission_totals(ledger, by)}
    assert found.keys() == expected.keys()
    for key, members in expected.items():
        assert found[key].records == len(members)
        assert found[key].provisional == sum(not one.final for one in members)
        assert math.isclose(found[key].operational_g, math.fsum(one.operational_g for one in members), rel_tol=1e-12)
        assert math.isclose(found[key].embodied_g, 1.5 * len(members), rel_tol=1e-12)


def test_totals_are_the_same_on_both_databases_and_apart_by_signal_and_accounting(ledger: SqlLedger) -> None:
    ledger.write(
        [
            emission(run_id="one", embodied_g=50.0, final=True),
            emission(run_id="one", try_number=2, energy_kwh=0.5),
            emission(run_id="two", signal="marginal"),
            emission(run_id="three", accounting="life-cycle, consumption, CO2e"),
            emission(run_id="four", **NO_ENERGY),
            emission(run_id="five", started_at=DECEMBER, location="", zone="DE"),
            EmissionRecord.faulty(dag_id="a_dag", run_id="six", task_id="t", at=START, fault="R is text", raw={}),
        ]
    )
    rows = emission_totals(ledger)
    assert [(row.group["month"], row.signal, row.accounting.partition(",")[0], row.records) for row in rows] == [
        ("2026-11", "", "", 1),
        ("2026-11", "average", "direct", 3),
        ("2026-11", "average", "life-cycle", 1),
        ("2026-11", "marginal", "direct", 1),
        ("2026-12", "average", "direct", 1),
    ]
    faulty, direct = rows[0], rows[1]
    assert (faulty.faulty, faulty.without_grams, faulty.total_g) == (1, 1, 0.0)
    # 2 kWh and a second try of 0.5 kWh at 100 g/kWh, and 50 g of hardware; a third has no energy.
    assert (direct.energy_kwh, direct.operational_g, direct.total_g) == (2.5, 250.0, 300.0)
    assert (direct.without_grams, direct.provisional) == (1, 2)
    assert {row.group["region"] for row in emission_totals(ledger, ("region",))} == {"", "zone:GB", "zone:DE"}
    later = emission_totals(ledger, (), since=DECEMBER - timedelta(hours=1), until=DECEMBER + timedelta(hours=1))
    assert [row.records for row in later] == [1]


def test_a_run_without_units_keeps_its_carbon_in_the_total(sqlite_ledger: SqlLedger) -> None:
    units = {"functional_unit": "order"}
    sqlite_ledger.write(
        [emission(run_id="one", functional_units=40.0, **units), emission(run_id="two", functional_units=0.0, **units)]
    )
    (row,) = emission_totals(sqlite_ledger, ("unit",))
    # Twice 200 g over 40 orders; the mean of ratios would have none for the second run.
    assert row.sci_g_per_unit == 10.0


def test_asking_by_something_unknown_names_what_is_known(sqlite_ledger: SqlLedger) -> None:
    with pytest.raises(InvalidRequestError, match="by: colour: must be some of dag, run, task, tag"):
        emission_totals(sqlite_ledger, ("colour",))
    with pytest.raises(InvalidRequestError, match="a word twice"):
        reduction_totals(sqlite_ledger, ("dag", "dag"))


def test_reductions_count_once_and_negative_ones_stay_negative(ledger: SqlLedger) -> None:
    ledger.write(
        [
            decision("good"), decision("bad", task_id="other", owner="bob"), decision("by margin"),
            decision("unlinked", governs=()),
            impact("good", oracle_g=150.0), impact("good", oracle_g=150.0),
            impact("bad", emitted_g=700.0, measured=False),
            impact("by margin", signal="marginal"), impact("unlinked"), impact("without a decision"),
        ]
    )  # fmt: skip
    average, marginal = reduction_totals(ledger, ("dag", "month"))
    assert (average.decisions, average.tasks, average.owners, average.measured) == (2, 2, 2, 1)
    # 600 - 200 and 600 - 700.
    assert (average.reduction_g, average.emitted_g, average.baseline_g) == (300.0, 900.0, 1200.0)
    assert (average.reduction_label, marginal.reduction_label) == ("attributed reduction", "avoided (estimate)")
    assert (marginal.decisions, marginal.reduction_g) == (1, 400.0)


def test_the_ghg_view_has_averages_alone_in_kilograms_by_account(ledger: SqlLedger) -> None:
    ledger.write(
        [
            emission(run_id="1", embodied_g=50.0, tags=("finance", "night")),
            emission(run_id="2", owner="bob", energy_kwh=10.0),
            emission(run_id="3", owner="", started_at=DECEMBER),
            emission(run_id="4", signal="marginal"),
            emission(run_id="5", signal=""),
            emission(run_id="6", **NO_ENERGY),
        ]
    )
    view = ghg_view(ledger, {"tag:night": "CC-1", "tag:finance": "CC-2", "owner:bob": "CC-1"})
    assert [(row.account, row.month, row.operational_kg, row.embodied_kg) for row in view.rows] == [
        (NO_ACCOUNT, "2026-12", 0.2, 0.0),
        ("CC-1", "2026-11", 1.2, 0.05),
        ("ann", "2026-11", 0.0, 0.0),
    ]
    assert (view.marginal, view.not_stated, view.without_grams) == (1, 1, 1)
    with pytest.raises(InvalidRequestError, match="'region:x' must begin with dag:, tag: or owner:"):
        ghg_view(ledger, {"region:x": "CC-1"})


def test_uptake_tells_what_was_done_and_how_it_went(ledger: SqlLedger) -> None:
    ledger.write(
        [
            decision("1"), decision("2"),
            decision("3", action="overridden", why="a deploy was due"),
            decision("4", action="overridden", why="a deploy was due"),
            decision("5", action="overridden"),
            decision("6", action="timed out", why="no triggerer"),
            decision("7", action=""),
            decision("8", sort="region"),
            impact("1", oracle_g=100.0, promised_saving_percent=50.0, saving_percent=66.0, forecast_error_percent=8.0),
            impact("2", oracle_g=200.0, promised_saving_percent=30.0, saving_percent=-10.0, emitted_g=660.0),
            impact("3", signal="marginal", emitted_g=None, baseline_g=None, energy_kwh=None, saving_percent=5.0),
        ]
    )  # fmt: skip
    region, wait = uptake(ledger)
    assert (region.sort, region.recommended, region.done, region.outcomes) == ("region", 1, {"taken": 1}, [])
    assert wait.done == {"open": 1, "taken": 2, "overridden": 3, "timed out": 1}
    assert wait.why[0] == ("overridden", "a deploy was due", 2)
    assert set(wait.why[1:]) == {("overridden", "no reason given", 1), ("timed out", "no triggerer", 1)}
    overridden, taken = wait.outcomes
    assert (taken.promised_saving_percent, taken.saving_percent, taken.forecast_error_percent) == (40.0, 28.0, 8.0)
    # 400 - 60 g became of what could have been 500 + 400 g.
    assert taken.reduction_g == pytest.approx(340.0)
    assert taken.of_oracle == pytest.approx(340.0 / 900.0)
    assert (overridden.signal, overridden.reduction_g, overridden.saving_percent) == ("marginal", None, 5.0)
    assert uptake(ledger, dag_id="none") == []
