from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.sci import SciReport, embodied_share_g, sci
from airflow_carbon.exceptions import InvalidRequestError

FOUR_YEARS = timedelta(hours=35_040)
AMOUNTS = st.floats(0, 1e9)
ORDERS = {"energy_kwh": 0.4, "intensity_g_per_kwh": 216.0, "functional_units": 398}


def test_an_hour_of_a_server_has_its_part_of_four_years():
    assert embodied_share_g(1e6, reserved=timedelta(hours=1), expected_life=FOUR_YEARS) == pytest.approx(
        28.5388, abs=5e-5
    )


def test_the_worked_example_is_0_2888_grams_an_order():
    embodied = embodied_share_g(1e6, reserved=timedelta(hours=1), expected_life=FOUR_YEARS)
    assert round(sci(embodied_g=embodied, **ORDERS), 4) == 0.2888


def test_the_worked_example_with_rounded_embodied_emissions_is_0_2874_grams_an_order():
    assert round(sci(embodied_g=28, **ORDERS), 4) == 0.2874


def test_years_of_leap_days_give_a_little_less():
    embodied = embodied_share_g(1e6, reserved=timedelta(hours=1), expected_life=timedelta(hours=4 * 8766))
    assert round(sci(embodied_g=embodied, **ORDERS), 4) == 0.2887


def test_a_quarter_of_the_host_carries_a_quarter_of_its_embodied_emissions():
    whole = embodied_share_g(1e6, reserved=timedelta(hours=8), expected_life=FOUR_YEARS)
    quarter = embodied_share_g(1e6, reserved=timedelta(hours=8), expected_life=FOUR_YEARS, resource_share=0.25)
    assert quarter == pytest.approx(whole / 4)


@given(AMOUNTS, AMOUNTS, AMOUNTS, st.floats(1e-3, 1e6))
def test_twice_the_units_halve_the_score(energy, intensity, embodied, units):
    def score(units):
        return sci(energy_kwh=energy, intensity_g_per_kwh=intensity, embodied_g=embodied, functional_units=units)

    assert score(2 * units) == pytest.approx(score(units) / 2)


@pytest.mark.parametrize("field", ["energy_kwh", "intensity_g_per_kwh", "embodied_g", "functional_units"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "12", None, True])
def test_what_is_no_amount_is_refused_by_the_name_of_its_field(field, value):
    terms = {**ORDERS, "embodied_g": 1.0, field: value}
    with pytest.raises(InvalidRequestError, match=f"^{field}: "):
        sci(**terms)


def test_zero_units_are_refused_in_words():
    with pytest.raises(InvalidRequestError, match="R is 0"):
        sci(energy_kwh=1, intensity_g_per_kwh=1, embodied_g=0, functional_units=0)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"resource_share": 1.01}, "resource_share"),
        ({"resource_share": -0.1}, "resource_share"),
        ({"reserved": timedelta(hours=-1)}, "reserved"),
        ({"reserved": FOUR_YEARS + timedelta(hours=1)}, "reserved"),
        ({"expected_life": timedelta(0)}, "expected_life"),
    ],
)
def test_a_share_beyond_the_whole_is_refused(change, field):
    with pytest.raises(InvalidRequestError, match=f"^{field}: "):
        embodied_share_g(1e6, **{"reserved": timedelta(hours=1), "expected_life": FOUR_YEARS, **change})


def test_a_report_keeps_its_terms_apart_and_says_where_the_intensity_is_from():
    report = SciReport(
        **ORDERS,
        embodied_g=28.0,
        functional_unit="order",
        intensity_source="neso",
        zone="GB",
        kind="measured",
        signal="average",
    )
    assert report.operational_g == pytest.approx(86.4)
    assert report.total_g == pytest.approx(114.4)
    assert report.score == sci(embodied_g=28.0, **ORDERS)
    record = json.loads(json.dumps(report.record()))
    assert record["sci_g_per_unit"] == report.score
    assert {key: record[key] for key in ("energy_kwh", "intensity_g_per_kwh", "embodied_g", "functional_units")} == {
        **ORDERS,
        "embodied_g": 28.0,
    }
    assert (record["functional_unit"], record["intensity_source"], record["signal"]) == ("order", "neso", "average")


def test_a_report_refuses_what_the_formula_refuses():
    with pytest.raises(InvalidRequestError, match="functional_units"):
        SciReport(1.0, 1.0, 1.0, 0, "order")
    with pytest.raises(InvalidRequestError, match="functional_unit: ' ' names nothing"):
        SciReport(1.0, 1.0, 1.0, 1, " ")


def test_a_score_needs_no_numpy():
    code = "import sys, airflow_carbon.core.sci; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
