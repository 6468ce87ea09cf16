"""How a wait stands in Airflow's trigger table, and what is made of a row that another version of this wheel wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_carbon.core.location import Location
from airflow_carbon.core.moment import LONGEST as LONGEST_RUN
from airflow_carbon.core.moment import parse_moment
from airflow_carbon.core.power import PowerProfile
from airflow_carbon.core.request import OnOutage, WaitRequest
from airflow_carbon.core.threshold import Threshold
from airflow_carbon.exceptions import CarbonError, InvalidRequestError
from airflow_carbon.hooks.settings import min_defer

#: Raise it with whatever an older wheel would misread. In every version ``latest_start`` and ``not_before`` keep their
#: names and their meaning, since who can read nothing else goes by them.
VERSION = 1
#: So much of what is wrong with a row is told [characters]: what stands in it may be anything.
LONGEST = 300
#: Names of unknown arguments that are told.
MOST_NAMES = 5
_NUMBER = int | float
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("location", "on_outage", "decision_id", "power", "pool"), str),
    **dict.fromkeys(("ready_at", "earliest_start", "latest_start", "not_before"), str),
    **dict.fromkeys(("duration_seconds", "min_saving_percent"), _NUMBER),
    **dict.fromkeys(("pool_size", "pool_slots"), int),
    **dict.fromkeys(("carbon_conn_id", "task_key"), list),
    "spread": _NUMBER | None,
    "threshold": dict | None,
}
#: The least life of a trigger where not even the configuration says it.
SHORT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Row:
    """Hold what a row says. Build it with :meth:`read`.

    :param request: the run that may wait.
    :param place: where it runs.
    :param on_outage: what to do while no source answers and no plan stands.
    :param not_before: the trigger lives at least until then.
    """

    request: WaitRequest
    place: Location
    on_outage: OnOutage
    not_before: datetime

    @classmethod
    def read(cls, told: Mapping[str, Any], unknown: Mapping[str, Any]) -> Row:
        """Read the arguments of a trigger. A worker has checked them: what is wrong now was written by another wheel.

        :param told: the arguments that are known here.
        :param unknown: those that are not.
        :raises InvalidRequestError: if the version or an argument is not known here, or a value cannot be read.
        """
        try:
            return cls._read(told, unknown)
        except Exception as error:
            # Whatever stands there, it must not fail the task.
            raise InvalidRequestError(str(error) or type(error).__name__) from None

    @classmethod
    def _read(cls, told: Mapping[str, Any], unknown: Mapping[str, Any]) -> Row:
        if type(told["version"]) is not int or told["version"] != VERSION:
            raise InvalidRequestError(f"it is of version {told['version']!r}, and {VERSION} is known here")
        if unknown:
            names = ", ".join(map(repr, sorted(unknown)[:MOST_NAMES]))
            raise InvalidRequestError(f"it has arguments that are not known here: {names}")
        _check_plain(told)
        request = WaitRequest.checked(
            duration=timedelta(seconds=told["duration_seconds"]),
            ready_at=parse_moment(told["ready_at"], "ready_at"),
            earliest_start=parse_moment(told["earliest_start"], "earliest_start"),
            latest_start=parse_moment(told["latest_start"], "latest_start"),
            min_saving_percent=told["min_saving_percent"],
            spread=told["spread"],
            power=PowerProfile.parse(told["power"]) if told["power"] else None,
            threshold=Threshold.of(told["threshold"]),
        )
        # The end of a run that starts last must lie in the calendar too.
        _ = request.latest_start + request.duration
        not_before = parse_moment(told["not_before"], "not_before")
        if not_before > request.latest_start:
            raise InvalidRequestError(f"not_before: {not_before.isoformat()} comes after the latest start")
        return cls(request, Location.parse(told["location"]), OnOutage(told["on_outage"]), not_before)


def _check_plain(told: Mapping[str, Any]) -> None:
    for name, kinds in _KINDS.items():
        if not isinstance(told[name], kinds):
            raise InvalidRequestError(f"{name}: {told[name]!r} is none")
    key, ids = told["task_key"], told["carbon_conn_id"]
    if key and not (len(key) == 4 and all(isinstance(one, str) for one in key[:3]) and isinstance(key[3], int)):
        raise InvalidRequestError(f"task_key: {key!r} is none")
    if not all(isinstance(one, str) for one in ids):
        raise InvalidRequestError(f"carbon_conn_id: {ids!r} is none")
    if not 0.0 < told["duration_seconds"] <= LONGEST_RUN.total_seconds():
        raise InvalidRequestError(f"duration_seconds: {told['duration_seconds']!r} is none")


@dataclass(frozen=True, slots=True)
class Unread:
    """Say when and why a task goes on whose wait cannot be read.

    :param until: when the task must go on.
    :param reason: for its record.
    """

    until: datetime
    reason: str

    @classmethod
    def of(cls, told: Mapping[str, Any], timeout_after: datetime | None, why: str, now: datetime) -> Unread:
        """Find the latest start in what is left: the row's own, or shortly before Airflow gives the deferral up.

        :param timeout_after: when Airflow gives it up; None where that is not known.
        """
        latest, least = _moment(told.get("latest_start")), _moment(told.get("not_before"))
        if timeout_after is not None and (latest is None or latest > _aware(timeout_after)):
            from airflow_carbon.triggers.waiting import GRACE

            latest = _aware(timeout_after) - GRACE
        # Airflow takes an event that comes right after the deferral for a failure.
        soonest = now + _min_defer()
        least = min(least, soonest) if least is not None else now if latest is not None else soonest
        why = why if len(why) <= LONGEST else f"{why[: LONGEST - 3]}..."
        begin = "ran at the latest start" if latest is not None else "ran at once, since no latest start is known"
        return cls(
            max(least, latest or now),
            f"{begin}, without a decision: the triggerer cannot read the wait ({why}); let all hosts have the same "
            "version of airflow-provider-carbon",
        )


def _moment(value: Any) -> datetime | None:
    try:
        return parse_moment(value, "")
    except (ValueError, TypeError, OverflowError):
        return None


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _min_defer() -> timedelta:
    try:
        return min_defer()
    except CarbonError:
        return SHORT
