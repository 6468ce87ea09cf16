"""The fields of a choice of region, rendered, read into a job, its limits and what each region offers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.job import Job
from airflow_carbon.core.limits import Limits
from airflow_carbon.core.location import Location
from airflow_carbon.core.moment import parse_duration, stated
from airflow_carbon.core.power import PowerProfile, run_of
from airflow_carbon.core.price import Purchase
from airflow_carbon.core.spot import Checkpoints
from airflow_carbon.core.tradeoff import LeastCarbon, Tradeoff, parse_tradeoff
from airflow_carbon.core.transfer import GB_PER_HOUR, KWH_PER_GB, Transfer
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.operators.rendered import mapping_of, names_of, number_of, wait_of

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_carbon.core.candidate import Candidate
    from airflow_carbon.prices.base import Prices


class Placing:
    """Read the fields of one choice; templates and DAG Params give texts for all of them.

    :param fields: of :class:`~airflow_carbon.operators.best_region.BestRegionOperator`, by their names.
    :raises InvalidRequestError: naming the field that is wrong.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = {name: stated(value) for name, value in fields.items()}
        self.names = names_of(self._fields["regions"] or [], "regions")
        self._places = {_place(name, "regions"): name for name in self.names}
        duration, power = self._fields["duration"], self._fields["power"]
        self.power = None if power is None else PowerProfile.parse(power)
        self.duration, _ = run_of(None if duration is None else parse_duration(duration, "duration"), self.power)
        self.tradeoff: Tradeoff = parse_tradeoff(self._mapping("tradeoff"))
        self.limits = Limits(
            allowed_countries=self._names("allowed_countries"),
            excluded_regions=[
                self._as_written(name, "excluded_regions") for name in self._names("excluded_regions") or ()
            ],
            required_sku=self._fields["required_sku"] or "",
            max_latency_ms=self._number("max_latency_ms"),
            max_extra_cost_percent=self._number("max_extra_cost_percent"),
        )
        self.purchases = self._purchases()
        given = self._fields["data_region"]
        self.data_region = "" if given is None else self._as_written(given, "data_region")
        if self._number("data_gb") and not self.data_region:
            raise InvalidRequestError("data_region: say where the data lie that are to be moved")
        self._check_prices()

    def _check_prices(self) -> None:
        if self._fields["prices"] is None and (vain := [name for name in _OF_COST if self._fields[name] is not None]):
            if vain == ["delay_cost_per_hour"] and not self._number("delay_cost_per_hour"):
                return
            raise InvalidRequestError(f"{vain[0]}: it says nothing without prices; give prices too")
        if self._number("delay_cost_per_hour") and not self.counts_cost:
            raise InvalidRequestError(
                "delay_cost_per_hour: the least carbon minds no cost; give a tradeoff or max_extra_cost_percent too"
            )
        if self._fields["prices"] is not None and not self.limits.required_sku:
            raise InvalidRequestError("required_sku: prices are those of a machine; name it in its cloud's spelling")
        if self._fields["prices"] is None and self.counts_cost:
            raise InvalidRequestError(
                "prices: cost counts, so say what it is: 'azure_retail', a CSV, or a list of rows"
            )

    @property
    def counts_cost(self) -> bool:
        """Tell whether a placement without a price cannot be chosen."""
        return not isinstance(self.tradeoff, LeastCarbon) or self.limits.max_extra_cost_percent is not None

    def without_prices(self) -> tuple[Limits, Tradeoff]:
        """Give the limits and the tradeoff that are left when no price is to be had."""
        limits = replace(self.limits, max_extra_cost_percent=None)
        return (limits if self._fields["skus"] is not None else replace(limits, required_sku="")), LeastCarbon()

    def job(self, *, earliest_start: datetime, deadline: datetime | None) -> Job:
        """Put the job together."""
        return Job(
            self.duration,
            earliest_start=earliest_start,
            deadline=deadline,
            power=self.power,
            transfer=Transfer(
                self._number("data_gb") or 0.0,
                self.data_region,
                kwh_per_gb=self._number("transfer_kwh_per_gb", KWH_PER_GB),
                gb_per_hour=self._number("transfer_gb_per_hour", GB_PER_HOUR),
                egress_per_gb=self._number("egress_per_gb", 0.0),
            ),
            checkpoints=Checkpoints(
                self._duration("checkpoint_interval"),
                self._duration("checkpoint_time") or timedelta(0),
                self._duration("restart_time") or timedelta(0),
            ),
            delay_cost_per_hour=self._number("delay_cost_per_hour", 0.0),
        )

    def offers(self, candidates: Sequence[Candidate], prices: Prices | None) -> list[Candidate]:
        """Say of each region what the fields know of it, and how its machine can be bought.

        :param prices: None ranks each region once, by carbon alone.
        """
        queue, latency, energy, pue, skus = map(
            self._by_region, ("queue_wait", "latency_ms", "relative_energy", "pue", "skus")
        )
        offers = []
        for candidate in candidates:
            name = candidate.name
            known = replace(
                candidate,
                queue_wait=wait_of(queue.get(name), name),
                latency_ms=number_of(latency.get(name), f"latency_ms of {name}"),
                relative_energy=number_of(energy.get(name), f"relative_energy of {name}", 1.0),
                pue=number_of(pue.get(name), f"pue of {name}", candidate.pue),
                skus=frozenset(names_of(skus[name], f"skus of {name}")) if name in skus else None,
            )
            offers += [known] if prices is None else self._bought(known, prices)
        return offers

    def _bought(self, candidate: Candidate, prices: Prices) -> list[Candidate]:
        sku, rate = self.limits.required_sku, self._number("eviction_rate_per_hour")
        has_it = frozenset({sku}) if any(one.region == candidate.name for one in prices.known) else None
        bought = []
        for purchase in self.purchases:
            price = prices.of(candidate.name, sku, purchase)
            if price is None:
                why = candidate.rejected or prices.why_not(candidate.name, sku, purchase)
                bought.append(
                    replace(candidate, skus=candidate.skus or frozenset({sku}), purchase=purchase, rejected=why)
                )
                continue
            if price.eviction_rate_per_hour is None and purchase is Purchase.SPOT:
                price = replace(price, eviction_rate_per_hour=rate)
            bought.append(replace(candidate, price=price, skus=candidate.skus or has_it))
        return bought

    def _purchases(self) -> tuple[Purchase, ...]:
        asked = self._fields["purchase"]
        return tuple(Purchase) if asked is None else tuple(Purchase.parse(one) for one in names_of(asked, "purchase"))

    @property
    def needs_home(self) -> bool:
        """Tell whether the intensities where the data lie must be asked for beside those of the candidates."""
        return bool(self._number("data_gb")) and self.data_region not in self.names

    def _by_region(self, field: str) -> Mapping[str, Any]:
        mapping = {self._as_written(name, field): value for name, value in (self._mapping(field) or {}).items()}
        if strangers := [name for name in mapping if name not in self.names]:
            raise InvalidRequestError(
                f"{field}: {strangers[0]!r} is none of the regions; there are {', '.join(self.names)}"
            )
        return mapping

    def _as_written(self, name: str, field: str) -> str:
        """Give a region as it stands among the candidates, however it is written here; a name of its own otherwise.

        A limit that misses its region for a letter would be no limit.
        """
        return self._places.get(_place(name, field), name)

    def _names(self, field: str) -> list[str] | None:
        value = self._fields[field]
        empty = value is None or value == "[]" or (isinstance(value, Collection) and not value)
        return None if empty else names_of(value, field)

    def _duration(self, field: str) -> timedelta | None:
        value = self._fields[field]
        return None if value is None else parse_duration(value, field, zero_allowed=True)

    def _number(self, field: str, otherwise: Any = None) -> Any:
        return number_of(self._fields[field], field, otherwise)

    def _mapping(self, field: str) -> Any:
        value = self._fields[field]
        return value if value is None or isinstance(value, Tradeoff) else mapping_of(value, field, _EXAMPLES[field])


_EXAMPLES = {
    "tradeoff": "{'carbon_price_per_tonne': 80}",
    "queue_wait": "{'azure:swedencentral': '20m'}",
    "latency_ms": "{'azure:swedencentral': 35}",
    "relative_energy": "{'azure:swedencentral': 0.8}",
    "pue": "{'azure:swedencentral': 1.1}",
    "skus": "{'azure:swedencentral': ['Standard_D2s_v3']}",
}
#: What says something only where prices are known.
_OF_COST = ("purchase", "eviction_rate_per_hour", "delay_cost_per_hour")


def _place(name: str, field: str) -> str:
    """Read a region's name into the one form that all its spellings have.

    :raises InvalidRequestError: if it is no location.
    :raises UnknownZoneError: if it is a cloud region that is in no table, with the nearest names.
    """
    from airflow_carbon.sources.regions import lookup

    location = Location.parse(name, field)
    if location.is_region:
        lookup(location)
    return str(location).lower()
