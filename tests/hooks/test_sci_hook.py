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
