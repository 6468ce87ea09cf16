"""What a try of a task emitted, on its way into its XCom and the ledger."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.record import EmissionRecord
from airflow_carbon.core.record_document import document_of
from airflow_carbon.core.record_fields import DEEPEST
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.core.work import Work

log = logging.getLogger(__name__)

#: Key of the XCom.
EMISSION = "carbon_emission"
#: What the XCom tells beside the record, for whoever looks at it.
_TOLD = ("sci_g_per_unit", "total_g", "cleaner_percent", "embodied_note")
#: Tries that this process has measured; Airflow gives each try a process of its own.
_measured: set[tuple[str, ...]] = set()


class Emission:
    """Keep the emission of one try of one task.

    :param context: of the task; None takes the one that runs, and where none does, nothing is kept.
    """

    def __init__(self, context: Context | None = None) -> None:
        self._given = context

    @property
    def _context(self) -> Any:
        if self._given is not None:
            return self._given
        from airflow.sdk import get_current_context

        try:
            return get_current_context()
        except RuntimeError:
            return None

    def refuse_second(self) -> None:
        """Refuse to measure a try twice: its record has one key, and the second would hide the first.

        :raises InvalidRequestError: if this try has a record.
        """
        key = self._key()
        if key and key in _measured:
            raise InvalidRequestError(
                f"measure: {key[2]} was measured before in this try; put all of its work into one `with`, and "
                f"count as often as needed"
            )

    def keep(
        self,
        work: Work,
        *,
        location: str,
        functional_unit: str,
        functional_units: float,
        always_on: bool,
        state: str,
        raw: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Record a piece of work, and give the record as plain JSON.

        R = 0 keeps its carbon, has no SCI, and the record says so: the work of an empty day was work.

        :raises InvalidRequestError: if the record's fields do not go together.
        """
        energy, during = work.energy, work.during
        reducible = None if energy is None else energy.reducible_kwh(always_on=always_on)
        # What a later, final report needs and what no field of the record says.
        details = {
            "reducible_kwh": reducible,
            "idle_kwh": None if energy is None else energy.idle_kwh,
            "waiting_kwh": None if energy is None else energy.waiting_kwh,
            "waited_seconds": work.waited.total_seconds(),
            "waiting_intensity_g_per_kwh": None if work.waiting is None else work.waiting.intensity_g_per_kwh,
            "embodied_g": work.embodied_g,
            "embodied_note": "" if work.embodied is None else str(work.embodied),
        }
        record = EmissionRecord(
            **self._identity(),
            started_at=work.started_at,
            ended_at=work.ended_at,
            state=state,
            location=location,
            zone="" if during is None else during.zone,
            energy_kwh=None if energy is None else energy.kwh,
            energy_how="none" if energy is None else str(energy.how),
            energy_note="" if energy is None else energy.note,
            intensity_g_per_kwh=work.intensity_g_per_kwh,
            kind="" if during is None else during.kind,
            signal="" if during is None else during.signal,
            accounting="" if during is None else during.accounting,
            intensity_source="" if during is None else during.source,
            embodied_g=None if energy is None else work.embodied_g,
            functional_unit=functional_unit,
            functional_units=functional_units,
            final=work.final,
            made_at=datetime.now(UTC),
            raw={**raw, **details},
        )
        document = document_of(record) | dict.fromkeys(_TOLD)
        if work.intensity_g_per_kwh is not None:
            told = work.report(functional_unit, functional_units or 1.0).record()
            document |= {key: told[key] for key in _TOLD}
        if not functional_units:
            document["sci_g_per_unit"] = None
            document["no_sci"] = (
                f"functional_units: R is 0, no {functional_unit} was counted; there is no SCI, and the carbon is kept"
            )
            log.warning("%s", document["no_sci"])
        self._push(record, document)
        _measured.add(self._key())
        return document

    def keep_faulty(
        self, fault: str, raw: Mapping[str, Any], *, at: datetime, until: datetime | None = None, state: str
    ) -> dict[str, Any]:
        """Keep inputs that make no emission, so that they can be put right; give the record as plain JSON.

        :param fault: what the error said.
        :param at: when the work began, or would have begun.
        :param until: when it ended; None where nothing ran.
        """
        record = EmissionRecord(
            **self._identity(),
            started_at=at,
            ended_at=at if until is None else until,
            state=state,
            fault=fault,
            made_at=datetime.now(UTC),
            raw=raw,
        )
        document = document_of(record)
        self._push(record, document)
        return document

    def _key(self) -> tuple[str, ...]:
        if self._context is None:
            return ()
        names = ("dag_id", "run_id", "task_id", "map_index", "try_number")
        return tuple(str(self._identity()[name]) for name in names)

    def _identity(self) -> dict[str, Any]:
        context = self._context
        if context is None:
            return {"dag_id": "no_dag", "run_id": "no_run", "task_id": "no_task"}
        ti, dag, task = context["ti"], context.get("dag"), context.get("task")
        return {
            "dag_id": ti.dag_id,
            "run_id": ti.run_id,
            "task_id": ti.task_id,
            "map_index": -1 if ti.map_index is None else ti.map_index,
            "try_number": getattr(ti, "try_number", 1) or 1,
            "tags": tuple(getattr(dag, "tags", ()) or ()),
            "owner": getattr(task, "owner", "") or "",
        }

    def _push(self, record: EmissionRecord, document: dict[str, Any]) -> None:
        context = self._context
        if context is None:
            return
        from airflow.sdk.log import redact  # type: ignore[attr-defined]  # imported there for its own loggers

        from airflow_carbon.hooks.ledger import LedgerHook

        # Inputs are anything; what Airflow knows for a secret leaves no task.
        context["ti"].xcom_push(key=EMISSION, value=redact(document, max_depth=DEEPEST))

        LedgerHook().write(record, context=context)
