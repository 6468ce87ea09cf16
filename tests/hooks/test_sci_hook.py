"""The SCI report of work that ran."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_carbon.exceptions import InvalidRequestError

pytestmark = pytest.mark.airflow

START = datetime(2026, 1, 15, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_worked_example_of_the_specification() -> None:
    """0.4 kWh at 216 g/kWh, an hour of a server of 1000 kg and four years, 398 orders: 0.2888 g an order."""
    from airflow_carbon import SciHook
    from airflow_carbon.core.sci import embodied_share_g

    embodied = embodied_share_g(1e6, reserved=HOUR, expected_life=timedelta(hours=35_040))
    report = SciHook().report(
        energy_kwh=0.4,
        location="azure:uksouth",
        start=START,
        end=START + HOUR,
        embodied_g=embodied,
        functional_units=398,
        functional_unit="order",
        intensity_g_per_kwh=216.0,
    )
    assert report.score == pytest.approx(0.2888, abs=5e-5)
    assert report.record()["intensity_source"] == "given"


def test_the_intensity_is_the_mean_over_the_hours_in_which_it_ran(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from airflow_carbon import SciHook

    rows = [
        f"{(START.replace(minute=0) + row * HOUR).isoformat()},{value}" for row, value in enumerate([100, 300, 900])
    ]
    (tmp_path / "own.csv").write_text("\n".join(["timestamp,intensity", *rows]))
    extra = {"path": str(tmp_path / "own.csv")}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    report = SciHook("mine").report(energy_kwh=2.0, location="zone:GB", start=START, end=START + HOUR)
    assert report.intensity_g_per_kwh == 200.0
    assert report.total_g == 400.0
    assert report.kind == "measured"
    assert report.intensity_source == "history"


@pytest.mark.parametrize(
    ("start", "end", "fault"),
    [
        (START, START, "end.*later than start"),
        (START.replace(tzinfo=None), START, "start.*timezone"),
        ("yesterday", START, "start"),
    ],
)
def test_an_interval_that_cannot_be_meant_is_refused(start: datetime, end: datetime, fault: str) -> None:
    from airflow_carbon import SciHook

    with pytest.raises(InvalidRequestError, match=fault):
        SciHook().report(energy_kwh=1.0, location="zone:GB", start=start, end=end)


def test_an_energy_may_be_estimated_and_the_report_says_how() -> None:
    """2 vCPU of Azure at 50 %: 4.28 W, 1 h, PUE 1.18 of that region: 5.0504 Wh; the default server: 28.54 g."""
    from airflow_carbon import SciHook

    report = SciHook().report(
        energy={"vcpus": 2, "utilisation": 0.5, "pue": 1.18},
        embodied="default server",
        location="azure:uksouth",
        start=START,
        end=START + HOUR,
        functional_units="10",
        intensity_g_per_kwh=100.0,
    )
    record = report.record()
    assert record["energy_kwh"] == pytest.approx(0.0050504, rel=1e-12)
    assert record["sci_g_per_unit"] == pytest.approx((0.50504 + 1e6 / 35_040) / 10.0, rel=1e-9)
    assert record["energy_how"] == "estimated"
    assert record["energy_note"].startswith("estimated: 2 vCPU at 50 % (azure, linear)")
    assert "default server" in record["embodied_note"]


def test_without_an_energy_there_are_a_percentage_and_an_intensity_and_never_grams(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ready at noon, when it was 400 g/kWh; run from 14:30, at 100: three quarters cleaner."""
    from airflow_carbon import SciHook

    noon = START.replace(hour=12, minute=0)
    rows = [f"{(noon + row * HOUR).isoformat()},{value}" for row, value in enumerate([400, 200, 100, 100])]
    (tmp_path / "own.csv").write_text("\n".join(["timestamp,intensity", *rows]))
    extra = {"path": str(tmp_path / "own.csv")}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    begin = noon + 2.5 * HOUR
    report = SciHook("mine").report(
        location="zone:GB", start=begin, end=begin + HOUR, ready_at=noon, embodied="default server"
    )
    record = report.record()
    assert (record["intensity_g_per_kwh"], record["cleaner_percent"]) == (100.0, 75.0)
    assert [key for key, value in record.items() if key.endswith(("_g", "_per_unit")) and value is not None] == []
    assert report.score is None


