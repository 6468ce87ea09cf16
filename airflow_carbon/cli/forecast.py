"""``forecast``: what is to come."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.cli import ink
from airflow_carbon.cli.clock import dated, local, local_zone, utc
from airflow_carbon.cli.document import print_document
from airflow_carbon.cli.source import asked, now_of, origin
from airflow_carbon.cli.sparkline import bars, picture
from airflow_carbon.cli.table import table
from airflow_carbon.core.location import Location
from airflow_carbon.core.moment import EPOCH, in_words
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_carbon.core.forecast import Forecast

#: A table longer than this is no longer read.
ROWS = 24
#: Lengths of a row that people count in; beyond them, whole days.
_LENGTHS = tuple(timedelta(minutes=count) for count in (5, 10, 15, 30, 60, 120, 180, 240, 360, 720))
#: A year, as far as the typical profiles look [h].
LONGEST_HOURS = 8784.0


def run(args: Namespace) -> int:
    """Ask for the next hours and show them.

    :raises CarbonError: if the request is wrong, or the source does not answer.
    """
    location, now = Location.parse(args.location), now_of(args)
    if not 0.0 < args.hours <= LONGEST_HOURS:
        raise InvalidRequestError(f"--hours: {args.hours:g} must lie between 0 and {LONGEST_HOURS:g}")
    until = now + timedelta(hours=args.hours)
    forecast = asked(args, now, lambda source: source.forecast(location, now=now, until=until)).between(now, until)
    if args.json:
        print_document(document(location, forecast, now))
    else:
        print(f"{location}, zone {forecast.zone}: {origin(forecast, args.csv)}")
        print("\n".join(_lines(forecast, now, min(until, forecast.end), until)))
    return 0


def document(location: Location, forecast: Forecast, now: datetime) -> dict[str, Any]:
    """Give every step as the source gave it, for programs."""
    least, most = int(forecast.intensity.argmin()), int(forecast.intensity.argmax())
    return {
        "location": str(location),
        "zone": forecast.zone,
        "source": forecast.source,
        "kind": str(forecast.kind),
        "signal": str(forecast.signal),
        "accounting": str(forecast.accounting),
        "issued_at": forecast.issued_at,
        "now": now,
        "start": forecast.start,
        "end": forecast.end,
        "step_seconds": forecast.step.total_seconds(),
        "mean_g_per_kwh": forecast.mean(forecast.start, forecast.end),
        "min_g_per_kwh": float(forecast.intensity[least]),
        "min_start": forecast.start + least * forecast.step,
        "max_g_per_kwh": float(forecast.intensity[most]),
        "max_start": forecast.start + most * forecast.step,
        "intensity_g_per_kwh": forecast.intensity.tolist(),
    }


def _lines(forecast: Forecast, now: datetime, end: datetime, until: datetime) -> list[str]:
    lines = [f"{in_words(end - now)} from {dated(now)}" + ("" if end == until else "; no more is known"), ""]
    mean = forecast.mean(now, end)
    if forecast.kind is Kind.ANNUAL_AVERAGE:
        return [*lines, ink.bold(f"{mean:.0f} g/kWh throughout")]
    least, most = int(forecast.intensity.argmin()), int(forecast.intensity.argmax())
    head, *rows = table(*_table(forecast, now, end))
    return [
        *lines,
        *picture(forecast, now, end, levels=ink.levels()),
        "",
        ink.green(f"least {forecast.intensity[least]:4.0f} g/kWh  {utc(forecast.start + least * forecast.step)} UTC"),
        f"mean  {mean:4.0f} g/kWh",
        f"most  {forecast.intensity[most]:4.0f} g/kWh  {utc(forecast.start + most * forecast.step)} UTC",
        "",
        ink.dim(head),
        *rows,
    ]


def _table(forecast: Forecast, now: datetime, end: datetime) -> tuple[list[str], list[list[str]]]:
    """Take exact means over rows that begin on round hours; the first begins now, the last ends with the forecast."""
    own = local_zone(now)
    edges = _edges(forecast, now, end)
    means = [forecast.mean(edges[row], edges[row + 1]) for row in range(len(edges) - 1)]
    header = ["from UTC", *([f"from {own}"] if own else []), ">g/kWh", ""]
    return header, [
        [utc(edge), *([local(edge)] if own else []), f"{mean:.0f}", bar]
        for edge, mean, bar in zip(edges[:-1], means, bars(means, full=ink.levels()[-1]), strict=True)
    ]


def _edges(forecast: Forecast, now: datetime, end: datetime) -> list[datetime]:
    shortest = max((end - now) / ROWS, forecast.step)
    whole_days = -(-shortest // timedelta(days=1)) * timedelta(days=1)
    length = next((one for one in _LENGTHS if one >= shortest), whole_days)
    edges = [now]
    edge = now + length - (now - EPOCH) % length
    while edge < end:
        edges.append(edge)
        edge += length
    edges.append(end)
    # Round hours can cut one row more than fits: the shorter end joins its neighbour.
    if len(edges) > ROWS + 1:
        edges.pop(1 if edges[1] - edges[0] < edges[-1] - edges[-2] else -2)
    return edges
