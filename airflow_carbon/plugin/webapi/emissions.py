"""Past intensities as the SDK gives them: the points of a time, the lowest of them, and the mean over it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.moment import MICROSECOND, microseconds
from airflow_carbon.core.windows import refuse_mixed
from airflow_carbon.exceptions import CarbonError, InvalidRequestError, SourceUnavailableError
from airflow_carbon.hooks.asking import ANSWER_TIMEOUT
from airflow_carbon.plugin.webapi.problem import Problem, problem_of, refused
from airflow_carbon.plugin.webapi.rolling import scoped
from airflow_carbon.plugin.webapi.wire import stamp, text, time_span

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.plugin.webapi.grid import Grid
    from airflow_carbon.plugin.webapi.place import Place
    from airflow_carbon.plugin.webapi.question import Past
    from airflow_carbon.sources.base import CarbonSource

#: So much more is asked for before a time, as the SDK does: the point that holds its begin must be among the answer.
BEFORE = timedelta(hours=2)
#: Of one answer: more is refused and not written.
MOST_POINTS = 100_000


@dataclass(frozen=True, slots=True)
class Emissions:
    """Hold one point of one place.

    :param rating: mean intensity [gCO2eq/kWh].
    """

    place: Place
    start_us: int
    duration_us: int
    rating: float

    def written(self) -> str:
        """Write it as the SDK does."""
        return (
            f'{{"location":{text(self.place.name)},"time":"{stamp(self.start_us)}","rating":{self.rating!r},'
            f'"duration":"{time_span(self.duration_us)}"}}'
        )


async def emissions(grid: Grid, question: Past, *, best: bool = False) -> str:
    """Answer with all points that touch the time, or with those of the lowest rating; empty where there is none.

    :raises Problem: 400, 403, 502 or 503, as the SDK says it; 400 also where the best is asked of intensities that do
        not compare.
    """
    sources, now = await grid.sources(), grid.now()
    source = sources.ranking if best else sources.chain
    if question.start > now:
        return ""
    found = await asyncio.gather(*(_series(source, place, question, now) for place in question.places))
    return await asyncio.to_thread(_written, question, list(found), now, best)


async def averages(grid: Grid, questions: Sequence[Past]) -> list[str]:
    """Answer with the mean over each time, of the one place of each question.

    :raises Problem: 400, if what is known does not cover a time; 403, 502 or 503, as the SDK says it.
    """
    sources = await grid.sources()
    return list(await asyncio.gather(*(_average(sources.chain, question) for question in questions)))


async def _series(source: CarbonSource, place: Place, question: Past, now: datetime) -> Forecast:
    last = min(question.end, now)
    start = question.start - BEFORE

    async def known() -> Forecast:
        try:
            # The point that begins with the last moment belongs to the time.
            past = await source.history(place.location, start=start, end=last + MICROSECOND)
            if past.end > question.start or last < now:
                return past
        except SourceUnavailableError:
            if last < now:
                raise
        # Nothing is measured yet: the forecast says what holds now.
        return await source.forecast(place.location, now=now, until=now + BEFORE)

    return await _in_time(known(), place)


async def _average(source: CarbonSource, question: Past) -> str:
    place, start, end = question.places[0], question.start, question.end
    past = await _in_time(source.history(place.location, start=start, end=end), place)
    if not past.covers(start, end):
        told = f"'{stamp(past.start_us)}' through '{stamp(past.end_us)}'"
        raise refused({"startTime": [f"the data does not cover startTime to endTime, but {told}"]})
    return (
        f'{{"location":{text(place.name)},"startTime":"{stamp(microseconds(start))}",'
        f'"endTime":"{stamp(microseconds(end))}","carbonIntensity":{past.mean(start, end)!r}}}'
    )


async def _in_time(answer: Coroutine[Any, Any, Forecast], place: Place) -> Forecast:
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            return await answer
    except TimeoutError:
        raise problem_of(SourceUnavailableError(f"no answer within {ANSWER_TIMEOUT:.0f} s"), place.name) from None
    except CarbonError as error:
        raise problem_of(error, place.name) from error


def _written(question: Past, series: list[Forecast], now: datetime, best: bool) -> str:
    start_us, end_us = microseconds(question.start), microseconds(min(question.end, now))
    kept = [scoped(one, start_us, end_us) for one in series]
    if sum(one.values.size for one in kept) > MOST_POINTS:
        raise refused({"location": [f"more than {MOST_POINTS} points; ask for fewer locations or a shorter time"]})
    if best:
        named = zip(question.places, series, strict=True)
        try:
            refuse_mixed([(place.name, one) for place, one in named])
        except InvalidRequestError:
            raise Problem(
                400, "InvalidOperationException", "the intensities of these locations mean different things"
            ) from None
        lowest = min((one.values.min() for one in kept if one.values.size), default=0.0)
    points = (
        Emissions(place, one.start_us + row * one.step_us, one.duration_us, value)
        for place, one in zip(question.places, kept, strict=True)
        for row, value in enumerate(one.values.tolist())
        if not best or value == lowest
    )
    rows = [point.written() for point in points]
    return f"[{','.join(rows)}]" if rows else ""
