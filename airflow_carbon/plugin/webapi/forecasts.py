"""Forecasts as the SDK gives them: scoped, averaged over windows, with every optimum."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_carbon.core.moment import MICROSECOND, microseconds, moment_at
from airflow_carbon.core.window import best_window
from airflow_carbon.exceptions import CarbonError, NoFeasibleWindowError, SourceUnavailableError
from airflow_carbon.hooks.asking import ANSWER_TIMEOUT
from airflow_carbon.plugin.webapi.problem import not_kept, problem_of, refused
from airflow_carbon.plugin.webapi.question import AHEAD, ForecastQuestion
from airflow_carbon.plugin.webapi.rolling import rolling, scoped
from airflow_carbon.plugin.webapi.wire import minutes, stamp, text

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.plugin.webapi.grid import Grid, Sources
    from airflow_carbon.sources.base import CarbonSource

#: As far as a forecast is asked for where the question names no end: so much is cached for all who wait, too.
USUAL = timedelta(days=3)
#: Of one answer: more is refused and not written.
MOST_POINTS = 100_000
#: Questions of one request that are asked at once.
AT_ONCE = 16

#: An answer in two parts, between which the moment of the request is written.
Parts = tuple[str, str]


async def asked(grid: Grid, questions: Sequence[ForecastQuestion]) -> list[Forecast]:
    """Ask for the forecasts, all at once.

    :raises Problem: 400, 403, 501, 502 or 503, as the SDK says it.
    """
    sources, now, places = await grid.sources(), grid.now(), asyncio.Semaphore(AT_ONCE)

    async def in_turn(question: ForecastQuestion) -> Forecast:
        async with places:
            return await _one(sources, question, now)

    return list(await asyncio.gather(*map(in_turn, questions)))


def answered(questions: Sequence[ForecastQuestion], forecasts: Sequence[Forecast], now: datetime) -> list[Parts]:
    """Write the answers down. It takes milliseconds: not to be called where an event loop runs.

    :raises Problem: 400, if a question lies outside its forecast or the answer would be too long.
    """
    if sum(map(len, forecasts)) > MOST_POINTS:
        raise refused({"location": [f"more than {MOST_POINTS} points; ask for fewer locations at once"]})
    return [_answer(question, forecast, now) for question, forecast in zip(questions, forecasts, strict=True)]


def first_edge(forecasts: Sequence[Forecast]) -> datetime:
    """Tell when the first of some forecasts will begin with another step."""
    return min(forecast.start + forecast.step for forecast in forecasts)


async def _one(sources: Sources, question: ForecastQuestion, now: datetime) -> Forecast:
    asked_at = question.requested_at
    name = question.place.name
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            current = await _forecast(sources, question, now)
            if asked_at is None or (current.issued_at or current.start) <= asked_at:
                return current
            if sources.earlier is None:
                raise not_kept()
            # Past the caches: they keep one forecast of each zone, the newest.
            return await _earlier(sources.earlier, question, asked_at)
    except TimeoutError:
        raise problem_of(SourceUnavailableError(f"no answer within {ANSWER_TIMEOUT:.0f} s"), name) from None
    except CarbonError as error:
        raise problem_of(error, name) from error


async def _forecast(sources: Sources, question: ForecastQuestion, now: datetime) -> Forecast:
    until = max(question.end or now, now + USUAL)
    return _cut(await sources.chain.forecast(question.place.location, now=now, until=until), now)


async def _earlier(source: CarbonSource, question: ForecastQuestion, asked_at: datetime) -> Forecast:
    until = max(question.end or asked_at, asked_at + USUAL)
    try:
        return _cut(await source.forecast(question.place.location, now=asked_at, until=until), asked_at)
    except SourceUnavailableError:
        # A source on this host is not down: it has nothing of that time, and never will.
        raise refused({"requestedAt": ["no forecast is known that was made at requestedAt or before"]}) from None


def _cut(forecast: Forecast, now: datetime) -> Forecast:
    """Leave away what lies farther ahead than anyone may ask about."""
    if forecast.start <= now < forecast.end <= now + AHEAD:
        return forecast
    return forecast.between(now, min(forecast.end, now + AHEAD))


def _answer(question: ForecastQuestion, forecast: Forecast, now: datetime) -> Parts:
    start_us = forecast.start_us if question.start is None else microseconds(question.start)
    end_us = forecast.end_us if question.end is None else microseconds(question.end)
    _check(forecast, start_us, end_us)
    window_us = question.window // MICROSECOND
    points = rolling(scoped(forecast, start_us, end_us), window_us, start_us, end_us)
    where = f'{{"location":{text(question.place.name)},"timestamp":"'
    length = f'","duration":{minutes(points.duration_us * MICROSECOND)},"value":'
    rows = [
        f"{where}{stamp(points.start_us + row * points.step_us)}{length}{value!r}}}"
        for row, value in enumerate(points.values.tolist())
    ]
    best = [rows[row] for row in points.lowest()]
    if question.exact:
        best = _exact(question, forecast, end_us, now, where)
    # By default the SDK names the begin of the last point that it gives, not its end.
    last = points.start_us + max(0, points.values.size - 1) * points.step_us
    issued = forecast.start_us if forecast.issued_at is None else microseconds(forecast.issued_at)
    return (
        f'{{"generatedAt":"{stamp(issued)}","requestedAt":"',
        f'","location":{text(question.place.name)},"dataStartAt":"{stamp(start_us)}",'
        f'"dataEndAt":"{stamp(last if question.end is None else end_us)}","windowSize":{minutes(question.window)},'
        f'"optimalDataPoints":[{",".join(best)}],"forecastData":[{",".join(rows)}]}}',
    )


def _exact(question: ForecastQuestion, forecast: Forecast, end_us: int, now: datetime, where: str) -> list[str]:
    duration = question.window or forecast.step
    # Without a start of the client's own, the step that holds now has begun already.
    earliest = max(forecast.start, now if question.requested_at is None else question.requested_at)
    try:
        best = best_window(
            forecast, duration=duration, earliest_start=question.start or earliest, deadline=moment_at(end_us)
        )
    except NoFeasibleWindowError:
        return []
    value = best.intensity_g_per_kwh
    return [f'{where}{stamp(microseconds(best.start))}","duration":{minutes(duration)},"value":{value!r}}}']


def _check(forecast: Forecast, start_us: int, end_us: int) -> None:
    errors: dict[str, list[str]] = {}
    if start_us >= end_us:
        errors["dataStartAt"] = ["dataStartAt must be earlier than dataEndAt"]
    reach = f"'{stamp(forecast.start_us)}' through '{stamp(forecast.end_us)}'"
    for name, at in (("dataStartAt", start_us), ("dataEndAt", end_us)):
        if not forecast.start_us <= at <= forecast.end_us:
            said = f"{name} must be within time range of the forecasted data, {reach}"
            errors.setdefault(name, []).append(said)
    if errors:
        raise refused(errors, "Invalid EmissionsForecast")
