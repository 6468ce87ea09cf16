"""The operator that reports the SCI of a whole DAG run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.core.record import EmissionRecord
    from airflow_carbon.core.run_report import RunReport


class SciReportOperator(BaseOperator):
    """Report the SCI of the run from what its tasks recorded: all carbon over the run's one R, component by component.

    Put it at the end of the DAG. It reads the XCom ``carbon_emission`` of the tasks before it, as ``SciHook.measure``
    writes it, and from the ledger what their earlier tries emitted. It returns the report as plain JSON: E, I, M and R
    apart, how each energy was found, each task's share, whether all intensities are measured (``final``), and which
    tasks recorded nothing. A component without an energy leaves the run without an SCI, since a part would pass for the
    whole; the report says which. SCIs of tasks are added only where every task has the run's own R.

    An R of zero is an error; the report is in the XCom ``carbon_sci`` all the same, with its carbon. With
    ``trigger_rule="all_done"`` it reports runs with failed tasks too: they emitted.

    All fields are templated, so that R can be a count from a task's XCom:
    ``functional_units="{{ ti.xcom_pull('load') }}"``.

    :param functional_unit: what one unit of R is, for example ``order``.
    :param functional_units: R of the whole run: a number, or its text.
    :param task_ids: whose emissions to add; None takes all tasks upstream.
    :param mixed_accounting: add emissions of different accounting all the same, labelled; different signals never.
    """

    template_fields: Sequence[str] = ("functional_unit", "functional_units", "task_ids", "mixed_accounting")
    ui_color: str = "#d5f0dc"

    def __init__(
        self,
        *,
        functional_unit: str = "run",
        functional_units: float | str = 1,
        task_ids: Sequence[str] | str | None = None,
        mixed_accounting: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.functional_unit = functional_unit
        self.functional_units = functional_units
        self.task_ids = task_ids
        self.mixed_accounting = mixed_accounting

    def execute(self, context: Context) -> dict[str, Any]:
        """Add the run up and report it.

        :raises InvalidRequestError: if R is zero, negative or no number, no task recorded an emission, or emissions
            do not add up.
        """
        from airflow_carbon.hooks.run_emissions import pulled, run_emissions

        asked, ti = self._task_ids(), context["ti"]
        documents = pulled(context, asked)
        try:
            components, note = run_emissions(context, asked, documents)
            report = self._report(components)
        except InvalidRequestError as error:
            raw = {"functional_unit": self.functional_unit, "functional_units": self.functional_units}
            ti.xcom_push(key="carbon_sci", value={**raw, "fault": str(error), "components": documents})
            raise
        measured = {one.task_id for one in components}
        record = {
            "dag_id": ti.dag_id,
            "run_id": ti.run_id,
            **report.record(),
            "not_measured": [task_id for task_id in asked if task_id not in measured],
            "note": note,
        }
        ti.xcom_push(key="carbon_sci", value=record)
        self.log.info("%s", _sentence(record, report.score))
        return record

    def _report(self, components: Sequence[EmissionRecord]) -> RunReport:
        from airflow_carbon.core.amount import parse_amount
        from airflow_carbon.core.run_report import RunReport

        return RunReport.of(
            components,
            functional_unit=self.functional_unit,
            functional_units=parse_amount(self.functional_units, "functional_units", "1"),
            mixed_accounting=_yes(self.mixed_accounting),
        )

    def _task_ids(self) -> list[str]:
        """List the tasks to add: those named, or all upstream, in the order of their names."""
        from airflow_carbon.core.moment import stated
        from airflow_carbon.operators.rendered import names_of

        if stated(self.task_ids) is None:
            return sorted(self.get_flat_relative_ids(upstream=True))
        return names_of(self.task_ids, "task_ids")


def _yes(value: bool | str) -> bool:
    return value is True or str(value).strip().lower() in ("true", "1", "yes")


def _sentence(record: dict[str, Any], score: float | None) -> str:
    unit, final = record["functional_unit"], "" if record["final"] else "; not final, forecast intensities are in it"
    if score is not None:
        return f"SCI: {score:.6g} gCO2eq per {unit}, of {record['total_g']:.6g} g in all{final}"
    why = "; ".join(f"{name}: {lack}" for name, lack in record["incomplete"].items())
    intensity = record["intensity_g_per_kwh"]
    mean = "no intensity known" if intensity is None else f"{intensity:.0f} g/kWh on average"
    return f"no SCI, as the carbon is not known of {why}; {mean}{final}"
