"""``with sci.measure(...) as work``: what the body of a task emitted, recorded whether or not it succeeds."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.amount import parse_amount
from airflow_carbon.core.embodied import parse_embodied
from airflow_carbon.core.energy_basis import Metered
from airflow_carbon.core.energy_given import parse_basis
from airflow_carbon.core.location import Location
from airflow_carbon.core.moment import parse_moment, stated
from airflow_carbon.core.sci import unit_name
from airflow_carbon.core.work import Hours, Work, reserved_before
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.hooks import chain
from airflow_carbon.hooks.emission import Emission
from airflow_carbon.hooks.hours import given_hours, known_hours
from airflow_carbon.hooks.pue import cloud_and_pue

if TYPE_CHECKING:
    from typing import Self

    from airflow.sdk import Context

    from airflow_carbon.core.embodied import Embodied
    from airflow_carbon.core.energy import Energy
    from airflow_carbon.core.energy_basis import Basis
    from airflow_carbon.hooks.codecarbon_meter import CodecarbonMeter

log = logging.getLogger(__name__)

#: The work is done: it does not wait longer than this for an intensity [s].
PATIENCE = 20.0


class Measuring:
    """Measure one piece of work on this worker; made by :meth:`~airflow_carbon.hooks.sci.SciHook.measure`.

    :ivar energy: may be set in the body where the energy is known only then, in any form that ``measure`` takes.
    :ivar record: what was recorded, as plain JSON, once the body has ended.
    """

    def __init__(
        self,
        *,
        location: str,
        energy: Any = None,
        embodied: Embodied | str | Mapping[str, Any] | None = None,
        functional_unit: str = "run",
        functional_units: float | str | None = None,
        reserved_while_waiting: timedelta | datetime | str | None = None,
        always_on: bool = False,
        ready_at: datetime | str | None = None,
        intensity_g_per_kwh: float | None = None,
        ask_now: bool = True,
        carbon_conn_id: str | Sequence[str] | None = None,
        context: Context | None = None,
    ) -> None:
        self.energy = energy
        self.record: dict[str, Any] = {}
        self._given: dict[str, Any] = {
            "location": location,
            "embodied": embodied,
            "functional_unit": functional_unit,
            "functional_units": functional_units,
            "reserved_while_waiting": reserved_while_waiting,
            "always_on": always_on,
            "ready_at": ready_at,
            "intensity_g_per_kwh": intensity_g_per_kwh,
        }
        self._ask_now = ask_now
        self._carbon_conn_id = carbon_conn_id
        self._emission = Emission(context)
        self._counted: float | None = None
        self._meter: CodecarbonMeter | None = None
        self._read: tuple[float, str] | None = None

    def count(self, units: float = 1.0) -> None:
        """Count units of work that were done; calls add up.

        :param units: how many more [1].
        :raises InvalidRequestError: if it is no number, or negative.
        """
        self._given["miscounted"] = units
        self._counted = (self._counted or 0.0) + parse_amount(units, "functional_units", "1")
        del self._given["miscounted"]

    def __enter__(self) -> Self:
        """Check what is asked before the work begins, and start the clock.

        :raises InvalidRequestError: naming the field that is wrong, or if this try was measured before.
        """
        self._started_at = datetime.now(UTC)
        try:
            self._emission.refuse_second()
            self._check()
        except InvalidRequestError as error:
            self._emission.keep_faulty(str(error), self._raw(), at=self._started_at, state="failed")
            raise
        self._start_meter()
        self._started_at, self._clock = datetime.now(UTC), time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Record what was emitted; a body that failed emitted too, and its error goes on its way.

        :raises InvalidRequestError: naming the field that is wrong, where the body itself did not fail.
        """
        # Not end less start of the task, nor the wall clock, which can be set meanwhile.
        worked = timedelta(seconds=max(time.monotonic() - self._clock, 1e-6))
        state = "success" if error is None or _ended_well(error) else "failed"
        try:
            self._stop_meter()
            # A process that is being ended has no time to ask anybody.
            work = self._work(worked, ask=self._ask_now and (error is None or isinstance(error, Exception)))
            self.record = self._emission.keep(
                work,
                location=str(self._given["location"]),
                functional_unit=unit_name(self._given["functional_unit"]),
                functional_units=self._units(),
                always_on=bool(self._given["always_on"]),
                state=state,
                raw=self._raw(worked),
            )
        except InvalidRequestError as fault:
            self.record = self._emission.keep_faulty(
                str(fault), self._raw(worked), at=self._started_at, until=self._started_at + worked, state=state
            )
            if error is None:
                raise
            log.error("%s", fault)

    def _start_meter(self) -> None:
        """Start the meter; one that breaks leaves the energy unknown and the work alone."""
        if self._meter is None:
            return
        try:
            self._meter.start()
        except Exception as error:
            log.warning("the meter did not start, and no energy is known", exc_info=True)
            self._meter, self._given["no_energy"] = None, f"the meter did not start: {type(error).__name__}"

    def _stop_meter(self) -> None:
        """Stop the meter and keep what it read."""
        if self._meter is None:
            return
        try:
            self._read = self._meter.stop()
        except Exception as error:
            log.warning("the meter broke, and no energy is known", exc_info=True)
            self._given["no_energy"] = f"the meter broke: {type(error).__name__}"

    def _check(self) -> None:
        """Refuse what cannot be meant while nothing is lost yet."""
        given = self._given
        self._location = Location.parse(given["location"])
        self._embodied = parse_embodied(given["embodied"])
        unit_name(given["functional_unit"])
        if stated(given["functional_units"]) is not None:
            parse_amount(given["functional_units"], "functional_units", "1")
        if given["intensity_g_per_kwh"] is not None:
            given_hours(given["intensity_g_per_kwh"])
        elif self._ask_now:
            chain.check(chain.conn_ids(self._carbon_conn_id))
        self._waited = reserved_before(given["reserved_while_waiting"], self._started_at)
        ready = stated(given["ready_at"])
        self._ready_at = None if ready is None else parse_moment(ready, "ready_at")
        basis = self._basis()
        if isinstance(basis, Metered):
            from airflow_carbon.hooks.codecarbon_meter import CodecarbonMeter

            self._meter = CodecarbonMeter(basis.scope)
        elif basis is not None:
            # Idle power that is missing, or larger than the power at work, shows before the work.
            basis.energy(timedelta(hours=1), self._waited)

    def _basis(self) -> Basis | None:
        """Read what the energy stands on; of several, the first that can be had here."""
        cloud, pue = cloud_and_pue(self._location)
        several = self.energy if isinstance(self.energy, list | tuple) else [self.energy]
        read = [parse_basis(one, cloud=cloud, pue=pue) for one in several]
        if len(read) > 1 and isinstance(read[0], Metered) and not _codecarbon_is_there():
            log.warning("codecarbon is not installed: the energy is not measured")
            return read[1]
        return read[0] if read else None

    def _energy(self, worked: timedelta) -> Energy | None:
        basis = self._basis()
        if isinstance(basis, Metered):
            if self._read is None and "no_energy" in self._given:
                return None
            if self._read is None:
                raise InvalidRequestError("energy: a meter must run from the start; name it in measure(energy=...)")
            read_kwh, note = self._read
            return basis.energy(worked, self._waited, read_kwh=read_kwh, note=note)
        return None if basis is None else basis.energy(worked, self._waited)

    def _work(self, worked: timedelta, *, ask: bool) -> Work:
        """Put together what is billed; where no intensity is known yet, without one."""
        began, ended = self._started_at, self._started_at + worked
        energy, given = self._energy(worked), self._given["intensity_g_per_kwh"]
        spans = {"during": (began, ended)}
        if energy is not None and energy.waiting_kwh:
            spans["waiting"] = (began - self._waited, began)
        hours: dict[str, Hours] = {}
        if given is not None:
            hours = {name: given_hours(given) for name in spans}
        elif ask:
            if self._ready_at is not None:
                spans["ready"] = (self._ready_at, self._ready_at + worked)
            hours, self._given["no_intensity"] = known_hours(self._carbon_conn_id, self._location, spans, PATIENCE)
        return Work(began, ended, energy, self._embodied, self._waited, **hours)

    def _units(self) -> float:
        """Give R: what was counted, what was given, or one run."""
        given = stated(self._given["functional_units"])
        if given is not None:
            if self._counted is not None:
                raise InvalidRequestError("functional_units: both given and counted; do one of the two")
            return parse_amount(given, "functional_units", "1")
        return self._counted if self._counted is not None else float(self._given["functional_unit"] == "run")

    def _raw(self, worked: timedelta | None = None) -> dict[str, Any]:
        """Give every input as it came, for the record."""
        raw = {name: str(value) if isinstance(value, timedelta) else value for name, value in self._given.items()}
        raw["energy"] = self.energy
        raw["counted_units"] = self._counted
        if self._read is not None:
            raw["metered_kwh"], raw["meter"] = self._read
        if worked is not None:
            raw["worked_seconds"] = worked.total_seconds()
        return raw


def _codecarbon_is_there() -> bool:
    from importlib.util import find_spec

    return find_spec("codecarbon") is not None


def _ended_well(error: BaseException) -> bool:
    """Tell whether a body that raised did its work: Airflow's ways to skip and to defer are errors in name alone."""
    from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred

    return isinstance(error, AirflowSkipException | TaskDeferred)
