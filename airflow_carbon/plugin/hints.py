"""What is missing, and what to do next: the words of an empty page."""

from __future__ import annotations

from airflow_carbon.plugin.models import Hint

OFF = Hint(
    code="ledger_off",
    title="Nothing is kept",
    text="[carbon] ledger_conn_id is off. Leave it empty for a SQLite file on each host, or name a PostgreSQL "
    "connection, and decisions from then on appear here.",
)
DOWN = Hint(
    code="ledger_down",
    title="The ledger does not answer",
    text="Tasks go on and keep their records till it does. The log of the api-server says why; `airflow carbon doctor` "
    "on its host checks the connection.",
)
NO_DECISION = Hint(
    code="no_decision",
    title="No decision yet",
    text="Put a CarbonAwareSensor before a task that may run later, or a BestRegionOperator before one that may run "
    "elsewhere; its first decision appears here. If there are some already, [carbon] ledger_conn_id must name one "
    "ledger for all hosts.",
)
NO_IMPACT = Hint(
    code="no_impact",
    title="Nothing to add up yet",
    text="A reduction is known once the work that a decision governs has run and its hours are measured; "
    "`airflow carbon impact` computes it, and the example DAG carbon_maintenance does so every day.",
)
NO_ENERGY = Hint(
    code="no_energy",
    title="No grams without an energy",
    text="Savings are known in percent only: say how much energy the work takes, or measure it, with a SciHook in the "
    "task.",
)
NO_SOURCE = Hint(
    code="no_source",
    title="No source of intensities is connected",
    text="What is shown is a typical profile and no forecast. Add a connection named carbon_default in Admin > "
    "Connections.",
)
NO_ANSWER = Hint(
    code="no_answer",
    title="No source answers for this location",
    text="See the sources' health below; a wait goes on with the plan that stands, and never past its latest start.",
)
UNKNOWN = Hint(
    code="unknown_location",
    title="No source knows this location",
    text="Write a cloud region (azure:swedencentral), a grid zone (zone:DE) or coordinates (51.5,-0.12).",
)
NO_LOCATION = Hint(
    code="no_location",
    title="No regions are named",
    text="Set [carbon] ui_regions to the regions to compare, for example azure:swedencentral,azure:uksouth; regions "
    "that decisions name appear by themselves.",
)
NOT_A_CARBON_TASK = Hint(
    code="no_decision",
    title="No decision of this task",
    text="It has not decided yet, or it is no carbon-aware task: its decision appears here as soon as the ledger holds "
    "it.",
)
NO_FORECAST = Hint(
    code="no_forecast",
    title="No forecast was kept",
    text="The decision needed none, or it was made before forecasts were kept.",
)


def of_failure(is_off: bool) -> list[Hint]:
    """Say why there is no ledger."""
    return [OFF if is_off else DOWN]
