"""What a worker pins before it lets go of the task: the latest start, as an absolute moment, once."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.moment import in_words, parse_duration, parse_moment, parse_moment_after
from airflow_carbon.core.request import WaitRequest
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError
from airflow_carbon.hooks.settings import start_margin

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Key in ``task_state_store``, which outlives retries and clears of the task.
PINNED = "carbon_wait"


@dataclass(frozen=True, slots=True)
class Promise:
    """Hold what is promised to one task instance.

    :param decision_id: identity of the wait; a retry or a clear keeps it.
    :param request: the run that may wait; its ``latest_start`` is the promise.
    :param deadline: the latest finish that was asked for, None where only a delay was given.
    :param margin: kept free before the latest start for Airflow's own queues.
    """

    decision_id: str
    request: WaitRequest
    deadline: datetime | None
    margin: timedelta

    @classmethod
    def pin(
        cls,
        context: Context,
        *,
        duration: timedelta | str,
        deadline: datetime | timedelta | str | None,
        max_delay: timedelta | str | None,
        earliest_start: datetime | timedelta | str | None,
        min_saving_percent: float | str,
        spread: bool,
        now: datetime,
    ) -> Promise:
        """Read the task's fields into absolute moments; a wait that was pinned before is never extended.

        :param deadline: latest finish: a moment, or a duration counted from the run's ``run_after``.
        :param max_delay: latest start, counted from the moment the task was first ready.
        :param earliest_start: a moment, or a duration counted from ``run_after``.
        :raises InvalidRequestError: naming the field that is wrong.
        :raises NoFeasibleWindowError: if the run could not finish by the deadline even if it started at ``run_after``.
        """
        run_after = context["dag_run"].run_after.astimezone(UTC)
        length, margin = parse_duration(duration, "duration"), start_margin()
        finish = None if deadline is None else parse_moment_after(deadline, run_after, "deadline")
        delay = None if max_delay is None else parse_duration(max_delay, "max_delay", zero_allowed=True)
        earliest = None if earliest_start is None else parse_moment_after(earliest_start, run_after, "earliest_start")
        if finish is None and delay is None:
            raise InvalidRequestError(
                "deadline, max_delay: give one of them; without it nothing says how long the task may wait"
            )
        if finish is not None:
            _refuse_impossible(finish, length, earliest, run_after)

        store = context["task_state_store"]
        pinned: Any = store.get(PINNED) or {}
        ready_at = parse_moment(pinned["ready_at"], PINNED) if pinned else now
        limits = [] if finish is None else [finish - length]
        limits += [] if delay is None else [ready_at + delay]
        # The margin is kept off every latest start: between a wake-up and the first line of work lie Airflow's queues.
        latest = min(limits) - margin
        if pinned:
            latest = min(latest, parse_moment(pinned["latest_start"], PINNED))
        else:
            pinned = {"decision_id": str(uuid.uuid4()), "ready_at": now.isoformat(), "latest_start": latest.isoformat()}
            store.set(PINNED, pinned)
        if delay is not None and earliest is not None and earliest > ready_at + delay:
            raise NoFeasibleWindowError(
                f"earliest_start {earliest.isoformat()} comes {in_words(earliest - ready_at - delay)} after the latest "
                f"start that max_delay {in_words(delay)} allows; allow a longer delay or an earlier start"
            )
        # Airflow may come to the task later than it could have started; that is no mistake of the user's, so run.
        latest = max(latest, ready_at)
        request = WaitRequest.checked(
            duration=length,
            ready_at=ready_at,
            earliest_start=min(max(earliest, ready_at), latest) if earliest else ready_at,
            latest_start=latest,
            min_saving_percent=_percentage(min_saving_percent),
            spread=_place(context) if spread else None,
        )
        return cls(pinned["decision_id"], request, finish, margin)

    def record(self, started_at: datetime) -> dict[str, Any]:
        """Tell what was promised, and whether the start kept it, as plain JSON."""
        request, finish = self.request, self.deadline
        late = started_at - request.latest_start
        return {
            "decision_id": self.decision_id,
            "ready_at": request.ready_at.isoformat(),
            "earliest_start": request.earliest_start.isoformat(),
            "latest_start": request.latest_start.isoformat(),
            "duration_seconds": request.duration.total_seconds(),
            "started_at": started_at.isoformat(),
            "deadline": finish.isoformat() if finish else None,
            "start_overrun_seconds": round(max(0.0, late.total_seconds()), 3),
            "in_time": started_at + request.duration <= finish if finish else late <= self.margin,
        }


def _refuse_impossible(finish: datetime, length: timedelta, earliest: datetime | None, run_after: datetime) -> None:
    begin = run_after if earliest is None else max(run_after, earliest)
    if finish - length < begin:
        what = "the run's run_after" if begin == run_after else "earliest_start"
        raise NoFeasibleWindowError(
            f"deadline {finish.isoformat()} cannot be met: a run of {in_words(length)} that starts at {what}, "
            f"{begin.isoformat()}, ends at {(begin + length).isoformat()}; allow a later deadline or a shorter duration"
        )


def _percentage(value: float | str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidRequestError(f"min_saving_percent: {value!r} must be a number between 0 and 100 [%]") from None


def _place(context: Context) -> float:
    """Give this task instance its own place in ``[0, 1)``: the same at every try, others beside it."""
    ti = context["ti"]
    key = f"{ti.dag_id}|{ti.run_id}|{ti.task_id}|{ti.map_index}"
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big") / 2**48
