"""Region x time x purchase under every tradeoff, against a scan of every minute of every candidate."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.job import Job
from airflow_carbon.core.limits import Limits
from airflow_carbon.core.placement import Candidate, rank_placements
from airflow_carbon.core.power import PowerProfile
from airflow_carbon.core.price import Price, Purchase
from airflow_carbon.core.tradeoff import Budget, CarbonPrice, ExchangeRate, LeastCarbon, Weighted

START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
STEP = 20


def region(name, intensity, per_hour, *, queue=0, step=STEP * MINUTE, pue=1.0):
    return Candidate(
        name,
        forecast=Forecast(name, START, step, intensity),
        pue=pue,
        price=Price(name, "D2", Purchase.DEDICATED, per_hour),
        queue_wait=queue * MINUTE,
    )


def scan(candidate, job):
    """Give (cost, grams, start minute) of every start on a minute, in plain Python."""
    watts = [one for length, one in job.power.phases for _ in range(length // MINUTE)]
    queue, end = candidate.queue_wait // MINUTE, (job.deadline - START) // MINUTE
    found = []
    for start in range(queue, end - len(watts) + 1):
        grams = sum(
            one / 60_000 * candidate.forecast.intensity[(start + at) // STEP] * candidate.pue
            for at, one in enumerate(watts)
        )
        cost = candidate.price.per_hour * len(watts) / 60 + job.delay_cost_per_hour * start / 60
        found.append((cost, grams, start))
    return found


@st.composite
def cases(draw):
    count = draw(st.integers(1, 4))
    steps = draw(st.integers(6, 12))
    candidates = [
        region(
            f"r{number}",
            draw(st.lists(st.integers(0, 9).map(lambda value: value * 50), min_size=steps, max_size=steps)),
            draw(st.sampled_from([0.5, 1.0, 1.1, 3.0])),
            queue=draw(st.integers(0, 50)),
            pue=draw(st.sampled_from([1.0, 1.3])),
        )
        for number in range(count)
    ]
    power = draw(st.sampled_from(["60m@1000W", "20m@100W,25m@2000W", "7m@500W,30m@900W,13m@100W"]))
    job = Job(
        power=PowerProfile.parse(power),
        earliest_start=START,
        deadline=START + steps * STEP * MINUTE,
        delay_cost_per_hour=draw(st.sampled_from([0.0, 0.02, 0.4])),
    )
    return candidates, job


@settings(max_examples=150)
@given(cases(), st.sampled_from([0.0, 50.0, 1000.0]))
def test_a_carbon_price_finds_the_least_sum_of_cost_and_carbon(case, per_tonne):
    candidates, job = case
    points = [(cost + per_tonne / 1e6 * grams) for one in candidates for cost, grams, _ in scan(one, job)]
    best = rank_placements(candidates, job, tradeoff=CarbonPrice(per_tonne)).best
    assert best.cost + per_tonne / 1e6 * best.carbon_g == pytest.approx(min(points), rel=1e-9, abs=1e-9)


@settings(max_examples=150)
@given(cases(), st.sampled_from([0.0, 5.0, 20.0, 100.0]))
def test_a_budget_finds_the_least_carbon_within_it(case, percent):
    candidates, job = case
    points = [point for one in candidates for point in scan(one, job)]
    limit = min(cost for cost, *_ in points) * (1 + percent / 100)
    on_a_minute = min(grams for cost, grams, _ in points if cost <= limit * (1 + 1e-9))
    for how in ({"tradeoff": Budget(percent)}, {"limits": Limits(max_extra_cost_percent=percent)}):
        best = rank_placements(candidates, job, **how).best
        assert best.cost <= limit * (1 + 1e-8)
        # The last second that is affordable need not lie on a minute.
        assert best.carbon_g <= on_a_minute * (1 + 1e-9) + 1e-9
        if job.delay_cost_per_hour == 0.0:
            assert best.carbon_g == pytest.approx(on_a_minute, rel=1e-9, abs=1e-9)


@settings(max_examples=150)
@given(cases(), st.sampled_from([0.1, 1.0, 4.0]))
def test_an_exchange_rate_stops_where_the_next_percent_would_not_pay(case, rate):
    candidates, job = case
    points = [point for one in candidates for point in scan(one, job)]
    cost, grams, _ = min(points)
    best = rank_placements(candidates, job, tradeoff=ExchangeRate(rate)).best
    price = rate * cost / grams if grams else 0.0
    least = min(one + price * carbon for one, carbon, _ in points)
    assert best.cost + price * best.carbon_g == pytest.approx(least, rel=1e-9, abs=1e-9)


@settings(max_examples=150)
@given(cases())
def test_least_carbon_finds_the_cleanest_start_of_all_and_never_a_late_one(case):
    candidates, job = case
    ranking = rank_placements(candidates, job)
    scanned = {one.name: min(grams for _, grams, _ in scan(one, job)) for one in candidates}
    for placement in ranking.placements:
        assert placement.carbon_g == pytest.approx(scanned[placement.name], rel=1e-9, abs=1e-9)
        assert START + placement.candidate.queue_wait <= placement.window.start
        assert placement.window.end <= job.deadline
    grams = [placement.carbon_g for placement in ranking.placements]
    assert grams == sorted(grams) or all(a <= b * (1 + 1e-9) for a, b in pairwise(grams))


def test_every_tradeoff_chooses_as_its_words_say():
    # Over an hour of 1 kW, in grams and dollars: cheap 500 g / 1.00, fair 250 g / 1.05, clean 10 g / 2.00.
    candidates = [region("cheap", [500] * 9, 1.0), region("fair", [250] * 9, 1.05), region("clean", [10] * 9, 2.0)]
    job = Job(power=PowerProfile.parse("1h@1kW"), earliest_start=START, deadline=START + 3 * HOUR)
    chosen = {
        "least": LeastCarbon(),
        "nothing": CarbonPrice(0.0),
        "tonne": CarbonPrice(300.0),
        "tonnes": CarbonPrice(5000.0),
        "budget": Budget(5.0),
        "rate": ExchangeRate(1.0),
        "weight": Weighted(0.5),
    }
    best = {name: rank_placements(candidates, job, tradeoff=one).best.name for name, one in chosen.items()}
    assert best == {
        "least": "clean",
        "nothing": "cheap",
        # 1.00 + 300 x 0.0005 = 1.15; 1.05 + 0.075 = 1.125; 2.003.
        "tonne": "fair",
        "tonnes": "clean",
        "budget": "fair",
        "rate": "fair",
        "weight": "fair",
    }
    assert [one.pareto for one in rank_placements(candidates, job).placements] == [True, True, True]
    dear = [*candidates, region("dear", [600] * 9, 3.0)]
    assert {one.name: one.pareto for one in rank_placements(dear, job).placements}["dear"] is False


def test_the_base_of_an_exchange_rate_is_the_cheapest_way_at_its_cleanest_time():
    # The cheap region at once emits 1000 g, at its best 100 g; waiting costs nothing. Of 100 g the fair region's 60
    # are 40 % less for 30 % more; of 1000 g they would be a mere 4 %.
    candidates = [region("cheap", [1000, 1000, 1000, *[100] * 6], 1.0), region("fair", [60] * 9, 1.3)]
    job = Job(power=PowerProfile.parse("1h@1kW"), earliest_start=START, deadline=START + 3 * HOUR)
    assert rank_placements(candidates, job, tradeoff=ExchangeRate(1.0)).best.name == "fair"
    assert rank_placements(candidates, job, tradeoff=ExchangeRate(0.5)).best.name == "cheap"


def test_an_exchange_rate_asks_nothing_more_of_a_way_without_carbon():
    candidates = [region("cheap", [1e-300] * 9, 1.0), region("clean", [0.0] * 9, 2.0)]
    job = Job(power=PowerProfile.parse("1h@1kW"), earliest_start=START, deadline=START + 3 * HOUR)
    assert rank_placements(candidates, job, tradeoff=ExchangeRate(1.0)).best.name == "cheap"


def test_without_any_price_carbon_alone_decides_and_no_cost_is_told():
    candidates = [Candidate("a", forecast=Forecast("a", START, HOUR, [5, 5]), pue=1.0)]
    record = rank_placements(candidates, Job(HOUR, earliest_start=START)).best.record()
    assert (record["cost"], record["pareto"], record["purchase"]) == (None, None, None)
    assert not math.isnan(record["effective_g_per_kwh"])
