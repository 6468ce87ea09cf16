"""The operator that places many tasks over regions and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

# Each parse of a DAG pays for what stands above: what is needed later is imported later.
if TYPE_CHECKING:
    from airflow.sdk import Context


class PlaceFleetOperator(BaseOperator):
    """Place many tasks in the regions and hours of least intensity x PUE, within capacity and deadline.

    Returns a list of plain dicts in the order of time, one for each batch: ``index`` (from 0), ``class``, ``region``,
    ``start``, ``end``, ``latest_start`` and ``limit`` (the latest start that meets the deadline, with the margin kept
    free and without), ``count``, ``first`` and ``last`` (its tasks' numbers within their class, from 0), and
    ``intensity_g_per_kwh`` (x PUE; None where nothing is known). The XCom ``carbon_decision`` holds the totals, the
    bound, the regions that were left out with the reason, and the baseline: all tasks at once in the first region.

    Expand a mapped task *group* over it, so that each batch waits for its own start alone::

        @task_group
        def batch(window):
            run(PlannedWindowSensor(task_id="wait", window=window).output)


        batch.expand(window=plan.output)

    Airflow maps over ``[core] max_map_length`` elements at most; a longer ``slot`` makes fewer batches. An outage does
    not fail the task: annual averages then choose the regions, and where nothing at all is known everything starts as
    soon as it can. All fields but ``allow_mixed`` are templated; mappings and lists may be JSON texts.

    :param regions: where tasks may run, for example ``["azure:swedencentral", "aws:eu-west-2"]``.
    :param tasks: how many there are; or a list of classes, mappings with ``name``, ``count`` and perhaps ``duration``,
        ``cores``, ``energy_kwh`` (of one task), ``earliest_start``, ``deadline`` and ``regions`` of their own.
    :param duration: how long one task runs, a timedelta or a text like ``3m``.
    :param capacity: cores that may be used, for each region or one number for all.
    :param cores: cores that one task holds.
    :param backlog: what is queued already, for each region or for all: core hours, or a duration for which all cores
        stay busy.
    :param slot: batches start with a slot of this length, the first now; a task holds its cores for whole slots.
    :param deadline: latest finish of all: a moment, or a duration counted from ``run_after``.
    :param batch_size: most tasks of a batch.
    :param carbon_conn_id: one connection, or an ordered list of them; None uses ``carbon_default``, or the typical
        profiles where that is not defined.
    :param carbon_mode: ``enforce``, ``shadow`` (plan and record, but start everything as soon as it can) or ``off``;
        None takes the run's ``conf["carbon"]``, or else ``[carbon] mode``.
    :param allow_mixed: compare intensities of different signal or accounting.
    :param governs: ids of the tasks whose emissions the plan changes; None takes those directly downstream, and behind
        those of them that only wait.
    """

    template_fields: Sequence[str] = (
        "regions", "tasks", "duration", "capacity", "cores", "backlog", "slot", "deadline", "batch_size",
        "carbon_conn_id", "carbon_mode",
    )  # fmt: skip
    ui_color: str = "#d5f0dc"

    def __init__(
        self,
        *,
        regions: Sequence[str] | str,
        tasks: int | str | Sequence[Mapping[str, Any]],
        capacity: float | str | Mapping[str, float],
        deadline: datetime | timedelta | str,
        duration: timedelta | str | None = None,
        cores: int | str = 1,
        backlog: float | str | timedelta | Mapping[str, Any] | None = None,
        slot: timedelta | str = timedelta(hours=1),
        batch_size: int | str | None = None,
        carbon_conn_id: str | Sequence[str] | None = None,
        carbon_mode: str | None = None,
        allow_mixed: bool = False,
        governs: Sequence[str] | str | None = None,
        retries: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(retries=retries, **kwargs)
        self.regions = regions
        self.tasks = tasks
        self.capacity = capacity
        self.deadline = deadline
        self.duration = duration
        self.cores = cores
        self.backlog = backlog
        self.slot = slot
        self.batch_size = batch_size
        self.carbon_conn_id = carbon_conn_id
        self.carbon_mode = carbon_mode
        self.allow_mixed = allow_mixed
        self.governs = governs

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Place all tasks, keep the record, and give the batches.

        :raises InvalidRequestError: naming the field that is wrong.
        :raises UnknownZoneError: if a region is in no table, with the nearest names.
        :raises NoFeasibleWindowError: if the capacity does not suffice even for a run that began at ``run_after``.
        """
        from airflow_carbon.hooks.decisions import governed, keep_decision
        from airflow_carbon.operators.fleet_placing import FleetPlacing

        placing = FleetPlacing(self, context)
        batches = placing.batches()
        decision = {**placing.record, "governs": list(governed(self, self.governs))}
        context["ti"].xcom_push(key="carbon_decision", value=decision)
        self.log.info("%s", decision["reason"])
        keep_decision(decision, context, sort="fleet", home=placing.home)
        return batches
