"""What a DAG with a carbon-aware schedule gets when it is loaded: one task that waits before all others."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule, get_parsing_context

from airflow_carbon.core.moment import in_words, parse_duration
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.sensors.carbon_schedule import CarbonScheduleSensor

if TYPE_CHECKING:
    from airflow.sdk import DAG

log = logging.getLogger(__name__)

#: The task that makes a run's one decision.
TASK_ID = "wait_for_clean_power"
#: What a task with no upstream passes by itself, and behind one that succeeds would never pass, or not wait for.
_NEVER_BEHIND_SUCCESS = {TriggerRule.ALL_FAILED, TriggerRule.ONE_FAILED, TriggerRule.ALL_SKIPPED, TriggerRule.ALWAYS}


def attach(dag: DAG) -> None:
    """Put one waiting task before all that have no upstream; a DAG that has it stays as it is.

    One task makes one decision for the run, which all that follows shares, and takes one trigger however many they are.

    :raises InvalidRequestError: if the DAG has a task of that name.
    """
    outer: Any = dag.timetable
    combined = hasattr(outer, "timetable")
    timetable = outer.timetable if combined else outer
    if timetable.attached:
        return
    if TASK_ID in dag.task_dict:
        raise InvalidRequestError(
            f"DAG {dag.dag_id!r}: its carbon_schedule adds a task {TASK_ID!r}, and the DAG has one of that name; give "
            "it another name, or keep it and schedule the DAG by a plain cron expression"
        )
    roots = dag.roots
    if roots:
        wait = _wait(dag, timetable.carbon_wait, roots[0])
        for root in roots:
            if TriggerRule(root.trigger_rule) in _NEVER_BEHIND_SUCCESS:
                root.trigger_rule = TriggerRule.ALL_DONE
            root.set_upstream(wait)
    own = timetable.attached_to(dag.timezone)
    if combined:
        import attrs

        own = attrs.evolve(outer, timetable=own)
    dag.timetable = own
    # A task process reads the DAG too, and is no place to speak of its schedule.
    if get_parsing_context().task_id is None:
        _caution(dag, timetable.carbon_wait)


def _caution(dag: DAG, asked: dict[str, Any]) -> None:
    from airflow_carbon.hooks import held_up

    longest = parse_duration(asked["max_delay"], "max_delay")
    strict = any(getattr(task, "depends_on_past", False) for task in dag.tasks)
    for said in held_up.cautions(dag, longest, depends_on_past=strict):
        log.warning("carbon_schedule, DAG %s: %s", dag.dag_id, said)


def _wait(dag: DAG, asked: dict[str, Any], root: Any) -> CarbonScheduleSensor:
    delay = in_words(parse_duration(asked["max_delay"], "max_delay"))
    return CarbonScheduleSensor(
        task_id=TASK_ID,
        dag=dag,
        task_group=dag.task_group,
        # Where the work can run, somebody listens, and its owner answers for the wait too.
        owner=root.owner,
        queue=root.queue,
        executor=root.executor,
        # The defaults of the DAG's tasks are meant for their work. A wait that is not tried again would fail the run,
        # one that queues for the work's slots or for an earlier run would make it late, and one that skips would take
        # the work with it.
        retries=2,
        retry_delay=timedelta(seconds=30),
        retry_exponential_backoff=False,
        pool="default_pool",
        pool_slots=1,
        depends_on_past=False,
        wait_for_downstream=False,
        max_active_tis_per_dag=None,
        max_active_tis_per_dagrun=None,
        soft_fail=False,
        deadline=None,
        earliest_start=None,
        tail=None,
        governs=None,
        doc_md=f"Waits for clean power, at most {delay} after the tick. Added by the DAG's `carbon_schedule`.",
        **asked,
    )
