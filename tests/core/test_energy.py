"""Energy by declaration and by model, with numbers worked by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.energy import Energy, How, billed, kwh, linear_watts, teads_factor, teads_kwh
from airflow_carbon.core.energy_basis import Declared, Machine, Metered
from airflow_carbon.core.energy_given import parse_basis
from airflow_carbon.core.power import PowerProfile
from airflow_carbon.exceptions import InvalidRequestError

HOUR = timedelta(hours=1)


def energy_of(value: Any, worked: timedelta = HOUR, waited: timedelta = timedelta(0), **where: Any) -> Energy:
    basis = parse_basis(value, **where)
    assert isinstance(basis, Declared | Machine)
    return basis.energy(worked, waited)


def test_the_teads_curve_worked_by_hand() -> None:
    """0.75 x 100 W x 3600 s / 3.6e6 x 2/64 = 0.00234 kWh."""
    taken = teads_kwh(tdp_watts=100.0, utilisation=0.5, duration=HOUR, vcpus=2, vcpus_of_chip=64)
    assert taken == pytest.approx(0.00234375, rel=1e-12)


@pytest.mark.parametrize(
    ("utilisation", "factor"),
    [(0.0, 0.12), (0.1, 0.32), (0.5, 0.75), (1.0, 1.02), (0.05, 0.22), (0.3, 0.535), (0.75, 0.885)],
)
def test_the_teads_curve_is_linear_between_its_points(utilisation: float, factor: float) -> None:
    assert teads_factor(utilisation) == pytest.approx(factor, rel=1e-12)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_teads_curve_never_falls(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert teads_factor(low) <= teads_factor(high) + 1e-12


def test_the_linear_model_worked_by_hand() -> None:
    """4 vCPU of AWS at 50 %: (0.74 + 0.5 x 2.76) x 4 = 8.48 W; 2 h: 0.01696 kWh; PUE 1.135: 0.0192496 kWh."""
    assert linear_watts(0.74, 3.5, 0.5) == pytest.approx(2.12, rel=1e-12)
    taken = energy_of({"vcpus": 4, "processor": "aws", "utilisation": 0.5}, 2 * HOUR)
    assert taken.kwh == pytest.approx(0.0192496, rel=1e-12)
    assert taken.how is How.ESTIMATED
    assert taken.note == "estimated: 4 vCPU at 50 % (aws, linear); coefficients of 2026-11; PUE 1.135"


def test_memory_and_gpus_are_added_worked_by_hand() -> None:
    """One idle vCPU of Azure 0.74 W, 8 GB 3.136 W, two T4 at full load 142 W; PUE 1."""
    taken = energy_of(
        {"vcpus": 1, "processor": "azure", "utilisation": 0, "memory_gb": 8, "gpu": "T4", "gpus": 2,
         "gpu_utilisation": 1, "pue": 1}
    )  # fmt: skip
    assert taken.kwh == pytest.approx((0.74 + 3.136 + 142.0) / 1000.0, rel=1e-12)


def test_a_machine_that_names_no_processor_takes_its_clouds_and_its_regions_overhead() -> None:
    """2 vCPU of GCP at 50 %: 2.395 W each, 4.79 Wh; PUE 1.08 of its region, else 1.1 of its cloud."""
    assert energy_of({"vcpus": 2}, cloud="gcp", pue=1.08).kwh == pytest.approx(0.00479 * 1.08, rel=1e-12)
    assert energy_of({"vcpus": 2}, cloud="gcp").kwh == pytest.approx(0.00479 * 1.1, rel=1e-12)
    assert "at 50 % (assumed)" in energy_of({"vcpus": 2}, cloud="gcp").note


def test_a_chip_without_a_cloud_is_estimated_by_the_teads_curve() -> None:
    taken = energy_of({"tdp_watts": "100", "vcpus": "2", "vcpus_of_chip": "64", "utilisation": "0.5"})
    assert taken.kwh == pytest.approx(0.00234375, rel=1e-12)
    assert "Teads curve" in taken.note


@pytest.mark.parametrize(
    ("text", "taken_kwh"),
    [
        ("0.4 kWh", 0.4),
        ("400 Wh", 0.4),
        ("95 W", 0.19),
        ("0.095kW", 0.19),
        # (100 W x 1 h + 400 W x 1 h) / 2 h = 250 W on average, over the 2 h that it really took.
        ("1h@100W, 1h@400W", 0.5),
        (PowerProfile(((HOUR, 100.0), (HOUR, 400.0))), 0.5),
        ({"watts": 95}, 0.19),
        ({"watts": 95, "pue": 1.2}, 0.228),
    ],
)
def test_what_is_declared_is_an_energy_or_a_power_over_the_time_on_the_worker(text: Any, taken_kwh: float) -> None:
    taken = energy_of(text, 2 * HOUR, cloud="azure", pue=1.5)
    assert taken.kwh == pytest.approx(taken_kwh, rel=1e-12)
    assert taken.how is How.DECLARED
    assert taken.idle_kwh is None


def test_what_a_meter_read_gets_the_overhead_of_the_data_center() -> None:
    basis = parse_basis("codecarbon", cloud="azure", pue=1.2)
    assert isinstance(basis, Metered)
    taken = basis.energy(HOUR, read_kwh=0.5, note="the meter")
    assert (taken.kwh, taken.how, taken.note) == (0.6, How.MEASURED, "the meter; PUE 1.2")


def test_hardware_that_stays_reserved_during_a_wait_is_billed_its_idle_energy() -> None:
    """95 W x 2 h + 40 W x 3 h = 0.19 + 0.12 kWh; of the 0.19 at work 0.08 is idle."""
    taken = energy_of({"watts": 95, "idle_watts": 40}, 2 * HOUR, 3 * HOUR)
    assert taken.kwh == pytest.approx(0.31)
    assert taken.waiting_kwh == pytest.approx(0.12)
    assert taken.working_kwh == pytest.approx(0.19)
    assert taken.idle_kwh == pytest.approx(0.08)


def test_on_always_on_hardware_only_the_dynamic_part_counts_as_reducible() -> None:
    taken = energy_of({"watts": 95, "idle_watts": 40}, 2 * HOUR, 3 * HOUR)
    assert taken.reducible_kwh(always_on=True) == pytest.approx(0.11)
    assert taken.reducible_kwh(always_on=False) == pytest.approx(0.19)


def test_where_idle_power_is_not_known_nothing_is_claimed_of_always_on_hardware() -> None:
    assert energy_of("95 W").reducible_kwh(always_on=True) is None


def test_an_energy_below_that_of_idling_has_no_dynamic_part() -> None:
    """0.1 kWh in an hour on hardware that idles at 200 W: all of it is idle."""
    taken = energy_of({"kwh": 0.1, "idle_watts": 200}, HOUR, 3 * HOUR)
    assert (taken.kwh, taken.reducible_kwh(always_on=True)) == (pytest.approx(0.7), 0.0)


def test_a_part_is_never_larger_than_the_whole() -> None:
    with pytest.raises(InvalidRequestError, match="idle_kwh: idling takes 2 kWh"):
        Energy(1.0, How.DECLARED, "", idle_kwh=1.5, waiting_kwh=0.5)


def test_a_machines_model_knows_its_idle_power() -> None:
    """10 vCPU of AWS: 7.4 W idle; reserved for 5 h before 1 h of work at full load, PUE 1."""
    taken = energy_of({"vcpus": 10, "processor": "aws", "utilisation": 1, "pue": 1}, HOUR, 5 * HOUR)
    assert taken.waiting_kwh == pytest.approx(0.037)
    assert taken.reducible_kwh(always_on=True) == pytest.approx(0.0276)


@given(st.floats(0, 1), st.floats(0.01, 100), st.floats(0, 100), st.floats(1, 2))
def test_the_parts_of_an_estimate_add_up(utilisation: float, hours: float, wait: float, pue: float) -> None:
    machine = Machine(vcpus=4, processor="skylake", utilisation=utilisation, memory_gb=3, gpu="v100", pue=pue)
    taken = machine.energy(hours * HOUR, wait * HOUR)
    dynamic = taken.reducible_kwh(always_on=True)
    assert dynamic is not None
    assert taken.idle_kwh is not None
    assert taken.kwh == pytest.approx(dynamic + taken.idle_kwh + taken.waiting_kwh, rel=1e-9, abs=1e-15)


def test_an_energy_that_nobody_knows_is_none() -> None:
    assert parse_basis(None) is None
    assert parse_basis("") is None
    assert parse_basis("None") is None


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("-1 kWh", "zero or larger"),
        ({"kwh": -0.1}, "kwh.*zero or larger"),
        ({"watts": float("nan")}, "watts.*finite"),
        ({"kwh": "much"}, "kwh: 'much' is text"),
        ({"kwh": True}, "kwh: True"),
        (0.4, "has no unit"),
        ("0.4", "cannot be read"),
        ({"kwh": 1, "watts": 2}, "one of kwh and watts"),
        ({"watts": 40, "idle_watts": 95}, "idle power must not exceed"),
        ({"watts": 40, "idle": 10}, "'idle' is not known"),
        ({"watts": 40, "pue": 0.9}, "pue: 0.9 must be 1 or larger"),
        ({"vcpus": 2}, "processor"),
        ({"vcpus": 2, "processor": "z80"}, "'z80'.*skylake"),
        ({"vcpus": 2, "processor": "aws", "utilisation": 50}, "for 50 % write 0.5"),
        ({"vcpus": 2, "tdp_watts": 100}, "vcpus_of_chip"),
        ({"vcpus": 65, "tdp_watts": 100, "vcpus_of_chip": 64}, "more than all"),
        ({"memory_gb": 8}, "vcpus, a gpu or both"),
        ({"meter": "rapl"}, "must be 'codecarbon'"),
        ({"meter": "codecarbon", "scope": "room"}, "'process' or 'machine'"),
    ],
)
def test_an_energy_that_cannot_be_meant_is_refused(value: Any, fault: str) -> None:
    with pytest.raises(InvalidRequestError, match=fault):
        energy_of(value)


def test_a_wait_on_reserved_hardware_needs_its_idle_power() -> None:
    with pytest.raises(InvalidRequestError, match="idle_watts: hardware stayed reserved"):
        energy_of("95 W", HOUR, HOUR)


def test_time_and_power_cannot_be_negative() -> None:
    assert kwh(1000.0, 30 * timedelta(minutes=1)) == 0.5
    with pytest.raises(InvalidRequestError, match="watts"):
        kwh(-1.0, HOUR)
    with pytest.raises(InvalidRequestError, match="worked"):
        billed(1.0, How.DECLARED, "", idle_watts=None, pue=1.0, worked=-HOUR)
