from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.job import Job
from airflow_carbon.core.limits import Limits
from airflow_carbon.core.placement import ASSUMED_PUE, Candidate, of_one_sort, rank_placements
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.core.window import best_window
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


def series(zone, *intensity, **more):
    return Forecast(zone, START, HOUR, intensity, **more)


def region(name, *intensity, country="", pue=1.0, **more):
    return Candidate(name, country=country, pue=pue, forecast=series(name.upper(), *intensity, **more))


def rank(candidates, *, allowed_countries=None, allow_mixed=False, **job):
    limits = Limits(allowed_countries=allowed_countries)
    return rank_placements(candidates, Job(**job), limits=limits, allow_mixed=allow_mixed)


def names(ranking):
    return [placement.name for placement in ranking.placements if placement.rank]


def test_the_cleanest_region_comes_first():
    ranking = rank([region("a", 300), region("b", 40), region("c", 200)], duration=HOUR, earliest_start=START)
    assert names(ranking) == ["b", "c", "a"]
    assert ranking.best.name == "b"
    assert [record["rank"] for record in ranking.records()] == [1, 2, 3]


def test_the_overhead_of_the_building_counts():
    # 100 x 1.5 = 150 is more than 120 x 1.1 = 132.
    ranking = rank([region("hot", 100, pue=1.5), region("cool", 120, pue=1.1)], duration=HOUR, earliest_start=START)
    assert names(ranking) == ["cool", "hot"]
    assert [record["effective_g_per_kwh"] for record in ranking.records()] == pytest.approx([132, 150])


def test_a_region_that_publishes_no_overhead_is_given_one_and_the_record_says_so():
    ranking = rank([region("silent", 100, pue=None), region("open", 100, pue=1.1)], duration=HOUR, earliest_start=START)
    assert names(ranking) == ["open", "silent"]
    published, assumed = ranking.records()
    assert (published["pue"], published["pue_assumed"]) == (1.1, False)
    assert (assumed["pue"], assumed["pue_assumed"]) == (ASSUMED_PUE, True)


def test_without_a_deadline_every_region_starts_at_once():
    ranking = rank(
        [region("falling", 300, 10, 10), region("steady", 200, 200, 200)], duration=HOUR, earliest_start=START
    )
    assert names(ranking) == ["steady", "falling"]
    assert {record["start"] for record in ranking.records()} == {START.isoformat()}


def test_with_a_deadline_region_and_time_are_chosen_together():
    candidates = [region("falling", 300, 10, 10), region("steady", 200, 200, 200)]
    ranking = rank(candidates, duration=HOUR, earliest_start=START, deadline=START + 2 * HOUR)
    assert names(ranking) == ["falling", "steady"]
    assert ranking.best.window == best_window(candidates[0].forecast, duration=HOUR, deadline=START + 2 * HOUR)
    tight = rank(candidates, duration=HOUR, earliest_start=START, deadline=START + HOUR)
    assert names(tight) == ["steady", "falling"]


def test_equal_regions_keep_the_order_of_the_user():
    candidates = [region(name, 0.1, 0.2, 0.3) for name in "cab"]
    assert names(rank(candidates, duration=2 * HOUR, earliest_start=START)) == ["c", "a", "b"]


def test_float_noise_does_not_decide_between_equal_regions():
    # Both mean 0.3 in an hour and a half, by sums that differ in their last bit.
    candidates = [region("first", 0.1 + 0.2), region("second", 0.3)]
    assert candidates[0].forecast.intensity[0] > candidates[1].forecast.intensity[0]
    assert names(rank(candidates, duration=HOUR, earliest_start=START)) == ["first", "second"]


def test_every_rejected_region_says_why_and_comes_last():
    candidates = [
        region("abroad", 1, country="US"),
        region("unlabelled", 1),
        Candidate("dark", country="DE", rejected="no data: the service answered 503"),
        Candidate("empty", country="DE"),
        region("home", 300, 300, country="de"),
        Candidate("late", country="SE", forecast=series("SE", 5).replaced(start=START + 9 * HOUR)),
    ]
    ranking = rank(
        candidates, duration=HOUR, earliest_start=START, deadline=START + 2 * HOUR, allowed_countries=["DE", "se"]
    )
    reasons = {record["region"]: record["rejected"] for record in ranking.records()}
    assert list(reasons) == ["home", "abroad", "unlabelled", "dark", "empty", "late"]
    assert reasons["home"] is None
    assert reasons["abroad"] == "country US is not allowed (allowed: DE, SE)"
    assert reasons["unlabelled"] == "its country is not known, and only stated countries are allowed"
    assert reasons["dark"] == "no data: the service answered 503"
    assert reasons["empty"] == "no data: no intensities were given"
    assert reasons["late"] == (
        "no feasible window: it can start at 2026-01-05T09:00+00:00 and would end at 2026-01-05T10:00+00:00, after the "
        "deadline 2026-01-05T02:00+00:00"
    )


def test_an_unlabelled_region_is_fine_while_no_country_is_asked_for():
    assert names(rank([region("unlabelled", 1)], duration=HOUR, earliest_start=START)) == ["unlabelled"]


def test_without_any_region_left_the_error_gives_every_reason():
    ranking = rank(
        [region("a", 1, country="US"), Candidate("b", country="DE", rejected="no data: refused")],
        duration=HOUR,
        earliest_start=START,
        allowed_countries=["DE"],
    )
    with pytest.raises(
        NoFeasibleWindowError, match=r"no region is left of 2: a: country US is not allowed.*b: no data: refused"
    ):
        _ = ranking.best
    assert [record["rank"] for record in ranking.records()] == [None, None]


