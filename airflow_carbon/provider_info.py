"""What Airflow reads to discover this provider."""

from __future__ import annotations

from typing import Any

from airflow_carbon import __version__
from airflow_carbon.hooks.forms import FORMS


def _option(description: str, default: str, example: str | None = None) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": "string",
        "example": example,
        "default": default,
    }


def get_provider_info() -> dict[str, Any]:
    """Give the provider's metadata, as Airflow's ``provider_info.schema.json`` wants it."""
    name = "Carbon"
    return {
        "package-name": "airflow-provider-carbon",
        "name": name,
        "description": "Run tasks when and where electricity is cleanest, never later than promised.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": name,
                "external-doc-url": "https://sci.greensoftware.foundation/",
                "tags": ["service"],
            }
        ],
        "sensors": [
            {
                "integration-name": name,
                "python-modules": [
                    "airflow_carbon.sensors.carbon_aware",
                    "airflow_carbon.sensors.carbon_schedule",
                    "airflow_carbon.sensors.intensity",
                    "airflow_carbon.sensors.planned_window",
                ],
            }
        ],
        "operators": [
            {
                "integration-name": name,
                "python-modules": [
                    "airflow_carbon.operators.best_region",
                    "airflow_carbon.operators.best_region_branch",
                    "airflow_carbon.operators.best_schedule",
                    "airflow_carbon.operators.place_fleet",
                    "airflow_carbon.operators.sci_report",
                ],
            }
        ],
        "hooks": [
            {
                "integration-name": name,
                "python-modules": [*(form.hook.rpartition(".")[0] for form in FORMS), "airflow_carbon.hooks.sci"],
            }
        ],
        "triggers": [{"integration-name": name, "python-modules": ["airflow_carbon.triggers.carbon_window"]}],
        "task-decorators": [
            {
                "name": "carbon_aware",
                "class-name": "airflow_carbon.decorators.task_decorator.carbon_aware_task",
            }
        ],
        "connection-types": [form.as_connection_type() for form in FORMS],
        "extra-links": [
            "airflow_carbon.hooks.source_link.CarbonPageLink",
            "airflow_carbon.hooks.source_link.CarbonSourceLink",
        ],
        "notifications": ["airflow_carbon.notifications.carbon.CarbonNotifier"],
        "cli": ["airflow_carbon.cli.commands.airflow_commands"],
        "config": {
            "carbon": {
                "description": "Carbon-aware waiting.",
                "options": {
                    "mode": _option(
                        "enforce: decisions delay tasks; shadow: they are only recorded; off: none is made. "
                        "A task (carbon_mode) and a run (conf['carbon']) can say otherwise.",
                        "enforce",
                        "shadow",
                    ),
                    "start_margin": _option(
                        "Kept free before every latest start, for Airflow's own queues.", "5m", "10m"
                    ),
                    "min_defer": _option(
                        "The least life of a trigger; one that fires at once can meet a scheduler that has not noted "
                        "the deferral yet.",
                        "30s",
                    ),
                    "callables": _option(
                        "Modules or functions, comma-separated dotted paths, that connections of type carbon_callable "
                        "may name; empty for none.",
                        "",
                        "my_company.grid",
                    ),
                    "ledger_conn_id": _option(
                        "Connection (postgres or sqlite) of the ledger of emissions and decisions; empty for a SQLite "
                        "file, ledger.db in state_dir; off keeps nothing.",
                        "",
                        "carbon_ledger",
                    ),
                    "api_conn_id": _option(
                        "Connection that the API of the Carbon Aware SDK (and the pages) ask for intensities, or an "
                        "ordered, comma-separated list of them; empty for carbon_default.",
                        "",
                        "watttime,uk",
                    ),
                    "ui_regions": _option(
                        "Regions that the Carbon page ranks, commas between them; empty for those that decisions name.",
                        "",
                        "azure:swedencentral,azure:uksouth",
                    ),
                    "counter_url": _option(
                        "Collector that `airflow carbon counter push` sends the counter's sums to, and nothing else; "
                        "empty: nothing is ever sent.",
                        "",
                        "https://carbon.example/counter",
                    ),
                    "record_every_task": _option(
                        "True: a listener records when every task worked. On Airflow 3.3 any listener makes each DAG "
                        "that uses end_from_trigger=True an import error.",
                        "False",
                        "True",
                    ),
                    "policy_file": _option(
                        "YAML file with rules that let tasks wait though their DAGs say nothing of it; relative to "
                        "AIRFLOW_HOME, empty for none. The same file must lie on every host that parses or runs tasks.",
                        "",
                        "/etc/airflow/carbon.yaml",
                    ),
                    "pools": _option(
                        "Slots of pools, as name=slots with commas between: tasks of such a pool that wait for clean "
                        "power are planned side by side, no more at a time than it has slots.",
                        "",
                        "etl=4, gpu=2",
                    ),
                    "state_dir": _option(
                        "Where this host keeps what outlives a process; empty for AIRFLOW_HOME/carbon.", ""
                    ),
                },
            }
        },
    }
