"""What Electricity Maps answers: rows of a zone with their step and their meaning, read back and checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import sub
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_carbon.core.moment import in_words
from airflow_carbon.core.units import Accounting, Kind
from airflow_carbon.exceptions import CarbonError, SourceAuthError, SourceResponseError, SourceUnavailableError
from airflow_carbon.sources.series import Meaning, Series, moment

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast

NAME = "electricity_maps"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: What may be asked for, and the step that it means.
GRANULARITIES = {"hourly": HOUR, "15_minutes": HOUR / 4, "5_minutes": HOUR / 12}
#: Its words for a scope, and the words of :class:`~airflow_carbon.core.units.Accounting`.
SCOPES = {"lifecycle": "life-cycle", "direct": "direct"}
ZONE = re.compile(r"[A-Z]{2}(?:-[A-Z0-9_-]+)?")

_MINUTES = re.compile(r"([1-9][0-9]{0,3})_minutes")

_SPENT = re.compile(r"rate.?limit|limit (is )?(reached|exceeded)|too many|quota", re.IGNORECASE)

_Value = TypeVar("_Value")


def read_forecast(payload: Any, *, now: datetime, granularity: str) -> Forecast:
    """Read the answer of ``forecast`` from the step that holds ``now`` on.

    :param granularity: that was asked for.
    :raises SourceResponseError: if it is not as documented.
    :raises SourceUnavailableError: if nothing in it holds ``now``.
    """
    answer = Answer.read(payload, "forecast")
    points = _points(answer.rows)
    step = _step(points, answer.step, GRANULARITIES[granularity])
    # Its `updatedAt` is the moment of the answer, not of the model's run: no moment of issue is told.
    meaning = Meaning(_source(step, granularity), accounting=Accounting(SCOPES["lifecycle"], "consumption", "CO2e"))
    return Series(answer.zone, points, meaning, step=step).holding(now)


def read_history(
    payloads: Sequence[Any], *, start: datetime, end: datetime, granularity: str, emission_factor_type: str
) -> Forecast:
    """Read answers of ``latest``, ``history``, ``past`` or ``past-range``; of doubled rows the first one counts.

    :param payloads: answers about one zone.
    :param granularity: that was asked for.
    :param emission_factor_type: that was asked for.
    :raises SourceResponseError: if they are not as documented, or do not mean the same.
    :raises SourceUnavailableError: if nothing in them touches ``[start, end)``.
    """
    answers = [Answer.read(payload, "history", "data") for payload in payloads]
    rows = [row for answer in answers for row in answer.rows]
    points = _points(rows)
    told = _the_one([answer.step for answer in answers if answer.step is not None], "steps")
    step = _step(points, told, GRANULARITIES[granularity])
    source = _source(step, granularity)
    meaning = Meaning(source, accounting=_accounting(rows, emission_factor_type), kind=Kind.MEASURED)
    zone = _the_one([answer.zone for answer in answers], "zones") or ""
    series = Series(zone, points, meaning, step=step).overlapping(start, end)
    estimated: dict[datetime, bool] = {}
    for (stamp, value), row in zip(points, rows, strict=True):
        if value is not None and series.start <= stamp < series.end:
            estimated.setdefault(stamp, row.get("isEstimated") is True)
    if not any(estimated.values()):
        return series
    return series.replaced(source=f"{source}, {'estimated' if all(estimated.values()) else 'partly estimated'}")


def read_access(payload: Any) -> dict[str, list[Any]]:
    """Read the answer of ``zones``, bare or wrapped: what the token may ask of each zone.

    :raises SourceResponseError: if it is not as documented.
    """
    zones = payload.get("zones", payload) if isinstance(payload, dict) else None
    if not isinstance(zones, dict) or not zones or not all(isinstance(row, dict) for row in zones.values()):
        raise SourceResponseError(f"{NAME}: this is no list of zones: {str(payload)[:40]!r}")
    access = {zone: row.get("access") for zone, row in zones.items() if ZONE.fullmatch(zone)}
    return {zone: allowed if isinstance(allowed, list) else [] for zone, allowed in access.items()}


def allows(access: Iterable[Any], temporality: str) -> bool:
    """Tell whether a zone's entry in the list of zones opens this endpoint."""
    return any(one in ("*", "carbon-intensity/*", f"carbon-intensity/{temporality}") for one in access)


def refusal(what: str) -> Callable[[int, str], CarbonError | None]:
    """Tell what a 401 means: a token that is wrong, requests that are spent, or a plan that does not cover it.

    :param what: that was asked for, for the message.
    """

    def meaning(status: int, words: str) -> CarbonError | None:
        if status != 401:
            return None
        if _SPENT.search(words):
            return SourceUnavailableError(f"{NAME}: no more requests for now: {words}")
        if is_beyond_plan(status, words):
            return SourceAuthError(
                f"{NAME}: your plan has no {what}; upgrade it, or name a connection that has it beside this one"
            )
        return SourceAuthError(f"{NAME}: the API token is refused ({words}); copy it anew into the connection")

    return meaning


