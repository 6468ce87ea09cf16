"""Say what else a wait holds up: the runs that follow, where they come sooner or queue behind it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_carbon.core.moment import in_words

#: So many ticks are looked at for the shortest time between two: a fortnight of a cron that differs by weekday.
TICKS = 15
#: What was found for a DAG, for its other tasks.
_found: dict[tuple[str, str], timedelta | None] = {}


def cautions(dag: Any, longest: timedelta, *, depends_on_past: bool) -> Iterator[str]:
    """Say what a wait does to the runs that follow.

    :param longest: that it may last.
    :param depends_on_past: whether what waits, or what follows it in its run, looks at the run before.
    """
    if longest <= timedelta(0):
        return
    delay = in_words(longest)
    known = dag.dag_id, str(dag.timetable)
    if known not in _found:
        _found[known] = interval(dag)
    between = _found[known]
    if between is not None and longest > between:
        yield (
            f"a wait of up to {delay} is longer than the {in_words(between)} between two runs: runs pile up, up to "
            f"max_active_runs={dag.max_active_runs}; keep max_delay within {in_words(between)}"
        )
    if depends_on_past:
        yield (
            f"with depends_on_past all later runs stand still while one waits, up to {delay}; do without one of the "
            f"two, or allow less delay"
        )
    if dag.max_active_runs == 1:
        yield (
            f"with max_active_runs=1 no other run begins while one waits, up to {delay}; allow more active runs, or "
            f"less delay"
        )


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
