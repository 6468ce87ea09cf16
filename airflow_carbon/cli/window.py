"""``window``: when to run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.cli import ink
from airflow_carbon.cli.clock import dated, local, local_zone, utc
from airflow_carbon.cli.document import print_document
from airflow_carbon.cli.source import asked, now_of, origin
from airflow_carbon.cli.sparkline import picture
from airflow_carbon.cli.table import table
from airflow_carbon.core.location import Location
from airflow_carbon.core.moment import in_words, parse_duration, parse_moment_after
from airflow_carbon.core.policy import Action, Decision, decide
from airflow_carbon.core.power import PowerProfile, run_of
from airflow_carbon.core.request import WaitRequest
from airflow_carbon.core.units import Kind

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_carbon.core.forecast import Forecast

#: How long a run may wait where neither a deadline nor a delay is given.
MAX_DELAY = timedelta(hours=24)


def run(args: Namespace) -> int:
    """Decide once, as a sensor would, and show the decision.

    :raises CarbonError: if the request is wrong, or the source does not answer.
    """
    location, now = Location.parse(args.location), now_of(args)
    request = requested(args, now)
    until = request.latest_start + request.duration
    forecast = asked(args, now, lambda source: source.forecast(location, now=now, until=until))
    decision = decide(request, forecast, now=now)
    if args.json:
        print_document(document(location, request, forecast, decision, now))
    else:
        print(f"{location}, zone {forecast.zone}: {origin(forecast, args.csv)}")
        print("\n".join(_lines(request, forecast, decision, now)))
    return 0


def requested(args: Namespace, now: datetime) -> WaitRequest:
    """Read what the arguments ask for.

    :raises InvalidRequestError: naming the argument that is wrong.
    :raises NoFeasibleWindowError: if the deadline cannot be met.
    """
    power = None if args.power is None else PowerProfile.parse(args.power, "--power")
    stated = None if args.duration is None else parse_duration(args.duration, "--duration")
    duration, power = run_of(stated, power)
    latest = []
    if args.deadline is not None:
        latest.append(parse_moment_after(args.deadline, now, "--deadline") - duration)
    if args.max_delay is not None or not latest:
        delay = (
            MAX_DELAY if args.max_delay is None else parse_duration(args.max_delay, "--max-delay", zero_allowed=True)
        )
        latest.append(now + delay)
    earliest = None if args.earliest_start is None else parse_moment_after(args.earliest_start, now, "--earliest-start")
    return WaitRequest.checked(
        duration=duration,
        ready_at=now,
        earliest_start=None if earliest is None else max(now, earliest),
        latest_start=min(latest),
        min_saving_percent=args.min_saving,
        power=power,
    )


def document(
    location: Location, request: WaitRequest, forecast: Forecast, decision: Decision, now: datetime
) -> dict[str, Any]:
    """Give all that was asked, known and decided, for programs."""
    return {
        "location": str(location),
        "zone": forecast.zone,
        "source": forecast.source,
        "kind": str(forecast.kind),
        "signal": str(forecast.signal),
        "accounting": str(forecast.accounting),
        "issued_at": forecast.issued_at,
        "now": now,
        "duration_seconds": request.duration.total_seconds(),
        "power": str(request.power) if request.power else None,
        "earliest_start": request.earliest_start,
        "latest_start": request.latest_start,
        "min_saving_percent": request.min_saving_percent,
        "action": str(decision.action),
        "start": decision.window.start,
        "end": decision.window.end,
        "intensity_g_per_kwh": decision.window.intensity_g_per_kwh,
        "baseline_start": decision.baseline_at,
        "baseline_intensity_g_per_kwh": decision.baseline_intensity_g_per_kwh,
        "promised_saving_percent": decision.promised_saving_percent,
        "horizon_cut": decision.window.horizon_cut,
        "reason": decision.reason,
    }


def _lines(request: WaitRequest, forecast: Forecast, decision: Decision, now: datetime) -> list[str]:
    head, *rows = table(_header(now), _rows(request, decision))
    reason = f"wait: {decision.reason}." if decision.action is Action.WAIT else f"{decision.reason}."
    lines = [
        f"a run of {in_words(request.duration)}, asked at {dated(now)}, to start by {utc(request.latest_start)} UTC",
        "",
        ink.dim(head),
        *rows[:-1],
        ink.bold(rows[-1]),
        "",
        ink.green(reason[0].upper() + reason[1:]),
    ]
    end = min(forecast.end, request.latest_start + request.duration)
    if forecast.start <= now < end and forecast.kind is not Kind.ANNUAL_AVERAGE:
        shown = forecast.between(now, end).intensity
        lines += ["", *picture(forecast, now, end, window=decision.window, levels=ink.levels())]
        lines.append(ink.dim(f"{shown.min():.0f} to {shown.max():.0f} g/kWh, ^ where the run lies"))
    return lines


def _header(now: datetime) -> list[str]:
    own = local_zone(now)
    return ["", "start UTC", "end UTC", *([f"start {own}"] if own else []), ">g/kWh", ">saving"]


def _rows(request: WaitRequest, decision: Decision) -> list[list[str]]:
    """Set the run at once beside the plan; one row where they are the same."""
    window, now = decision.window, decision.baseline_at
    plan = _row("plan", window.start, window.end, window.intensity_g_per_kwh, decision.promised_saving_percent, now)
    if window.start == now:
        return [["now", *plan[1:-1], ""]]
    return [_row("now", now, now + request.duration, decision.baseline_intensity_g_per_kwh, None, now), plan]


def _row(
    name: str, start: datetime, end: datetime, intensity: float | None, saving: float | None, now: datetime
) -> list[str]:
    known = intensity is not None and intensity == intensity
    return [
        name,
        utc(start),
        utc(end),
        *([local(start)] if local_zone(now) else []),
        f"{intensity:.0f}" if known else "unknown",
        "" if saving is None else f"{saving:.0f} %",
    ]
