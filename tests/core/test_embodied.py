"""The share of what making the hardware emitted, with numbers worked by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_carbon.core.embodied import Embodied, default_server, host_share, parse_embodied
from airflow_carbon.exceptions import InvalidRequestError

HOUR = timedelta(hours=1)


def test_the_specifications_example_worked_by_hand() -> None:
    """1000 kg over four years of 35,040 h, one hour, all of it: 28.54 g."""
    hardware = parse_embodied({"total_kg": 1000, "life": "1460d"})
    assert hardware is not None
    assert hardware.share_g(HOUR) == pytest.approx(1e6 / 35_040, rel=1e-12)
    assert hardware.share_g(HOUR) == pytest.approx(28.5, abs=0.05)


def test_impact_frameworks_default_server_worked_by_hand() -> None:
    """One hour of 1 vCPU and 16 GB: 1e6 x 3600 / 126,144,000 = 28.54 g."""
    assert default_server().share_g(HOUR) == pytest.approx(1e6 * 3600 / 126_144_000, rel=1e-12)


def test_impact_frameworks_larger_server_worked_by_hand() -> None:
    """8 vCPU, 64 GB, 2 SSD, 1 HDD, 1 GPU, a quarter of it, a day.

    1,000,000 + 700,000 + 48 x 533/384 x 1000 (66,625) + 100,000 + 100,000 + 150,000 = 2,116,625 g.
    """
    hardware = parse_embodied(
        {"vcpus": 8, "memory_gb": 64, "ssd": 2, "hdd": 1, "gpus": "1", "usage_ratio": 0.25, "life": None}
    )
    assert hardware is not None
    assert hardware.total_g == pytest.approx(2_116_625.0, rel=1e-12)
    assert hardware.share_g(24 * HOUR) == pytest.approx(2_116_625.0 * 0.25 * 86_400 / 126_144_000, rel=1e-12)


def test_less_memory_than_the_default_server_has_is_taken_off() -> None:
    assert default_server(memory_gb=4).total_g == pytest.approx(1e6 - 12 * 533 / 384 * 1000, rel=1e-12)


def test_a_virtual_machine_has_its_hosts_share_by_vcpus() -> None:
    """1200 kg, 4 of 96 vCPU, 876 h of 35,040 h: 1,200,000 x 1/24 x 1/40 = 1250 g."""
    hardware = parse_embodied({"total_kg": 1200, "vcpus": 4, "vcpus_of_host": 96})
    assert hardware is not None
    assert hardware.share_g(876 * HOUR) == pytest.approx(1250.0, rel=1e-12)
    assert hardware == host_share(1200, vcpus=4, vcpus_of_host=96)


def test_own_values_may_be_in_grams_and_with_a_share() -> None:
    hardware = parse_embodied({"total_g": 3504.0, "resource_share": 0.5, "life": "35040h"})
    assert hardware == Embodied(3504.0, 35_040 * HOUR, 0.5)
    assert hardware is not None
    assert hardware.share_g(10 * HOUR) == pytest.approx(0.5, rel=1e-12)


def test_it_says_in_words_what_it_stands_on() -> None:
    assert str(default_server()) == (
        "100 % of 1000 kg over 1460 d (Impact Framework's default server, coefficients of 2026-11)"
    )


def test_no_hardware_leaves_it_out() -> None:
    assert parse_embodied(None) is None
    assert parse_embodied("") is None
    assert parse_embodied("Default server") == default_server()


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("a laptop", "'a laptop' cannot be read"),
        (1000, "1000 cannot be read"),
        ({"total_kg": -1}, "total_kg: -1"),
        ({"total_kg": "heavy"}, "'heavy' is text"),
        ({"total_kg": "None"}, "total_kg: there is none"),
        ({"total_kg": 1, "resource_share": 1.5}, "more than the whole"),
        ({"total_kg": 1, "life": "0s"}, "life"),
        ({"total_kg": 1, "vcpus": 8, "vcpus_of_host": 4}, "more than all"),
        ({"total_kg": 1, "ssd": 2}, "do not go together"),
        ({"mass": 1}, "'mass' is not known"),
        ({"vcpus": -1}, "vcpus"),
    ],
)
def test_hardware_that_cannot_be_meant_is_refused(value: Any, fault: str) -> None:
    with pytest.raises(InvalidRequestError, match=fault):
        parse_embodied(value)


def test_nothing_is_reserved_for_longer_than_the_hardware_serves() -> None:
    with pytest.raises(InvalidRequestError, match="longer than the expected life"):
        default_server().share_g(timedelta(days=1461))
