"""Make any task carbon-aware in one line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.decorators.wished import Wished

if TYPE_CHECKING:
    from airflow_carbon.core.power import PowerProfile


def carbon_aware(
    task: Any = None,
    /,
    *,
    location: str,
    duration: timedelta | str | None = None,
    duration_default: timedelta | str | None = None,
    max_delay: timedelta | str | None = None,
    deadline: datetime | timedelta | str | None = None,
    tail: timedelta | str | None = None,
    earliest_start: datetime | timedelta | str | None = None,
    power: PowerProfile | str | Sequence[Any] | None = None,
    min_saving_percent: float | str = 10.0,
    on_outage: str = "run",
    carbon_conn_id: str | Sequence[str] | None = None,
    carbon_mode: str | None = None,
    spread: bool = True,
    wait_in_backfill: bool = False,
    wait_on_retry: bool = False,
    deferrable: bool = True,
    lenient: bool = False,
) -> Any:
    """Let a task wait for clean power before its own work, never past its latest start.

    ::

        carbon_aware(BashOperator(task_id="train", bash_command="..."), location="azure:uksouth", duration="2h",
                     max_delay="8h")

    The same task lets go of its worker, waits in the triggerer, and then does its own work. The decision lies in its
    XCom ``carbon_decision`` and in the ledger. A wait that fails or times out runs the work; a retry does not wait
    again. What is asked is templated where it is a text, and may be what an upstream task returns.

    The operator's ``pre_execute`` and ``on_execute_callback`` run before the wait and again after it, as with all
    tasks that defer; its ``execution_timeout`` begins with the work.

    :param task: an operator or a mapped one, what a ``@task`` function returned, or the ``@task`` function itself, also
        as a decorator above ``@task``, ``@task.bash`` and the like. It is changed, and given back.
    :param location: where the work runs: ``azure:swedencentral``, ``zone:DE`` or ``51.5,-0.12``.
    :param duration: how long the work takes, a timedelta or a text like ``1h30m``; or ``"p90"``, the 90th percentile of
        the task's own past runs in the ledger, where such a task records them.
    :param duration_default: with ``"p90"``: what holds until there are ten runs, and while the ledger does not answer.
    :param max_delay: latest start, counted from the moment the task was first ready; with a deadline too, the earlier
        of both holds.
    :param deadline: latest finish: a moment, or a duration counted from ``run_after``.
    :param tail: where the deadline is that of the whole DAG: expected time from the end of this work to the DAG's end.
    :param earliest_start: no start before it: a moment, or a duration counted from ``run_after``.
    :param power: what the work draws as it goes on, ``"10m@50W, 2h@300W"``; tells the duration too.
    :param min_saving_percent: waiting must promise at least this reduction of intensity [%].
    :param on_outage: while no source answers and no plan stands: ``run``, ``latest_start`` or ``fail``.
    :param carbon_conn_id: one connection, or an ordered list of them; None uses ``carbon_default``, or the typical
        profiles where that is not defined.
    :param carbon_mode: ``enforce``, ``shadow`` (decide and record, never delay) or ``off``; None takes the run's
        ``conf["carbon"]``, or else ``[carbon] mode``.
    :param spread: place many tasks beside each other, within 2 % of the optimum, instead of on one minute.
    :param wait_in_backfill: wait in backfill runs too.
    :param wait_on_retry: let a retry wait too, as far as the latest start of the first try allows.
    :param deferrable: wait in the triggerer; False reschedules the task instead and needs no triggerer. The ``timeout``
        of a sensor in mode ``reschedule`` then counts from the begin of the wait.
    :param lenient: let what cannot be meant run the work at once and say so, where it would fail the task.
    :raises InvalidRequestError: naming what is wrong, where it can be seen before the task runs.
    """
    wished = Wished(
        location=location,
        duration=duration,
        duration_default=duration_default,
        max_delay=max_delay,
        deadline=deadline,
        tail=tail,
        earliest_start=earliest_start,
        power=power,
        min_saving_percent=min_saving_percent,
        on_outage=on_outage,
        carbon_conn_id=carbon_conn_id,
        carbon_mode=carbon_mode,
        spread=spread,
        wait_in_backfill=wait_in_backfill,
        wait_on_retry=wait_on_retry,
        deferrable=deferrable,
        lenient=lenient,
    )
    wished.check()
    # Not above: a DAG file that names this function alone need not have Airflow's operators.
    from airflow_carbon.decorators.applied import applied

    return (lambda later: applied(later, wished)) if task is None else applied(task, wished)


def is_carbon_aware(task: Any) -> bool:
    """Tell whether a task, mapped or not, waits by itself already."""
    from airflow_carbon.decorators.aware_task import CarbonAware

    own = getattr(task, "operator_class", None)
    return isinstance(own, type) and issubclass(own, CarbonAware)
