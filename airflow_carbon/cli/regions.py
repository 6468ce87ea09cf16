"""``regions``: where to run."""

from __future__ import annotations

import asyncio
import difflib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.cli import ink
from airflow_carbon.cli.clock import dated, local, local_zone, utc
from airflow_carbon.cli.document import print_document
from airflow_carbon.cli.source import asked, now_of
from airflow_carbon.cli.table import table
from airflow_carbon.core.moment import in_words, parse_moment_after
from airflow_carbon.core.placement import Placement, Ranking, of_one_sort, rank_placements
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError
from airflow_carbon.operators.placing import Placing
from airflow_carbon.prices.chosen import chosen
from airflow_carbon.sources.candidates import candidates
from airflow_carbon.sources.regions import all_regions

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_carbon.core.window import Window
    from airflow_carbon.prices.base import Prices


#: Fields of the operator that this command has no option for.
_UNASKED = (
    "skus", "latency_ms", "max_latency_ms", "relative_energy", "pue", "transfer_kwh_per_gb", "transfer_gb_per_hour",
    "egress_per_gb", "checkpoint_time", "restart_time", "delay_cost_per_hour",
)  # fmt: skip
#: The options by the names of the operator's fields, for errors.
_OPTIONS = {
    "duration": "--duration", "power": "--power", "allowed_countries": "--allowed-countries",
    "excluded_regions": "--exclude", "required_sku": "--sku", "queue_wait": "--queue-wait", "data_gb": "--data-gb",
    "data_region": "--data-region", "prices": "--prices", "purchase": "--purchase",
    "eviction_rate_per_hour": "--eviction-rate", "checkpoint_interval": "--checkpoint-interval",
    "tradeoff": "--tradeoff", "max_extra_cost_percent": "--max-extra-cost", "carbon_price_per_tonne": "--tradeoff",
}  # fmt: skip


def run(args: Namespace) -> int:
    """Rank the regions and show the ranking; status 1 where none is left.

    :raises CarbonError: if the request is wrong.
    """
    now, placing = now_of(args), _placing(args)
    deadline = None if args.deadline is None else parse_moment_after(args.deadline, now, "--deadline")
    if deadline is not None and deadline - placing.duration < now:
        raise NoFeasibleWindowError(
            f"--deadline: a run of {in_words(placing.duration)} from now cannot end by {deadline.isoformat()}; "
            f"allow {(now + placing.duration).isoformat(timespec='seconds')} or later, or a shorter duration"
        )
    job, limits = placing.job(earliest_start=now, deadline=deadline), placing.limits
    prices = _prices(args, placing)
    until = deadline or now + 2 * placing.duration + timedelta(days=1)
    names = [*placing.names, *([placing.data_region] if placing.needs_home else [])]
    found = asked(args, now, lambda source: candidates(source, names, now=now, until=until), ranking=True)
    home = found.pop() if placing.needs_home else None
    offers = of_one_sort(placing.offers(found, prices), limits=limits)
    ranking = rank_placements(offers, job, limits=limits, tradeoff=placing.tradeoff, home=home)
    if args.json:
        print_document(document(ranking, now, placing.duration.total_seconds(), deadline))
    else:
        finish = f", to end by {dated(deadline)}" if deadline else ""
        print(f"a run of {in_words(placing.duration)}, asked at {dated(now)}{finish}")
        print("\n".join(_lines(ranking, now, deadline)))
    return 0 if ranking.placements[0].rank else 1


def _placing(args: Namespace) -> Placing:
    """Read the options as the operator reads its fields."""
    asked_for = {
        "regions": _names(args),
        "duration": args.duration,
        "power": args.power,
        "allowed_countries": args.allowed_countries,
        "excluded_regions": args.exclude,
        "required_sku": args.sku,
        "queue_wait": args.queue_wait,
        "data_gb": args.data_gb,
        "data_region": args.data_region,
        "prices": args.prices,
        "purchase": args.purchase,
        "eviction_rate_per_hour": args.eviction_rate,
        "checkpoint_interval": args.checkpoint_interval,
        "tradeoff": args.tradeoff,
        "max_extra_cost_percent": args.max_extra_cost,
    }
    try:
        return Placing({**dict.fromkeys(_UNASKED), **asked_for})
    except InvalidRequestError as error:
        field, colon, fault = str(error).partition(":")
        raise type(error)(f"{_OPTIONS.get(field, field)}{colon}{fault}") from None


