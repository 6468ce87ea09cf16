"""What a worker pins before it lets go of the task: the latest start, as an absolute moment, once."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.moment import in_words, parse_duration, parse_moment, parse_moment_after, stated
from airflow_carbon.core.power import PowerProfile
from airflow_carbon.core.request import WaitRequest
from airflow_carbon.core.threshold import Threshold
from airflow_carbon.core.value import value
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError
from airflow_carbon.hooks.settings import start_margin
from airflow_carbon.triggers.pinned import PINNED, RETENTION, promised

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.triggers.asked import Asked

#: What is asked of a wait that leaves it open [%].
MIN_SAVING_PERCENT = 10.0


@value
class Promise:
    """Hold what is promised to one task instance.

    :param decision_id: identity of the wait; a retry or a clear keeps it.
    :param request: the run that may wait; its ``latest_start`` is the promise.
    :param deadline: the latest finish that was asked for, None where only a delay was given.
    :param limit: the latest start that keeps what was asked for, with nothing kept free.
    :param margin: kept free before the latest start for Airflow's own queues.
    """

    decision_id: str
    request: WaitRequest
    deadline: datetime | None
    limit: datetime
    margin: timedelta

    @classmethod
    def pin(cls, context: Context, asked: Asked, *, now: datetime) -> Promise:
        """Read the task's fields into absolute moments and pin them; a wait that was pinned before is never extended.

        :raises InvalidRequestError: naming the field that is wrong.
        :raises NoFeasibleWindowError: if the run could not finish by the deadline even if it started at ``run_after``.
        """
        before, run = cls.pinned(context), context["dag_run"]
        backfill, tick = run.run_type == "backfill", run.run_after.astimezone(UTC)
        # However late a scheduler comes, its run was ready at the tick.
        ready_at = before.request.ready_at if before else tick if asked.from_tick and not backfill else now
        # A backfill run keeps the old tick as its run_after: a deadline counted from there has long gone by.
        base = ready_at if backfill else tick
        (length, power), margin = asked.run(), start_margin()
        until, wait, after = stated(asked.deadline), stated(asked.max_delay), stated(asked.earliest_start)
        finish = None if until is None else parse_moment_after(until, base, "deadline")
        tail = asked.time_after(finish)
        delay = None if wait is None else parse_duration(wait, "max_delay", zero_allowed=True)
        earliest = ready_at if after is None else parse_moment_after(after, base, "earliest_start")
        if finish is None and delay is None:
            raise InvalidRequestError(
                "deadline, max_delay: give one of them; without it nothing says how long the task may wait"
            )
        if finish is not None:
            _refuse_impossible(finish, length, tail, tick if after is None else max(tick, earliest))
        limits = [] if finish is None else [finish - tail - length]
        limit = min(limits if delay is None else [*limits, ready_at + delay])
        if earliest > limit and delay is not None and earliest > ready_at + delay:
            raise NoFeasibleWindowError(
                f"earliest_start {earliest.isoformat()} comes {in_words(earliest - ready_at - delay)} after the latest "
                f"start that max_delay {in_words(delay)} allows; allow a longer delay or an earlier start"
            )
        # The margin is kept off every latest start: between a wake-up and the first line of work lie Airflow's queues.
        # It gives way to the user's own earliest start, and to a scheduler that came late: that is no user's mistake.
        latest = max(limit - margin, min(earliest, limit), ready_at)
        if before is not None:
            latest = min(latest, before.request.latest_start)
        promise = cls(
            before.decision_id if before else _identity(context, asked),
            WaitRequest.checked(
                duration=length,
                ready_at=ready_at,
                earliest_start=min(max(earliest, ready_at), latest),
                latest_start=latest,
                min_saving_percent=_percentage(asked.min_saving_percent),
                spread=_place(context) if asked.spread else None,
                power=power,
                threshold=asked.threshold,
            ),
            finish,
            limit if before is None else min(limit, before.limit),
            margin,
        )
        retention = max(latest - now, timedelta(0)) + RETENTION
        context["task_state_store"].set(PINNED, promise._to_dict(), retention=retention)
        return promise

    @classmethod
    def pinned(cls, context: Context) -> Promise | None:
        """Read what an earlier process pinned: a resume asks nothing of the DAG file, which may have changed."""
        kept: Any = context["task_state_store"].get(PINNED)
        try:
            return cls(
                kept["decision_id"],
                WaitRequest.checked(
                    duration=timedelta(seconds=kept["duration_seconds"]),
                    ready_at=parse_moment(kept["ready_at"], "ready_at"),
                    earliest_start=parse_moment(kept["earliest_start"], "earliest_start"),
                    latest_start=parse_moment(kept["latest_start"], "latest_start"),
                    min_saving_percent=kept["min_saving_percent"],
                    spread=kept["spread"],
                    power=PowerProfile.parse(kept["power"]) if kept.get("power") else None,
                    threshold=Threshold.of(kept.get("threshold")),
                ),
                parse_moment(kept["deadline"], "deadline") if kept["deadline"] else None,
                parse_moment(kept["limit"], "limit"),
                timedelta(seconds=kept["margin_seconds"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            # Damaged, as good as none; what the fields refuse is a ValueError too.
            return None

    def record(self, started_at: datetime) -> dict[str, Any]:
        """Tell what was promised, and whether the start kept it, as plain JSON."""
        return promised(self._to_dict(), started_at)

    def _to_dict(self) -> dict[str, Any]:
        request = self.request
        return {
            "decision_id": self.decision_id,
            "ready_at": request.ready_at.isoformat(),
            "earliest_start": request.earliest_start.isoformat(),
            "latest_start": request.latest_start.isoformat(),
            "duration_seconds": request.duration.total_seconds(),
            "min_saving_percent": request.min_saving_percent,
            "spread": request.spread,
            "power": str(request.power or ""),
            "threshold": request.threshold.plain() if request.threshold else None,
            "deadline": self.deadline.isoformat() if self.deadline else None,
            "limit": self.limit.isoformat(),
            "margin_seconds": self.margin.total_seconds(),
        }


def _refuse_impossible(finish: datetime, length: timedelta, tail: timedelta, begin: datetime) -> None:
    end = begin + length + tail
    if end <= finish:
        return
    run = f"a run of {in_words(length)} that starts at {begin.isoformat()}"
    fault = f"deadline {finish.isoformat()} cannot be met: {run}"
    if tail:
        raise NoFeasibleWindowError(
            f"{fault}, with a tail of {in_words(tail)} behind it, ends at {end.isoformat()}; allow a later deadline, a "
            f"shorter duration or a shorter tail"
        )
    raise NoFeasibleWindowError(f"{fault} ends at {end.isoformat()}; allow a later deadline or a shorter duration")


def _percentage(value: float | str | None) -> float:
    given = stated(value)
    if given is None:
        return MIN_SAVING_PERCENT
    try:
        return float(given)
    except (TypeError, ValueError):
        raise InvalidRequestError(f"min_saving_percent: {value!r} must be a number between 0 and 100 [%]") from None


def _identity(context: Context, asked: Asked) -> str:
    """Give a new wait its identity; a run of a schedule has one wait alone, whoever asks."""
    if not asked.from_tick:
        return str(uuid.uuid4())
    ti = context["ti"]
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"schedule|{ti.dag_id}|{ti.run_id}"))


def _place(context: Context) -> float:
    """Give this task instance its own place in ``[0, 1)``: the same at every try, others beside it."""
    ti = context["ti"]
    key = f"{ti.dag_id}|{ti.run_id}|{ti.task_id}|{ti.map_index}"
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big") / 2**48