@pytest.mark.parametrize("other", [{"signal": Signal.MARGINAL}, {"accounting": Accounting(scope="direct")}])
def test_numbers_that_mean_different_things_are_ranked_only_when_asked_for_and_labelled(other):
    candidates = [region("a", 100), region("b", 50, **other)]
    with pytest.raises(InvalidRequestError, match=r"a is average \(not stated\) but b is .* allow_mixed"):
        rank(candidates, duration=HOUR, earliest_start=START)
    records = rank(candidates, duration=HOUR, earliest_start=START, allow_mixed=True).records()
    assert [record["region"] for record in records] == ["b", "a"]
    assert (records[0]["signal"], records[0]["accounting"]) != (records[1]["signal"], records[1]["accounting"])


def test_a_region_that_is_ruled_out_anyway_does_not_make_the_numbers_mixed():
    candidates = [region("a", 100, country="DE"), region("b", 50, country="US", signal=Signal.MARGINAL)]
    ranking = rank(candidates, duration=HOUR, earliest_start=START, allowed_countries={"DE"})
    assert names(ranking) == ["a"]


def test_kinds_may_be_ranked_together_and_each_record_shows_its_own():
    candidates = [region("a", 100, kind=Kind.ANNUAL_AVERAGE), region("b", 50, kind=Kind.TYPICAL, source="typical")]
    records = rank(candidates, duration=HOUR, earliest_start=START).records()
    assert [record["kind"] for record in records] == ["typical", "annual average"]
    assert records[0]["source"] == "typical"


def test_records_are_plain_json():
    candidates = [region("a", 100, country="DE"), Candidate("b", rejected="no data: x")]
    ranking = rank(candidates, duration=HOUR, earliest_start=START, deadline=START + 5 * HOUR)
    assert json.loads(json.dumps(ranking.records())) == ranking.records()
    assert ranking.records()[0]["horizon_cut"] is True
    assert ranking.records()[0]["zone"] == "A"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"candidates": []}, "candidates"),
        ({"duration": timedelta(0)}, "duration"),
        ({"earliest_start": datetime(2026, 1, 5)}, "earliest_start"),  # noqa: DTZ001
        ({"deadline": datetime(2026, 1, 6)}, "deadline"),  # noqa: DTZ001
        ({"allowed_countries": "DE"}, "allowed_countries"),
    ],
)
def test_a_wrong_request_is_refused_by_the_name_of_its_field(change, field):
    request = {"candidates": [region("a", 1, 2)], "duration": HOUR, "earliest_start": START, **change}
    with pytest.raises(InvalidRequestError, match=f"^{field}: "):
        rank(request.pop("candidates"), **request)


@pytest.mark.parametrize("pue", [0.9, float("nan"), float("inf")])
def test_a_pue_below_one_is_refused(pue):
    with pytest.raises(InvalidRequestError, match=r"^pue: "):
        region("a", 1, pue=pue)


@given(
    st.lists(
        st.tuples(st.lists(st.integers(1, 500), min_size=6, max_size=6), st.sampled_from([1.0, 1.1, 1.2, 1.5, None])),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 180),
    st.integers(0, 180),
)
def test_the_ranking_is_sorted_by_what_each_region_would_emit(regions, minutes, wait):
    candidates = [region(f"r{n}", *values, pue=pue) for n, (values, pue) in enumerate(regions)]
    request = {"duration": timedelta(minutes=minutes), "earliest_start": START + timedelta(minutes=wait)}
    ranking = rank(candidates, **request, deadline=START + 6 * HOUR)
    effective = [
        best_window(each.forecast, **request).intensity_g_per_kwh * (ASSUMED_PUE if each.pue is None else each.pue)
        for each in candidates
    ]
    assert [placement.effective_g_per_kwh for placement in ranking.placements] == pytest.approx(sorted(effective))
    assert ranking.best.effective_g_per_kwh == pytest.approx(min(effective))


MARGINAL = {"signal": Signal.MARGINAL, "accounting": Accounting("direct", "", "CO2")}


def test_what_one_source_alone_means_otherwise_is_rejected_with_the_reason_and_the_rest_is_ranked():
    found = [region("a", 300), region("b", 40, **MARGINAL), region("c", 200)]
    ranking = rank(of_one_sort(found), duration=HOUR, earliest_start=START)
    assert names(ranking) == ["c", "a"]
    rejected = ranking.placements[-1]
    assert rejected.name == "b"
    assert "marginal intensity (direct, CO2)" in rejected.rejected


def test_a_region_that_is_not_allowed_has_no_say_in_what_the_numbers_mean():
    found = [
        region("a", 300, country="US", **MARGINAL),
        region("b", 300, country="US", **MARGINAL),
        region("c", 40, country="SE"),
    ]
    kept = of_one_sort(found, limits=Limits(allowed_countries=["se"]))
    ranking = rank(kept, duration=HOUR, earliest_start=START, allowed_countries=["SE"])
    assert names(ranking) == ["c"]


def test_like_numbers_are_left_as_they_are():
    found = [region("a", 300), Candidate("b", rejected="no data: gone"), region("c", 200)]
    assert of_one_sort(found) == found
