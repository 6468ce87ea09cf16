"""Who triggers a run decides where it may go and what clean power may cost, on a real Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
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


#: Seconds where the example has minutes.
FLEET = {
    "frames": 50, "scenes": 4, "frame": "3s", "scene": "12s", "slot": "15s", "deadline": "4m", "batch_size": 20,
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(api: AirflowApi) -> dict[str, str]:
    """Trigger all at once, each with Params of its own."""
    api.wait_for_dag(DAG_ID)
    api.wait_for_dag("place_a_fleet")
    fleet = {"fleet": api.trigger("place_a_fleet", FLEET)}
    return fleet | {name: api.trigger(DAG_ID, conf) for name, conf in ASKED.items()}


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


def test_every_task_of_a_fleet_runs_once_in_the_region_of_its_batch(api: AirflowApi, runs: dict[str, str]) -> None:
    assert api.wait_for_run("place_a_fleet", runs["fleet"], timeout=600) == "success"
    assert api.xcom("place_a_fleet", runs["fleet"], "check") == {"frames": 50, "scenes": 4}
    batches = api.xcom("place_a_fleet", runs["fleet"], "plan")
    # All on annual averages, the cleanest of which is Sweden's.
    assert {one["region"] for one in batches} == {"azure:swedencentral"}
    assert sum(one["count"] for one in batches) == 54
    assert max(one["count"] for one in batches) <= 20
    decision = api.xcom("place_a_fleet", runs["fleet"], "plan", "carbon_decision")
    assert decision["emitted_g"] < decision["baseline_g"]
    assert decision["bound_g"] <= decision["emitted_g"] * (1 + 1e-9)
