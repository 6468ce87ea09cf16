"""What may be recorded, and that the inputs are kept whatever they are."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from fakes.records import START, decision, emission, impact
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.record import EmissionRecord, Record
from airflow_carbon.core.record_document import document_of, record_of
from airflow_carbon.core.record_fields import plain
from airflow_carbon.core.units import Accounting
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.ledger.rows import digest

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
    max_leaves=20,
)


@given(raw=st.dictionaries(st.text(), anything))
def test_any_input_can_be_kept_and_comes_back_from_json(raw: dict[str, Any]) -> None:
    record = emission(raw=raw)
    assert record_of(json.loads(json.dumps(document_of(record), allow_nan=False))) == record


def test_what_json_has_no_word_for_becomes_a_text_that_tells() -> None:
    class Client:
        def __repr__(self) -> str:
            return "Client(password='hunter22')"

    loop: list[Any] = []
    loop.append(loop)
    kept = plain(
        {"nan": math.nan, "inf": -math.inf, "when": START, "who": Client(), "n": np.float32(0.5), "i": np.int64(3),
         "d": Decimal("1.5"), "loop": loop, "set": {"b", "a"}}
    )  # fmt: skip
    assert (kept["nan"], kept["inf"], kept["when"]) == ("nan", "-inf", "2026-11-22T06:00:00+00:00")
    assert (kept["who"], kept["n"], kept["i"], kept["d"]) == ("<Client>", 0.5, 3, "<Decimal>")
    assert kept["set"] == ["a", "b"]
    assert "<too deep>" in json.dumps(kept["loop"])


@pytest.mark.parametrize("record", [emission(made_at=START, tags=("b", "a")), decision(), impact(oracle_g=1.0)])
def test_a_record_survives_an_outbox(record: Record) -> None:
    document = json.loads(json.dumps(document_of(record)))
    assert record_of(document) == record
    assert record_of({**document, "a field of": "a later version"}) == record


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"energy_kwh": -1.0}, "energy_kwh: -1.0 must be a finite number, 0 or larger, or None"),
        ({"energy_kwh": True}, "energy_kwh: True must be"),
        ({"functional_units": "twelve"}, "functional_units: 'twelve' must be"),
        ({"intensity_g_per_kwh": math.nan}, "intensity_g_per_kwh: nan must be"),
        ({"ended_at": START - timedelta(hours=1)}, "ended_at: 2026-11-22T05:00:00.*comes before the start"),
        ({"started_at": datetime(2026, 1, 1)}, "started_at: .* has no timezone"),  # noqa: DTZ001
        ({"energy_kwh": None}, "energy_how: measured needs an energy"),
        ({"energy_how": "none"}, "energy_how: say how 2 kWh is known"),
        ({"energy_kwh": None, "energy_how": "none", "operational_g": 1.0}, "no grams without an energy"),
        ({"signal": "mean"}, "signal: 'mean' must be one of '', average, marginal"),
        ({"state": "skipped"}, "state: 'skipped' must be one of success, failed"),
        ({"dag_id": ""}, "dag_id: must not be empty"),
        ({"run_id": "r" * 251}, "run_id: .* has 251 characters; 250 is the most"),
        ({"tags": "one"}, "tags: 'one' must be a list of names"),
        ({"try_number": 1.5}, "try_number: 1.5 must be a whole number"),
    ],
)
def test_a_wrong_field_is_named_with_what_would_be_right(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        emission(**fields)


def test_inputs_that_make_no_emission_are_kept_with_what_is_wrong() -> None:
    raw = {"energy_kwh": -3, "functional_units": "twelve"}
    record = EmissionRecord.faulty(dag_id="d", run_id="r", task_id="t", at=START, fault="energy_kwh: -3", raw=raw)
    assert (record.raw, record.fault, record.energy_kwh, record.operational_g) == (raw, "energy_kwh: -3", None, None)


def test_grams_are_energy_times_intensity_unless_they_are_given() -> None:
    assert emission().operational_g == 200.0
    assert emission(operational_g=180.0).operational_g == 180.0
    assert emission(intensity_g_per_kwh=None).operational_g is None


def test_a_reduction_is_baseline_less_emitted_and_may_be_negative() -> None:
    assert impact(emitted_g=700.0).reduction_g == -100.0
    assert impact(emitted_g=None).reduction_g is None


def test_an_accounting_that_says_nothing_is_the_same_as_none() -> None:
    assert emission(accounting=Accounting()).accounting == emission(accounting="").accounting == ""
    assert emission(accounting=Accounting("direct", "consumption", "CO2e")) == emission()


def test_a_digest_tells_records_apart_by_all_but_when_they_were_made() -> None:
    assert digest(emission(made_at=START)) == digest(emission())
    assert len({digest(one) for one in (emission(), emission(raw={"a": 1}), emission(final=True), decision())}) == 4
