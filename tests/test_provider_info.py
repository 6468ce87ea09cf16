"""What Airflow reads to discover the provider, by its own schema and its own eyes."""

from __future__ import annotations

import json
from importlib import import_module, metadata
from importlib.resources import files
from typing import Any

import pytest

from airflow_carbon.provider_info import get_provider_info

pytestmark = pytest.mark.airflow


def named(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def test_it_is_valid_by_airflows_own_schema() -> None:
    import jsonschema

    schema = json.loads((files("airflow") / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_airflow_finds_it_through_the_entry_point() -> None:
    (entry,) = [
        point
        for point in metadata.entry_points(group="apache_airflow_provider")
        if point.dist is not None and point.dist.name == "airflow-provider-carbon"
    ]
    assert entry.load() is get_provider_info


def test_every_name_in_it_exists() -> None:
    info = get_provider_info()
    for room in ("sensors", "operators", "hooks", "triggers"):
        for entry in info[room]:
            assert [import_module(module) for module in entry["python-modules"]]
    for path in (*info["extra-links"], *info["cli"], *(one["hook-class-name"] for one in info["connection-types"])):
        assert callable(named(path)), path


def test_each_connection_type_is_its_hooks_own_and_shows_exactly_its_fields() -> None:
    for one in get_provider_info()["connection-types"]:
        hook = named(one["hook-class-name"])
        assert hook.conn_type == one["connection-type"]
        assert hook.hook_name == one["hook-name"]
        assert list(one["conn-fields"]) == [field.name for field in hook.fields]


def test_airflow_shows_the_forms_and_knows_the_options() -> None:
    from airflow.configuration import conf
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    assert "extra__carbon_history__path" in manager.connection_form_widgets
    assert "airflow_carbon.hooks.source_link.CarbonSourceLink" in manager.extra_links_class_names
    assert conf.get("carbon", "start_margin") == "5m"
    assert conf.get("carbon", "mode") == "enforce"
