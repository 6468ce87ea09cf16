from __future__ import annotations

import pytest

from airflow_carbon.core.units import Accounting, Kind, Signal, g_per_kwh_from_lb_per_mwh, kwh_from_joules


def test_a_pound_per_megawatt_hour_is_less_than_half_a_gram_per_kilowatt_hour():
    assert g_per_kwh_from_lb_per_mwh(1.0) == pytest.approx(0.45359237, rel=1e-15)
    assert g_per_kwh_from_lb_per_mwh(1000.0) == pytest.approx(453.59237, rel=1e-15)


def test_a_kilowatt_for_an_hour_is_a_kilowatt_hour():
    assert kwh_from_joules(1000.0 * 3600.0) == 1.0


def test_signals_and_kinds_read_as_plain_words():
    assert f"{Signal.MARGINAL} {Kind.ANNUAL_AVERAGE}" == "marginal annual average"


def test_accounting_names_what_is_known_and_nothing_else():
    assert str(Accounting(scope="direct", gas="CO2")) == "direct, CO2"
    assert str(Accounting()) == "not stated"
