"""### Report an SCI at the end of a DAG.

`SCI = (E x I + M) per R` (ISO/IEC 21031:2024): energy of the hardware reserved, intensity of the hours in which the
work ran, the embodied share of the hardware, and the functional unit that you count, here an order.

`with sci.measure(...)` goes into the body of any TaskFlow task; `SciReportOperator` adds the run up at its end, one
component for each task. Runs offline: without a connection the intensities are typical profiles, and the report says
that it is not final.
"""

from __future__ import annotations

import time
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_carbon import SciHook, SciReportOperator

#: One server of 1000 kg that serves for four years.
SERVER = {"total_kg": 1000, "life": "35040h"}
sci = SciHook()


@dag(
    schedule=None,
    doc_md=__doc__,
    tags=["carbon", "example"],
    params={
        "location": Param("azure:uksouth", type="string", description="Where the work runs."),
        "orders": Param(398, type="integer", minimum=1),
    },
)
def report_sci() -> None:
    """Work twice, then report."""

    @task
    def process_orders(params: dict[str, Any]) -> int:
        """Do the work, and count how much of it there was; its energy is declared: 95 W while it works."""
        with sci.measure(location=params["location"], energy="95 W", embodied=SERVER, functional_unit="order") as work:
            for _ in range(params["orders"]):
                time.sleep(2 / params["orders"])
                work.count()
        return int(params["orders"])

    @task
    def send_invoices(orders: int, params: dict[str, Any]) -> None:
        """Do more for the same orders; its energy is estimated from two vCPUs and 8 GB of that cloud."""
        with sci.measure(
            location=params["location"],
            energy={"vcpus": 2, "utilisation": 0.3, "memory_gb": 8},
            embodied=SERVER,
            functional_unit="order",
            functional_units=orders,
        ):
            time.sleep(1)

    orders = process_orders()
    send_invoices(orders) >> SciReportOperator(
        task_id="sci_report",
        functional_unit="order",
        functional_units="{{ ti.xcom_pull('process_orders') }}",
        trigger_rule="all_done",
    )


report_sci()
