"""### Report an SCI at the end of a DAG.

`SCI = (E x I + M) per R` (ISO/IEC 21031:2024): energy of the hardware reserved, intensity of the hours in which the
work ran, the embodied share of the hardware, and the functional unit that you count, here an order.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Param, dag, task

#: The worker draws this on average while it works [W], data-center overhead included.
WORKER_WATTS = 95.0
#: Embodied emissions of one server, and for how long it is used (four years).
SERVER_EMBODIED_G, SERVER_LIFE_HOURS = 1_000_000.0, 35_040.0


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
    """Work, then report."""

    @task
    def process_orders(params: dict[str, Any]) -> dict[str, Any]:
        """Do the work and say how much of it there was, and from when to when."""
        began = datetime.now(UTC)
        time.sleep(2)
        return {"orders": params["orders"], "start": began.isoformat(), "end": datetime.now(UTC).isoformat()}

    @task
    def sci_report(work: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        """Report E, I, M, R apart, and the score."""
        from datetime import timedelta

        from airflow_carbon import SciHook
        from airflow_carbon.core.sci import embodied_share_g

        hours = (datetime.fromisoformat(work["end"]) - datetime.fromisoformat(work["start"])) / timedelta(hours=1)
        report = SciHook().report(
            energy_kwh=WORKER_WATTS * hours / 1000.0,
            location=params["location"],
            start=work["start"],
            end=work["end"],
            embodied_g=embodied_share_g(
                SERVER_EMBODIED_G, reserved=timedelta(hours=hours), expected_life=timedelta(hours=SERVER_LIFE_HOURS)
            ),
            functional_units=work["orders"],
            functional_unit="order",
        )
        print(report)
        return report.record()

    sci_report(process_orders())


report_sci()
