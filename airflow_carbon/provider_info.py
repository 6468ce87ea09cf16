"""What Airflow reads to discover this provider."""

from __future__ import annotations

from typing import Any

from airflow_carbon import __version__
from airflow_carbon.hooks.fields import HISTORY_FIELDS, TYPICAL_FIELDS, Field

_HIDDEN = ["host", "schema", "port", "login", "password", "extra"]


def _option(description: str, default: str, example: str | None = None) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": "string",
        "example": example,
        "default": default,
    }


def _connection_type(kind: str, hook: str, name: str, fields: tuple[Field, ...]) -> dict[str, Any]:
    return {
        "connection-type": kind,
        "hook-class-name": hook,
        "hook-name": name,
        "ui-field-behaviour": {"hidden-fields": _HIDDEN},
        "conn-fields": {field.name: field.as_conn_field() for field in fields},
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
        "sensors": [{"integration-name": name, "python-modules": ["airflow_carbon.sensors.carbon_aware"]}],
        "operators": [{"integration-name": name, "python-modules": ["airflow_carbon.operators.best_region"]}],
        "hooks": [
            {
                "integration-name": name,
                "python-modules": [
                    "airflow_carbon.hooks.typical",
                    "airflow_carbon.hooks.history",
                    "airflow_carbon.hooks.sci",
                ],
            }
        ],
        "triggers": [{"integration-name": name, "python-modules": ["airflow_carbon.triggers.carbon_window"]}],
        "connection-types": [
            _connection_type(
                "carbon_typical",
                "airflow_carbon.hooks.typical.TypicalHook",
                "Carbon: typical profiles (offline)",
                TYPICAL_FIELDS,
            ),
            _connection_type(
                "carbon_history",
                "airflow_carbon.hooks.history.HistoryHook",
                "Carbon: your own series (CSV)",
                HISTORY_FIELDS,
            ),
        ],
        "extra-links": ["airflow_carbon.hooks.source_link.CarbonSourceLink"],
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
                    "state_dir": _option(
                        "Where this host keeps what outlives a process; empty for AIRFLOW_HOME/carbon.", ""
                    ),
                },
            }
        },
    }
