from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.aggregate import Method, Methods, over_components, over_time, sci_over_time
from airflow_carbon.exceptions import InvalidRequestError

SUM = Methods(Method.SUM, Method.SUM)
AMOUNTS = st.floats(0, 1e9)


def rows(*values: Any, metric: str = "x") -> list[dict[str, Any]]:
    return [
        {"timestamp": f"2026-03-02T0{hour}:00:00Z", "duration": 3600, metric: one} for hour, one in enumerate(values)
    ]


def test_one_method_given_applies_to_both_directions():
    assert Methods.parse("avg", "x") == Methods(Method.AVG, Method.AVG)
    assert Methods.parse({"time": "sum"}, "x") == SUM
    assert Methods.parse({"component": "copy"}, "x") == Methods(Method.COPY, Method.COPY)


def test_the_old_names_of_the_directions_are_taken():
    assert Methods.parse({"horizontal": "sum", "vertical": "avg"}, "x") == Methods(Method.SUM, Method.AVG)
    assert Methods.parse({"time": "sum", "vertical": "none"}, "x") == Methods(Method.SUM, Method.NONE)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("mean", "x: 'mean' is no method; write one of sum, avg, copy, none"),
        ({"time": "summ"}, "x.time: 'summ' is no method"),
        ({"tiem": "sum"}, "x.tiem: there are two directions, time and component"),
        ({"time": "sum", "horizontal": "avg"}, "x.horizontal: the method of time is given twice"),
        ({}, "x: {} is no method"),
        (None, "x: None is no method"),
    ],
)
def test_what_is_no_method_is_refused_with_the_four_there_are(value, fault):
    with pytest.raises(InvalidRequestError) as raised:
        Methods.parse(value, "x")
    assert str(raised.value).startswith(fault)


@pytest.mark.parametrize(
    ("method", "expected"), [("sum", {"x": 6.0}), ("avg", {"x": 2.0}), ("copy", {"x": 1}), ("none", {})]
)
def test_rows_become_one_value_by_the_method_of_time(method, expected):
    methods = {"x": Methods(Method(method), Method.NONE)}
    assert over_time(rows(2, 3, 1), methods, where="outputs") == expected


@pytest.mark.parametrize(
    ("method", "expected"), [("sum", [5.0, 7.0]), ("avg", [2.5, 3.5]), ("copy", [4, 4]), ("none", [None, None])]
)
def test_components_become_one_row_by_the_method_of_components(method, expected):
    answer = over_components({"a": rows(1, 3), "b": rows(4, 4)}, {"x": Methods(Method.NONE, Method(method))})
    assert [row.get("x") for row in answer] == expected
    assert [(row["timestamp"], row["duration"]) for row in answer] == [
        ("2026-03-02T00:00:00Z", 3600),
        ("2026-03-02T01:00:00Z", 3600),
    ]


def test_a_text_can_be_copied_and_cannot_be_added():
    machines = rows("small", "large", metric="machine")
    assert over_time(machines, {"machine": Methods(Method.COPY, Method.COPY)}, where="outputs") == {"machine": "large"}
    with pytest.raises(InvalidRequestError, match=r"^outputs\[0\]\.machine: 'small' must be a finite number"):
        over_time(machines, {"machine": SUM}, where="outputs")


@pytest.mark.parametrize("value", [True, float("nan"), float("inf"), "3", 10**400])
def test_what_is_no_number_is_refused_by_its_row(value):
    with pytest.raises(InvalidRequestError, match=r"^outputs\[1\]\.x: "):
        over_time(rows(1, value), {"x": SUM}, where="outputs")


@pytest.mark.parametrize("method", list(Method)[:3])
def test_a_metric_that_is_missing_in_a_row_is_refused(method):
    with pytest.raises(InvalidRequestError, match=r"^outputs\[1\]\.x: is missing"):
        over_time(
            [*rows(1), {"timestamp": "2026-03-02T01:00:00Z", "duration": 3600}],
            {"x": Methods(method, method)},
            where="outputs",
        )