def _prices(args: Namespace, placing: Placing) -> Prices | None:
    source = chosen(args.prices, field="--prices")
    if source is None:
        return None
    return asyncio.run(source.prices(placing.names, skus=[placing.limits.required_sku], currency=args.currency))


def document(ranking: Ranking, now: datetime, duration_seconds: float, deadline: datetime | None) -> dict[str, Any]:
    """Give the whole ranking, rejected regions included, for programs.

    :param duration_seconds: length of the run [s].
    """
    return {
        "now": now,
        "duration_seconds": duration_seconds,
        "deadline": deadline,
        "best": ranking.placements[0].name if ranking.placements[0].rank else None,
        "ranking": ranking.records(),
    }


def _names(args: Namespace) -> list[str]:
    names = list(args.regions)
    if args.all is not None:
        own = [str(region) for region in all_regions() if region.provider == args.all.lower()]
        if not own:
            providers = sorted({region.provider for region in all_regions()})
            near = difflib.get_close_matches(args.all.lower(), providers, n=1)
            raise InvalidRequestError(
                f"--all: {args.all!r} is no provider of the embedded table; it has {', '.join(providers)}"
                + (f"; did you mean {near[0]!r}?" if near else "")
            )
        names += [name for name in own if name not in names]
    if not names:
        raise InvalidRequestError("REGION: name at least one, for example azure:swedencentral, or give --all PROVIDER")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidRequestError(f"REGION: {twice} is named twice")
    return names


def _lines(ranking: Ranking, now: datetime, deadline: datetime | None) -> list[str]:
    ranked = [one for one in ranking.placements if one.window is not None]
    lines = []
    if ranked:
        lines += [*_accounts(ranked), ""]
        header = _header(now, deadline, ranked)
        rows = [_row(one, one.window, now, deadline) for one in ranked if one.window is not None]
        told = [column for column in range(len(header)) if column < 4 or any(row[column] for row in rows)]
        head, first, *others = table([header[at] for at in told], [[row[at] for at in told] for row in rows])
        lines += [ink.dim(head), ink.green(first), *others]
    if any(one.candidate.pue is None for one in ranked):
        lines += ["", "* assumed, as none is published"]
    if deadline is not None and any(_kind(one) == Kind.ANNUAL_AVERAGE for one in ranked):
        lines += ["", "An annual average has no daily shape: connect a source (--conn-id) to choose the time too."]
    rejected = [one for one in ranking.placements if one.window is None]
    if rejected:
        lines += ["", ink.yellow("rejected" if ranked else "no region is left")]
        lines += [f"  {one.candidate.label}: {one.rejected}" for one in rejected]
    return lines


def _accounts(ranked: list[Placement]) -> list[str]:
    """Say what the numbers mean, once for each sort of them."""
    records = [one.record() for one in ranked]
    return list(dict.fromkeys(f"{one['signal']} intensity; accounting: {one['accounting']}" for one in records))


def _header(now: datetime, deadline: datetime | None, ranked: list[Placement]) -> list[str]:
    currency = next((one.candidate.price.currency for one in ranked if one.candidate.price), "")
    own = local_zone(now)
    starts = ["start UTC", *([f"start {own}"] if own else [])] if deadline else []
    amounts = [">= g/kWh", ">g in all", f">{currency} in all"]
    return [">", "region", "zone", "country", "bought", ">g/kWh", ">x PUE", "", *amounts, *starts, "kind"]


def _row(one: Placement, window: Window, now: datetime, deadline: datetime | None) -> list[str]:
    starts = [utc(window.start), *([local(window.start)] if local_zone(now) else [])] if deadline else []
    return [
        f"{one.rank}",
        one.name,
        one.record()["zone"],
        one.candidate.country,
        str(one.candidate.purchase or ""),
        f"{window.intensity_g_per_kwh:.0f}",
        f"{one.pue:.2f}",
        "*" if one.candidate.pue is None else "",
        f"{one.effective_g_per_kwh:.0f}",
        "" if one.carbon_g is None else f"{one.carbon_g:.0f}",
        "" if one.cost is None else f"{one.cost:.4g}",
        *starts,
        _kind(one),
    ]


def _kind(one: Placement) -> str:
    return "" if one.candidate.forecast is None else str(one.candidate.forecast.kind)