def test_what_a_profile_says_is_not_final_and_what_was_measured_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from airflow_carbon import SciHook

    asked = {"energy_kwh": 1.0, "location": "zone:GB", "start": START, "end": START + HOUR}
    assert SciHook().report(**asked).final is False
    (tmp_path / "own.csv").write_text(
        "timestamp,intensity\n2026-01-15T12:00:00+00:00,100\n2026-01-15T13:00:00+00:00,300"
    )
    extra = {"path": str(tmp_path / "own.csv")}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    assert SciHook("mine").report(**asked).final is True


def test_hours_that_are_measured_in_part_are_told_by_the_forecast_for_the_rest() -> None:
    """Measured at 100 for the first 45 of 60 minutes, foreseen at 500 for the last 15: 200, and not final."""
    import asyncio

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.core.units import Kind
    from airflow_carbon.hooks.hours import hours_of

    quarter = timedelta(minutes=15)

    class Source:
        name, refresh = "own", HOUR

        async def zone(self, location: Location) -> str:
            return "GB"

        async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
            return Forecast("GB", START, quarter, [100.0] * 3, kind=Kind.MEASURED, source="own")

        async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
            return Forecast("GB", now, quarter, [500.0] * 8, source="own")

    hours = asyncio.run(hours_of(Source(), Location.parse("zone:GB"), START, START + HOUR))
    assert hours.intensity_g_per_kwh == pytest.approx(200.0, rel=1e-12)
    assert (hours.kind, hours.final) == ("forecast", False)


def test_a_series_that_does_not_cover_the_run_is_told_with_what_it_covers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from airflow_carbon import SciHook
    from airflow_carbon.exceptions import SourceError

    (tmp_path / "own.csv").write_text(
        "timestamp,intensity\n2026-01-15T12:00:00+00:00,100\n2026-01-15T13:00:00+00:00,300"
    )
    extra = {"path": str(tmp_path / "own.csv")}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    with pytest.raises(SourceError, match=r"covers 2026-01-15T12:00:00\+00:00 to 2026-01-15T14:00:00\+00:00"):
        SciHook("mine").report(energy_kwh=1.0, location="zone:XX", start=START, end=START + 3 * HOUR)


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"energy_kwh": -1.0}, "kwh: -1.0 must be a finite number, zero or larger"),
        ({"functional_units": 0}, "R is 0"),
        ({"functional_units": "many"}, "functional_units: 'many' is text"),
        ({"end": START - HOUR}, "1 h before it; work ends after it began"),
        ({"energy": "codecarbon"}, "a meter runs beside the work"),
        ({"embodied": "default server", "embodied_g": 1.0}, "one of the two"),
    ],
)
def test_inputs_that_cannot_be_meant_are_refused(asked: dict[str, object], fault: str) -> None:
    from airflow_carbon import SciHook

    given = {"location": "zone:GB", "start": START, "end": START + HOUR, "intensity_g_per_kwh": 100.0, **asked}
    with pytest.raises(InvalidRequestError, match=fault):
        SciHook().report(**given)  # type: ignore[arg-type]


def test_the_trend_over_runs_names_the_number_to_report() -> None:
    """Two runs of 2 and 4 g over 1 and 4 orders: ratios 2 and 1, mean 1.5; in all 6 / 5 = 1.2."""
    from airflow_carbon import SciHook

    reports = [
        {"run_id": name, "total_g": grams, "functional_units": units, "functional_unit": "order"}
        for name, grams, units in (("mon", 2.0, 1.0), ("tue", 4.0, 4.0))
    ]
    record = SciHook().trend(reports).record()
    assert (record["mean_of_ratios_g_per_unit"], record["total_over_total_g_per_unit"]) == (1.5, 1.2)
    assert record[record["to_report"]] == 1.2