def test_components_of_unequal_length_are_refused():
    for parts in ({"a": rows(1), "b": rows(1, 2)}, {"a": rows(1, 2), "b": rows(1)}):
        with pytest.raises(InvalidRequestError, match=r"^b: has \d rows where a has \d"):
            over_components(parts, {"x": SUM})


def test_components_of_other_times_are_refused():
    late = [{**row, "timestamp": row["timestamp"].replace("T0", "T1")} for row in rows(1, 2)]
    with pytest.raises(
        InvalidRequestError, match=r"^b\[0\]\.timestamp: 2026-03-02T10:00:00Z differs from 2026-03-02T00"
    ):
        over_components({"a": rows(1, 2), "b": late}, {"x": SUM})


def test_one_moment_written_in_two_ways_is_one_moment():
    other = [{**rows(2)[0], "timestamp": text} for text in ("2026-03-02T00:00:00.000Z", "2026-03-02T01:00:00+01:00")]
    for row in other:
        assert over_components({"a": rows(1), "b": [row]}, {"x": SUM})[0]["x"] == 3.0


def test_no_component_and_no_rows_are_refused():
    with pytest.raises(InvalidRequestError, match=r"^components: there is none"):
        over_components({}, {"x": SUM})
    with pytest.raises(InvalidRequestError, match=r"^b: has no rows"):
        over_components({"a": rows(1), "b": []}, {"x": SUM})


@given(st.lists(st.lists(AMOUNTS, min_size=3, max_size=3), min_size=1, max_size=5))
def test_sums_over_both_directions_are_the_sum_of_all(table):
    parts = {str(index): rows(*values) for index, values in enumerate(table)}
    by_row = over_components(parts, {"x": SUM})
    total = over_time(by_row, {"x": SUM}, where="outputs")["x"]
    assert total == pytest.approx(sum(sum(values) for values in table))


def test_both_readings_of_an_sci_over_time():
    both = sci_over_time([6, 12, 12], [0, 4, 2])
    # 6 g without an order, 3 g and 6 g an order; 30 g over 6 orders.
    assert both.mean_of_ratios == 5.0
    assert both.carbon_over_units == 5.0
    both = sci_over_time([10, 10], [10, 1])
    assert both.mean_of_ratios == 5.5
    assert both.carbon_over_units == pytest.approx(20 / 11)


def test_a_row_without_units_keeps_its_carbon_in_the_total():
    both = sci_over_time([6, 12], [0, 4])
    assert both.carbon_g == 18.0
    assert both.carbon_over_units == 4.5


def test_without_any_unit_there_is_no_number_to_report():
    assert sci_over_time([6, 12], [0, 0]).carbon_over_units is None


@given(st.lists(st.tuples(AMOUNTS, st.floats(1e-3, 1e6)), min_size=1))
def test_the_total_lies_between_the_least_and_the_largest_ratio(pairs):
    both = sci_over_time([grams for grams, _ in pairs], [units for _, units in pairs])
    ratios = [grams / units for grams, units in pairs]
    assert min(ratios) * (1 - 1e-9) <= both.carbon_over_units <= max(ratios) * (1 + 1e-9)
    assert min(ratios) * (1 - 1e-9) <= both.mean_of_ratios <= max(ratios) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("carbon", "units", "fault"),
    [
        ([], [], "carbon_g and"),
        ([1], [1, 2], "carbon_g and"),
        ([-1], [1], r"carbon_g\[0\]"),
        ([1], [-1], r"functional_units\[0\]"),
    ],
)
def test_what_cannot_be_an_sci_is_refused(carbon, units, fault):
    with pytest.raises(InvalidRequestError, match=f"^{fault}"):
        sci_over_time(carbon, units)


def test_aggregation_needs_no_numpy():
    code = (
        "import sys, airflow_carbon.core.aggregate, airflow_carbon.core.manifest.run; sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
