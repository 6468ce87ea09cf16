"""Who triggers a run decides where it may go and what clean power may cost, on a real Airflow."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_carbon.cli.airflow_api import AirflowApi

DAG_ID = "carbon_against_cost"
SWEDEN, GERMANY, VIRGINIA = "azure:swedencentral", "azure:germanywestcentral", "azure:eastus"
ASKED: dict[str, dict[str, Any]] = {
    "worth a price": {},
    "cheap": {"tradeoff": "max_extra_cost_percent=0", "allowed_countries": ""},
    "dedicated": {"purchase": "dedicated", "tradeoff": "max_extra_cost_percent=10", "allowed_countries": ""},
    "nowhere": {"allowed_countries": "FR"},
    "typo": {"tradeoff": "carbon_price=100"},
}


@pytest.fixture(scope="module")
def runs(api: AirflowApi) -> dict[str, str]:
    """Trigger all at once, each with Params of its own."""
    api.wait_for_dag(DAG_ID)
    return {name: api.trigger(DAG_ID, conf) for name, conf in ASKED.items()}


def decision(api: AirflowApi, run: str) -> dict[str, Any]:
    assert api.wait_for_run(DAG_ID, run, timeout=420) == "success"
    return dict(api.xcom(DAG_ID, run, "choose", "carbon_decision"))


def test_the_params_of_a_run_say_what_cleaner_power_may_cost(api: AirflowApi, runs: dict[str, str]) -> None:
    chosen = {name: decision(api, runs[name]) for name in ("worth a price", "cheap", "dedicated")}
    assert {name: (one["chosen"], one["purchase"]) for name, one in chosen.items()} == {
        "worth a price": (SWEDEN, "spot"),
        "cheap": (VIRGINIA, "spot"),
        "dedicated": (SWEDEN, "dedicated"),
    }
    assert chosen["worth a price"]["queue_wait_seconds"] == 1200.0
    assert chosen["worth a price"]["expected_evictions"] > 0.0


def test_every_candidate_and_every_reason_is_in_the_ranking(api: AirflowApi, runs: dict[str, str]) -> None:
    decision(api, runs["worth a price"])
    ranking = api.xcom(DAG_ID, runs["worth a price"], "choose", "ranking")
    assert len(ranking) == 6
    rejected = {(one["region"], one["purchase"]): one["rejected"] for one in ranking if one["rejected"]}
    assert rejected == {
        (VIRGINIA, purchase): "country US is not allowed (allowed: DE, SE)" for purchase in ("dedicated", "spot")
    }


def test_a_choice_that_leaves_nothing_or_cannot_be_meant_fails_and_says_why(
    api: AirflowApi, runs: dict[str, str]
) -> None:
    for name, said in (("nowhere", "no region is left of 6"), ("typo", "write one of carbon_price_per_tonne")):
        assert api.wait_for_run(DAG_ID, runs[name], timeout=420) == "failed"
        assert said in api.log(DAG_ID, runs[name], "choose")
