from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.tradeoff import (
    Budget,
    CarbonPrice,
    ExchangeRate,
    LeastCarbon,
    Weighted,
    pareto_front,
    parse_tradeoff,
    weighted_scores,
)
from airflow_carbon.exceptions import InvalidRequestError

#: Ratings and prices of the Carbon Economy SDK's published example.
RATINGS, PRICES = [29, 69, 367, 371], [1.824, 1.932, 2.131, 2.351]
ways = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=9)


def test_the_published_example_of_weighted_scores_is_reproduced():
    scores = weighted_scores(PRICES, RATINGS, emission_weight=0.5)
    assert [round(score, 3) for score in scores] == [0, 0.118, 0.574, 0.707]


def test_a_weighted_score_is_worked_by_hand():
    # Prices 10, 20, 30 scale to 0, 0.5, 1; ratings 5, 1, 9 to 0.5, 0, 1. At 0.2: hypot(0.8 z_p, 0.2 z_r).
    scores = weighted_scores([10, 20, 30], [5, 1, 9], emission_weight=0.2)
    assert scores == pytest.approx([0.1, 0.4, np.hypot(0.8, 0.2)])
    assert weighted_scores([3, 3], [7, 7], emission_weight=0.5).tolist() == [0, 0]


@given(st.floats(0.01, 1e6), st.floats(0.01, 1e6), st.floats(1.001, 100), st.floats(1.001, 100))
def test_weighted_scores_tie_any_two_that_conflict(price, rating, dearer, dirtier):
    scores = weighted_scores([price, price * dearer], [rating * dirtier, rating], emission_weight=0.5)
    assert scores[0] == pytest.approx(scores[1])


def test_the_order_of_weighted_scores_changes_when_a_third_way_is_added():
    two = Weighted(0.6).order([1.0, 2.0], [100.0, 50.0])
    # A third way that is dearer than both, and cleaner than neither: nobody would take it.
    three = Weighted(0.6).order([1.0, 2.0, 2.1], [100.0, 50.0, 1000.0])
    assert (two[0], three[0]) == (1, 0)
    prices, carbon = [1.0, 2.0], [100.0, 50.0]
    for tradeoff in (CarbonPrice(10.0), Budget(50.0), ExchangeRate(1.0), LeastCarbon()):
        ranked = tradeoff.order([*prices, 2.1], [*carbon, 1000.0])
        assert [one for one in ranked if one < 2] == tradeoff.order(prices, carbon)


def test_a_carbon_price_adds_what_the_carbon_is_worth():
    # 10 + 80 x 0.05 = 14 beats 12 + 80 x 0.04 = 15.2; at 300 a tonne 25 loses to 24.
    costs, grams = [10.0, 12.0], [50_000.0, 40_000.0]
    assert CarbonPrice(80.0).order(costs, grams) == [0, 1]
    assert CarbonPrice(300.0).order(costs, grams) == [1, 0]


def test_a_budget_takes_the_least_carbon_within_it_and_leaves_the_rest_out():
    costs, grams = [100.0, 104.0, 105.0, 106.0], [90.0, 70.0, 60.0, 10.0]
    assert Budget(5.0).order(costs, grams) == [2, 1, 0]
    assert Budget(0.0).order(costs, grams) == [0]
    assert Budget(6.0).order(costs, grams)[0] == 3


def test_an_exchange_rate_lets_five_percent_for_fifty_pass_and_not_fifty_for_five():
    assert ExchangeRate(1.0).order([100.0, 105.0], [1000.0, 500.0]) == [1, 0]
    assert ExchangeRate(1.0).order([100.0, 150.0], [1000.0, 950.0]) == [0, 1]


def test_an_exchange_rate_holds_for_each_step_not_for_their_sum():
    # From the first to the second 5 % buy 50 %; from there to the third, 45 % buy 10 %: too dear, though 50 % for 60 %
    # in all would pass.
    assert ExchangeRate(1.0).order([100.0, 105.0, 150.0], [1000.0, 500.0, 400.0])[0] == 1
    assert ExchangeRate(1.0).order([100.0, 150.0], [1000.0, 400.0])[0] == 1


def test_least_carbon_takes_the_cheaper_of_equals_and_needs_no_cost():
    assert LeastCarbon().order([3.0, 1.0, 2.0], [5.0, 5.0, 4.0]) == [2, 1, 0]
    assert LeastCarbon().order([np.nan, np.nan], [5.0, 4.0]) == [1, 0]


