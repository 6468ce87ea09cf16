"""Hard limits of a placement, data to move, queues and hardware: each worked by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.job import Job
from airflow_carbon.core.limits import Limits
from airflow_carbon.core.placement import Candidate, of_one_sort, rank_placements
from airflow_carbon.core.power import PowerProfile
from airflow_carbon.core.price import Price, Purchase
from airflow_carbon.core.spot import Checkpoints
from airflow_carbon.core.tradeoff import Budget, CarbonPrice, LeastCarbon
from airflow_carbon.core.transfer import Transfer
from airflow_carbon.core.units import Signal
from airflow_carbon.exceptions import InvalidRequestError

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
JOB = Job(2 * HOUR, earliest_start=START, deadline=START + 6 * HOUR)
ONE_KW = PowerProfile.parse("2h@1000W")


def region(name, *intensity, **more):
    return Candidate(name, forecast=Forecast(name, START, HOUR, intensity), **{"pue": 1.0, **more})


def price(name, per_hour, purchase=Purchase.DEDICATED, **more):
    return Price(name, "D2", purchase, per_hour, **more)


def rejected(ranking):
    return {one.name: one.rejected for one in ranking.placements if one.rejected}


def names(ranking):
    return [one.candidate.label for one in ranking.placements if one.rank]


def test_an_excluded_region_is_rejected():
    ranking = rank_placements(
        [region("a", *[1] * 6), region("b", *[9] * 6)], JOB, limits=Limits(excluded_regions=["a"])
    )
    assert names(ranking) == ["b"]
    assert rejected(ranking) == {"a": "it is excluded"}


def test_a_required_machine_is_meant_by_its_exact_name():
    candidates = [
        region("a", *[1] * 6, skus=frozenset({"Standard_D2s_v3_Promo"})),
        region("b", *[2] * 6),
        region("c", *[3] * 6, skus=frozenset({"Standard_D2s_v3"})),
    ]
    ranking = rank_placements(candidates, JOB, limits=Limits(required_sku="Standard_D2s_v3"))
    assert names(ranking) == ["c"]
    assert rejected(ranking) == {
        "a": "it has no Standard_D2s_v3",
        "b": "its machines are not known, and Standard_D2s_v3 is required",
    }


def test_a_region_that_is_too_far_away_is_rejected_and_one_of_unknown_distance_too():
    candidates = [
        region("far", *[1] * 6, latency_ms=120.0),
        region("dim", *[2] * 6),
        region("near", *[3] * 6, latency_ms=20),
    ]
    ranking = rank_placements(candidates, JOB, limits=Limits(max_latency_ms=50))
    assert names(ranking) == ["near"]
    assert rejected(ranking) == {
        "far": "its latency of 120 ms is more than the 50 ms allowed",
        "dim": "its latency is not known, and at most 50 ms are allowed",
    }


def test_a_queue_moves_the_earliest_start_and_may_take_a_region_out():
    candidates = [region("idle", 9, 9, 9, 9, 9, 9), region("busy", 1, 1, 1, 5, 5, 5, queue_wait=3 * HOUR)]
    ranking = rank_placements(candidates, JOB)
    assert names(ranking) == ["busy", "idle"]
    assert ranking.best.window.start == START + 3 * HOUR
    longer = rank_placements([candidates[0], replace(candidates[1], queue_wait=5 * HOUR)], JOB)
    assert names(longer) == ["idle"]
    assert rejected(longer)["busy"] == (
        "no feasible window: it can start at 2026-01-05T05:00+00:00 and would end at 2026-01-05T07:00+00:00, after the "
        "deadline 2026-01-05T06:00+00:00"
    )


def test_a_latency_at_the_limit_keeps_it():
    near = region("near", *[3] * 6, latency_ms=50.0)
    assert names(rank_placements([near], JOB, limits=Limits(max_latency_ms=50))) == ["near"]


def test_data_move_while_the_queue_is_waited_for():
    transfer = Transfer(450.0, "home")
    job = Job(power=ONE_KW, earliest_start=START, deadline=START + 6 * HOUR, transfer=transfer)
    for queue, start in ((HOUR / 2, HOUR), (2 * HOUR, 2 * HOUR)):
        away = rank_placements([region("away", *[1] * 9, queue_wait=queue)], job).best
        assert away.window.start == START + start
        assert away.run.transfer_assumed


def test_a_home_that_is_unknown_or_unlike_is_billed_at_the_grid_that_data_reach_and_the_record_says_so():
    transfer = Transfer(1000.0, "home")
    job = Job(power=ONE_KW, earliest_start=START, deadline=START + 6 * HOUR, transfer=transfer)
    away = region("away", *[10] * 9)
    home = region("home", *[900] * 9)
    marginal = Candidate("home", forecast=Forecast("H", START, HOUR, [900] * 9, Signal.MARGINAL))
    told = {
        name: (record["transfer_g"], record["transfer_assumed"])
        for name, at in (("known", home), ("silent", Candidate("home")), ("unlike", marginal))
        for record in [rank_placements([away], job, home=at).best.record()]
    }
    assert told == {"known": (455.0, False), "silent": (10.0, True), "unlike": (10.0, True)}


def test_a_forecast_that_does_not_reach_the_runs_end_is_missing_data():
    ranking = rank_placements([region("a", *[1] * 3)], Job(5 * HOUR, earliest_start=START, deadline=START + 9 * HOUR))
    assert ranking.out_of_data
    assert rejected(ranking)["a"] == (
        "no data: the intensities cover 2026-01-05T00:00+00:00 to 2026-01-05T03:00+00:00, not the run from "
        "2026-01-05T00:00+00:00 to 2026-01-05T05:00+00:00"
    )


def test_one_region_whose_forecast_begins_late_does_not_spoil_the_others():
    late = Candidate("late", forecast=Forecast("L", START + HOUR, HOUR, [1] * 9), pue=1.0, price=price("late", 1.0))
    job = Job(HOUR, earliest_start=START, deadline=START + 9 * HOUR, delay_cost_per_hour=10.0)
    ranking = rank_placements(
        [region("a", *[5] * 10, price=price("a", 1.0)), late], job, limits=Limits(max_extra_cost_percent=5)
    )
    assert names(ranking) == ["a (dedicated)"]
    assert rejected(ranking)["late"].startswith("it costs 11, 1000.0 % more than the cheapest (1)")


def test_a_search_that_the_forecast_cuts_short_says_so_under_every_tradeoff():
    candidates = [region("a", *[5, 4, 3, 2], price=price("a", 1.0))]
    job = Job(
        power=PowerProfile.parse("1h@1kW"), earliest_start=START, deadline=START + 9 * HOUR, delay_cost_per_hour=0.01
    )
    for tradeoff in (LeastCarbon(), CarbonPrice(80), Budget(5)):
        assert rank_placements(candidates, job, tradeoff=tradeoff).best.window.horizon_cut


def test_a_candidate_that_is_rejected_already_has_no_say_in_what_the_numbers_mean():
    forecast = Forecast("M", START, HOUR, [5] * 6, Signal.MARGINAL)
    gone = [Candidate(f"gone {number}", forecast=forecast, rejected="no price") for number in range(3)]
    kept = of_one_sort([*gone, region("left", *[5] * 6)])
    assert [one.rejected for one in kept] == ["no price"] * 3 + [""]
    assert kept[3].forecast is not None


def test_hungrier_hardware_counts_like_a_hungrier_building():
    candidates = [region("old", *[100] * 6, relative_energy=1.6), region("new", *[150] * 6)]
    ranking = rank_placements(candidates, JOB)
    assert names(ranking) == ["new", "old"]
    assert ranking.records()[1]["effective_g_per_kwh"] == pytest.approx(160)


def test_moving_data_costs_time_energy_at_both_ends_and_money():
    transfer = Transfer(900.0, "home", kwh_per_gb=0.001, gb_per_hour=450.0)
    job = Job(power=ONE_KW, earliest_start=START, deadline=START + 6 * HOUR, transfer=transfer)
    candidates = [
        region("home", *[400] * 6, price=price("home", 1.0)),
        region("away", 200, 100, 50, 50, 80, 80, price=price("away", 2.0, egress_per_gb=0.02)),
    ]
    ranking = rank_placements(candidates, job)
    away = ranking.best
    # 900 GB at 450 GB/h arrive after two hours; 0.9 kWh, half at 400 g/kWh and half at the 150 of these hours.
    assert away.window.start == START + 2 * HOUR
    assert away.run.transfer_g == pytest.approx(0.9 * (400 + 150) / 2)
    assert away.carbon_g == pytest.approx(2 * 50 + 0.9 * 275)
    assert away.cost == pytest.approx(2 * 2.0 + 900 * 0.02)
    home = ranking.placements[1]
    assert (home.carbon_g, home.cost, home.run.transfer_g) == (pytest.approx(800), pytest.approx(2.0), 0.0)


def test_grams_need_energy():
    with pytest.raises(InvalidRequestError, match=r"^power: moving data counts in grams"):
        Job(HOUR, earliest_start=START, transfer=Transfer(10.0, "a"))
    with pytest.raises(InvalidRequestError, match=r"^power: a price per tonne needs grams"):
        rank_placements([region("a", 1, 1, price=price("a", 1.0))], JOB, tradeoff=CarbonPrice(80))
    assert rank_placements([region("a", *[1] * 6)], JOB).best.carbon_g is None


def test_spot_is_judged_by_what_is_expected_not_by_its_sticker():
    spot = price("a", 0.3, Purchase.SPOT, eviction_rate_per_hour=0.5)
    candidates = [region("a", *[100] * 9, price=spot), region("a", *[100] * 9, price=price("a", 1.0))]
    job = Job(power=ONE_KW, earliest_start=START, deadline=START + 8 * HOUR)
    ranking = rank_placements(candidates, job)
    # Without checkpoints two hours take 2 x (e - 1) h: 1.72 times the energy, the carbon, and the hours that are paid.
    assert names(ranking) == ["a (dedicated)", "a (spot)"]
    dedicated, sticker = ranking.placements
    assert dedicated.carbon_g == pytest.approx(200)
    assert sticker.carbon_g == pytest.approx(200 * 1.718281828)
    assert sticker.cost == pytest.approx(0.3 * 2 * 1.718281828)
    assert sticker.record()["expected_evictions"] == pytest.approx(1.718281828)
    assert sticker.record()["expected_hours"] == pytest.approx(2 * 1.718281828)
    often = replace(job, checkpoints=Checkpoints(interval=HOUR / 4))
    kept = rank_placements(candidates, often).placements[1]
    assert 200 < kept.carbon_g < 215


def test_spot_that_is_not_known_to_last_or_never_does_is_rejected():
    candidates = [
        region("a", *[100] * 9, price=price("a", 0.3, Purchase.SPOT)),
        region("b", *[100] * 9, price=price("b", 0.3, Purchase.SPOT, eviction_rate_per_hour=6.0)),
        region("c", *[100] * 9, price=price("c", 0.3, Purchase.SPOT, eviction_rate_per_hour=0.9)),
        region("d", *[100] * 9, price=price("d", 1.0)),
    ]
    ranking = rank_placements(candidates, JOB)
    assert names(ranking) == ["d (dedicated)", "c (spot)"]
    assert rejected(ranking) == {
        "a": "no feasible window: how often its spot machines are taken away is not known",
        "b": "no feasible window: at 6 evictions an hour and 2 h between checkpoints the run would take more than 100 "
        "times as long; write checkpoints more often, restart faster, or use dedicated machines",
    }


def test_what_costs_too_much_is_rejected_whatever_it_would_save():
    candidates = [
        region("cheap", *[300] * 6, price=price("cheap", 1.0)),
        region("fair", *[200] * 6, price=price("fair", 1.05)),
        region("dear", *[10] * 6, price=price("dear", 1.2)),
        region("unknown", *[5] * 6),
    ]
    ranking = rank_placements(candidates, JOB, limits=Limits(max_extra_cost_percent=5))
    assert names(ranking) == ["fair (dedicated)", "cheap (dedicated)"]
    assert rejected(ranking) == {
        "dear": "it costs 2.4, 20.0 % more than the cheapest (2)",
        "unknown": "its price is not known, and cost counts",
    }
    # A region that a limit rules out does not set the price of the others.
    limits = Limits(max_extra_cost_percent=5, excluded_regions=["cheap", "fair"])
    assert names(rank_placements(candidates, JOB, limits=limits)) == ["dear (dedicated)"]


def test_prices_in_two_currencies_do_not_compare():
    candidates = [region("a", 1, 1, price=price("a", 1.0)), region("b", 1, 1, price=price("b", 1.0, currency="EUR"))]
    with pytest.raises(InvalidRequestError, match="a is in USD but b in EUR"):
        rank_placements(candidates, Job(HOUR, earliest_start=START), limits=Limits(max_extra_cost_percent=5))


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Limits(allowed_countries="DE"), "allowed_countries"),
        (lambda: Limits(excluded_regions="azure:westeurope"), "excluded_regions"),
        (lambda: Limits(max_latency_ms=-1), "max_latency_ms"),
        (lambda: Limits(max_extra_cost_percent=float("nan")), "max_extra_cost_percent"),
        (lambda: region("a", 1, relative_energy=0), "relative_energy"),
        (lambda: region("a", 1, queue_wait=-HOUR), "queue_wait"),
        (lambda: Transfer(5.0), "data_region"),
        (lambda: Transfer(-5.0, "a"), "gigabytes"),
        (lambda: Transfer(5.0, "a", gb_per_hour=0), "gb_per_hour"),
        (lambda: Job(HOUR, earliest_start=START, delay_cost_per_hour=-1), "delay_cost_per_hour"),
        (lambda: Job(earliest_start=START), "duration"),
        (lambda: price("a", -1.0), "per_hour"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_the_name_of_its_field(make, field):
    with pytest.raises(InvalidRequestError, match=f"^{field}: "):
        make()
