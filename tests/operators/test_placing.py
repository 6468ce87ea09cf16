"""Choosing a region under limits, prices and a tradeoff, as a DAG and its Params say it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.task_context import task_context

from airflow_carbon.exceptions import (
    InvalidRequestError,
    NoFeasibleWindowError,
    SourceAuthError,
    SourceResponseError,
    SourceUnavailableError,
    UnknownZoneError,
)

pytestmark = pytest.mark.airflow

SWEDEN, GERMANY, VIRGINIA = "azure:swedencentral", "azure:germanywestcentral", "azure:eastus"
REGIONS = [GERMANY, SWEDEN, VIRGINIA]
SKU = "Standard_D2s_v3"
HOUR = timedelta(hours=1)


def row(region: str, per_hour: float, purchase: str = "dedicated", **more: Any) -> dict[str, Any]:
    return {"region": region, "sku": SKU, "purchase": purchase, "per_hour": per_hour, **more}


PRICES = [row(GERMANY, 0.115), row(SWEDEN, 0.12), row(VIRGINIA, 0.096)]


def choose(**asked: Any) -> tuple[str, dict[str, dict[str, Any]], dict[str, Any]]:
    """Give the region, the ranking by region (and purchase), and the decision."""
    from airflow_carbon import BestRegionOperator

    context = task_context()
    fields = {"regions": REGIONS, "duration": "2h", **asked}
    region = BestRegionOperator(task_id="pick", **fields).execute(context)
    ranking = context["ti"].xcoms["ranking"]
    named = {
        one["region"] if one["purchase"] in (None, "dedicated") else f"{one['region']} spot": one for one in ranking
    }
    assert json.loads(json.dumps(ranking)) == ranking
    return region, named, context["ti"].xcoms["carbon_decision"]


PRICED = {"prices": PRICES, "required_sku": SKU, "purchase": "dedicated"}


def test_carbon_alone_decides_where_nothing_is_said_of_cost() -> None:
    region, ranking, decision = choose(**PRICED)
    assert region == SWEDEN
    assert ranking[VIRGINIA]["cost"] == pytest.approx(0.192)
    assert decision["cost"] == pytest.approx(0.24)
    assert decision["notes"] == []


def test_a_budget_a_price_and_a_rate_each_choose_as_their_words_say() -> None:
    # Annual averages: Sweden is a tenth of Virginia, Germany about the same as Virginia.
    assert choose(**PRICED, tradeoff={"max_extra_cost_percent": 5})[0] == VIRGINIA
    assert choose(**PRICED, tradeoff={"max_extra_cost_percent": 30})[0] == SWEDEN
    assert choose(**PRICED, tradeoff={"cost_percent_per_carbon_percent": 0.5})[0] == SWEDEN
    assert choose(**PRICED, tradeoff={"cost_percent_per_carbon_percent": 0.1})[0] == VIRGINIA
    assert choose(**PRICED, power="2h@200W", tradeoff={"carbon_price_per_tonne": 1})[0] == VIRGINIA
    assert choose(**PRICED, power="2h@200W", tradeoff={"carbon_price_per_tonne": 1000})[0] == SWEDEN


def test_a_limit_on_cost_holds_whatever_the_tradeoff_is() -> None:
    region, ranking, _ = choose(**PRICED, max_extra_cost_percent=20)
    assert region in (GERMANY, VIRGINIA)
    assert ranking[SWEDEN]["rejected"].startswith("it costs 0.24, 25.0 % more than the cheapest")


def test_spot_and_dedicated_stand_in_one_ranking_by_what_is_expected() -> None:
    prices = [*PRICES, row(SWEDEN, 0.03, "spot")]
    asked = {
        "prices": prices,
        "required_sku": SKU,
        "power": "4h@100W",
        "duration": None,
        "eviction_rate_per_hour": 0.1,
        "checkpoint_interval": "30m",
        "restart_time": "3m",
        "tradeoff": {"carbon_price_per_tonne": 500},
    }
    region, ranking, decision = choose(**asked)
    spot = ranking[f"{SWEDEN} spot"]
    assert (region, decision["purchase"]) == (SWEDEN, "spot")
    assert spot["rank"] == 1
    # Eight stretches of half an hour: 8 x (exp(0.05) - 1) evictions, which cost time that is paid and burns power.
    assert spot["expected_evictions"] == pytest.approx(8 * 0.0512711)
    assert spot["expected_hours"] == pytest.approx(8 * 0.512711 + 8 * 0.0512711 * 0.05, rel=1e-5)
    assert spot["carbon_g"] > ranking[SWEDEN]["carbon_g"]
    assert ranking[f"{GERMANY} spot"]["rejected"].startswith("no spot price of Standard_D2s_v3")


def test_every_field_can_come_as_the_text_of_a_param() -> None:
    region, ranking, decision = choose(
        regions=", ".join(REGIONS),
        duration="",
        power="1h@100W, 1h@300W",
        allowed_countries="DE, SE",
        excluded_regions="",
        required_sku=SKU,
        skus=json.dumps({GERMANY: [SKU], SWEDEN: [SKU, "Standard_D4s_v3"]}),
        max_latency_ms="50",
        latency_ms=str({GERMANY: 10, SWEDEN: "30", VIRGINIA: 120}),
        queue_wait=f"{SWEDEN}=20m, {GERMANY}=5m",
        relative_energy=f"{GERMANY}=0.9",
        pue=f"{SWEDEN}=1.05",
        data_gb="90",
        data_region=GERMANY,
        tradeoff="None",
        max_extra_cost_percent="",
        delay_cost_per_hour="0.0",
        deadline="12h",
    )
    assert region == SWEDEN
    assert ranking[VIRGINIA]["rejected"] == "country US is not allowed (allowed: DE, SE)"
    assert ranking[SWEDEN]["pue"] == 1.05
    assert ranking[GERMANY]["relative_energy"] == 0.9
    assert decision["queue_wait_seconds"] == 1200
    assert decision["transfer_g"] > 0.0


def test_a_queue_may_be_told_in_seconds_by_a_function_or_by_an_xcom() -> None:
    def wait(region: str) -> timedelta:
        return HOUR * len(region)

    _, ranking, _ = choose(queue_wait={SWEDEN: 600, GERMANY: wait, VIRGINIA: "30m"}, deadline="48h")
    waits = {name: one["queue_wait_seconds"] for name, one in ranking.items()}
    assert waits == {SWEDEN: 600, GERMANY: 3600 * len(GERMANY), VIRGINIA: 1800}
    starts = {name: datetime.fromisoformat(one["start"]) - datetime.now(UTC) for name, one in ranking.items()}
    assert timedelta(minutes=8) < starts[SWEDEN] < timedelta(minutes=11)
    assert starts[GERMANY] > 23 * HOUR


def test_a_queue_longer_than_the_deadline_allows_takes_a_region_out() -> None:
    region, ranking, _ = choose(queue_wait={SWEDEN: "7h"}, deadline="8h")
    assert region != SWEDEN
    assert "after the deadline" in ranking[SWEDEN]["rejected"]


def test_prices_may_lie_in_a_csv(tmp_path: Path) -> None:
    lines = [
        "region,sku,purchase,per_hour,currency",
        *(f"{one['region']},{SKU},dedicated,{one['per_hour']},USD" for one in PRICES),
    ]
    (tmp_path / "prices.csv").write_text("\n".join(lines))
    region, *_ = choose(
        prices=str(tmp_path / "prices.csv"), required_sku=SKU, purchase="dedicated", max_extra_cost_percent=0
    )
    assert region == VIRGINIA


class Unheard:
    """A price list that nobody can reach, or that answers what it should not."""

    name = "unheard"

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def prices(self, regions: Any, *, skus: Any, currency: str = "USD") -> Any:
        raise self.error


@pytest.mark.parametrize("error", [SourceUnavailableError("gone"), SourceAuthError("403"), SourceResponseError("HTML")])
def test_prices_that_cannot_be_had_do_not_stop_the_choice(error: Exception) -> None:
    region, ranking, decision = choose(
        prices=Unheard(error),
        required_sku=SKU,
        tradeoff={"max_extra_cost_percent": 5},
        max_extra_cost_percent=5,
        excluded_regions=[VIRGINIA],
    )
    assert region == SWEDEN
    assert ranking[VIRGINIA]["rejected"] == "it is excluded"
    [note] = decision["notes"]
    assert note == (
        f"no prices: {error}; ranked by carbon alone: no limit on cost is kept, nor is {SKU} known to be there"
    )


@pytest.mark.parametrize("excluded", ["Azure:SwedenCentral", f"['{SWEDEN}']", json.dumps([SWEDEN]), [SWEDEN], {SWEDEN}])
def test_an_exclusion_holds_however_it_is_written(excluded: Any) -> None:
    region, ranking, _ = choose(excluded_regions=excluded)
    assert region != SWEDEN
    assert ranking[SWEDEN]["rejected"] == "it is excluded"


def test_lists_and_mappings_pass_through_airflows_own_renderer() -> None:
    from airflow.sdk import DAG

    from airflow_carbon import BestRegionOperator

    params = {
        "regions": REGIONS,
        "countries": ["DE", "SE"],
        "none": [],
        "power": [["10m", 50], ["2h", 300]],
        "prices": PRICES,
        "queue": {SWEDEN: "10m", GERMANY: 300},
        "wait": 300,
    }
    with DAG("d", schedule=None):
        one = BestRegionOperator(
            task_id="pick",
            regions="{{ params.regions }}",
            allowed_countries="{{ params.countries }}",
            excluded_regions="{{ params.none }}",
            power="{{ params.power }}",
            prices="{{ params.prices }}",
            required_sku=SKU,
            queue_wait={SWEDEN: "{{ params.wait }}"},
        )
    context = task_context()
    one.render_template_fields({**context, "params": params})
    assert isinstance(one.regions, str)
    assert one.execute(context) == SWEDEN
    decision = context["ti"].xcoms["carbon_decision"]
    assert decision["queue_wait_seconds"] == 300.0
    assert decision["cost"] > 0.0
    assert decision["carbon_g"] > 0.0


def test_the_grid_where_the_data_lie_counts_though_nothing_runs_there() -> None:
    asked = {"power": "2h@300W", "duration": None, "data_gb": 100}
    _, _, india = choose(**asked, data_region="aws:ap-south-1")
    _, _, germany = choose(**asked, data_region="Azure:GermanyWestCentral")
    # A tenth of a kWh, half of it at either end: India's grid is dirtier than Germany's.
    assert india["transfer_g"] > germany["transfer_g"] > 15.0
    assert not india["transfer_assumed"]
    _, _, home = choose(**asked, data_region="Azure:SwedenCentral")
    assert (home["chosen"], home["transfer_g"]) == (SWEDEN, 0.0)


def test_a_run_beyond_what_the_source_knows_is_placed_by_annual_averages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    lines = [f"{(now + hour * HOUR).isoformat()},{100 + hour}" for hour in range(24)]
    (tmp_path / "own.csv").write_text("\n".join(["timestamp,intensity", *lines]))
    extra = {"path": str(tmp_path / "own.csv")}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    region, ranking, decision = choose(carbon_conn_id="mine", duration="30h")
    assert region == SWEDEN
    assert {one["kind"] for one in ranking.values()} == {"annual average"}
    assert "ranked by annual averages instead" in decision["notes"][0]


def test_a_late_scheduler_with_a_queue_is_not_the_users_mistake() -> None:
    from airflow_carbon import BestRegionOperator

    def late(by: timedelta, **more: Any) -> dict[str, Any]:
        context = task_context(run_after=datetime.now(UTC) - by)
        waits = dict.fromkeys(REGIONS, "30m")
        BestRegionOperator(task_id="pick", regions=REGIONS, duration="2h", queue_wait=waits, **more).execute(context)
        return dict(context["ti"].xcoms["carbon_decision"])

    assert "cannot be met any more" in late(timedelta(hours=2, minutes=55), deadline="5h")["notes"][0]
    # It could never have been met.
    with pytest.raises(NoFeasibleWindowError, match="after the deadline"):
        late(timedelta(0), deadline="2h15m")


def test_without_any_region_left_each_ones_reason_is_told() -> None:
    with pytest.raises(NoFeasibleWindowError, match="no region is left of 3"):
        choose(required_sku=SKU, skus={GERMANY: ["Standard_D2s_v3_Promo"]})


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"tradeoff": {"max_extra_cost_percent": 5}}, "prices: cost counts"),
        ({"max_extra_cost_percent": 5}, "prices: cost counts"),
        ({"prices": PRICES}, "required_sku: prices are those of a machine"),
        ({"prices": "the usual", "required_sku": SKU}, "prices: 'the usual'"),
        ({"tradeoff": "cheap"}, "tradeoff: 'cheap' must be a mapping"),
        ({"tradeoff": "{'cheap': "}, "tradeoff: .* is neither JSON"),
        ({"tradeoff": {"cheap": 1}}, "tradeoff: .*write one of"),
        (
            {"queue_wait": {"azure:swedencentrl": "1h"}},
            "azure:swedencentrl: azure has no region .* did you mean azure:swedencentral",
        ),
        ({"queue_wait": {"azure:uksouth": "1h"}}, "queue_wait: 'azure:uksouth' is none of the regions"),
        ({"queue_wait": {SWEDEN: "soon"}}, "queue_wait of azure:swedencentral: 'soon'"),
        ({"queue_wait": 7}, "queue_wait: 7 must be a mapping"),
        ({"queue_wait": {SWEDEN: float("nan")}}, "queue_wait of azure:swedencentral: nan"),
        ({"queue_wait": {SWEDEN: lambda region: 1 / 0}}, "queue_wait of azure:swedencentral: its function raised Zero"),
        ({"latency_ms": {SWEDEN: "nan"}, "max_latency_ms": 5}, "latency_ms: nan of azure:swedencentral"),
        ({"excluded_regions": ["azure:swedncentral"]}, "azure:swedncentral: azure has no region"),
        ({"data_region": "azure:swedncentral"}, "azure:swedncentral: azure has no region"),
        ({"regions": 5}, "regions: 5 must be a list"),
        ({"tradeoff": "{'a'}"}, "tradeoff: {'a'} must be a mapping"),
        ({"allowed_countries": ["Sweden"]}, "allowed_countries: 'Sweden' is no ISO 3166 code"),
        ({"allowed_countries": [None]}, r"allowed_countries: \[None\] must be a list"),
        ({"data_gb": 1e12, "data_region": SWEDEN, "power": "2h@1W"}, "gigabytes: .* take more than ten years"),
        ({"purchase": "spot"}, "purchase: it says nothing without prices"),
        ({"delay_cost_per_hour": 5}, "delay_cost_per_hour: it says nothing without prices"),
        ({**PRICED, "delay_cost_per_hour": 5}, "delay_cost_per_hour: the least carbon minds no cost"),
        ({"prices": "https://me:hunter2@host/x.csv", "required_sku": SKU}, "prices: 'host/x.csv' names no prices"),
        ({"prices": "/nowhere/prices.csv", "required_sku": SKU}, "prices.csv: there is no such file"),
        ({"latency_ms": {SWEDEN: "near"}}, "latency_ms of azure:swedencentral: 'near' is no number"),
        ({"max_latency_ms": "near"}, "max_latency_ms: 'near' is no number"),
        ({"data_gb": 5}, "data_region: say where"),
        ({"data_gb": 5, "data_region": SWEDEN}, "power: moving data counts in grams"),
        ({"purchase": "rented", "prices": PRICES, "required_sku": SKU}, "purchase: 'rented' is none"),
        ({"duration": None}, "duration: say how long"),
        ({"power": "1h@5W"}, "power: the phases last 1 h together, but duration is 2 h"),
        ({"eviction_rate_per_hour": "often", **PRICED, "purchase": "spot"}, "eviction_rate_per_hour: 'often'"),
        ({"prices": PRICES[:1], "required_sku": SKU, "currency": "dollars"}, "currency"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_the_name_of_its_field(asked: dict[str, Any], said: str) -> None:
    with pytest.raises((InvalidRequestError, UnknownZoneError), match=f"^{said}"):
        choose(**asked)
