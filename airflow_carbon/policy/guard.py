"""Warn of a rule that holds up more than the task that it means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.moment import in_words, parse_duration
from airflow_carbon.policy.fields import templated

if TYPE_CHECKING:
    from airflow_carbon.policy.rules import Rule

#: So many ticks are looked at for the shortest time between two: a fortnight of a cron that differs by weekday.
TICKS = 15
#: What was found for a DAG, for its other tasks.
_found: dict[tuple[str, str], timedelta | None] = {}


def cautions(task: Any, rule: Rule) -> Iterator[str]:
    """Say what a rule's delay does to the runs that follow, for a task that it means."""
    longest = longest_delay(rule.asked)
    if longest is None or longest <= timedelta(0):
        return
    dag, delay = task.dag, in_words(longest)
    known = dag.dag_id, str(dag.timetable)
    if known not in _found:
        _found[known] = interval(dag)
    between = _found[known]
    if between is not None and longest > between:
        yield (
            f"a wait of up to {delay} is longer than the {in_words(between)} between two runs: runs pile up, up to "
            f"max_active_runs={dag.max_active_runs}; keep max_delay within {in_words(between)}"
        )
    if task.depends_on_past:
        yield (
            f"with depends_on_past all later runs stand still while one waits, up to {delay}; leave it out of the "
            f"policy, or allow less delay"
        )
    if dag.max_active_runs == 1:
        yield (
            f"with max_active_runs=1 no other run begins while one waits, up to {delay}; allow more active runs, or "
            f"less delay"
        )


def longest_delay(asked: Mapping[str, Any]) -> timedelta | None:
    """Give the longest wait that is asked for, None where a template tells only later.

    A deadline is the latest finish, so it leaves no more than itself.
    """
    given = [asked[key] for key in ("max_delay", "deadline") if asked.get(key)]
    if any(map(templated, given)):
        return None
    return min((parse_duration(one, "max_delay", zero_allowed=True) for one in given), default=None)


def interval(dag: Any) -> timedelta | None:
    """Give the shortest time between two of a DAG's next runs, None where nothing but an event or a user starts it."""
    from airflow.serialization.encoders import coerce_to_core_timetable
    from airflow.timetables.base import TimeRestriction

    timetable = coerce_to_core_timetable(dag.timetable)
    if not timetable.can_be_scheduled or not timetable.periodic:
        return None
    import pendulum

    # From now on, not from the DAG's own start: what matters is what the schedule does next.
    restriction = TimeRestriction(earliest=pendulum.instance(datetime.now(UTC)), latest=None, catchup=True)
    shortest, before, last = None, None, None
    for _ in range(TICKS):
        last = timetable.next_dagrun_info_v2(last_dagrun_info=last, restriction=restriction)
        if last is None:
            break
        tick = last.run_after
        if before is not None and (shortest is None or tick - before < shortest):
            shortest = timedelta(seconds=(tick - before).total_seconds())
        before = tick
    return shortest
