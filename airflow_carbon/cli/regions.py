"""``regions``: where to run."""

from __future__ import annotations

import difflib
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_carbon.cli import ink
from airflow_carbon.cli.clock import dated, local, local_zone, utc
from airflow_carbon.cli.document import print_document
from airflow_carbon.cli.source import asked, now_of
from airflow_carbon.cli.table import table
from airflow_carbon.core.job import Job
from airflow_carbon.core.limits import Limits
from airflow_carbon.core.moment import in_words, parse_duration, parse_moment_after
from airflow_carbon.core.placement import Placement, Ranking, of_one_sort, rank_placements
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError
from airflow_carbon.sources.candidates import candidates
from airflow_carbon.sources.regions import all_regions

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_carbon.core.window import Window


def run(args: Namespace) -> int:
    """Rank the regions and show the ranking; status 1 where none is left.

    :raises CarbonError: if the request is wrong.
    """
    now, duration = now_of(args), parse_duration(args.duration, "--duration")
    deadline = None if args.deadline is None else parse_moment_after(args.deadline, now, "--deadline")
    if deadline is not None and deadline - duration < now:
        raise NoFeasibleWindowError(
            f"--deadline: a run of {in_words(duration)} from now cannot end by {deadline.isoformat()}; "
            f"allow {(now + duration).isoformat(timespec='seconds')} or later, or a shorter duration"
        )
    names = _names(args)
    until = deadline or now + duration
    limits = Limits(None if args.allowed_countries is None else args.allowed_countries.split(","))
    found = asked(args, now, lambda source: candidates(source, names, now=now, until=until), ranking=True)
    ranking = rank_placements(
        of_one_sort(found, limits=limits), Job(duration, earliest_start=now, deadline=deadline), limits=limits
    )
    if args.json:
        print_document(document(ranking, now, duration.total_seconds(), deadline))
    else:
        finish = f", to end by {dated(deadline)}" if deadline else ""
        print(f"a run of {in_words(duration)}, asked at {dated(now)}{finish}")
        print("\n".join(_lines(ranking, now, deadline)))
    return 0 if ranking.placements[0].rank else 1


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
        rows = [_row(one, one.window, now, deadline) for one in ranked if one.window is not None]
        head, first, *others = table(_header(now, deadline), rows)
        lines += [ink.dim(head), ink.green(first), *others]
    if any(one.candidate.pue is None for one in ranked):
        lines += ["", "* assumed, as none is published"]
    if deadline is not None and any(_kind(one) == Kind.ANNUAL_AVERAGE for one in ranked):
        lines += ["", "An annual average has no daily shape: connect a source (--conn-id) to choose the time too."]
    rejected = [one for one in ranking.placements if one.window is None]
    if rejected:
        lines += ["", ink.yellow("rejected" if ranked else "no region is left")]
        lines += [f"  {one.name}: {one.rejected}" for one in rejected]
    return lines


def _accounts(ranked: list[Placement]) -> list[str]:
    """Say what the numbers mean, once for each sort of them."""
    records = [one.record() for one in ranked]
    return list(dict.fromkeys(f"{one['signal']} intensity; accounting: {one['accounting']}" for one in records))


def _header(now: datetime, deadline: datetime | None) -> list[str]:
    own = local_zone(now)
    starts = ["start UTC", *([f"start {own}"] if own else [])] if deadline else []
    return [">", "region", "zone", "country", ">g/kWh", ">x PUE", "", ">= g/kWh", *starts, "kind"]


def _row(one: Placement, window: Window, now: datetime, deadline: datetime | None) -> list[str]:
    starts = [utc(window.start), *([local(window.start)] if local_zone(now) else [])] if deadline else []
    return [
        f"{one.rank}",
        one.name,
        one.record()["zone"],
        one.candidate.country,
        f"{window.intensity_g_per_kwh:.0f}",
        f"{one.pue:.2f}",
        "*" if one.candidate.pue is None else "",
        f"{one.effective_g_per_kwh:.0f}",
        *starts,
        _kind(one),
    ]


def _kind(one: Placement) -> str:
    return "" if one.candidate.forecast is None else str(one.candidate.forecast.kind)