def is_beyond_plan(status: int, words: str) -> bool:
    """Tell whether the token is good, but its plan does not cover what was asked."""
    return status == 401 and "request unauthorized" in words.lower()


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold the rows of one answer, not yet read.

    :param zone: that it is about.
    :param step: length of a step as its ``temporalGranularity`` tells; None where it does not.
    """

    zone: str
    step: timedelta | None
    rows: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, payload: Any, *keys: str) -> Answer:
        """Open an answer.

        :param keys: that its rows may lie under; a single row may also stand bare.
        :raises SourceResponseError: if there are no rows or no zone.
        """
        if not isinstance(payload, dict):
            raise SourceResponseError(f"{NAME}: this is no answer: {str(payload)[:40]!r}")
        found = next((payload[key] for key in keys if key in payload), payload if "datetime" in payload else None)
        rows = [found] if isinstance(found, dict) else found
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise SourceResponseError(f"{NAME}: the answer has no rows under {' or '.join(keys)}")
        head = {**(rows[0] if rows else {}), **payload}
        zone = head.get("zone")
        if not isinstance(zone, str) or not ZONE.fullmatch(zone):
            raise SourceResponseError(f"{NAME}: the answer names no zone but {str(zone)[:40]!r}")
        return cls(zone, _told_step(head.get("temporalGranularity")), rows)


def _told_step(told: Any) -> timedelta | None:
    if told is None:
        return None
    minutes = _MINUTES.fullmatch(told) if isinstance(told, str) else None
    step = timedelta(minutes=int(minutes[1])) if minutes else {"hourly": HOUR, "daily": DAY}.get(str(told))
    if step is None:
        raise SourceResponseError(f"{NAME}: temporalGranularity {str(told)[:40]!r} is none that is known")
    return step


def _points(rows: Sequence[Mapping[str, Any]]) -> list[tuple[datetime, Any]]:
    try:
        stamped = [(row["datetime"], row["carbonIntensity"]) for row in rows]
    except KeyError as missing:
        raise SourceResponseError(f"{NAME}: a row has no {missing.args[0]}") from None
    try:
        points = [(datetime.fromisoformat(stamp), value) for stamp, value in stamped]
        if all(stamp.tzinfo is UTC for stamp, _ in points):
            return points
    except (ValueError, TypeError):
        pass
    # Slower, for what is not written as documented: it names the row, or reads it all the same.
    return [(moment(stamp, f"{NAME}: row {row}"), value) for row, (stamp, value) in enumerate(stamped)]


def _step(points: Sequence[tuple[datetime, Any]], told: timedelta | None, asked: timedelta) -> timedelta:
    """Take the step from the rows, those without a value included, held against what the answer tells."""
    stamps = sorted(stamp for stamp, _ in points)
    apart = list(map(sub, stamps[1:], stamps))
    if apart and min(apart) == timedelta(0):
        apart = [one for one in apart if one]
    least = min(apart, default=told or asked)
    stated = told or min(least, asked)
    if least < stated:
        raise SourceResponseError(f"{NAME}: rows come {least} apart in an answer that tells of steps of {stated}")
    # Rows farther apart throughout are longer steps than it says; now and then, they are rows that are missing.
    return least if least > stated and apart.count(least) == len(apart) > 1 else stated


def _source(step: timedelta, granularity: str) -> str:
    asked = GRANULARITIES[granularity]
    return NAME if step <= asked else f"{NAME}, in steps of {in_words(step)} where {in_words(asked)} was asked for"


def _accounting(rows: Sequence[Mapping[str, Any]], asked: str) -> Accounting:
    told = [row["emissionFactorType"] for row in rows if row.get("emissionFactorType") is not None]
    wrong = next((one for one in told if not isinstance(one, str) or one not in SCOPES), None)
    if wrong is not None:
        raise SourceResponseError(f"{NAME}: emissionFactorType {str(wrong)[:40]!r} is none that is known")
    # An answer that does not tell follows the service's default; whether it minded what was asked, nobody knows.
    scope = SCOPES[_the_one(told, "emission factors") or "lifecycle"] if told or asked == "lifecycle" else ""
    traced = [row["flowTraced"] for row in rows if isinstance(row.get("flowTraced"), bool)]
    return Accounting(scope, "production" if _the_one(traced, "flows") is False else "consumption", "CO2e")


def _the_one(values: Sequence[_Value], of: str) -> _Value | None:
    """Give the value on which all agree, None where there is none."""
    distinct = set(values)
    if len(distinct) > 1:
        raise SourceResponseError(f"{NAME}: its rows are of different {of}: {', '.join(sorted(map(str, distinct)))}")
    return values[0] if values else None
