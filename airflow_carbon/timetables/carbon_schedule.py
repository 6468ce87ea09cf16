"""A carbon-aware schedule in one line of a DAG."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.location import Location
from airflow_carbon.core.moment import parse_duration
from airflow_carbon.core.power import PowerProfile, run_of
from airflow_carbon.core.request import OnOutage
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow.timetables.base import Timetable


def carbon_schedule(
    cron: str,
    *,
    location: str,
    max_delay: timedelta | str,
    duration: timedelta | str | None = None,
    power: PowerProfile | str | Sequence[Any] | None = None,
    timezone: str | None = None,
    min_saving_percent: float = 10.0,
    on_outage: str = "run",
    carbon_conn_id: str | Sequence[str] | None = None,
    carbon_mode: str | None = None,
    spread: bool = True,
    wait_in_backfill: bool = False,
    deferrable: bool = True,
) -> Timetable:
    """Schedule a DAG by cron, and let each run wait for clean power: ``schedule=carbon_schedule("0 2 * * *", ...)``.

    Ticks, logical dates, data intervals, catchup and backfill are those of ``schedule="0 2 * * *"``. Each run begins
    with one task, ``wait_for_clean_power``, which all that had no upstream follow: it makes the run's one decision. The
    delay counts from the tick, so a run that comes late waits less, and one that comes after its latest start does not
    wait. Only scheduled runs wait; a run that is triggered by hand does where its ``conf`` is
    ``{"carbon": "enforce"}``.

    :param cron: a cron expression or preset.
    :param location: where the work runs: ``azure:swedencentral``, ``zone:DE`` or ``51.5,-0.12``; may be a template.
    :param max_delay: latest start, counted from the tick, a timedelta or a text like ``6h``.
    :param duration: how long the work takes, a timedelta or a text like ``1h30m``; may be a template.
    :param power: what the work draws as it goes on, ``"10m@50W, 2h@300W"``; tells the duration too.
    :param timezone: what the cron expression is read in; None takes the DAG's, as for a plain cron expression.
    :param min_saving_percent: waiting must promise at least this reduction of intensity [%].
    :param on_outage: while no source answers and no plan stands: ``run``, ``latest_start`` or ``fail``.
    :param carbon_conn_id: one connection, or an ordered list of them; None uses ``carbon_default``.
    :param carbon_mode: ``enforce``, ``shadow`` or ``off``; None takes the run's, or else ``[carbon] mode``.
    :param spread: start beside other waits, within 2 % of the optimum, instead of on one minute.
    :param wait_in_backfill: wait in backfill runs too, counted from when they begin.
    :param deferrable: wait in the triggerer; False reschedules the waiting task instead and needs no triggerer.
    :raises InvalidRequestError: naming what is wrong, when the DAG file is parsed.
    """
    if not isinstance(cron, str) or not cron.strip() or cron.strip() in ("@once", "@continuous"):
        raise InvalidRequestError(f"cron: {cron!r} must be a cron expression or preset, for example '0 2 * * *'")
    if not _templated(location):
        Location.parse(location)
    if on_outage not in [*OnOutage]:
        raise InvalidRequestError(f"on_outage: {on_outage!r} must be one of {', '.join(OnOutage)}")
    if not 0.0 <= min_saving_percent <= 100.0:
        raise InvalidRequestError(f"min_saving_percent: {min_saving_percent} must lie between 0 and 100 [%]")
    drawn = None if power is None else PowerProfile.parse(power)
    if not _templated(duration):
        run_of(None if duration is None else parse_duration(duration, "duration"), drawn)
    wait = {
        "location": location,
        "max_delay": str(parse_duration(max_delay, "max_delay")),
        "duration": None if duration is None else str(duration),
        "power": None if drawn is None else str(drawn),
        "min_saving_percent": min_saving_percent,
        "on_outage": str(on_outage),
        "carbon_conn_id": carbon_conn_id if isinstance(carbon_conn_id, str | None) else [*carbon_conn_id],
        "carbon_mode": carbon_mode,
        "spread": spread,
        "wait_in_backfill": wait_in_backfill,
        "deferrable": deferrable,
    }  # fmt: skip
    # Not above: the timetables bring Airflow's own along, which whoever imports this for another reason need not pay.
    from airflow.sdk.configuration import conf

    from airflow_carbon.timetables.carbon_cron import CarbonCronDataIntervalTimetable, CarbonCronTriggerTimetable

    # As Airflow itself reads a cron expression: a DAG's dates do not change with this schedule.
    intervals = conf.getboolean("scheduler", "create_cron_data_intervals")
    return (CarbonCronDataIntervalTimetable if intervals else CarbonCronTriggerTimetable)(
        cron.strip(), timezone=timezone, wait=wait
    )


def _templated(value: object) -> bool:
    return isinstance(value, str) and "{{" in value
