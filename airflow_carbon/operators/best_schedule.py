"""The operator that plans a run in chunks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_carbon.hooks.source_link import CarbonPageLink, CarbonSourceLink

# Each parse of a DAG pays for what stands above: what is needed later is imported later.
if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.core.power import PowerProfile


class BestScheduleOperator(BaseOperator):
    """Plan an interruptible run: which part of it to do when, in chunks that lie where electricity is cleanest.

    Returns a list of plain dicts in the order of time, one for each chunk: ``index`` (from 0), ``count``, ``start``,
    ``end``, ``latest_start`` (it leaves time for this chunk and all that follow), ``limit`` (the same with no margin
    kept free), ``work_begin_seconds``, ``work_end_seconds`` and the same as ``work_begin_fraction``,
    ``work_end_fraction`` of the whole run, and ``intensity_g_per_kwh``. The list has one chunk, now, where waiting and
    cutting do not save enough, nothing is known, or nothing may be delayed. The XCom ``carbon_decision`` holds the
    record: the baseline, the plan, what it promises, the best run in one window, and why.

    Expand a mapped task *group* over it, with a wait in each::

        @task(max_active_tis_per_dagrun=1)
        def train(window): ...


        @task_group
        def chunk(window):
            train(PlannedWindowSensor(task_id="wait", window=window).output)


        chunk.expand(window=plan.output)

    ``wait.expand(window=plan.output) >> train.expand(window=plan.output)`` would not do: there each ``train`` waits for
    *all* the waits, so the whole run begins when its last chunk should. ``max_active_tis_per_dagrun=1`` keeps two
    chunks from running at once where one takes longer than planned. A chunk that failed and waits for its retry does
    not hold the next one back, so let each go on from the last checkpoint up to its own ``work_end_fraction``. A task
    after the group that takes its output gets a list, but the bare value where the plan has one chunk: Airflow's rule.

    All fields but ``wait_in_backfill`` are templated, so that DAG Params can fill them.

    :param location: where the work runs: ``azure:swedencentral``, ``zone:DE`` or ``51.5,-0.12``.
    :param duration: how long the run takes without a cut, a timedelta or a text like ``8h``.
    :param power: what the run draws as it goes on, ``"10m@50W, 8h@300W"`` or ``[["10m", 50], ...]``; tells the duration
        too.
    :param deadline: latest finish: a moment, or a duration counted from ``run_after``.
    :param tail: where the deadline is that of the whole DAG: expected time from the end of this run to the DAG's end.
    :param max_delay: latest start of the run if it were not cut, counted from the moment the task was first ready: the
        plan ends by then plus ``duration``. With a deadline too, the earlier of both holds. A retry extends neither.
    :param earliest_start: no start before it: a moment, or a duration counted from ``run_after``.
    :param max_chunks: most chunks; None, or what a template leaves empty, for any number.
    :param min_chunk: least work of a chunk, 15 min where not given; starting one takes Airflow some seconds.
    :param resume_overhead: what loading a checkpoint costs at the begin of every chunk but the first; billed.
    :param resume_watts: power meanwhile [W]; the run's mean where not given. Needs ``power``.
    :param min_saving_percent: the plan must promise at least this reduction of emissions against running now [%],
        and where one window does, a cut must gain more on it than the source's own error.
    :param carbon_conn_id: one connection, or an ordered list of them; None uses ``carbon_default``, or the typical
        profiles where that is not defined.
    :param carbon_mode: ``enforce``, ``shadow`` (plan and record, one chunk now) or ``off``; None takes the run's
        ``conf["carbon"]``, or else ``[carbon] mode``.
    :param on_outage: where no source answers: ``run`` (one chunk now), ``latest_start`` or ``fail``.
    :param wait_in_backfill: plan backfill runs too; otherwise they get one chunk now.
    :param governs: ids of the tasks whose emissions the plan changes; None takes those directly downstream, and behind
        those of them that only wait.
    """

    template_fields: Sequence[str] = (
        "location", "duration", "power", "deadline", "tail", "max_delay", "earliest_start", "max_chunks", "min_chunk",
        "resume_overhead", "resume_watts", "min_saving_percent", "carbon_conn_id", "carbon_mode", "on_outage",
    )  # fmt: skip
    operator_extra_links = (CarbonSourceLink(), CarbonPageLink())
    ui_color: str = "#d5f0dc"
    source_url: str = ""

    def __init__(
        self,
        *,
        location: str,
        duration: timedelta | str | None = None,
        power: PowerProfile | str | Sequence[Any] | None = None,
        deadline: datetime | timedelta | str | None = None,
        tail: timedelta | str | None = None,
        max_delay: timedelta | str | None = None,
        earliest_start: datetime | timedelta | str | None = None,
        max_chunks: int | str | None = 4,
        min_chunk: timedelta | str | None = None,
        resume_overhead: timedelta | str | None = None,
        resume_watts: float | str | None = None,
        min_saving_percent: float | str | None = 10.0,
        carbon_conn_id: str | Sequence[str] | None = None,
        carbon_mode: str | None = None,
        on_outage: str = "run",
        wait_in_backfill: bool = False,
        governs: Sequence[str] | str | None = None,
        retries: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(retries=retries, **kwargs)
        self.location = location
        self.duration = duration
        self.power = power
        self.deadline = deadline
        self.tail = tail
        self.max_delay = max_delay
        self.earliest_start = earliest_start
        self.max_chunks = max_chunks
        self.min_chunk = min_chunk
        self.resume_overhead = resume_overhead
        self.resume_watts = resume_watts
        self.min_saving_percent = min_saving_percent
        self.carbon_conn_id = carbon_conn_id
        self.carbon_mode = carbon_mode
        self.on_outage = on_outage
        self.wait_in_backfill = wait_in_backfill
        self.governs = governs

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Plan the run, keep the record, and give the chunks.

        :raises InvalidRequestError: naming the field that is wrong.
        :raises UnknownZoneError: if the region is in no table, with the nearest names.
        :raises NoFeasibleWindowError: if the run could not end by its deadline even if it began at ``run_after``.
        :raises SourceUnavailableError: if no source answers and ``on_outage`` is ``fail``.
        """
        from airflow_carbon.hooks.decisions import governed, keep_decision
        from airflow_carbon.operators.planning import Planning

        planning = Planning(self, context)
        plan = planning.plan()
        self.source_url = planning.record["source_url"] or ""
        decision = {**planning.record, "governs": list(governed(self, self.governs))}
        context["ti"].xcom_push(key="carbon_decision", value=decision)
        self.log.info("%s", decision["reason"])
        keep_decision(decision, context, sort="schedule")
        return plan
