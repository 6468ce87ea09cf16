"""What a worker does for a run that may be cut: check, pin, ask, and tell what was planned."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_carbon.core.chunks import ChunkPlan, Cuts
from airflow_carbon.core.moment import parse_duration, stated
from airflow_carbon.core.power import PowerProfile
from airflow_carbon.core.request import OnOutage
from airflow_carbon.exceptions import CarbonError, InvalidRequestError, SourceUnavailableError
from airflow_carbon.hooks import chain
from airflow_carbon.hooks.asking import ANSWER_TIMEOUT, REFUSED_AT_FIRST, asked_in_time
from airflow_carbon.hooks.settings import Mode, state_dir
from airflow_carbon.triggers.asked import Asked
from airflow_carbon.triggers.promise import Promise
from airflow_carbon.triggers.run_mode import run_mode

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.operators.best_schedule import BestScheduleOperator

#: Starting a task takes Airflow some seconds: shorter chunks are not worth them.
MIN_CHUNK = timedelta(minutes=15)

_Number = TypeVar("_Number", int, float)

log = logging.getLogger(__name__)


class Planning:
    """Take one task instance of :class:`~airflow_carbon.operators.best_schedule.BestScheduleOperator` through its plan.

    :param task: holds the fields, rendered.
    :ivar record: the JSON record of the decision, once :meth:`plan` has returned.
    """

    def __init__(self, task: BestScheduleOperator, context: Context) -> None:
        self._task = task
        self._context = context
        self.record: dict[str, Any] = {}
        self._origin: dict[str, Any] = {}
        self._asked_for = Asked(
            location=task.location,
            duration=task.duration,
            power=task.power,
            deadline=task.deadline,
            tail=task.tail,
            max_delay=task.max_delay,
            earliest_start=task.earliest_start,
            min_saving_percent="" if task.min_saving_percent is None else task.min_saving_percent,
            on_outage=task.on_outage,
        )

    def plan(self) -> list[dict[str, Any]]:
        """Plan within the promise and give the chunks.

        :raises InvalidRequestError: naming the field that is wrong.
        :raises SourceUnavailableError: if no source answers and ``on_outage`` is ``fail``.
        """
        task, run = self._task, self._context["dag_run"]
        how, ids = run_mode(self._context, task.carbon_mode), chain.conn_ids(stated(task.carbon_conn_id))
        cuts = self._cuts()
        outage, location = self._asked_for.outage(), self._asked_for.place()
        waits = how is Mode.ENFORCE and (run.run_type != "backfill" or task.wait_in_backfill)
        if waits and Promise.pinned(self._context) is None:
            # Before anything is pinned: a retry of a task that was refused is refused again.
            chain.check(ids)
        promise = Promise.pin(self._context, self._asked_for, now=datetime.now(UTC))
        now = datetime.now(UTC)
        if how is Mode.SHADOW:
            return self._shadow(promise, cuts, ids, location)
        if waits:
            return self._tell(promise, how, self._planned(promise, cuts, ids, location, outage))
        why = "the carbon mode is off" if how is Mode.OFF else "a backfill run, and wait_in_backfill is not set"
        return self._tell(promise, how, self._whole(promise, cuts, now, f"starts now: {why}"))

    @staticmethod
    def _whole(promise: Promise, cuts: Cuts, start: datetime, reason: str, **known: Any) -> ChunkPlan:
        return ChunkPlan.whole_at(promise.request, start, reason, power=cuts.power, **known)

    def _planned(
        self, promise: Promise, cuts: Cuts, ids: Sequence[str], location: Location, outage: OnOutage
    ) -> ChunkPlan:
        request, now = promise.request, datetime.now(UTC)
        first = max(now, request.earliest_start)
        if now >= request.latest_start:
            reason = f"starts now: the latest start, {request.latest_start:%Y-%m-%d %H:%M} UTC, is reached"
            return self._whole(promise, cuts, first, reason)
        try:
            return self._asked(promise, cuts, ids, location, outage)
        except REFUSED_AT_FIRST:
            raise
        except CarbonError as error:
            if outage is OnOutage.FAIL:
                raise SourceUnavailableError(f"no intensities, and on_outage is 'fail': {error}") from error
            log.warning("no answer of the source: %s", error)
            why = f"as on_outage says, because no source answered ({error})"
            if outage is OnOutage.LATEST_START:
                return self._whole(promise, cuts, request.latest_start, f"starts at the latest start, {why}")
            soonest = "now" if first == now else "at its earliest start"
            return self._whole(promise, cuts, first, f"starts {soonest}, {why}")

    def _asked(
        self, promise: Promise, cuts: Cuts, ids: Sequence[str], location: Location, outage: OnOutage
    ) -> ChunkPlan:
        """Ask the source and decide."""
        # Here, not above: a run that may not be delayed needs neither numpy nor a source.
        from airflow_carbon.core.chunk_plan import plan_chunks
        from airflow_carbon.sources.learned import LearnedErrors

        request, now = promise.request, datetime.now(UTC)
        hooks = chain.hooks_of(ids)
        question = chain.source_of(hooks).forecast(location, now=now, until=request.latest_start + request.duration)
        left = (request.latest_start - now).total_seconds()
        forecast = asked_in_time(question, max(0.0, min(ANSWER_TIMEOUT, left)))
        if outage is OnOutage.FAIL and chain.stands_in(hooks, forecast):
            raise SourceUnavailableError(f"only a typical profile is left: {forecast.source}")
        error = LearnedErrors(state_dir()).observe(forecast, asked=ids)
        plan = plan_chunks(request, cuts, forecast, now=datetime.now(UTC), error=error)
        self._origin = _origin(forecast, chain.source_url(hooks, location, forecast.source))
        return plan

    def _shadow(self, promise: Promise, cuts: Cuts, ids: Sequence[str], location: Location) -> list[dict[str, Any]]:
        """Plan and record, and never delay nor fail: nobody rolls out a shadow that can break what it watches."""
        now = datetime.now(UTC)
        try:
            plan = self._planned(promise, cuts, ids, location, OnOutage.RUN)
        except Exception as error:
            log.warning("no plan", exc_info=True)
            plan = self._whole(promise, cuts, now, f"no plan: {error}")
        self._tell(promise, Mode.SHADOW, plan)
        self.record["reason"] = f"shadow, not delayed: {plan.reason}"
        start = plan.run_now.start if plan.run_now and plan.run_now.start <= datetime.now(UTC) else now
        return _windows(promise, self._whole(promise, cuts, start, plan.reason, run_now=plan.run_now))

    def _tell(self, promise: Promise, how: Mode, plan: ChunkPlan) -> list[dict[str, Any]]:
        """Make the record of a plan, and give its chunks."""
        windows, decided_at = _windows(promise, plan), datetime.now(UTC)
        promised = promise.record(decided_at)
        # The work begins with its first chunk, and each wait tells of its own start.
        del promised["started_at"], promised["start_overrun_seconds"]
        self.record = {
            "location": str(self._task.location),
            "mode": str(how),
            **promised,
            **self._origin,
            **plan.record(),
            "decided_at": decided_at.isoformat(),
            "plan": windows,
        }
        return windows

    def _cuts(self) -> Cuts:
        """Read how the run may be cut; a field that is left empty has its default, and no number of chunks is any."""
        task = self._task
        power, most, watts = stated(task.power), stated(task.max_chunks), stated(task.resume_watts)
        least, overhead = stated(task.min_chunk), stated(task.resume_overhead)
        chunks = None if most is None else _number(most, "max_chunks", int)
        if chunks is not None and chunks < 1:
            raise InvalidRequestError(f"max_chunks: {chunks} must be 1 or larger")
        if watts is not None and power is None:
            raise InvalidRequestError("resume_watts: it tells nothing without the run's own power; give `power` too")
        drawn = None if watts is None else _number(watts, "resume_watts", float)
        if drawn is not None and not 0.0 <= drawn < math.inf:
            raise InvalidRequestError(f"resume_watts: {drawn} must be a number, zero or larger [W]")
        return Cuts(
            power=None if power is None else PowerProfile.parse(power),
            max_chunks=chunks,
            min_chunk=MIN_CHUNK if least is None else parse_duration(least, "min_chunk", zero_allowed=True),
            resume_overhead=parse_duration(overhead or timedelta(0), "resume_overhead", zero_allowed=True),
            resume_watts=drawn,
        )


def _windows(promise: Promise, plan: ChunkPlan) -> list[dict[str, Any]]:
    return plan.windows(margin=promise.limit - promise.request.latest_start)


def _origin(forecast: Forecast, source_url: str) -> dict[str, Any]:
    return {
        "zone": forecast.zone,
        "source": forecast.source,
        "source_url": source_url,
        "kind": str(forecast.kind),
        "signal": str(forecast.signal),
        "accounting": str(forecast.accounting),
        "issued_at": forecast.issued_at.isoformat() if forecast.issued_at else None,
    }


def _number(value: Any, field: str, kind: Callable[[Any], _Number]) -> _Number:
    try:
        number = kind(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    # A fraction must not be cut to a whole number in silence.
    if number is None or isinstance(value, bool) or (isinstance(value, float) and number != value):
        raise InvalidRequestError(f"{field}: {value!r} must be a {'whole ' if kind is int else ''}number")
    return number
