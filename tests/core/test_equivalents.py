from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.equivalents import FACTORS, Equivalent, equivalents
from airflow_carbon.exceptions import InvalidRequestError


def amounts(grams: float) -> list[float]:
    return [one.amount for one in equivalents(grams)]


def test_a_kilogram_is_four_kilometres_of_a_car_in_the_us() -> None:
    # 1000 g / (400 g/mile) = 2.5 miles; 2.5 x 1.609344 km = 4.02336 km.
    assert amounts(1000.0)[0] == pytest.approx(4.02336, rel=1e-12)


def test_a_kilogram_is_more_kilometres_of_a_new_car_in_europe() -> None:
    assert amounts(1000.0)[1] == pytest.approx(1000.0 / 108.1, rel=1e-12)


def test_a_gallon_of_petrol_is_its_litres() -> None:
    assert amounts(8887.0)[2] == pytest.approx(3.785411784, rel=1e-12)


@given(st.floats(-1e12, 1e12))
def test_an_amount_times_its_factor_is_what_was_asked_and_its_sign_stays(grams: float) -> None:
    for one in equivalents(grams):
        assert one.amount * one.factor.grams_per_unit == pytest.approx(grams, rel=1e-12, abs=1e-9)
        assert math.copysign(1.0, one.amount) == math.copysign(1.0, grams)


def test_each_factor_tells_its_source_and_year() -> None:
    for factor in FACTORS:
        assert factor.source in str(factor)
        assert f"({factor.year})" in str(factor)
        assert "alone" in factor.meaning


@pytest.mark.parametrize(
    ("amount", "said"), [(12345.6, "12,346 km"), (4.02336, "4.02 km"), (-150.2, "-150 km"), (0.0, "0.0000 km")]
)
def test_an_amount_is_said_with_no_more_digits_than_it_deserves(amount: float, said: str) -> None:
    assert str(Equivalent(FACTORS[0], amount)).startswith(f"{said} driven")


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_no_number_is_refused(wrong: float) -> None:
    with pytest.raises(InvalidRequestError, match="grams"):
        equivalents(wrong)
