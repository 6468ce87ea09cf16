"""The intensity of the hours in which work ran: measured where the source knows it, else by its newest forecast."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_carbon.core.units import Kind
from airflow_carbon.core.work import Hours
from airflow_carbon.exceptions import CarbonError, SourceError, SourceUnavailableError
from airflow_carbon.hooks import chain
from airflow_carbon.hooks.asking import ANSWER_TIMEOUT, asked_in_time

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.sources.base import CarbonSource

log = logging.getLogger(__name__)

Span = tuple[datetime, datetime]


def ask_hours(
    carbon_conn_id: str | Sequence[str] | None,
    location: Location,
    spans: Sequence[Span],
    *,
    timeout: float = ANSWER_TIMEOUT,
) -> list[Hours]:
    """Ask for the mean intensities of some spans of time at one place.

    :param carbon_conn_id: one connection, or an ordered list of them; None uses the default.
    :param timeout: for all together [s].
    :raises InvalidRequestError: naming the connection that is wrong.
    :raises SourceError: if no source knows a span.
    """
    source = chain.source_of(chain.hooks_of(chain.conn_ids(carbon_conn_id)))

    async def every() -> list[Hours]:
        return [await hours_of(source, location, start, end) for start, end in spans]

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asked_in_time(every(), timeout)
    # The body of an asynchronous task: its loop cannot be entered again, a thread has one of its own.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asked_in_time(every(), timeout)).result()


def known_hours(
    carbon_conn_id: str | Sequence[str] | None, location: Location, spans: Mapping[str, Span], timeout: float
) -> tuple[dict[str, Hours], str]:
    """Ask for the hours of work that is done, which must not fail for want of an answer.

    :param spans: by name; ``ready`` is only compared with, so that the others stand without it.
    :param timeout: for an answer [s].
    :return: the hours that are known, and why others are not.
    """
    found: dict[str, Hours] = {}
    try:
        needed = {name: span for name, span in spans.items() if name != "ready"}
        answers = ask_hours(carbon_conn_id, location, list(needed.values()), timeout=timeout)
        found = dict(zip(needed, answers, strict=True))
        if "ready" in spans:
            (ready,) = ask_hours(carbon_conn_id, location, [spans["ready"]], timeout=timeout)
            if ready.comparable_with(found["during"]):
                return {**found, "ready": ready}, ""
            return found, f"ready_at: its hours are {ready.signal} ({ready.accounting}) and do not compare"
    except CarbonError as error:
        log.warning("not every intensity is known yet: %s", error)
        return found, str(error)
    return found, ""


async def hours_of(source: CarbonSource, location: Location, start: datetime, end: datetime) -> Hours:
    """Give the mean intensity of one span of time.

    What was measured counts; where it ends early, the newest forecast answers for the rest, and the answer is not
    final.

    :raises SourceError: if the source knows it neither way.
    """
    try:
        past: Forecast | None = await source.history(location, start=start, end=end)
    except SourceUnavailableError:
        past = None
    if past is not None and past.covers(start, end):
        return _hours(past, _mean(past, start, end), final=past.kind is Kind.MEASURED)
    known = past if past is not None and past.start <= start < past.end else None
    begin = start if known is None else known.end
    coming = await _forecast(source, location, begin, end)
    if known is None and coming.covers(start, end):
        return _hours(coming, _mean(coming, start, end), final=False)
    if known is not None and coming.covers(begin, end) and known.comparable_with(coming):
        share = (begin - start) / (end - start)
        mean = share * _mean(known, start, begin) + (1.0 - share) * _mean(coming, begin, end)
        return _hours(coming, mean, final=False)
    raise SourceUnavailableError(
        f"{location}: {_covered(past, coming)}, not the whole of {start.isoformat()} to {end.isoformat()}; report "
        f"again when the source has measured those hours"
    )


async def _forecast(source: CarbonSource, location: Location, begin: datetime, end: datetime) -> Forecast:
    try:
        return await source.forecast(location, now=begin, until=end)
    except SourceError:
        # Some services answer from the present on alone; their first step may still hold a begin that is just past.
        now = datetime.now(UTC)
        return await source.forecast(location, now=now, until=max(end, now + timedelta(hours=1)))


def _mean(series: Forecast, start: datetime, end: datetime) -> float:
    steps = series.between(start, end)
    # Within one step the difference of two integrals would lose the digits of a span that is short beside it.
    return steps.intensity.item(0) if len(steps) == 1 else steps.mean(start, end)


def _hours(series: Forecast, mean: float, *, final: bool) -> Hours:
    return Hours(
        mean,
        zone=series.zone,
        kind=str(series.kind),
        signal=str(series.signal),
        accounting=str(series.accounting),
        source=series.source,
        final=final,
    )


def _covered(*series: Forecast | None) -> str:
    return " and ".join(
        f"the {one.kind} of {one.source or one.zone} covers {one.start.isoformat()} to {one.end.isoformat()}"
        for one in series
        if one is not None
    )


def given_hours(intensity_g_per_kwh: float) -> Hours:
    """Take an intensity that the user knows [gCO2eq/kWh].

    :raises InvalidRequestError: if it is no number, or negative.
    """
    return Hours(intensity_g_per_kwh, source="given", final=True)
