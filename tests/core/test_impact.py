from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.impact import impact, impact_of, total
from airflow_carbon.core.load import Arrangement, Load, Piece
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import InvalidForecastError, InvalidRequestError

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


def series(*intensity, zone="DE", kind=Kind.MEASURED, **more):
    return Forecast(zone, START, HOUR, intensity, kind=kind, **more)


def shifted(*, energy_kwh=2.0, home=None, **more):
    """Run 90 minutes from 02:00, ready at 00:00."""
    where = series(300, 300, 100, 100, **more)
    return impact(
        where, start=START + 2 * HOUR, end=START + 3.5 * HOUR, ready_at=START, energy_kwh=energy_kwh, home=home
    )


def test_a_run_in_a_cleaner_hour_emits_less_than_its_baseline():
    one = shifted()
    assert (one.emitted_g, one.baseline_g, one.reduction_g) == (200, 600, 400)
    assert one.reduction_percent == pytest.approx(200 / 3)
    assert one.measured


def test_the_baseline_takes_as_long_as_the_run_did():
    # Ready at 00:30: half an hour at 300, an hour at 200.
    one = impact(
        series(300, 200, 100, 100),
        start=START + 2 * HOUR,
        end=START + 3.5 * HOUR,
        ready_at=START + HOUR / 2,
        energy_kwh=3,
    )
    assert one.baseline_g == pytest.approx(3 * (300 * 0.5 + 200) / 1.5)


def test_the_baseline_stands_in_the_home_region():
    one = shifted(home=series(500, 500, 50, 50, zone="PL"))
    assert (one.zone, one.home_zone) == ("DE", "PL")
    assert (one.emitted_g, one.baseline_g) == (200, 1000)


def test_a_run_that_did_worse_has_a_negative_reduction():
    one = impact(series(100, 300), start=START + HOUR, end=START + 2 * HOUR, ready_at=START, energy_kwh=1)
    assert one.reduction_g == -200
    assert one.reduction_percent == -200


def test_without_an_energy_there_are_no_grams():
    one = shifted(energy_kwh=None)
    assert (one.emitted_g, one.baseline_g, one.reduction_g) == (None, None, None)
    assert one.reduction_g_per_kwh == 200
    assert one.reduction_percent == pytest.approx(200 / 3)


def test_a_baseline_without_emissions_has_no_percentage():
    one = impact(series(0, 10), start=START + HOUR, end=START + 2 * HOUR, ready_at=START, energy_kwh=1)
    assert one.reduction_percent is None
    assert one.reduction_g == -10


def test_only_a_marginal_signal_speaks_of_avoided_emissions():
    assert shifted(signal=Signal.MARGINAL).reduction_label == "avoided (estimate)"
    assert shifted().reduction_label == "attributed reduction"


def test_what_was_not_measured_on_both_sides_is_not_called_measured():
    assert not shifted(kind=Kind.FORECAST).measured
    assert not shifted(home=series(500, 500, 50, 50, kind=Kind.TYPICAL)).measured


@pytest.mark.parametrize("other", [{"signal": Signal.MARGINAL}, {"accounting": Accounting(scope="direct")}])
def test_a_baseline_of_another_signal_or_accounting_is_refused(other):
    with pytest.raises(InvalidRequestError, match=r"home: .* a reduction needs both of one sort"):
        shifted(home=series(1, 1, 1, 1, **other))


def test_a_series_that_does_not_cover_the_run_is_refused():
    with pytest.raises(InvalidForecastError, match="outside the series"):
        impact(series(1, 2), start=START + HOUR, end=START + 3 * HOUR, ready_at=START)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"end": START}, "end"),
        ({"start": datetime(2026, 1, 5)}, "start"),  # noqa: DTZ001
        ({"ready_at": datetime(2026, 1, 5)}, "ready_at"),  # noqa: DTZ001
        ({"energy_kwh": -1}, "energy_kwh"),
        ({"energy_kwh": float("nan")}, "energy_kwh"),
        ({"energy_kwh": "2"}, "energy_kwh"),
    ],
)
def test_a_wrong_request_is_refused_by_the_name_of_its_field(change, field):
    with pytest.raises(InvalidRequestError, match=f"^{field}: "):
        impact(series(1, 2), **{"start": START, "end": START + HOUR, "ready_at": START, **change})


def test_a_record_is_plain_json_and_says_what_the_numbers_mean():
    record = shifted(source="neso").record()
    assert json.loads(json.dumps(record)) == record
    assert (record["reduction_g"], record["reduction_label"]) == (400, "attributed reduction")
    assert (record["signal"], record["kind"], record["source"]) == ("average", "measured", "neso")