def test_float_noise_does_not_decide_between_equals():
    assert LeastCarbon().order([2.0, 1.0], [0.1 + 0.2, 0.3]) == [1, 0]
    assert LeastCarbon().order([2.0, 1.0], [0.3, 0.1 + 0.2]) == [1, 0]


@given(ways)
def test_nothing_beats_a_way_on_the_front_and_something_beats_each_other_one(points):
    costs, carbon = zip(*points, strict=True)
    front = pareto_front(costs, carbon)

    def beaten(one):
        return any(
            other != one and points[other][0] <= points[one][0] and points[other][1] <= points[one][1]
            and (points[other] != points[one] or other < one)
            for other in range(len(points))
        )  # fmt: skip

    assert sorted(front) == [one for one in range(len(points)) if not beaten(one)]
    assert [costs[one] for one in front] == sorted(costs[one] for one in front)


@given(ways, st.floats(0, 200), st.floats(0, 5))
def test_the_best_of_every_tradeoff_lies_on_the_front(points, percent, rate):
    costs, carbon = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    front = {points[one] for one in pareto_front(costs, carbon)}
    for tradeoff in (LeastCarbon(), Budget(percent), ExchangeRate(rate), CarbonPrice(percent * 1e4)):
        assert points[tradeoff.order(costs, carbon)[0]] in front, tradeoff


@given(ways, st.floats(0, 100))
def test_a_budget_is_kept_and_no_cleaner_way_lies_within_it(points, percent):
    best = Budget(percent).order(*zip(*points, strict=True))[0]
    limit = min(cost for cost, _ in points) * (1 + percent / 100)
    within = [carbon for cost, carbon in points if cost <= limit * (1 + 1e-9)]
    assert points[best][0] <= limit * (1 + 1e-9)
    assert points[best][1] == min(within)


@given(ways, st.floats(0.01, 5))
def test_no_step_beyond_what_an_exchange_rate_takes_would_pay_for_itself(points, rate):
    cheapest = min(points)
    best = points[ExchangeRate(rate).order(*zip(*points, strict=True))[0]]
    for cost, carbon in points:
        more, less = 100 * (cost - best[0]) / cheapest[0], 100 * (best[1] - carbon) / cheapest[1]
        assert more >= rate * less - 1e-6


def test_a_tradeoff_is_read_from_one_word_and_its_number():
    assert parse_tradeoff(None) == LeastCarbon()
    assert parse_tradeoff({"carbon_price_per_tonne": "80"}) == CarbonPrice(80.0)
    assert parse_tradeoff({"max_extra_cost_percent": 5}) == Budget(5.0)
    assert parse_tradeoff({"cost_percent_per_carbon_percent": 0.5}) == ExchangeRate(0.5)
    assert parse_tradeoff(Weighted(0.5)) == parse_tradeoff({"emission_weight": 0.5})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"carbon_price": 80}, "write one of carbon_price_per_tonne"),
        ({}, "write one of"),
        ({"emission_weight": 0.5, "max_extra_cost_percent": 5}, "write one of"),
        ("cheap", "write one of"),
        ({"emission_weight": 2}, "emission_weight: 2.0 must be a number, from 0 to 1"),
        ({"max_extra_cost_percent": -1}, "max_extra_cost_percent: -1.0 must"),
        ({"carbon_price_per_tonne": "much"}, "'much' is no number"),
        ({"cost_percent_per_carbon_percent": float("nan")}, "cost_percent_per_carbon_percent: nan"),
    ],
)
def test_what_is_no_tradeoff_is_refused_with_those_that_are(value, said):
    with pytest.raises(InvalidRequestError) as refused:
        parse_tradeoff(value)
    assert said in str(refused.value)


@pytest.mark.parametrize(("costs", "carbon"), [([], []), ([1], [1, 2]), ([np.nan], [1]), ([1], [np.inf])])
def test_columns_that_do_not_fit_are_refused(costs, carbon):
    for call in itertools.chain(
        (tradeoff.order for tradeoff in (CarbonPrice(1.0), Budget(1.0), ExchangeRate(1.0), Weighted(0.5))),
        (pareto_front,),
    ):
        with pytest.raises(InvalidRequestError, match="cost"):
            call(costs, carbon) if np.isfinite(carbon).all() else call(carbon, costs)
