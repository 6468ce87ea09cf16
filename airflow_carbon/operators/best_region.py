"""The operator that chooses where to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_carbon.core.location import Location
from airflow_carbon.core.moment import in_words, parse_moment_after, stated
from airflow_carbon.exceptions import NoFeasibleWindowError, SourceError, SourceUnavailableError
from airflow_carbon.hooks.source_link import CarbonPageLink, CarbonSourceLink

# Each parse of a DAG pays for what stands above: what is needed later is imported later.
if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.core.power import PowerProfile
    from airflow_carbon.hooks.carbon import CarbonHook
    from airflow_carbon.operators.placing import Placing
    from airflow_carbon.prices.base import Prices


class BestRegionOperator(BaseOperator):
    """Choose the region where a run is cleanest, and with a deadline the time; with prices, how to buy the machine too.

    Returns the region as the user wrote it. The XCom ``ranking`` holds every candidate, and each rejected one with the
    reason; ``carbon_decision`` holds the record of the choice, which the ledger keeps too. Its baseline is a run in
    ``data_region``, or else in the first of ``regions``. All fields but ``allow_mixed`` and ``governs`` are templated,
    so that each can come from DAG Params, and who triggers a run decides. An outage does not fail the task: all regions
    are then ranked by annual averages, and without prices by carbon alone.

    Fields that say something of each region are mappings by its name; where a region is missing, nothing is known.

    :param regions: candidates, for example ``["azure:swedencentral", "aws:eu-west-2"]``.
    :param duration: how long the run takes, a timedelta or a text like ``1h30m``; the power profile tells it too.
    :param power: what the run draws as it goes on: ``"10m@50W, 2h@300W"``. With it the record tells grams.
    :param deadline: latest finish; with it region and time are chosen together. A moment, or a duration counted from
        ``run_after``.
    :param allowed_countries: ISO 3166 codes of the countries where the data may go; None allows all.
    :param excluded_regions: regions that must not be chosen.
    :param required_sku: the machine, in its cloud's exact spelling; a region without it is rejected.
    :param skus: by region, the machines that are to be had there; not needed with prices, which tell.
    :param latency_ms: by region, to where the work is wanted [ms].
    :param max_latency_ms: a region beyond it, or of unknown latency, is rejected [ms].
    :param queue_wait: by region, the expected wait for a machine: a duration, seconds, or a function of the region. It
        moves the earliest start.
    :param relative_energy: by region, energy of the hardware there over that of your own [1].
    :param pue: by region, where you know better than the table [1].
    :param data_gb: data to move wherever the run is not in ``data_region`` [GB]: their energy at both grids, their
        price and their time count. ``transfer_kwh_per_gb``, ``transfer_gb_per_hour`` and ``egress_per_gb`` say more.
    :param prices: ``"azure_retail"``, the path of a CSV, or a list of rows; see ``airflow_carbon.prices``.
    :param currency: ISO 4217 code of the prices.
    :param purchase: ``spot``, ``dedicated``, or both where not given.
    :param eviction_rate_per_hour: of spot machines, where the prices do not tell [1/h]; ``checkpoint_interval``,
        ``checkpoint_time`` and ``restart_time`` say what an eviction costs.
    :param tradeoff: what cleaner power may cost: ``{"carbon_price_per_tonne": 80}``, ``{"max_extra_cost_percent": 5}``,
        ``{"cost_percent_per_carbon_percent": 0.5}`` or ``{"emission_weight": 0.5}``; see ``core/tradeoff.py``. None
        takes the least carbon.
    :param max_extra_cost_percent: a hard limit over the cheapest, with any tradeoff [%].
    :param delay_cost_per_hour: of each hour by which the run ends later than it could [currency/h].
    :param carbon_conn_id: one connection, or an ordered list of them; None uses ``carbon_default``, or the typical
        profiles where that is not defined.
    :param allow_mixed: rank intensities of different signal or accounting against each other.
    :param governs: ids of the tasks whose emissions the choice changes; None takes those directly downstream, and
        behind those of them that only wait.
    """

    template_fields: Sequence[str] = (
        "regions", "duration", "power", "deadline", "allowed_countries", "excluded_regions", "required_sku", "skus",
        "latency_ms", "max_latency_ms", "queue_wait", "relative_energy", "pue", "data_gb", "data_region",
        "transfer_kwh_per_gb", "transfer_gb_per_hour", "egress_per_gb", "prices", "currency", "purchase",
        "eviction_rate_per_hour", "checkpoint_interval", "checkpoint_time", "restart_time", "tradeoff",
        "max_extra_cost_percent", "delay_cost_per_hour", "carbon_conn_id",
    )  # fmt: skip
    operator_extra_links = (CarbonSourceLink(), CarbonPageLink())
    ui_color: str = "#d5f0dc"
    source_url: str = ""

    def __init__(
        self,
        *,
        regions: Sequence[str] | str,
        duration: timedelta | str | None = None,
        power: PowerProfile | str | Sequence[Any] | None = None,
        deadline: datetime | timedelta | str | None = None,
        allowed_countries: Sequence[str] | str | None = None,
        excluded_regions: Sequence[str] | str | None = None,
        required_sku: str | None = None,
        skus: Mapping[str, Sequence[str]] | str | None = None,
        latency_ms: Mapping[str, float] | str | None = None,
        max_latency_ms: float | str | None = None,
        queue_wait: Mapping[str, Any] | str | None = None,
        relative_energy: Mapping[str, float] | str | None = None,
        pue: Mapping[str, float] | str | None = None,
        data_gb: float | str | None = None,
        data_region: str | None = None,
        transfer_kwh_per_gb: float | str | None = None,
        transfer_gb_per_hour: float | str | None = None,
        egress_per_gb: float | str | None = None,
        prices: Any = None,
        currency: str = "USD",
        purchase: str | None = None,
        eviction_rate_per_hour: float | str | None = None,
        checkpoint_interval: timedelta | str | None = None,
        checkpoint_time: timedelta | str | None = None,
        restart_time: timedelta | str | None = None,
        tradeoff: Mapping[str, float] | str | None = None,
        max_extra_cost_percent: float | str | None = None,
        delay_cost_per_hour: float | str | None = None,
        carbon_conn_id: str | Sequence[str] | None = None,
        allow_mixed: bool = False,
        governs: Sequence[str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.regions = regions
        self.duration = duration
        self.power = power
        self.deadline = deadline
        self.allowed_countries = allowed_countries
        self.excluded_regions = excluded_regions
        self.required_sku = required_sku
        self.skus = skus
        self.latency_ms = latency_ms
        self.max_latency_ms = max_latency_ms
        self.queue_wait = queue_wait
        self.relative_energy = relative_energy
        self.pue = pue
        self.data_gb = data_gb
        self.data_region = data_region
        self.transfer_kwh_per_gb = transfer_kwh_per_gb
        self.transfer_gb_per_hour = transfer_gb_per_hour
        self.egress_per_gb = egress_per_gb
        self.prices = prices
        self.currency = currency
        self.purchase = purchase
        self.eviction_rate_per_hour = eviction_rate_per_hour
        self.checkpoint_interval = checkpoint_interval
        self.checkpoint_time = checkpoint_time
        self.restart_time = restart_time
        self.tradeoff = tradeoff
        self.max_extra_cost_percent = max_extra_cost_percent
        self.delay_cost_per_hour = delay_cost_per_hour
        self.carbon_conn_id = carbon_conn_id
        self.allow_mixed = allow_mixed
        self.governs = governs

    def execute(self, context: Context) -> Any:
        """Rank the regions, keep the ranking, and give the best one."""
        return self.choose(context)

    def choose(self, context: Context) -> str:
        """Rank the regions and push what was found.

        :raises InvalidRequestError: naming the field that is wrong.
        :raises UnknownZoneError: if a region is in no table, with the nearest names.
        :raises NoFeasibleWindowError: if no candidate is left, with the reason of each.
        """
        from airflow_carbon.core.placement import Ranking, of_one_sort, rank_placements
        from airflow_carbon.hooks import chain
        from airflow_carbon.hooks.asking import asked_in_time
        from airflow_carbon.hooks.decisions import decision_id, governed, keep_decision
        from airflow_carbon.hooks.typical import TypicalHook
        from airflow_carbon.operators.placing import Placing
        from airflow_carbon.sources.candidates import candidates

        now, notes = datetime.now(UTC), list[str]()
        placing = Placing({field: getattr(self, field) for field in self.template_fields if field != "branches"})
        deadline = self._deadline(context, now, placing.duration)
        limits, tradeoff = placing.limits, placing.tradeoff
        prices = self._prices(placing, notes)
        if prices is None:
            limits, tradeoff = placing.without_prices() if stated(self.prices) is not None else (limits, tradeoff)

        def ranked(hooks: Sequence[CarbonHook]) -> Ranking:
            source = chain.source_of(hooks, ranking=True)
            # Where queues, moving data and evictions may put off the end, more of the future is asked for.
            until = deadline or now + 2 * placing.duration + timedelta(days=1)
            asked = [*placing.names, *([placing.data_region] if placing.needs_home else [])]
            found = asked_in_time(candidates(source, asked, now=now, until=until))
            home = found.pop() if placing.needs_home else None
            offers = placing.offers(found, prices)
            offers = offers if self.allow_mixed else of_one_sort(offers, limits=limits)

            def by(end: datetime | None) -> Ranking:
                job = placing.job(earliest_start=now, deadline=end)
                mixed = self.allow_mixed
                return rank_placements(offers, job, limits=limits, tradeoff=tradeoff, home=home, allow_mixed=mixed)

            ranking, late = by(deadline), now - context["dag_run"].run_after
            if ranking.placements[0].rank is None and deadline and by(deadline + late).placements[0].rank:
                # It could have been met at run_after: that Airflow came late is no user's mistake.
                notes.append(f"the deadline {deadline.isoformat()} cannot be met any more; chosen for a run now")
                self.log.warning("%s", notes[-1])
                return by(None)
            return ranking

        try:
            hooks = chain.hooks_of(chain.conn_ids(stated(self.carbon_conn_id)))
            ranking = ranked(hooks)
            outage = "no source answered for any region that is allowed" if ranking.out_of_data else ""
        except SourceUnavailableError as error:
            outage = str(error)
        if outage:
            # An outage must not fail the DAG; all from one source, or unlike numbers would be ranked.
            notes.append(f"{outage}; ranked by annual averages instead")
            self.log.warning("%s", notes[-1])
            hooks = [TypicalHook()]
            ranking = ranked(hooks)
        ti, records = context["ti"], ranking.records()
        ti.xcom_push(key="ranking", value=records)
        for record in records:
            self.log.info("%s", _sentence(record))
        best, chosen = ranking.best, records[0]
        told = {"decision_id": decision_id(context, "region"), "governs": list(governed(self, self.governs))}
        decision = {"chosen": best.name, **told, "decided_at": now.isoformat(), "notes": notes, **chosen}
        ti.xcom_push(key="carbon_decision", value=decision)
        home = placing.data_region or placing.names[0]
        keep_decision({**decision, "regions": records}, context, sort="region", home=home)
        self.source_url = chain.source_url(hooks, Location.parse(best.name), chosen["source"])
        return best.name

    def _prices(self, placing: Placing, notes: list[str]) -> Prices | None:
        """Ask for the prices; None where none are asked for, or nobody tells them."""
        from airflow_carbon.hooks.asking import asked_in_time
        from airflow_carbon.hooks.metrics import PRICE_FAILURE
        from airflow_carbon.hooks.settings import state_dir
        from airflow_carbon.prices.chosen import chosen

        source, sku = chosen(stated(self.prices), folder=state_dir() / "prices"), placing.limits.required_sku
        if source is None:
            return None
        try:
            question = source.prices(placing.names, skus=[sku], currency=stated(self.currency) or "USD")
            return asked_in_time(question, failure=PRICE_FAILURE)
        except SourceError as error:
            unkept = "no limit on cost is kept" + ("" if stated(self.skus) else f", nor is {sku} known to be there")
            notes.append(f"no prices: {error}; ranked by carbon alone: {unkept}")
            self.log.warning("%s", notes[-1])
            return None

    def _deadline(self, context: Context, now: datetime, duration: timedelta) -> datetime | None:
        if (asked := stated(self.deadline)) is None:
            return None
        run_after = context["dag_run"].run_after
        deadline = parse_moment_after(asked, run_after, "deadline")
        if deadline - duration < run_after:
            raise NoFeasibleWindowError(
                f"deadline {deadline.isoformat()} cannot be met: a run of {in_words(duration)} from run_after on "
                f"ends at {(run_after + duration).isoformat()}; allow a later deadline or a shorter duration"
            )
        if deadline - duration < now:
            self.log.warning("Airflow came to this task too late for its deadline; choosing the region for a run now")
            return None
        return deadline


def _sentence(record: Mapping[str, Any]) -> str:
    bought = f" ({record['purchase']})" if record["purchase"] else ""
    if record["rejected"]:
        return f"{record['region']}{bought}: rejected, {record['rejected']}"
    factors = [f"PUE {record['pue']}{' (assumed)' if record['pue_assumed'] else ''}"]
    if record["relative_energy"] != 1.0:
        factors.append(f"hardware {record['relative_energy']:g}")
    if record["expected_evictions"]:
        factors.append(f"work done again after {record['expected_evictions']:.2g} evictions")
    grams = "" if record["carbon_g"] is None else f", {record['carbon_g']:.0f} g in all"
    cost = "" if record["cost"] is None else f", {record['cost']:.4g} {record['currency']} in all"
    return (
        f"{record['rank']}. {record['region']}{bought}: {record['intensity_g_per_kwh']:.0f} g/kWh x "
        f"{' x '.join(factors)} = {record['effective_g_per_kwh']:.0f} g/kWh ({record['kind']}){grams}{cost}"
    )