def load(*pieces):
    """Take hours from START and kilowatt-hours: (begin, end, energy)."""
    return Load(tuple(Piece(START + begin * HOUR, START + end * HOUR, kwh) for begin, end, kwh in pieces))


def test_an_uneven_load_is_held_against_itself_at_the_baseline():
    # 1 kWh at 100 and 3 kWh at 50 as it ran: 250 g; when first ready 1 x 300 + 3 x 200 = 900 g.
    one = impact_of(load((2, 3, 1), (3, 4, 3)), series(300, 200, 100, 50), ready_at=START)
    assert (one.emitted_g, one.baseline_g, one.reduction_g) == (250, 900, 650)
    assert one.reduction_percent == pytest.approx(100 * 650 / 900)


def test_a_run_in_chunks_is_held_against_the_run_without_a_cut():
    # Chunks at 02:00 and 05:00 (100 and 20); uncut from 00:00 it meets 300 and 200, with its gap it would meet 60.
    where = series(300, 200, 100, 60, 60, 20)
    chunks = load((2, 3, 1), (5, 6, 1))
    uncut = impact_of(chunks, where, ready_at=START, arrangement=Arrangement.END_TO_END)
    assert (uncut.emitted_g, uncut.baseline_g) == (120, 500)
    assert impact_of(chunks, where, ready_at=START).baseline_g == 360


def test_hardware_that_was_reserved_for_the_wait_is_emitted_and_not_in_the_baseline():
    one = impact_of(load((2, 3, 2)), series(300, 300, 100), ready_at=START, waiting_g=450.0)
    assert (one.emitted_g, one.baseline_g, one.reduction_g) == (650, 600, -50)
    assert one.reduction_percent == pytest.approx(-100 * 50 / 600)
    assert one.emitted_g + one.reduction_g == one.baseline_g
    with pytest.raises(InvalidRequestError, match=r"^waiting_g: "):
        impact_of(load((2, 3, 2)), series(300, 300, 100), ready_at=START, waiting_g=-1.0)


def test_work_in_several_places_needs_a_home_to_be_held_against():
    pieces = (Piece(START, START + HOUR, 1.0, "a"), Piece(START, START + HOUR, 1.0, "b"))
    where = {"a": series(100, zone="A"), "b": series(300, zone="B", kind=Kind.TYPICAL)}
    one = impact_of(Load(pieces), where, ready_at=START, home=where["b"])
    assert (one.zone, one.home_zone, one.emitted_g, one.baseline_g) == ("A, B", "B", 400, 600)
    assert not one.measured
    with pytest.raises(InvalidRequestError, match=r"^home: "):
        impact_of(Load(pieces), where, ready_at=START)


def test_a_total_adds_grams_and_counts_what_has_none():
    worse = impact(series(100, 300), start=START + HOUR, end=START + 2 * HOUR, ready_at=START, energy_kwh=1)
    every = total([shifted(), worse, shifted(energy_kwh=None)])
    assert (every.emitted_g, every.baseline_g, every.reduction_g) == (500, 700, 200)
    assert (every.runs, every.without_energy) == (2, 1)
    assert every.measured
    assert every.reduction_label == "attributed reduction"


def test_a_total_with_an_estimate_in_it_is_not_called_measured():
    assert not total([shifted(), shifted(kind=Kind.TYPICAL)]).measured


@pytest.mark.parametrize("other", [{"signal": Signal.MARGINAL}, {"accounting": Accounting(flow="production")}])
def test_a_total_never_crosses_signals_or_accountings(other):
    with pytest.raises(InvalidRequestError, match="do not add up"):
        total([shifted(), shifted(**other)])


def test_a_total_of_nothing_is_refused():
    with pytest.raises(InvalidRequestError, match="impacts: there is none"):
        total([])


@given(st.lists(st.integers(0, 900), min_size=4, max_size=30), st.floats(0, 100), st.data())
def test_emitted_and_reduction_always_make_the_baseline(values, energy, data):
    horizon = len(values) * 60
    minutes = data.draw(st.integers(1, horizon))
    ready, begin = (data.draw(st.integers(0, horizon - minutes)) for _ in range(2))
    start = START + timedelta(minutes=begin)
    one = impact(
        series(*values),
        start=start,
        end=start + timedelta(minutes=minutes),
        ready_at=START + timedelta(minutes=ready),
        energy_kwh=energy,
    )
    assert one.emitted_g + one.reduction_g == pytest.approx(one.baseline_g, abs=1e-6)
    by_minute = [value for value in values for _ in range(60)]
    assert one.emitted_g == pytest.approx(energy * sum(by_minute[begin : begin + minutes]) / minutes, abs=1e-6)
