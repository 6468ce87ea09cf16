"""The sensor that waits until electricity is clean enough."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airflow_carbon.sensors.carbon_aware import CarbonAwareSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.triggers.asked import Asked
    from airflow_carbon.triggers.waiting import Waiting

#: What may follow where the latest start comes first.
ON_DEADLINE = ("run", "skip", "fail")


class CarbonIntensitySensor(CarbonAwareSensor):
    """Wait until the intensity is under a limit, or among the lowest of the hours ahead, never past the latest start.

    Returns the decision record, a plain dict, and keeps it in the ledger: ``condition``, ``limit_g_per_kwh`` and
    ``reached`` (False where the latest start came first, None where nobody could tell) say what became of the limit,
    ``on_deadline`` what was to follow. All fields but ``governs``, ``wait_in_backfill`` and ``deferrable`` are
    templated.

    :param location: where the work runs: ``azure:swedencentral``, ``zone:DE`` or ``51.5,-0.12``.
    :param below_g_per_kwh: the intensity must lie under it [gCO2eq/kWh].
    :param lowest_percent: in its place: the moment must be among so much of the time ahead, the cleanest [%].
    :param horizon: how far ahead that share is looked for, a timedelta or a text like ``24h``; a forecast that ends
        before shortens it.
    :param max_delay: latest start, counted from the moment the task was first ready.
    :param deadline: latest finish: a moment, or a duration counted from ``run_after``.
    :param duration: how long the work takes, kept off the deadline.
    :param on_deadline: where the latest start comes and the limit is not met: ``run``, ``skip`` or ``fail``.
    :param on_outage: while no source answers and no moment is known: ``run``, ``latest_start`` (which leads to
        ``on_deadline``) or ``fail``.

    The other fields are those of :class:`~airflow_carbon.sensors.carbon_aware.CarbonAwareSensor`.
    """

    template_fields: Sequence[str] = (
        *CarbonAwareSensor.template_fields, "below_g_per_kwh", "lowest_percent", "horizon", "on_deadline",
    )  # fmt: skip

    def __init__(
        self,
        *,
        location: str,
        below_g_per_kwh: float | str | None = None,
        lowest_percent: float | str | None = None,
        horizon: timedelta | str = "24h",
        max_delay: timedelta | str | None = None,
        deadline: datetime | timedelta | str | None = None,
        duration: timedelta | str = "1m",
        on_deadline: str = "run",
        on_outage: str = "run",
        carbon_conn_id: str | Sequence[str] | None = None,
        carbon_mode: str | None = None,
        wait_in_backfill: bool = False,
        deferrable: bool = True,
        governs: Sequence[str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            location=location,
            max_delay=max_delay,
            deadline=deadline,
            duration=duration,
            on_outage=on_outage,
            carbon_conn_id=carbon_conn_id,
            carbon_mode=carbon_mode,
            wait_in_backfill=wait_in_backfill,
            deferrable=deferrable,
            governs=governs,
            # What follows a limit is not weighed against a saving, nor moved beside others.
            min_saving_percent=0.0,
            spread=False,
            **kwargs,
        )
        self.below_g_per_kwh = below_g_per_kwh
        self.lowest_percent = lowest_percent
        self.horizon = horizon
        self.on_deadline = on_deadline

    def _asked(self) -> Asked:
        from dataclasses import replace

        from airflow_carbon.core.moment import parse_duration, stated
        from airflow_carbon.core.threshold import Threshold
        from airflow_carbon.exceptions import InvalidRequestError

        if self.on_deadline not in ON_DEADLINE:
            raise InvalidRequestError(f"on_deadline: {self.on_deadline!r} must be one of {', '.join(ON_DEADLINE)}")
        threshold = Threshold.checked(
            below_g_per_kwh=_number(self.below_g_per_kwh, "below_g_per_kwh"),
            lowest_percent=_number(self.lowest_percent, "lowest_percent"),
            horizon=parse_duration(stated(self.horizon) or "24h", "horizon"),
        )
        return replace(super()._asked(), threshold=threshold)

    def _done(
        self, record: dict[str, Any], context: Context, waiting: Waiting | None = None, *, timed_out: bool = False
    ) -> dict[str, Any]:
        reached = False if timed_out and _past(record) else record.get("reached")
        unmet = reached is False and record["mode"] == "enforce"
        record = super()._done(
            {**record, "condition": str(self._asked().threshold), "reached": reached, "on_deadline": self.on_deadline},
            context,
            waiting,
            timed_out=timed_out,
        )
        if unmet and self.on_deadline != "run":
            # Neither pushes a result by itself, and the record is to be found all the same.
            context["ti"].xcom_push(key="return_value", value=record)
            # The promise is pinned: another try would come too late as well.
            raise (AirflowSkipException if self.on_deadline == "skip" else AirflowFailException)(
                f"{record['condition']} was not reached in time, and on_deadline is {self.on_deadline!r}: "
                f"{record['reason']}"
            )
        return record


def _number(value: float | str | None, field: str) -> float | None:
    from airflow_carbon.core.moment import stated
    from airflow_carbon.exceptions import InvalidRequestError

    given = stated(value)
    if given is None:
        return None
    try:
        return float(given)
    except (TypeError, ValueError):
        raise InvalidRequestError(f"{field}: {value!r} must be a number") from None


def _past(record: dict[str, Any]) -> bool:
    """Tell whether a wait went on until its latest start."""
    return datetime.fromisoformat(record["started_at"]) >= datetime.fromisoformat(record["latest_start"])
