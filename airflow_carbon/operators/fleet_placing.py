"""What a worker does to place a fleet: ask, plan, and tell what was planned."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.candidate import Candidate, of_one_sort
from airflow_carbon.core.fleet import Placements, TaskClass, place_fleet
from airflow_carbon.core.moment import stated
from airflow_carbon.exceptions import NoFeasibleWindowError, SourceUnavailableError
from airflow_carbon.hooks import chain
from airflow_carbon.hooks.asking import asked_in_time
from airflow_carbon.hooks.settings import Mode, start_margin
from airflow_carbon.hooks.typical import TypicalHook
from airflow_carbon.operators.fleet_request import FleetRequest, pue_of
from airflow_carbon.sources.candidates import candidates
from airflow_carbon.triggers.run_mode import run_mode

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.core.fleet import Batch
    from airflow_carbon.hooks.carbon import CarbonHook
    from airflow_carbon.operators.place_fleet import PlaceFleetOperator

log = logging.getLogger(__name__)


class FleetPlacing:
    """Take one task instance of :class:`~airflow_carbon.operators.place_fleet.PlaceFleetOperator` through its plan.

    :param task: holds the fields, rendered.
    :ivar record: the JSON record of the decision, once :meth:`batches` has returned.
    :ivar home: where the baseline runs: the first region that was asked for.
    """

    def __init__(self, task: PlaceFleetOperator, context: Context) -> None:
        self._task = task
        self._context = context
        self._run_after: datetime = context["dag_run"].run_after
        self.record: dict[str, Any] = {}
        self.home = ""

    def batches(self) -> list[dict[str, Any]]:
        """Place all tasks, and give the batches.

        :raises InvalidRequestError: naming the field that is wrong.
        :raises NoFeasibleWindowError: if the capacity does not suffice even for a run that began at ``run_after``.
        """
        request, how = FleetRequest.of(self._task, self._run_after), run_mode(self._context, self._task.carbon_mode)
        ids, now = chain.conn_ids(stated(self._task.carbon_conn_id)), datetime.now(UTC)
        found: list[Candidate] = []
        plan, why = None, "all start as soon as they can: the carbon mode is off"
        if how is not Mode.OFF:
            found = self._found(request, ids, now)
            plan, why = self._cleanest(request, found, now)
        self.home = request.names[0]
        self.record = {
            "mode": str(how),
            "decided_at": now.isoformat(),
            "tasks": sum(each.count for each in request.classes),
            **_totals(request, found, plan, now),
            "regions": [_region(one) for one in found],
            "reason": why,
        }
        known = plan if how is Mode.ENFORCE else None
        if how is Mode.SHADOW:
            self.record["reason"] = f"shadow, nothing is delayed: {why}"
        chosen = known or self._soonest(request, now)
        margin = min(start_margin(), max(timedelta(0), _spare(request, chosen.batches)))
        batches = _windows(request, chosen, margin, known is not None)
        self.record["batches"] = len(batches)
        return batches

    def _found(self, request: FleetRequest, ids: Sequence[str], now: datetime) -> list[Candidate]:
        """Ask for all regions; by annual averages for all alike where none is answered."""

        def asked(hooks: Sequence[CarbonHook]) -> list[Candidate]:
            question = candidates(
                chain.source_of(hooks, ranking=True), request.names, now=now, until=max(request.deadline, now)
            )
            found = asked_in_time(question)
            return found if self._task.allow_mixed else of_one_sort(found)

        try:
            found = asked(chain.hooks_of(ids))
            if any(one.forecast is not None for one in found):
                return found
            outage = "; ".join(f"{one.name}: {one.rejected}" for one in found)
        except SourceUnavailableError as error:
            outage = str(error)
        log.warning("%s; placing by annual averages instead", outage)
        return asked([TypicalHook()])

    def _cleanest(
        self, request: FleetRequest, found: Sequence[Candidate], now: datetime
    ) -> tuple[Placements | None, str]:
        """Place the tasks where they are cleanest; None where that cannot be told in time, with the reason."""
        regions, names = request.regions(found), [one.name for one in found if one.forecast is not None]
        if not regions:
            return None, "all start as soon as they can: for no region is anything known"
        fault: Exception | None = None
        for margin in (start_margin(), timedelta(0)):
            try:
                classes = [_within(each, names) for each in request.within(margin)]
                plan = place_fleet(
                    classes, regions, slot=request.slot, earliest_start=now, allow_mixed=self._task.allow_mixed
                )
            except NoFeasibleWindowError as error:
                fault = error
            else:
                return plan, _sentence(request, plan)
        log.warning("%s", fault)
        return None, f"all start as soon as they can: {fault}"

    def _soonest(self, request: FleetRequest, now: datetime) -> Placements:
        """Start everything as soon as it can; after the deadline only where Airflow itself came too late."""
        try:
            return self._queued(request, now, request.deadline)
        except NoFeasibleWindowError:
            if now - self._run_after > timedelta(0):
                self._queued(request, self._run_after, request.deadline)
                log.warning("Airflow came to this task too late for its deadline; all start as soon as they can")
                return self._queued(request, now, request.soonest(now), in_time=False)
            raise

    def _queued(self, request: FleetRequest, begin: datetime, until: datetime, *, in_time: bool = True) -> Placements:
        classes = [each if in_time else replace(each, deadline=None) for each in request.classes]
        # A slot more: the last task may begin within the one in which the deadline lies.
        regions = request.queue(begin, max(until, begin) + request.slot)
        return place_fleet(classes, regions, slot=request.slot, earliest_start=begin)


def _within(each: TaskClass, names: Sequence[str]) -> TaskClass:
    """Keep a class to the regions of which something is known."""
    if each.regions is None:
        return each
    return replace(each, regions=[name for name in each.regions if name in names])


def _spare(request: FleetRequest, batches: Sequence[Batch]) -> timedelta:
    deadlines = {each.name: request.deadline_of(each) for each in request.classes}
    return min(deadlines[each.task_class] - each.end for each in batches)


def _windows(request: FleetRequest, plan: Placements, margin: timedelta, known: bool) -> list[dict[str, Any]]:
    """Give the batches as plain dicts, in the order of time, none larger than asked for."""
    classes = {each.name: each for each in request.classes}
    windows: list[dict[str, Any]] = []
    for each in sorted(plan.batches, key=lambda batch: batch.start):
        limit = request.deadline_of(classes[each.task_class]) - (each.end - each.start)
        size = request.batch_size or each.count
        for first in range(each.first, each.last + 1, size):
            last = min(first + size - 1, each.last)
            windows.append(
                {
                    "index": len(windows),
                    "class": each.task_class,
                    "region": each.region,
                    "start": each.start.isoformat(),
                    "end": each.end.isoformat(),
                    "latest_start": max(each.start, limit - margin).isoformat(),
                    "limit": limit.isoformat(),
                    "count": last - first + 1,
                    "first": first,
                    "last": last,
                    "intensity_g_per_kwh": each.intensity_g_per_kwh if known else None,
                }
            )
    return windows


def _totals(
    request: FleetRequest, found: Sequence[Candidate], plan: Placements | None, now: datetime
) -> dict[str, Any]:
    baseline = _baseline(request, found[0], now) if found else None
    saving = None
    if plan is not None and baseline:
        saving = 100.0 * (1.0 - plan.intensity_g_per_kwh / baseline)
    return {
        "intensity_g_per_kwh": None if plan is None else plan.intensity_g_per_kwh,
        "baseline_intensity_g_per_kwh": baseline,
        "promised_saving_percent": saving,
        "energy_kwh": None if plan is None else plan.energy_kwh,
        "emitted_g": None if plan is None else plan.emitted_g,
        "baseline_g": None if plan is None or baseline is None else baseline * plan.energy_kwh,
        "bound_g": None if plan is None else plan.bound_g,
        "gap": None if plan is None else plan.gap,
        "exact": None if plan is None else plan.exact,
    }


def _baseline(request: FleetRequest, first: Candidate, now: datetime) -> float | None:
    """Give mean intensity x PUE of all tasks at once in the first region; None where that is not known."""
    if first.forecast is None:
        return None
    grams = energy = 0.0
    for each in request.classes:
        begin = max(now, each.earliest_start or now)
        if not first.forecast.covers(begin, begin + each.duration):
            return None
        hours = each.duration / timedelta(hours=1)
        weight = each.count * (each.cores * hours if each.energy_kwh is None else each.energy_kwh)
        grams += weight * first.forecast.mean(begin, begin + each.duration) * pue_of(first)
        energy += weight
    return grams / energy


def _region(one: Candidate) -> dict[str, Any]:
    forecast = one.forecast
    return {
        "region": one.name,
        "zone": one.zone,
        "pue": pue_of(one),
        "pue_assumed": one.pue is None,
        "kind": str(forecast.kind) if forecast else None,
        "signal": str(forecast.signal) if forecast else None,
        "accounting": str(forecast.accounting) if forecast else None,
        "source": forecast.source if forecast else None,
        "rejected": one.rejected or None,
    }


def _sentence(request: FleetRequest, plan: Placements) -> str:
    used = {each.region for each in plan.batches}
    count = sum(each.count for each in plan.batches)
    first, last = min(each.start for each in plan.batches), max(each.end for each in plan.batches)
    proof = "no plan on these slots emits less" if plan.exact else f"within {plan.gap:.1%} of the best possible"
    return (
        f"{count} tasks in {len(used)} of {len(request.names)} regions from {first:%Y-%m-%d %H:%M} to "
        f"{last:%Y-%m-%d %H:%M} UTC at {plan.intensity_g_per_kwh:.0f} g/kWh; {proof}"
    )
