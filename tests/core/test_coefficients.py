"""The one table of coefficients: complete, dated, and with its sources."""

from __future__ import annotations

import math
import re

import pytest

from airflow_carbon.core.coefficients import TABLE, VERSION, choices, chosen, coefficient
from airflow_carbon.exceptions import InvalidRequestError


def test_each_coefficient_has_a_name_a_unit_a_source_and_a_date() -> None:
    assert re.fullmatch(r"\d{4}-\d{2}", VERSION)
    for name, row in TABLE.items():
        assert row.name == name
        assert math.isfinite(row.value)
        assert row.value > 0.0
        assert row.unit
        assert row.source
        assert re.search(r"20\d\d", row.dated), name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vcpu.aws.min_watts", 0.74),
        ("vcpu.azure.max_watts", 3.54),
        ("vcpu.gcp.max_watts", 4.11),
        ("vcpu.ivy-bridge.min_watts", 3.04),
        ("gpu.t4.idle_watts", 8.0),
        ("gpu.a100.max_watts", 407.0),
        ("memory.kwh_per_gb_h", 0.000392),
        ("pue.azure", 1.185),
        ("cpu.teads.50", 0.75),
        ("embodied.server_g", 1_000_000.0),
        ("embodied.life_seconds", 4 * 365 * 86_400),
    ],
)
def test_a_value_is_that_of_its_source(name: str, value: float) -> None:
    assert coefficient(name).value == value


def test_no_machine_draws_more_idle_than_at_full_load() -> None:
    for family, least in (("vcpu", "min_watts"), ("gpu", "idle_watts")):
        assert len(choices(family)) >= 10
        for name in choices(family):
            assert TABLE[f"{family}.{name}.{least}"].value < TABLE[f"{family}.{name}.max_watts"].value


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TABLE["pue.azure"] = TABLE["pue.aws"]  # type: ignore[index]


def test_a_name_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidRequestError, match=r"'pue.azur'.*did you mean pue.azure"):
        coefficient("pue.azur")


def test_hardware_is_named_as_people_do_and_what_is_missing_can_be_given_in_watts() -> None:
    assert chosen("gpu", "A100", "gpu") == "a100"
    assert chosen("vcpu", "Cascade Lake", "processor") == "cascade-lake"
    with pytest.raises(InvalidRequestError, match=r"gpu: 'h100'.*a100.*watts"):
        chosen("gpu", "h100", "gpu")
